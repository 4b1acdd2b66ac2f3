"""The checks of the exercises on generalization (chapter 02)."""

import math

import numpy as np

from course_utils.exercises import Wrong, describe, exercise

COUNT = 1000  # images that both models of the first exercise judge


def _numbers(value, count, what):
    """`count` finite floats as an array, from a tuple, a list or an array."""
    try:
        found = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.shape != (count,):
        raise Wrong(f"{what} must be {count} numbers, got {describe(value)}")
    if not np.isfinite(found).all():
        raise Wrong(f"{what} hold a number that is not finite: {found}")
    return found


def _two_models():
    """Right answers [1000] of two models; they differ on one image in ten."""
    both = np.zeros((2, COUNT), dtype=bool)
    both[:, :780] = True
    both[0, 780:860] = True  # only the first model is right
    both[1, 860:880] = True  # only the second
    order = np.random.default_rng(7).permutation(COUNT)
    return both[0][order], both[1][order]


@exercise
def check_difference_interval(difference_interval):
    """difference_interval(right_a [N], right_b [N], resamples, seed) -> low, high."""
    first, second = _two_models()
    low, high = _interval(difference_interval, first, second)
    _check_ends(low, high, first, second)
    if low > high:
        raise Wrong(f"the lower end {low:.4f} is above the upper end {high:.4f}")
    if high - low > 1:
        raise Wrong(
            f"from {low:.3g} to {high:.3g}: give shares, not per cent or counts"
        )
    if high - low < 1e-9:
        raise Wrong(
            f"both ends are {low:.4f}: every resample is the same. Draw with "
            "replacement, as many images as there are"
        )
    middle, difference = (low + high) / 2, first.mean() - second.mean()
    if abs(middle + difference) < 0.01:
        raise Wrong("this is the second model minus the first; the order matters")
    if abs(middle - difference) > 0.01:
        raise Wrong(
            f"the interval's middle is {middle:.3f}, but the accuracies differ by "
            f"{difference:.3f}; what is computed in each resample?"
        )
    _check_width(high - low, first, second)
    _check_seeds(difference_interval, first, second)
    same = _interval(difference_interval, first, first)
    if np.abs(same).max() > 1e-9:
        raise Wrong(
            f"a model against itself gives {same[0]:.3f} to {same[1]:.3f}, and it must "
            "give 0 to 0"
        )
    return (
        f"{low:.3f} to {high:.3f}: the first model is better, and the pairs show it "
        "with fewer images than two separate intervals would need"
    )


def _interval(difference_interval, first, second, resamples=4000, seed=0):
    try:
        found = difference_interval(first.copy(), second.copy(), resamples, seed)
    except TypeError as error:
        if "boolean subtract" not in str(error):
            raise
        raise Wrong(
            "NumPy does not subtract True and False from each other; turn one side "
            "into numbers first: right_a.astype(float) - right_b"
        ) from error
    return _numbers(found, 2, "the interval's ends")


def _check_ends(low, high, first, second):
    """Two intervals subtracted, end by end or crosswise, instead of the accuracies."""
    ends = []
    for right in (first, second):
        half = 1.96 * right.std() / math.sqrt(COUNT)
        ends.append(np.array([right.mean() - half, right.mean() + half]))
    straight, crosswise = ends[0] - ends[1], ends[0] - ends[1][::-1]
    if np.allclose(sorted((low, high)), sorted(straight), rtol=0, atol=0.0025):
        raise Wrong(
            "intervals cannot be subtracted end by end; take the difference in every "
            "resample"
        )
    if np.allclose((low, high), crosswise, rtol=0, atol=0.0025):
        raise Wrong(
            "one interval's low end minus the other's high end is much too wide; take "
            "the difference in every resample"
        )


def _check_width(width, first, second):
    errors = first.astype(float) - second
    paired = 2 * 1.96 * errors.std() / math.sqrt(COUNT)
    apart = 2 * 1.96 * math.sqrt((first.var() + second.var()) / COUNT)
    mistakes = {
        paired * 1.645 / 1.96: "this holds 90 of 100 resamples; leave 2.5 of 100 out "
        "on each side",
        paired * 2.576 / 1.96: "this holds 99 of 100 resamples; leave 2.5 of 100 out "
        "on each side",
        paired / 1.96: "this is one standard deviation to each side, which holds about "
        "68 of 100 resamples; take the quantiles 0.025 and 0.975",
        paired * math.sqrt(2): "each resample is too small; draw as many images as "
        "there are",
        apart: "the two models were resampled separately; they judged the same images, "
        "so draw the images once and take both models' answers to them",
    }
    if abs(width / paired - 1) < 0.08:
        return
    wrong = min(mistakes, key=lambda mistake: abs(width / mistake - 1))
    if abs(width / wrong - 1) < 0.07:
        raise Wrong(mistakes[wrong])
    raise Wrong(f"the interval is {width:.4f} wide, expected about {paired:.4f}")


