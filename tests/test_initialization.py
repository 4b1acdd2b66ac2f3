"""Initial weights: moments against the papers and torch, and what they are for."""

import math

import pytest
import torch
from torch import nn

from course_utils.initialization import fans, he_, xavier_

SIZES = [(300, 200), (64, 48, 3, 3), (200, 50, 5)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("size", "expected"), [
    ((10, 4), (4, 10)), ((8, 3, 5, 5), (75, 200)), ((6, 1, 3), (3, 18)),
])  # fmt: skip
def test_fans(size, expected):
    weight = torch.empty(size)
    assert fans(weight) == expected
    assert fans(weight) == nn.init._calculate_fan_in_and_fan_out(weight)


def assert_moments(weight, std, fourth):
    """Mean 0, this deviation and fourth moment over std⁴, up to 4.5 standard errors."""
    scaled, count = weight.double() / std, weight.numel()
    assert abs(scaled.mean().item()) < 4.5 / math.sqrt(count)
    error = 4.5 * math.sqrt((fourth - 1) / count)
    assert scaled.square().mean().item() == pytest.approx(1, abs=error)
    assert scaled.pow(4).mean().item() == pytest.approx(fourth, rel=0.1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("gain", [1, 5 / 3])
def test_xavier_is_uniform_with_the_variance_of_the_paper(size, gain):
    weight = xavier_(torch.empty(size), gain, generator=generator())
    fan_in, fan_out = fans(weight)
    assert_moments(weight, gain * math.sqrt(2 / (fan_in + fan_out)), 9 / 5)
    bound = gain * math.sqrt(6) / math.sqrt(fan_in + fan_out)
    assert 0.99 * bound < weight.abs().max().item() <= bound * (1 + 1e-6)
    theirs = nn.init.xavier_uniform_(torch.empty(size), gain, generator=generator())
    assert torch.allclose(weight, theirs, rtol=1e-5, atol=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("slope", [0, 0.5])
def test_he_is_normal_with_the_variance_of_the_paper(size, slope):
    weight = he_(torch.empty(size), slope, generator=generator())
    fan_in, _ = fans(weight)
    assert_moments(weight, math.sqrt(2 / fan_in / (1 + slope**2)), 3)
    theirs = nn.init.kaiming_normal_(torch.empty(size), slope, generator=generator())
    assert torch.allclose(weight, theirs, rtol=1e-5, atol=0)


@pytest.mark.parametrize("fill", [xavier_, he_])
def test_the_weight_itself_is_filled_outside_of_autograd(fill):
    weight = nn.Linear(5, 4).weight
    torch.manual_seed(0)
    assert fill(weight) is weight and weight.requires_grad and weight.grad_fn is None
    first = weight.detach().clone()
    torch.manual_seed(0)
    assert torch.equal(fill(weight), first)
    assert not torch.equal(fill(weight), first)


def signal(fill, activation, depth=20, width=256):
    """The mean square of what comes out of a deep net, over that of its input."""
    x = torch.randn(64, width, generator=generator(1))
    before = x.square().mean()
    for layer in range(depth):
        x = activation(x @ fill(torch.empty(width, width), generator(layer)).T)
    return (x.square().mean() / before).item()


def test_he_keeps_a_signal_alive_through_relus_and_xavier_through_lines():
    def he(weight, generator):
        return he_(weight, generator=generator)

    def xavier(weight, generator):
        return xavier_(weight, generator=generator)

    def leaky(x):
        return nn.functional.leaky_relu(x, 0.5)

    assert 0.1 < signal(he, torch.relu) / 0.5 < 10  # the mean of y² is half that of x²
    assert signal(xavier, torch.relu) < 1e-4
    assert 0.1 < signal(xavier, lambda x: x) < 10
    assert signal(he, lambda x: x) > 1e4
    assert 0.1 < signal(lambda w, g: he_(w, 0.5, g), leaky) < 10


@pytest.mark.parametrize("fill", [xavier_, he_, fans])
@pytest.mark.parametrize("size", [(5,), (), (0, 3)])
def test_what_has_no_fans_is_named(fill, size):
    with pytest.raises(ValueError, match=r"a weight with fans is .*; set biases with"):
        fill(torch.empty(size))
