"""The check of a search that has 20 trials (chapter 07), and what it searches."""

import functools
import math

import torch
import torch.nn.functional as F

from course_utils.data import load_images
from course_utils.exercises import Wrong, describe, exercise

TRIALS = 20


class OutOfTrials(RuntimeError):
    """The objective was asked once too often."""


class Objective:
    """objective(rate, init) -> the validation loss of a training; at most 20 times.

    `space` holds the bounds of both. `unit` multiplies the images, so that the same
    pair is not good for all. Every pair has one loss: the seed is always the same.
    """

    def __init__(self, unit):
        self.space = {"rate": (1e-6, 10.0), "init": (1e-3, 10.0)}
        self.unit, self.seen, self.refused = unit, [], 0

    def __call__(self, rate, init):
        pair = float(rate), float(init)
        for (name, (low, high)), value in zip(self.space.items(), pair, strict=True):
            if not low <= value <= high:
                raise Wrong(f"{name} must be from {low:g} to {high:g}, got {value:.3g}")
        if len(self.seen) == TRIALS:
            self.refused += 1
            raise OutOfTrials(f"the {TRIALS} trials are spent")
        self.seen.append((_train(*pair, self.unit), pair))
        return self.seen[-1][0]

    @functools.cached_property
    def baseline(self):
        """The loss of a usual pair, that suits the unit."""
        return _train(0.005 / self.unit, 1 / math.sqrt(self.unit), self.unit)


@functools.cache
def _images():
    images = load_images("fashion-mnist", "train", limit=1_500, size=14)
    x = images.normalize(images.images).flatten(1)
    return x[:500], images.labels[:500], x[500:], images.labels[500:]


def _train(rate, init, unit):
    """The validation loss after two epochs of a small network; 100 at most."""
    x, y, new_x, new_y = _images()
    generator = torch.Generator().manual_seed(0)
    sizes = ((196, 32), (32, 10))
    weights = [torch.randn(*size, generator=generator) for size in sizes]
    weights = [init * math.sqrt(2 / len(w)) * w for w in weights]
    weights = [w.requires_grad_() for w in weights]
    velocities = [torch.zeros_like(w) for w in weights]

    def loss_of(images, labels):
        outputs = (unit * images @ weights[0]).relu() @ weights[1]
        return F.cross_entropy(outputs, labels)

    for _ in range(4):
        for chosen in torch.randperm(len(y), generator=generator).split(50):
            gradients = torch.autograd.grad(loss_of(x[chosen], y[chosen]), weights)
            with torch.no_grad():
                for w, v, g in zip(weights, velocities, gradients, strict=True):
                    v.mul_(0.9).add_(g)
                    w.sub_(rate * v)
    with torch.no_grad():
        loss = loss_of(new_x, new_y).item()
    return min(loss, 100.0) if math.isfinite(loss) else 100.0


@exercise
def check_spend(spend):
    """spend(objective) -> (rate, init), the best of at most 20 trials."""
    told = []
    for unit in (0.1, 10.0):
        objective = Objective(unit)
        try:
            best = spend(objective)
        except OutOfTrials:
            best = None
        if best is None and not objective.seen:
            raise NotImplementedError
        _check_best(best, objective, f"images times {unit:g}")
        told.append(f"{min(objective.seen)[0]:.3f} against {objective.baseline:.3f}")
    return f"below the baseline on both problems: {' and '.join(told)}"


def _check_best(best, objective, where):
    if objective.refused:
        raise Wrong(f"{where}: objective was called more than {TRIALS} times")
    if not objective.seen:
        raise Wrong(f"{where}: objective was not called once; what was chosen by?")
    try:
        pair = tuple(float(value) for value in best)
    except (TypeError, ValueError):
        raise Wrong(f"return the pair (rate, init), got {describe(best)}") from None
    if len(pair) != 2:
        raise Wrong(f"return the pair (rate, init), got {len(pair)} values")
    losses = {tried: loss for loss, tried in objective.seen}
    if pair not in losses:
        text = ", but (init, rate)" if pair[::-1] in losses else ""
        raise Wrong(f"{where}: the pair returned is not one of the trials{text}")
    least = min(losses.values())
    if losses[pair] > least:
        raise Wrong(
            f"{where}: the pair returned has the loss {losses[pair]:.3f}, but one of "
            f"the {len(losses)} trials had {least:.3f}"
        )
    if least >= objective.baseline:
        raise Wrong(
            f"{where}: the best of {len(objective.seen)} trials has the loss "
            f"{least:.3f}, the baseline {objective.baseline:.3f}{_advice(objective)}"
        )


def _advice(objective):
    """What the trials show about the way they were drawn."""
    if len(objective.seen) < TRIALS:
        return f"; {TRIALS - len(objective.seen)} trials are left over"
    low, high = objective.space["rate"]
    small = sum(pair[0] < math.sqrt(low * high) for _, pair in objective.seen)
    if small < 2:
        return "; nearly all rates were large: draw on a log scale"
    return "; spend the later trials near the best of the earlier ones"
