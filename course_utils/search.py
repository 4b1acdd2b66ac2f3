"""Search for what no gradient chooses: the parts of it that chapter 07 builds by hand.

How to draw a number whose scale is unknown, a test that finds the range in which a
learning rate can lie, and successive halving, which soon stops what does badly. All
else (the sampler TPE, pruners, importance, storage) is Optuna's.

Sources: Bergstra and Bengio 2012, "Random Search for Hyper-Parameter Optimization",
for drawing; Smith 2017, "Cyclical Learning Rates for Training Neural Networks",
section 3.3, for the range test, there with a rate that rises linearly; Jamieson and
Talwalkar 2016, "Non-stochastic Best Arm Identification and Hyperparameter
Optimization", figure 3, for successive halving, there with eta = 2.
"""

import copy
import math
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import torch.nn.functional as F


def log_uniform(low, high, generator, size=None):
    """Random numbers from low to high, each factor of them equally likely.

    One number, or an array of `size`; generator is numpy.random.default_rng(seed).
    Taught in chapter 07."""
    check_range(low, high)
    drawn = np.exp(generator.uniform(np.log(low), np.log(high), size))
    return drawn.clip(low, high)  # exp(log(low)) may be rounded to less than low


def learning_rate_range(model, optimizer, batches, low=1e-5, high=10.0, steps=100,
                        too_far=4.0):  # fmt: skip
    """Rates [n] and losses [n] of n <= steps batches, each at a higher rate.

    Stops when a loss is above too_far times the least, or not finite. Model and
    optimizer are as before afterwards, gradients are gone. Source: Smith 2017,
    section 3.3. Taught in chapter 07."""
    check_test(batches, low, high, steps, too_far)
    rates, losses = np.geomspace(low, high, steps), []
    with put_back(model, optimizer):
        model.train()
        for rate, (images, labels) in zip(rates, endless(batches), strict=False):
            loss = F.cross_entropy(model(images), labels)
            losses.append(loss.item())
            if not loss.isfinite() or losses[-1] > too_far * min(losses):
                break
            for group in optimizer.param_groups:
                group["lr"] = float(rate)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return rates[: len(losses)], np.array(losses)


def successive_halving(train, candidates, budget, eta=3):
    """The best candidate, and for each round (indices, epochs each, losses).

    train(candidate, epochs) trains it for so many epochs more and returns its loss. The
    rounds share the budget of epochs; the best 1 / eta of a round go on to the next.
    Source: Jamieson and Talwalkar 2016, figure 3. Taught in chapter 07."""
    sizes = round_sizes(len(candidates), budget, eta)
    alive, rounds = list(range(len(candidates))), []
    for size, next_size in pairwise(sizes):
        epochs = budget // (len(sizes) - 1) // size
        losses = [train(candidates[i], epochs) for i in alive]
        rounds.append((alive, epochs, losses))
        order = np.argsort(losses, kind="stable")  # what is not a number comes last
        alive = [alive[i] for i in order[:next_size]]
    return candidates[alive[0]], rounds


def round_sizes(count, budget, eta):
    """How many candidates are in each round, down to the one that is left."""
    if not isinstance(eta, int) or eta < 2:
        raise ValueError(f"eta must be a whole number from 2, got {eta!r}; try 3")
    if count < 2:
        raise ValueError(f"there must be two candidates at least, got {count}")
    sizes = [count]
    while sizes[-1] > 1:
        sizes.append(max(1, sizes[-1] // eta))
    least = count * (len(sizes) - 1)  # an epoch each, in the first round
    if not isinstance(budget, int) or budget < least:
        raise ValueError(
            f"{count} candidates in {len(sizes) - 1} rounds need a budget of at least "
            f"{least} epochs, got {budget!r}; give more, or fewer candidates"
        )
    return sizes


@contextmanager
def put_back(model, optimizer):
    """A context at whose end both are what they were, but for gradients: none."""
    parts, was_training = (model, optimizer), model.training
    before = [copy.deepcopy(part.state_dict()) for part in parts]
    try:
        yield
    finally:
        for part, state in zip(parts, before, strict=True):
            part.load_state_dict(state)
        optimizer.zero_grad()
        model.train(was_training)


def endless(batches):
    """The batches, from the beginning again each time they are over."""
    while True:
        yield from batches


def check_range(low, high):
    """ValueError unless low and high are positive, finite and in this order."""
    if not 0 < low < high < math.inf:
        raise ValueError(
            f"expected 0 < low < high, got low={low!r} and high={high!r}; "
            "no scale of equal factors reaches 0: try low=1e-6"
        )


def check_test(batches, low, high, steps, too_far):
    """ValueError unless a range test can be made of this."""
    check_range(low, high)
    if not isinstance(steps, int) or steps < 2:
        raise ValueError(f"steps must be a whole number from 2, got {steps!r}")
    if not too_far > 1:
        raise ValueError(
            f"too_far is a multiple of the least loss, above 1, got {too_far!r}; try 4"
        )
    if not hasattr(batches, "__len__"):
        raise TypeError(
            "batches must be something to go through again and again, such as a list "
            f"or a Batches, got a {type(batches).__name__}; list(...) makes one"
        )
    if len(batches) == 0:
        raise ValueError("there are no batches")
