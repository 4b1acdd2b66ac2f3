"""Plausible wrong answers to the exercises of chapter 02; each must be rejected."""

from changing import changed

INTERVAL = """
def difference_interval(right_a, right_b, resamples=1000, seed=0):
    difference = right_a.astype(float) - right_b.astype(float)
    generator = np.random.default_rng(seed)
    n = len(difference)
    means = []
    for _ in range(resamples):
        drawn = generator.integers(n, size=n)
        means.append(difference[drawn].mean())
    return np.quantile(means, [0.025, 0.975])
"""

ROUND = """
def adaboost_round(weights, y, said):
    error = weights[y != said].sum()
    alpha = 0.5 * np.log((1 - error) / error)
    new = weights * np.exp(-alpha * y * said)
    return alpha, new / new.sum()
"""


ANSWERS = {
    "difference_interval": {
        "wrong": {
            "each model resampled separately": changed(
                INTERVAL,
                (
                    "difference[drawn].mean()",
                    "right_a[drawn].mean() - "
                    "right_b[generator.integers(n, size=n)].mean()",
                ),
            ),
            "without replacement": changed(
                INTERVAL, ("generator.integers(n, size=n)", "generator.permutation(n)")
            ),
            "90 per cent": changed(INTERVAL, ("[0.025, 0.975]", "[0.05, 0.95]")),
            "99 per cent": changed(INTERVAL, ("[0.025, 0.975]", "[0.005, 0.995]")),
            "one standard deviation": changed(
                INTERVAL,
                (
                    "return np.quantile(means, [0.025, 0.975])",
                    "return np.mean(means) - np.std(means), "
                    "np.mean(means) + np.std(means)",
                ),
            ),
            "half as many images": changed(INTERVAL, ("size=n", "size=n // 2")),
            "b minus a": changed(
                INTERVAL, ("difference[drawn]", "-difference[drawn]")
            ),
            "the ends swapped": changed(INTERVAL, ("[0.025, 0.975]", "[0.975, 0.025]")),
            "per cent": changed(INTERVAL, (".mean())", ".mean() * 100)")),
            "the accuracy of one model": changed(
                INTERVAL, ("difference[drawn]", "right_a[drawn]")
            ),
            "the seed ignored": changed(INTERVAL, ("rng(seed)", "rng()")),
            "always the same seed": changed(INTERVAL, ("rng(seed)", "rng(0)")),
            "only the images where they differ": changed(
                INTERVAL, ("n = len(difference)", "n = (difference != 0).sum()")
            ),
            "intervals subtracted end by end": changed(
                INTERVAL,
                (
                    "return np.quantile(means, [0.025, 0.975])",
                    "return bootstrap_interval(right_a, 0.95, resamples, seed)"
                    " - bootstrap_interval(right_b, 0.95, resamples, seed)",
                ),
            ),
            "intervals subtracted crosswise": changed(
                INTERVAL,
                (
                    "return np.quantile(means, [0.025, 0.975])",
                    "return bootstrap_interval(right_a, 0.95, resamples, seed)"
                    " - bootstrap_interval(right_b, 0.95, resamples, seed)[::-1]",
                ),
            ),
            "True minus False": changed(INTERVAL, (".astype(float)", "")),
            "one end": changed(INTERVAL, ("[0.025, 0.975]", "0.975")),
        }
    },
    "adaboost_round": {
        "wrong": {
            "no factor 1/2": changed(ROUND, ("0.5 * ", "")),
            "the fraction turned over": changed(
                ROUND, ("(1 - error) / error", "error / (1 - error)")
            ),
            "the share of examples": changed(
                ROUND, ("weights[y != said].sum()", "(y != said).mean()")
            ),
            "log2": changed(ROUND, ("np.log(", "np.log2(")),
            "not normalised": changed(ROUND, (" / new.sum()", "")),
            "right ones heavier": changed(ROUND, ("-alpha *", "alpha *")),
            "only the mistakes change": changed(
                ROUND,
                ("np.exp(-alpha * y * said)", "np.where(y != said, np.exp(alpha), 1)"),
            ),
            "old weights lost": changed(ROUND, ("weights * np.exp", "np.exp")),
            "weights unchanged": changed(ROUND, (" * np.exp(-alpha * y * said)", "")),
            "in place": changed(
                ROUND, ("new = weights *", "new = weights\n    new *=")
            ),
            "the factor of alpha twice": changed(
                ROUND, ("exp(-alpha", "exp(-2 * alpha")
            ),
            "the weights first": changed(
                ROUND, ("alpha, new / new.sum()", "new / new.sum(), alpha")
            ),
            "the weights alone": changed(ROUND, ("return alpha, new", "return new")),
        }
    },
}  # fmt: skip
