"""Search by hand: draws, the range test, halving; against Optuna and by arithmetic."""

import math
from itertools import pairwise

import numpy as np
import optuna
import pytest
import torch
from torch import nn

from course_utils.search import learning_rate_range, log_uniform, successive_halving

# Draws


def test_every_factor_is_equally_likely():
    drawn = log_uniform(1e-4, 10, np.random.default_rng(0), 50_000)
    assert drawn.shape == (50_000,) and drawn.min() >= 1e-4 and drawn.max() <= 10
    counts, _ = np.histogram(np.log10(drawn), bins=5, range=(-4, 1))
    assert abs(counts - 10_000).max() < 4.5 * math.sqrt(10_000 * 0.8)


def test_draws_have_the_distribution_of_optuna_s():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    theirs = [
        study.ask({"x": optuna.distributions.FloatDistribution(2, 900, log=True)})
        for _ in range(2_000)
    ]
    theirs = np.sort([trial.params["x"] for trial in theirs])
    own = np.sort(log_uniform(2, 900, np.random.default_rng(1), 2_000))
    both = np.sort(np.concatenate([own, theirs]))
    below = [np.searchsorted(one, both, side="right") / 2_000 for one in (own, theirs)]
    # Kolmogorov and Smirnov: 1.95 sqrt(2 / n) is passed once in a thousand seeds
    assert abs(below[0] - below[1]).max() < 1.95 * math.sqrt(2 / 2_000)


def test_one_number_or_many_from_the_seed_alone():
    one = log_uniform(1, 10, np.random.default_rng(3))
    again = log_uniform(1, 10, np.random.default_rng(3), (2, 3))
    assert np.ndim(one) == 0 and again.shape == (2, 3) and again[0, 0] == one


def test_no_draw_leaves_its_range_by_rounding():
    class Lowest:
        def uniform(self, low, high, size):
            return np.full(2, [low, high])

    for low, high in ((0.1, 0.3), (1e-5, 1e-3), (0.007, 7.1), (3e-4, 0.9)):
        first, last = log_uniform(low, high, Lowest(), 2)
        assert low <= first < last <= high


@pytest.mark.parametrize(
    "bounds", [(0, 1), (-1, 1), (2, 1), (1, 1), (1, math.inf), (math.nan, 1)]
)
def test_bounds_that_make_no_range_are_named(bounds):
    with pytest.raises(ValueError, match="expected 0 < low < high, got low="):
        log_uniform(*bounds, np.random.default_rng(0))


# The range test


