"""Plausible wrong answers to the exercise on folds (chapter 02); each is rejected."""

from changing import changed

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
            "the seed ignored": changed(FOLDS, ("folds, seed):", "folds):")),
            "something added to the deviation": changed(
                FOLDS, ("/ deviation", "/ (deviation + 1e-3)")
            ),
            "divided by n - 1": changed(FOLDS, ("std(axis=0)", "std(axis=0, ddof=1)")),
            "another seed each time": changed(FOLDS, (
                "folds, seed):", "folds, np.random.default_rng().integers(10**9)):"
            )),
        }
    },
}  # fmt: skip
