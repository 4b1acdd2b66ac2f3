"""The checks of the exercises on initial weights and dead layers (chapter 05)."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from course_utils.exercises import Wrong, describe, exercise
from course_utils.exercises.tensors import numbers, same

# He's scale for leaky ReLU


@exercise
def check_leaky_std(leaky_std):
    """leaky_std(weight, slope) is the standard deviation that keeps the size."""
    cases = (((50, 200), 0.0), ((50, 200), 0.5), ((30, 8, 3, 3), 0.2), ((9, 4), 1.0))
    for size, slope in cases:
        found = leaky_std(torch.zeros(size), slope)
        if not isinstance(found, (int, float)):
            raise Wrong(f"give a number (math.sqrt gives one), got {describe(found)}")
        fan_in, fan_out = math.prod(size[1:]), size[0] * math.prod(size[2:])
        right = math.sqrt(2 / ((1 + slope**2) * fan_in))
        if not math.isclose(found, right, rel_tol=1e-6):
            where = f"for a weight {list(size)} and the slope {slope}: got {found:.4g}"
            raise Wrong(f"{where}. {_std_mistake(found, size, slope, fan_in, fan_out)}")
    return "sizes are kept through leaky ReLUs of four slopes, and through a kernel"


def _std_mistake(found, size, slope, fan_in, fan_out):
    square = 1 + slope**2
    mistakes = {
        "This is a ReLU's; a leaky one keeps a share of what is negative": math.sqrt(
            2 / fan_in
        ),
        "The 2 belongs under the root: √(2/n), not 2/√n": 2
        / math.sqrt(square * fan_in),
        "This is the variance; take its root": 2 / (square * fan_in),
        "The slope counts with its square, since variances do": math.sqrt(
            2 / ((1 + slope) * fan_in)
        ),
        "1 + slope is squared as a whole; the two halves are squared one by one": (
            math.sqrt(2 / ((1 + slope) ** 2 * fan_in))
        ),
        "What is negative is not lost but weaker: more comes through, so the weights "
        "must be smaller, not larger": math.sqrt(2 * square / fan_in),
        "The 2 is missing: a ReLU halves the mean square": 1
        / math.sqrt(square * fan_in),
        "This counts the outputs (fan-out); a sum runs over the inputs": math.sqrt(
            2 / (square * fan_out)
        ),
        "This takes both fans, as Xavier does; He's takes the fan-in": math.sqrt(
            4 / (square * (fan_in + fan_out))
        ),
        "Each output of a kernel is a sum over channels and places: fans(weight) "
        "counts them": math.sqrt(2 / (square * size[1])),
    }
    for message, wrong in mistakes.items():
        if math.isclose(found, wrong, rel_tol=1e-6):
            return message
    right = math.sqrt(2 / (square * fan_in))
    return f"With this the mean square changes by {(found / right) ** 2:.3g} a layer"


# A dead layer


def sick_network(case=0):
    """A network for x [N, 784] with five hidden layers, one of which is dead."""
    depth, width = 5, 64
    generator = torch.Generator().manual_seed(case)
    layers, size = [], 784
    for _ in range(depth):
        layers += [nn.Linear(size, width), nn.ReLU()]
        size = width
    model = nn.Sequential(*layers, nn.Linear(size, 10))
    with torch.no_grad():
        for layer in model[::2]:
            std = math.sqrt(2 / layer.in_features)
            layer.weight.normal_(0, std, generator=generator)
            layer.bias.normal_(0, 0.1, generator=generator)
        model[0].bias.fill_(-0.5)  # weak, not dead
        _kill(model[2 * SICK[case]], case)
    return model


SICK = 2, 3, 1  # the hidden layer that is dead in each case, counted from 0


def _kill(layer, case):
    """By its bias, by its weights, or by both."""
    if case != 1:
        layer.bias.fill_(-100)
    if case != 0:
        layer.weight.abs_().neg_()


@exercise
def check_mended(mend):
    """mend(model, x) mends the dead layer in place, and gives the ReLU's index."""
    x = numbers(400, 784, seed=5).float()
    labels = torch.arange(400) % 10
    for case, sick in enumerate(SICK):
        model, before = sick_network(case), sick_network(case)
        found = mend(model, x.clone())
        where = f"network {case + 1} of {len(SICK)}: "
        _check_index(found, 2 * sick + 1, before, x, where)
        _check_layer(model, before, 2 * sick, x, where)
        F.cross_entropy(model(x), labels).backward()
        if not model[0].weight.grad.any():
            raise Wrong(where + "the first layer still gets no gradient")
    return "found by measuring, and mended without touching a healthy layer"


def _check_index(found, right, before, x, where):
    if isinstance(found, bool) or not isinstance(found, int):
        kind = type(found).__name__
        raise Wrong(f"{where}mend must give the index of the ReLU, got a {kind}")
    if not 0 <= found < len(before) or not isinstance(before[found], nn.ReLU):
        raise Wrong(f"{where}{found} is not the index of a ReLU in the model")
    if found != right:
        share = (before[: found + 1](x) > 0).float().mean().item()
        raise Wrong(f"{where}the ReLU {found} is not dead: {share:.0%} of its outputs "
                    "are positive")  # fmt: skip


def _check_layer(model, before, index, x, where):
    """Raise Wrong unless the mended layer is alive and the others are as before."""
    if [type(layer) for layer in model] != [type(layer) for layer in before]:
        raise Wrong(where + "keep the kinds of layers; mend the weights and biases")
    for place in range(0, len(model), 2):
        now, then = model[place], before[place]
        kept = same(now.weight, then.weight) and same(now.bias, then.bias)
        if place != index and not kept:
            raise Wrong(f"{where}layer {place} was healthy; leave it as it was")
    inputs = model[:index](x)
    outputs = model[: index + 2](x)
    share = (outputs > 0).any(0).float().mean().item()
    if share == 0:
        weight = same(model[index].weight, before[index].weight)
        bias = same(model[index].bias, before[index].bias)
        rest = "nothing in it changed" if weight and bias else "look at its weights too"
        rest = "look at its bias too" if bias and not weight else rest
        raise Wrong(f"{where}layer {index} is still dead; {rest}")
    if share < 0.9:
        dead = f"{1 - share:.0%} of the units of layer {index}"
        raise Wrong(f"{where}{dead} are dead for all of x")
    ratio = (outputs.square().mean() / inputs.square().mean()).sqrt().item()
    if not 0.6 < ratio < 1.6:
        raise Wrong(
            f"{where}layer {index} lives, but its outputs are {ratio:.2g} times the "
            "size of its inputs; which scale keeps it?"
        )