def problem(kind=torch.optim.SGD, **options):
    """A small network with batch norm, its optimizer after a step, and five batches."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.BatchNorm1d(16),
                          nn.Linear(16, 3))  # fmt: skip
    optimizer = kind(model.parameters(), lr=0.01, **options)
    x = torch.randn(100, 6)
    y = (x[:, :3] + 0.1 * torch.randn(100, 3)).argmax(1)
    batches = list(zip(x.split(20), y.split(20), strict=True))
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
    return model, optimizer, batches


def flat(state):
    """All that is in the state of a model or optimizer, as (place, text) pairs."""
    if isinstance(state, dict):
        return [(f"{k}.{p}", v) for k in state for p, v in flat(state[k])]
    if isinstance(state, list):
        return [(f"{i}.{p}", v) for i, x in enumerate(state) for p, v in flat(x)]
    return [("", repr(state.tolist() if hasattr(state, "tolist") else state))]


def test_rates_rise_by_equal_factors_and_the_loss_falls_then_explodes():
    model, optimizer, batches = problem()
    rates, losses = learning_rate_range(model, optimizer, batches, 1e-3, 1e4, 140)
    assert len(rates) == len(losses) < 140
    assert rates[0] == pytest.approx(1e-3)
    assert np.allclose(rates[1:] / rates[:-1], 1e7 ** (1 / 139))
    assert losses[:-1].max() <= 4 * losses[:-1].min() * 1.000001
    assert not losses[-1] <= 4 * losses.min()
    assert losses.min() < 0.7 * losses[0]


def test_the_losses_are_those_of_a_training_by_hand():
    model, optimizer, batches = problem()
    model.eval()  # the test is made in training mode all the same
    rates, losses = learning_rate_range(model, optimizer, batches, 1e-3, 1e-1, 12)
    for rate, loss, (x, y) in zip(rates, losses, batches * 3, strict=False):
        found = nn.functional.cross_entropy(model.train()(x), y)
        assert found.item() == pytest.approx(loss, rel=1e-5)
        model.zero_grad()
        found.backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= float(rate) * p.grad
    assert len(losses) == 12  # more than there are batches


@pytest.mark.parametrize(
    ("kind", "options"),
    [(torch.optim.SGD, {"momentum": 0.9}), (torch.optim.Adam, {"weight_decay": 0.1})],
)
def test_model_and_optimizer_are_put_back(kind, options):
    model, optimizer, batches = problem(kind, **options)
    model.eval()
    parts = model, optimizer
    before = [flat(part.state_dict()) for part in parts]
    learning_rate_range(model, optimizer, batches, 1e-3, 1e3, 60)
    assert [flat(part.state_dict()) for part in parts] == before
    assert not model.training


def test_they_are_put_back_after_an_error_too():
    model, optimizer, batches = problem()
    before = flat(model.state_dict())
    batches[3] = (batches[3][0], None)
    with pytest.raises(TypeError):
        learning_rate_range(model, optimizer, batches, 1e-3, 1, 60)
    assert flat(model.state_dict()) == before
    assert optimizer.param_groups[0]["lr"] == 0.01


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_a_loss_that_is_not_a_number_ends_the_test(factor):
    model, optimizer, batches = problem()
    batches[2] = (batches[2][0] * factor, batches[2][1])
    rates, losses = learning_rate_range(model, optimizer, batches, 1e-4, 1e-3, 30)
    assert len(rates) == len(losses) == 3 and math.isnan(losses[-1])
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": 0}, "expected 0 < low < high"),
        ({"steps": 1}, "steps must be a whole number from 2, got 1"),
        ({"steps": 2.5}, "steps must be a whole number from 2, got 2.5"),
        ({"too_far": 1}, "a multiple of the least loss, above 1, got 1"),
        ({"batches": []}, "there are no batches"),
    ],
)
def test_a_range_test_that_cannot_be_made_is_named(change, message):
    model, optimizer, batches = problem()
    with pytest.raises(ValueError, match=message):
        learning_rate_range(model, optimizer, **({"batches": batches} | change))


def test_batches_that_can_be_had_only_once_are_named():
    model, optimizer, batches = problem()
    with pytest.raises(TypeError, match=r"got a generator; list\(...\) makes one"):
        learning_rate_range(model, optimizer, (batch for batch in batches))


# Successive halving


class Runner:
    """Candidates whose loss is final[i] + 1 / epochs so far; notes every call."""

    def __init__(self, final):
        self.final, self.spent, self.calls = final, dict.fromkeys(final, 0), []

    def __call__(self, name, epochs):
        self.calls.append((name, epochs))
        self.spent[name] += epochs
        return self.final[name] + 1 / self.spent[name]


def test_nine_candidates_by_hand():
    train = Runner({name: 5 - place for place, name in enumerate("abcdefghi")})
    best, rounds = successive_halving(train, list("abcdefghi"), 18)
    assert best == "i"
    assert [(alive, epochs) for alive, epochs, _ in rounds] == [
        (list(range(9)), 1),
        ([8, 7, 6], 3),
    ]
    assert sum(train.spent.values()) == 18
    assert train.spent["i"] == 4 and train.spent["a"] == 1
    assert rounds[1][2] == pytest.approx([-3 + 1 / 4, -2 + 1 / 4, -1 + 1 / 4])


@pytest.mark.parametrize("eta", [2, 3, 4])
@pytest.mark.parametrize("count", [2, 3, 7, 16, 27, 81, 243])
@pytest.mark.parametrize("extra", [0, 1, 1_000])
def test_the_budget_is_kept_and_nearly_spent(eta, count, extra):
    rounds_expected, size = 0, count
    while size > 1:
        rounds_expected, size = rounds_expected + 1, max(1, size // eta)
    budget = count * rounds_expected + extra
    generator = np.random.default_rng(count)
    order = generator.permutation(count)
    train = Runner({i: float(order[i]) for i in range(count)})
    best, rounds = successive_halving(train, list(range(count)), budget, eta)
    assert order[best] == 0 and len(rounds) == rounds_expected
    spent = sum(epochs for _, epochs in train.calls)
    assert spent <= budget
    waste = sum(len(alive) for alive, _, _ in rounds) + rounds_expected
    assert spent > budget - waste  # rounding alone
    sizes = [len(alive) for alive, _, _ in rounds]
    assert all(later == max(1, size // eta) for size, later in pairwise(sizes))


def test_a_loss_that_is_not_a_number_never_wins_and_the_first_of_equals_does():
    losses = {"a": math.nan, "b": 1.0, "c": 1.0, "d": math.inf}
    best, _ = successive_halving(lambda name, _: losses[name], list("abcd"), 8, 2)
    assert best == "b"
    same = list(range(200))
    _, rounds = successive_halving(lambda i, _: float(i % 2), same, 2_000, 2)
    assert rounds[1][0] == same[::2]


@pytest.mark.parametrize(
    ("count", "budget", "eta", "message"),
    [
        (9, 17, 3, "9 candidates in 2 rounds need a budget of at least 18 epochs"),
        (9, 18.0, 3, "got 18.0; give more"),
        (9, 99, 1, "eta must be a whole number from 2, got 1"),
        (9, 99, 2.5, "eta must be a whole number from 2, got 2.5"),
        (1, 99, 3, "two candidates at least, got 1"),
    ],
)
def test_what_cannot_be_halved_is_named(count, budget, eta, message):
    with pytest.raises(ValueError, match=message):
        successive_halving(lambda *_: 0.0, list(range(count)), budget, eta)
