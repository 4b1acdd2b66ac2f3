"""The checks of the exercises on hyperparameter search (chapter 07)."""

import math
import numbers

import numpy as np

from course_utils.exercises import Wrong, describe, exercise

# Log-uniform draws

DRAWS = 4_000


@exercise
def check_log_uniform(draw):
    """draw(low, high, generator, size) -> [size], uniform on a log scale."""
    for seed, (low, high) in enumerate(((1e-4, 1), (2, 900), (0.03, 0.5))):
        found = draw(low, high, np.random.default_rng(seed), DRAWS)
        where = f"from {low} to {high}"
        if np.shape(found) != (DRAWS,):
            shape = list(np.shape(found))
            raise Wrong(f"expected {DRAWS} numbers {where}, got the shape {shape}")
        found = np.asarray(found, dtype=float)
        again = np.asarray(draw(low, high, np.random.default_rng(seed), DRAWS))
        if not np.allclose(found, again):
            raise Wrong("the same generator gave other numbers; draw from `generator`")
        _check_spread(found, low, high, seed, where)
    return "every factor is equally likely, for three ranges"


def _check_spread(found, low, high, seed, where):
    mistakes = _wrong_draws(low, high, np.random.default_rng(seed))
    for message, wrong in mistakes.items():
        if np.allclose(found, wrong):
            raise Wrong(f"{where}: {message}")
    if found.min() < low * (1 - 1e-9) or found.max() > high * (1 + 1e-9):
        ends = f"{found.min():.3g} to {found.max():.3g}"
        raise Wrong(f"{where}: the numbers go from {ends}; some are outside")
    if len(np.unique(found)) < DRAWS / 2:
        raise Wrong(f"{where}: many of the numbers are the same; are they rounded?")
    places = np.sort(np.log(found / low) / np.log(high / low))
    # Kolmogorov and Smirnov: 1.95 is passed by chance once in a thousand seeds
    off = np.abs(places - (np.arange(DRAWS) + 0.5) / DRAWS).max()
    if off > 1.95 / math.sqrt(DRAWS):
        below, middle = (places < 0.5).mean(), math.sqrt(low * high)
        raise Wrong(
            f"{where}: {below:.0%} of the numbers are below {middle:.3g}, the middle "
            "on a log scale; half of them should be"
        )


def _wrong_draws(low, high, generator):
    share = generator.random(DRAWS)
    logs = math.log(low) + share * math.log(high / low)
    tens = math.log10(low) + share * math.log10(high / low)
    with np.errstate(over="ignore"):
        powers, tens_powers = (
            base ** (low + share * (high - low)) for base in (math.e, 10.0)
        )
    return {
        "exponentiated without a logarithm; draw from np.log(low) to np.log(high)": (
            powers
        ),
        "10** without a logarithm; draw from np.log10(low) to np.log10(high)": (
            tens_powers
        ),
        "this is uniform: nearly all lie in the upper decade": low
        + share * (high - low),
        "these are the logarithms; undo the log with np.exp": logs,
        "these are logarithms of base 10; undo them with 10**": tens,
        "the logarithm is natural and 10** undoes another; np.exp undoes np.log": 10.0
        ** logs,
        "the logarithm is of base 10 and np.exp undoes another; 10** undoes it": np.exp(
            tens
        ),
        "this is the logarithm of uniform numbers; draw the logarithm itself": np.log(
            low + share * (high - low)
        ),
        "1 / x is uniform here, so small numbers are too likely": 1
        / (1 / high + share * (1 / low - 1 / high)),
    }


# Successive halving

CASES = ((9, 36, 3), (16, 128, 2), (10, 47, 3), (27, 200, 3), (8, 40, 3))
MOST_CALLS = (
    1_000  # of train, and divisions by eta; more come from an endless loop only
)


class _Factor(int):
    """eta, which notices that a number is divided by it without end."""

    def __new__(cls, value):
        factor = super().__new__(cls, value)
        factor.divisions = 0
        return factor

    def __rfloordiv__(self, number):
        self._count()
        return number // int(self)

    def __rtruediv__(self, number):
        self._count()
        return number / int(self)

    def _count(self):
        self.divisions += 1
        if self.divisions > MOST_CALLS:
            raise Wrong(
                f"a number was divided by eta {MOST_CALLS} times: the loop does not "
                "end. 2 // 3 is 0, and 0 never becomes 1 again: at least one goes on"
            )


