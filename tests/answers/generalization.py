"""Plausible wrong answers to the exercises of chapter 02; each must be rejected."""

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

FOLDS = """
def scaled_folds(X, folds, seed=0):
    found = []
    for training, validation in k_fold(len(X), folds, seed):
        mean = X[training].mean(axis=0)
        deviation = X[training].std(axis=0)
        scaled = (X - mean) / deviation
        found.append((training, validation, scaled[training], scaled[validation]))
    return found
"""

ROUND = """
def adaboost_round(weights, y, said):
    error = weights[y != said].sum()
    alpha = 0.5 * np.log((1 - error) / error)
    new = weights * np.exp(-alpha * y * said)
    return alpha, new / new.sum()
"""


def changed(answer, *changes):
    """An answer with some of its texts replaced."""
    for old, new in changes:
        assert old in answer, old
        answer = answer.replace(old, new)
    return answer


def own_split(parts):
    """scaled_folds with validation parts of its own."""
    return changed(
        FOLDS,
        (
            "for training, validation in k_fold(len(X), folds, seed):",
            "order = np.random.default_rng(seed).permutation(len(X))\n"
            f"    for validation in {parts}:\n"
            "        training = np.setdiff1d(np.arange(len(X)), validation)",
        ),
    )


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
            "one end": changed(INTERVAL, ("[0.025, 0.975]", "0.975")),
        }
    },
    "scaled_folds": {
        "wrong": {
            "the scaler saw all rows": changed(FOLDS, ("X[training]", "X")),
            "the validation rows by their own mean": changed(
                FOLDS,
                (
                    "scaled[validation])",
                    "(X[validation] - X[validation].mean(axis=0))"
                    " / X[validation].std(axis=0))",
                ),
            ),
            "the validation rows not scaled": changed(
                FOLDS, ("scaled[validation])", "X[validation])")
            ),
            "not divided": changed(FOLDS, (" / deviation", "")),
            "one mean for all columns": changed(FOLDS, ("axis=0", "")),
            "training and validation swapped": changed(
                FOLDS, ("for training, validation in", "for validation, training in")
            ),
            "the remainder dropped": own_split(
                "order[: len(X) // folds * folds].reshape(folds, -1)"
            ),
            "not shuffled": own_split("np.array_split(np.arange(len(X)), folds)"),
            "drawn anew for each fold": own_split(
                "[np.random.default_rng(k).permutation(len(X))[:5] "
                "for k in range(folds)]"
            ),
            "trained on all rows": changed(
                FOLDS,
                ("mean = X", "training = np.arange(len(X))\n        mean = X"),
            ),
            "only the scaled rows": changed(
                FOLDS, ("(training, validation, scaled", "(scaled")
            ),
            "all rows scaled": changed(
                FOLDS, ("scaled[training], scaled[validation]", "scaled, scaled")
            ),
            "another seed each time": changed(FOLDS, (
                "folds, seed):", "folds, np.random.default_rng().integers(10**9)):"
            )),
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
            "the weights alone": changed(ROUND, ("return alpha, new", "return new")),
        }
    },
}  # fmt: skip
