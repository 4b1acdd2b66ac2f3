"""Generalization: against NumPy, scikit-learn and SciPy, against theory, and errors."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.tree import DecisionTreeClassifier

from course_utils.generalization import (
    bagging,
    bias_variance,
    bootstrap_interval,
    k_fold,
    least_squares,
    polynomial_features,
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# Polynomials and least squares


@given(st.integers(1, 12), st.integers(0, 9), st.integers(0, 99))
def test_features_are_the_powers(count, degree, seed):
    x = normal(count, seed=seed)
    features = polynomial_features(x, degree)
    assert features.shape == (count, degree + 1)
    assert np.allclose(features, np.vander(x, degree + 1, increasing=True))


def test_whole_numbers_and_tensors_are_taken():
    expected = [[1, 2, 4], [1, 3, 9]]
    assert polynomial_features([2, 3], 2).tolist() == expected
    assert polynomial_features(torch.tensor([2, 3]), 2).dtype == float
    assert polynomial_features(np.array([2, 3]), np.int64(2)).tolist() == expected


@pytest.mark.parametrize("columns", [(), (3,)])
@pytest.mark.parametrize("size", [4, 12, 30])
def test_the_weights_have_the_smallest_error_and_among_those_the_smallest_norm(
    size, columns
):
    features, targets = normal(12, size), normal(12, *columns, seed=1)
    weights = least_squares(features, targets)
    assert np.allclose(weights, np.linalg.pinv(features) @ targets)
    error = ((features @ weights - targets) ** 2).sum()
    for seed in range(20):
        other = weights + 0.01 * normal(size, *columns, seed=seed)
        assert ((features @ other - targets) ** 2).sum() >= error - 1e-9
    if size > 12:
        assert error < 1e-18
        free = np.eye(size) - np.linalg.pinv(features) @ features
        elsewhere = weights + free @ normal(size, *columns, seed=2)
        assert np.allclose(features @ elsewhere, targets)
        assert (elsewhere**2).sum() > (weights**2).sum()


@pytest.mark.parametrize("size", [4, 12, 30])
@pytest.mark.parametrize("ridge", [1e-3, 2.0])
def test_the_ridge_is_scikit_learn_s(size, ridge):
    features, targets = normal(12, size), normal(12, 2, seed=1)
    theirs = Ridge(alpha=ridge, fit_intercept=False).fit(features, targets)
    ours = least_squares(features, targets, ridge)
    assert np.allclose(ours, theirs.coef_.T, atol=1e-8)
    assert (ours**2).sum() < (least_squares(features, targets) ** 2).sum()


def test_a_ridge_near_zero_leads_to_the_smallest_norm():
    features, targets = normal(8, 20), normal(8, seed=1)
    near = least_squares(features, targets, 1e-9)
    assert np.allclose(near, least_squares(features, targets), atol=1e-6)


# Bias and variance


def test_the_numbers_of_the_chapter():
    bias_squared, variance = bias_variance([[1.0], [2.0], [3.0]], [4.0])
    assert variance == pytest.approx(1)
    assert bias_squared == pytest.approx(4 - 1 / 3)


@given(st.integers(2, 9), st.integers(1, 5), st.booleans(), st.integers(0, 99))
def test_the_parts_add_up_to_the_error_of_the_same_models(runs, places, deep, seed):
    shape = (places, 3) if deep else (places,)
    predictions, truth = normal(runs, *shape, seed=seed), normal(*shape, seed=seed + 1)
    bias_squared, variance = bias_variance(predictions, truth)
    error = ((predictions - truth) ** 2).mean()
    assert bias_squared + variance == pytest.approx(error)
    assert variance == pytest.approx(np.var(predictions, axis=0, ddof=1).mean())


def test_both_estimates_are_right_on_average():
    truth = np.zeros(40)
    for runs in (2, 5):
        found = [
            bias_variance(0.5 + 2 * normal(runs, 40, seed=seed), truth)
            for seed in range(400)
        ]
        mean, error = np.mean(found, 0), np.std(found, 0, ddof=1) / 20
        assert (np.abs(mean - [0.25, 4]) < 4 * error).all(), (mean, error)


def test_the_variance_of_a_polynomial_at_its_own_points_is_what_theory_says():
    x = np.linspace(-1, 1, 20)
    features = polynomial_features(x, 4)
    models = [
        features @ least_squares(features, x + 0.3 * normal(20, seed=seed))
        for seed in range(2_000)
    ]
    bias_squared, variance = bias_variance(np.array(models), x)
    assert variance == pytest.approx(0.3**2 * 5 / 20, rel=0.06)
    assert abs(bias_squared) < 1e-4


# The bootstrap


def test_the_interval_is_scipy_s_but_for_chance():
    values = normal(60) ** 2
    low, high = bootstrap_interval(values, 0.9, resamples=20_000)
    theirs = stats.bootstrap(
        (values,), np.mean, confidence_level=0.9, n_resamples=20_000,
        method="percentile", rng=1,
    ).confidence_interval  # fmt: skip
    width = theirs.high - theirs.low
    assert abs(low - theirs.low) < 0.03 * width
    assert abs(high - theirs.high) < 0.03 * width


def test_the_interval_of_an_accuracy_is_binomial():
    right = np.arange(200) < 150
    low, high = bootstrap_interval(right, resamples=20_000)
    expected = stats.binom(200, 0.75).ppf([0.025, 0.975]) / 200
    assert np.abs([low, high] - expected).max() <= 1 / 200 + 1e-12


def test_the_level_widens_and_the_seed_decides():
    values = normal(50)
    widths = [np.diff(bootstrap_interval(values, level))[0] for level in (0.5, 0.9)]
    assert widths[0] < widths[1]
    first, again = (bootstrap_interval(values, seed=3) for _ in range(2))
    assert (first == again).all()
    assert (bootstrap_interval(values, seed=4) != first).any()
    assert bootstrap_interval(np.ones(9, bool)).tolist() == [1, 1]


# Cross-validation


@given(st.integers(2, 60), st.data(), st.integers(0, 5))
def test_every_image_validates_once(count, data, seed):
    folds = data.draw(st.integers(2, count))
    pairs = k_fold(count, folds, seed)
    everyone = np.arange(count)
    assert (np.sort(np.concatenate([part for _, part in pairs])) == everyone).all()
    for training, validation in pairs:
        together = np.sort(np.concatenate([training, validation]))
        assert (together == everyone).all()
    theirs = [len(part) for _, part in KFold(folds).split(np.zeros(count))]
    assert [len(part) for _, part in pairs] == theirs


def test_folds_are_shuffled_by_their_seed():
    first, again, other = (k_fold(50, 5, seed)[0][1].tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert sorted(first) != list(range(10))


# Bagging


def three_classes(count, seed):
    y = np.random.default_rng(seed).integers(3, size=count)
    return normal(count, 5, seed=seed + 1) + y[:, None], y


class Spy:
    """A model that keeps what it was fitted to."""

    def fit(self, X, y):
        self.X, self.y = X, y
        return self


def test_every_model_sees_a_resample_with_its_labels():
    X, y = np.arange(400.0)[:, None], np.arange(400)
    models = bagging(Spy, X, y, 6, seed=2)
    assert len(models) == 6
    for model in models:
        assert (model.X[:, 0] == model.y).all() and len(model.y) == 400
        assert 0.58 < len(set(model.y)) / 400 < 0.69  # 1 - 1/e
    assert len({tuple(model.y) for model in models}) == 6
    again = bagging(Spy, X, y, 6, seed=2)
    assert all((a.y == b.y).all() for a, b in zip(models, again, strict=True))


def test_votes_of_many_trees_are_better_than_one():
    X, y = three_classes(300, 0)
    X_new, y_new = three_classes(2_000, 10)
    trees = bagging(DecisionTreeClassifier, X, y, 25)
    votes = sum(np.eye(3)[tree.predict(X_new)] for tree in trees).argmax(1)
    alone = DecisionTreeClassifier(random_state=0).fit(X, y).predict(X_new)
    assert (votes == y_new).mean() > (alone == y_new).mean() + 0.02


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: polynomial_features([[1.0]], 2), "x must be [N], got [1, 1]"),
        (lambda: polynomial_features([1.0], -1), "degree must be 0 (a constant)"),
        (lambda: polynomial_features([1.0], 2.0), "degree must be a whole number"),
        (lambda: polynomial_features([1.0], True), "degree must be a whole number"),
        (lambda: least_squares(normal(4), normal(4)), "features must be [N, P]"),
        (lambda: least_squares(normal(4, 2), normal(3)), "targets must be [4] or"),
        (lambda: least_squares(normal(4, 2), normal(4, 1, 1)), "got [4, 1, 1]"),
        (lambda: least_squares(normal(4, 2), normal(4), -1), "ridge must be 0"),
        (lambda: least_squares(normal(4, 2), normal(4), np.nan), "ridge must be 0"),
        (lambda: bias_variance(normal(1, 3), normal(3)), "R of 2 or more"),
        (lambda: bias_variance(normal(3), normal(3)), "R of 2 or more"),
        (lambda: bias_variance(normal(4, 3), normal(4)), "truth must be [3]"),
        (lambda: bootstrap_interval([1.0]), "N of 2 or more, got [1]"),
        (lambda: bootstrap_interval(normal(3, 3)), "values must be [N]"),
        (lambda: bootstrap_interval([1.0, np.nan]), "look for a nan"),
        (lambda: bootstrap_interval([0, 1], 95), "such as 0.95, got 95"),
        (lambda: bootstrap_interval([0, 1], resamples=0), "resamples must be 1"),
        (lambda: k_fold(5, 6), "folds must be from 2 to 5, the number of images"),
        (lambda: k_fold(5, 1), "got 1"),
        (lambda: bagging(Spy, normal(3, 2), normal(2), 4), "got 3 and 2"),
        (lambda: bagging(Spy, normal(0, 2), normal(0), 4), "at least one"),
        (lambda: bagging(Spy, normal(3, 2), normal(3), 0), "count must be 1 model"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
