"""The check of the exercise on cross-validation without a leak (chapter 02)."""

import numpy as np

from course_utils.exercises import Wrong, describe, exercise


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
    if not _same_split(parts, scaled_folds(X.copy(), 5, 0)):
        raise Wrong("the same seed gave two splits; use k_fold(len(X), folds, seed)")
    if all(_same_split(parts, scaled_folds(X.copy(), 5, seed)) for seed in (1, 2)):
        raise Wrong("three seeds gave the same split; hand `seed` on to k_fold")
    return "23 rows in 5 folds, and no fold has seen the rows it is judged on"


def _same_split(parts, others):
    pairs = zip(parts, others, strict=True)
    return all(np.array_equal(a[1], b[1]) for a, b in pairs)


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
        if _same(found, part, X[training]):
            continue
        raise Wrong(_scaling_mistake(name, part, found, X, X[training]))


def _same(found, part, source, ddof=0):
    expected = (part - source.mean(axis=0)) / source.std(axis=0, ddof=ddof)
    return np.allclose(found, expected)


def _scaling_mistake(name, part, found, X, training):
    """What was done to this part of a fold instead of the right scaling."""
    if _same(found, part, training, ddof=1):
        return (
            "this divides by the standard deviation with ddof=1, over n - 1; the task "
            "asks for NumPy's std, over n"
        )
    if _has_addition(found, part, training):
        return (
            "something was added to the standard deviation, as in `std + 1e-3`. That "
            "protects against constant columns, and there is none here: add nothing"
        )
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


def _has_addition(found, part, training):
    """Whether the deviation (or the variance) was made larger by a fixed number."""
    shifted = part - training.mean(axis=0)
    if (found == 0).any() or not np.isfinite(found).all():
        return False
    divisor, deviation = shifted / found, training.std(axis=0)
    for added in (divisor - deviation, divisor**2 - deviation**2):
        middle = np.median(added)
        if middle > 0 and np.allclose(added, middle, rtol=1e-3, atol=1e-9):
            return True
    return False
