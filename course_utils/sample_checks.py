"""Arguments of `course_utils.generalization`, checked: what was wrong, what to try."""

import numpy as np


def checked_numbers(x, degree):
    """x as float numbers [N]; ValueError unless degree is a whole number from 0."""
    x = np.asarray(x, dtype=float)
    if x.ndim != 1:
        raise ValueError(f"x must be [N], got {list(x.shape)}; try x.ravel()")
    if isinstance(degree, bool) or not isinstance(degree, (int, np.integer)):
        raise ValueError(f"degree must be a whole number, got {degree!r}")
    if degree < 0:
        raise ValueError(f"degree must be 0 (a constant) or more, got {degree}")
    return x


def checked_problem(features, targets, ridge):
    """Arrays features [N, P] and targets [N] or [N, K]; ValueError for others."""
    features, targets = np.asarray(features), np.asarray(targets)
    if features.ndim != 2:
        raise ValueError(
            f"features must be [N, P], one row for each example, got "
            f"{list(features.shape)}"
        )
    if targets.ndim not in (1, 2) or len(targets) != len(features):
        raise ValueError(
            f"targets must be [{len(features)}] or [{len(features)}, K], one row for "
            f"each row of features, got {list(targets.shape)}"
        )
    if not ridge >= 0:
        raise ValueError(f"ridge must be 0 (none) or more, got {ridge}")
    return features, targets


def checked_runs(predictions, truth):
    """predictions [R, T, ...] and truth [T, ...] as float arrays; else ValueError."""
    predictions = np.asarray(predictions, dtype=float)
    truth = np.asarray(truth, dtype=float)
    if predictions.ndim < 2 or len(predictions) < 2:
        raise ValueError(
            f"predictions must be [R, T] with R of 2 or more, one row for each "
            f"training set, got {list(predictions.shape)}"
        )
    if truth.shape != predictions.shape[1:]:
        raise ValueError(
            f"truth must be {list(predictions.shape[1:])}, the shape of one row of "
            f"predictions, got {list(truth.shape)}"
        )
    return predictions, truth


def checked_sample(values, level, resamples):
    """values as finite float numbers [N]; ValueError for these and bad options."""
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"values must be [N] with N of 2 or more, got {list(values.shape)}"
        )
    if not np.isfinite(values).all():
        raise ValueError("values hold a number that is not finite; look for a nan")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, such as 0.95, got {level}")
    if resamples < 1:
        raise ValueError(f"resamples must be 1 or more, got {resamples}; try 1000")
    return values


def check_folds(count, folds):
    """ValueError unless `count` images can be cut into `folds` parts."""
    if not 2 <= folds <= count:
        raise ValueError(
            f"folds must be from 2 to {count}, the number of images, got {folds}"
        )


def check_ensemble(X, y, count):
    """ValueError unless X and y have equally many rows and count is 1 or more."""
    if len(X) != len(y) or len(X) == 0:
        raise ValueError(
            f"X and y must have the same number of rows, at least one, got {len(X)} "
            f"and {len(y)}"
        )
    if count < 1:
        raise ValueError(f"count must be 1 model or more, got {count}")