def _check_seeds(difference_interval, first, second):
    def ends(seed):
        return tuple(_interval(difference_interval, first, second, 400, seed))

    if len({ends(0) for _ in range(5)}) > 1:
        raise Wrong("the same seed gave two intervals; use default_rng(seed)")
    many = {ends(seed) for seed in range(1, 9)}
    if len(many) == 1:
        raise Wrong(
            "eight seeds gave the same interval to the last digit: is anything drawn "
            "at random, and with this seed?"
        )


@exercise
def check_adaboost_round(adaboost_round):
    """adaboost_round(weights [N], y [N], said [N]) -> alpha, new weights [N]."""
    y = np.array([1, 1, -1, -1, 1, -1])
    said = np.array([1, -1, -1, 1, 1, -1])  # wrong at places 1 and 3
    weights = np.array([0.3, 0.05, 0.2, 0.15, 0.1, 0.2])  # 0.2 of the weight is wrong
    given = weights.copy()
    found = adaboost_round(given, y.copy(), said.copy())
    if not (isinstance(found, tuple | list) and len(found) == 2):
        raise Wrong(f"give two things, alpha and the weights, got {describe(found)}")
    if np.size(found[0]) != 1:
        raise Wrong(
            "alpha must be one number (return alpha first, then the weights), got "
            f"{describe(found[0])}"
        )
    alpha = float(_numbers(np.reshape(found[0], -1), 1, "alpha")[0])
    new = _numbers(found[1], 6, "the new weights")
    if not np.array_equal(given, weights):
        raise Wrong(
            "the weights that were handed in have changed; make new ones instead of "
            "`weights *= ...`"
        )
    _check_alpha(alpha)
    _check_weights(new, weights, y != said)
    return "alpha is right, and the mistakes hold exactly half of the new weight"


def _check_alpha(alpha):
    right = 0.5 * math.log(0.8 / 0.2)
    mistakes = {
        2 * right: "the factor 1/2 of alpha is missing",
        -right: "alpha is positive for a learner that is better than chance: it is "
        "(1 - error) / error, not the reverse",
        0.5 * math.log((4 / 6) / (2 / 6)): "the error is the share of *weight* on the "
        "mistakes, not the share of examples",
        0.5 * math.log2(0.8 / 0.2): "use the natural logarithm",
    }
    if abs(alpha - right) < 1e-9:
        return
    for wrong, message in mistakes.items():
        if abs(alpha - wrong) < 1e-9:
            raise Wrong(message)
    raise Wrong(
        f"the wrong examples hold 0.2 of the weight, so alpha is {right:.4f}; yours "
        f"is {alpha:.4f}"
    )


def _check_weights(new, weights, wrong):
    if abs(new.sum() - 1) > 1e-9:
        raise Wrong(f"the new weights add up to {new.sum():.4f}; divide by their sum")
    right = weights * np.where(wrong, 2.0, 0.5)
    right /= right.sum()
    if np.allclose(new, right):
        return
    upside_down = weights * np.where(wrong, 0.5, 2.0)
    half = weights * np.where(wrong, 2.0, 1.0)
    flat = np.where(wrong, 2.0, 0.5)
    mistakes = (
        (upside_down, "the mistakes became lighter; they must become heavier: the "
         "exponent is -alpha * y * said"),
        (half, "only the mistakes changed, by exp(alpha); the right ones shrink by "
         "exp(-alpha) too"),
        (flat, "the old weights are lost; multiply them by the new factors"),
        (weights, "the weights did not change"),
    )  # fmt: skip
    for values, message in mistakes:
        if np.allclose(new, values / values.sum()):
            raise Wrong(message)
    raise Wrong(
        f"the mistakes hold {new[wrong].sum():.4f} of the new weight; with the right "
        "factors it is exactly 0.5"
    )
