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
    found = difference_interval(first.copy(), second.copy(), resamples, seed)
    return _numbers(found, 2, "the interval's ends")


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
def check_scaled_folds(scaled_folds):
    """scaled_folds(X [N, P], folds, seed) -> (training, validation, X_t, X_v) each."""
    generator = np.random.default_rng(1)
    X = generator.standard_normal((23, 3)) * [1, 10, 0.1] + [0, 50, -3]
    X[[2, 9]] *= 6  # rows that move a mean they should not move
    parts = scaled_folds(X.copy(), 5, 0)
    if not hasattr(parts, "__iter__"):
        raise Wrong(f"give a list of five folds, got {describe(parts)}")
    parts = list(parts)
    if len(parts) != 5 or any(not _has_parts(part) for part in parts):
        sizes = [len(part) if hasattr(part, "__len__") else 1 for part in parts]
        raise Wrong(
            "for 5 folds give 5 times (training, validation, X_training, "
            f"X_validation), four things each; got {len(parts)} times {sizes[:1]}"
        )
    _check_split([part[:2] for part in parts], len(X))
    for training, validation, *scaled in parts:
        _check_scaling(X, np.asarray(training), np.asarray(validation), scaled)
    again = list(scaled_folds(X.copy(), 5, 0))
    if not all(np.array_equal(a[1], b[1]) for a, b in zip(parts, again, strict=True)):
        raise Wrong("the same seed gave two splits; use k_fold(len(X), folds, seed)")
    return "23 rows in 5 folds, and no fold has seen the rows it is judged on"


def _has_parts(part):
    return isinstance(part, tuple | list) and len(part) == 4


def _check_split(pairs, count):
    validations = [np.asarray(validation) for _, validation in pairs]
    used = np.concatenate(validations)
    for training, validation in pairs:
        both = np.intersect1d(training, validation)
        if len(both):
            raise Wrong(
                f"row {both[0]} is in the training and in the validation part of the "
                "same fold; take the validation rows out of the training rows"
            )
        if len(training) < len(validation):
            raise Wrong(
                f"{len(training)} rows to train on and {len(validation)} to validate: "
                "the two parts are swapped"
            )
    if len(used) != count or len(np.unique(used)) != count:
        missing = np.setdiff1d(np.arange(count), used)
        what = f"row {missing[0]} is in none" if len(missing) else "some are in two"
        raise Wrong(
            f"each of the {count} rows must be in exactly one validation part; {what}"
        )
    if any(len(training) + len(part) != count for training, part in pairs):
        raise Wrong("every row that is not validated on is there to train on")
    if all(np.array_equal(np.sort(p), np.arange(p.min(), p.max() + 1))
           for p in validations):  # fmt: skip
        raise Wrong(
            "the folds are cut in the order of the rows; data are often sorted, so "
            "shuffle them first"
        )


def _check_scaling(X, training, validation, scaled):
    rows = {"training": X[training], "validation": X[validation]}
    for (name, part), found in zip(rows.items(), scaled, strict=True):
        found = np.asarray(found, dtype=float)
        if found.shape != part.shape:
            raise Wrong(
                f"X_{name} must be {list(part.shape)}, its rows of X, got "
                f"{list(found.shape)}"
            )
        if any(_same(found, part, X[training], ddof) for ddof in (0, 1)):
            continue
        raise Wrong(_scaling_mistake(name, part, found, X, X[training]))


def _same(found, part, source, ddof=0):
    expected = (part - source.mean(axis=0)) / source.std(axis=0, ddof=ddof)
    return np.allclose(found, expected)


def _scaling_mistake(name, part, found, X, training):
    """What was done to this part of a fold instead of the right scaling."""
    if any(_same(found, part, X, ddof) for ddof in (0, 1)):
        return (
            "the scaler was fitted on all rows, so every fold has seen the mean of "
            "the rows it is judged on: that is the leak. Compute mean and standard "
            "deviation inside the loop, from the training rows"
        )
    if name == "validation" and any(_same(found, part, part, d) for d in (0, 1)):
        return (
            "the validation rows were scaled by their own mean and standard deviation; "
            "use those of the training rows, as with a new image"
        )
    if np.allclose(found, part):
        return f"the {name} rows are not scaled"
    if np.allclose(found, part - training.mean(axis=0)):
        return f"the {name} rows are shifted, but not divided by the deviation"
    if np.allclose(found, (part - training.mean()) / training.std()):
        return "one mean for all columns; each column has its own, with axis=0"
    return (
        f"the {name} rows are not (row - mean) / deviation with the training rows' "
        "mean and standard deviation of each column"
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
