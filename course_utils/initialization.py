"""Initial weights: Xavier's and He's, and the fans that both count.

Both keep the variance of what goes through a deep network the same from layer to layer:
Xavier's where the activation is linear around 0, on the way forward and back; He's
where a ReLU sets half of it to 0, on the way forward.

Sources: Glorot and Bengio 2010, "Understanding the difficulty of training deep
feedforward neural networks", equations 12 and 16; He et al. 2015, "Delving Deep into
Rectifiers", equations 10 and 15. Distributions are those of the papers: uniform for
Xavier, normal for He.
"""

import math

import torch


def fans(weight):
    """weight [O, I, ...] -> fan-in and fan-out of a dense or convolutional layer.

    How many numbers enter one output, and how many outputs one input enters (but for
    strides, borders and groups). Taught in chapter 05."""
    check_weight(weight)
    places = math.prod(weight.shape[2:])  # of a kernel; 1 in a dense layer
    return weight.shape[1] * places, weight.shape[0] * places


@torch.no_grad()
def xavier_(weight, gain=1.0, generator=None):
    """Fill weight with uniform numbers of variance gain² · 2 / (fan-in + fan-out).

    Source: Glorot and Bengio 2010, equations 12 and 16. Taught in chapter 05."""
    fan_in, fan_out = fans(weight)
    bound = gain * math.sqrt(6 / (fan_in + fan_out))  # the variance is bound² / 3
    return weight.uniform_(-bound, bound, generator=generator)


@torch.no_grad()
def he_(weight, slope=0.0, generator=None):
    """Fill weight with normal numbers of variance 2 / ((1 + slope²) fan-in).

    slope is that of a leaky ReLU where it is negative, 0 for a ReLU.
    Source: He et al. 2015, equations 10 and 15. Taught in chapter 05."""
    fan_in, _ = fans(weight)
    std = math.sqrt(2 / ((1 + slope**2) * fan_in))
    return weight.normal_(0, std, generator=generator)


def check_weight(weight):
    """ValueError unless weight is that of a dense or convolutional layer."""
    if weight.ndim < 2 or weight.numel() == 0:
        raise ValueError(
            "a weight with fans is [outputs, inputs] or [outputs, inputs, K, K], got "
            f"{list(weight.shape)}; set biases with torch.nn.init.zeros_"
        )
