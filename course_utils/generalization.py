"""Why a model that fits does not always predict, in NumPy.

Two models that are fitted in one line (polynomials, features with weights), the parts
of their error, and the tools that judge and improve any model: the bootstrap, k-fold
cross-validation and bagging. Nothing here knows what a neural network is.
"""

import numpy as np

from course_utils.sample_checks import (
    check_ensemble,
    check_folds,
    checked_numbers,
    checked_problem,
    checked_runs,
    checked_sample,
)


def polynomial_features(x, degree):
    """The powers of numbers: x [N] -> [N, degree + 1], column k holds x**k.

    Taught in chapter 02."""
    x = checked_numbers(x, degree)
    return np.stack([x**k for k in range(degree + 1)], axis=1)


def least_squares(features, targets, ridge=0.0):
    """The weights [P] or [P, K] of smallest squared error on features [N, P].

    Many weights fit equally well: then those with the smallest sum of squares. A
    `ridge` above 0 adds ridge times that sum to the error. Targets are [N] or [N, K].
    Taught in chapter 02."""
    features, targets = checked_problem(features, targets, ridge)
    if ridge == 0:
        return np.linalg.lstsq(features, targets, rcond=None)[0]
    matrix = features.T @ features + ridge * np.eye(features.shape[1])
    return np.linalg.solve(matrix, features.T @ targets)


def bias_variance(predictions, truth):
    """Squared bias and variance of R models at T places, each averaged over places.

    predictions [R, T] or [R, T, K], one row for each training set; truth without R.
    Both are unbiased estimates, so that a squared bias near 0 can come out negative.
    Taught in chapter 02."""
    predictions, truth = checked_runs(predictions, truth)
    variance = predictions.var(axis=0, ddof=1)
    # The mean of R models still varies a little, by a share of 1 / R: not a bias.
    bias_squared = (predictions.mean(axis=0) - truth) ** 2 - variance / len(predictions)
    return bias_squared.mean(), variance.mean()


def bootstrap_interval(values, level=0.95, resamples=1000, seed=0):
    """The (low, high) ends of a percentile bootstrap interval for the mean of values.

    values [N] are drawn N at a time, with replacement, `resamples` times.
    Source: Efron and Tibshirani 1993, chapter 13. Taught in chapter 02."""
    values = checked_sample(values, level, resamples)
    generator = np.random.default_rng(seed)
    drawn = generator.integers(len(values), size=(resamples, len(values)))
    means = values[drawn].mean(axis=1)  # [resamples]
    return np.quantile(means, [(1 - level) / 2, (1 + level) / 2])


def k_fold(count, folds, seed=0):
    """A list of `folds` pairs (training indices, validation indices) of `count` images.

    The images are shuffled; each is in exactly one validation part, and the sizes of
    the parts differ by one at most. Taught in chapter 02."""
    check_folds(count, folds)
    order = np.random.default_rng(seed).permutation(count)
    parts = np.array_split(order, folds)
    return [
        (np.concatenate(parts[:k] + parts[k + 1 :]), parts[k]) for k in range(folds)
    ]


def bagging(make_model, X, y, count, seed=0):
    """`count` models, each fitted to len(X) rows drawn from X with replacement.

    make_model() gives a new model with scikit-learn's fit(X, y).
    Source: Breiman 1996, "Bagging predictors". Taught in chapter 02."""
    check_ensemble(X, y, count)
    generator = np.random.default_rng(seed)
    models = []
    for _ in range(count):
        drawn = generator.integers(len(X), size=len(X))
        models.append(make_model().fit(X[drawn], y[drawn]))
    return models