class _Runner:
    """train(candidate, epochs): late starters win, so that every round counts."""

    def __init__(self, count):
        order = np.random.default_rng(count).permutation(count)
        self.names = [f"candidate {i}" for i in range(count)]
        self.slow = dict(zip(self.names, order.tolist(), strict=True))
        self.epochs = dict.fromkeys(self.names, 0)
        self.calls = 0

    def __call__(self, name, epochs):
        if name not in self.epochs:
            raise Wrong(f"train was given {describe(name)}; give it the candidate")
        if not isinstance(epochs, numbers.Integral) or epochs < 1:
            raise Wrong(f"epochs must be a whole number from 1, got {epochs!r}")
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise Wrong(f"train was called {MOST_CALLS} times: does the loop end?")
        self.epochs[name] += int(epochs)
        spent, slow = self.epochs[name], self.slow[name]
        return 1 / (1 + 0.1 * slow) + slow / (40 * spent**1.5)


def _halve(train, budget, eta, *, worst=False, total=False, up=False, whole=False,
           early=False, lonely=False):  # fmt: skip
    """Successive halving, or with one of the mistakes; the best candidate."""
    alive, sizes = list(train.names), [len(train.names)]
    while sizes[-1] > 1:
        size = -(-sizes[-1] // eta) if up else sizes[-1] // eta
        sizes.append(max(1, size))
    rounds = len(sizes) - 1 + lonely
    sizes += [1] * lonely
    for next_size in sizes[1:]:
        epochs = budget // (1 if whole else rounds) // len(alive)
        epochs = budget // rounds // len(train.names) if early else epochs
        losses = {name: train(name, epochs) for name in alive}
        if total:  # trained from the beginning: what was spent before comes on top
            losses = {
                name: train(name, train.epochs[name] - epochs)
                if train.epochs[name] > epochs
                else loss
                for name, loss in losses.items()
            }
        alive = sorted(alive, key=losses.get, reverse=worst)[:next_size]
    return alive[0]


MISTAKES = {
    "the worst of a round go on; sort by loss, the lowest first": {"worst": True},
    "train trains so many epochs *more*; what a candidate has had before must not be "
    "asked for again": {"total": True},
    "the number that goes on is rounded up; round down": {"up": True},
    "each round spends the whole budget; divide it by the number of rounds": {
        "whole": True
    },
    "every candidate gets as many epochs as in the first round; fewer candidates "
    "share the same budget of a round": {"early": True},
    "there is a round too many: stop when one is left": {"lonely": True},
}


@exercise
def check_halving(halve):
    """halve(train, candidates, budget, eta) -> the best candidate."""
    for count, budget, eta in CASES:
        right, found = _Runner(count), _Runner(count)
        expected = _halve(right, budget, eta)
        best = halve(found, list(found.names), budget, _Factor(eta))
        where = f"{count} candidates, budget {budget}, eta {eta}"
        if best is None and not found.calls:
            raise NotImplementedError
        if found.epochs != right.epochs:
            raise Wrong(
                f"{where}: {_spent_otherwise(found, right, count, budget, eta)}"
            )
        if found.calls != right.calls:
            raise Wrong(
                f"{where}: the epochs are right, but in {found.calls} calls of train "
                f"instead of {right.calls}; call it once a round and keep the loss"
            )
        if best != expected:
            raise Wrong(f"{where}: returned {describe(best)}, expected {expected!r}")
    return "right epochs to the right candidates in five cases, and no more than that"


def _spent_otherwise(found, right, count, budget, eta):
    for message, mistake in MISTAKES.items():
        wrong = _Runner(count)
        _halve(wrong, budget, eta, **mistake)
        if wrong.epochs == found.epochs:
            return message
    spent, expected = (sum(one.epochs.values()) for one in (found, right))
    if spent > budget:
        return f"{spent} epochs were spent"
    if spent != expected:
        return f"{spent} epochs were spent, expected {expected}"
    name = next(n for n in right.names if right.epochs[n] != found.epochs[n])
    return f"{name} got {found.epochs[name]} epochs, expected {right.epochs[name]}"
