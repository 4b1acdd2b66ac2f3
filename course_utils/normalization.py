"""Batch normalization by hand, forward and backward, and its relatives.

x is [N, C] or [N, C, ...], such as [N, C, H, W]; a channel has M values, N of them or
N H W. Layers have torch's arguments, results, and names in the state_dict, so that
either can load the other's; but LayerNorm and GroupNorm always have weight and bias.
Initial weights are in initialization.py and can be imported from here too.

Sources: Ioffe and Szegedy 2015, "Batch Normalization", Algorithms 1 and 2; Ba, Kiros
and Hinton 2016, "Layer Normalization"; Wu and He 2018, "Group Normalization". Deviation
of batch norm from its paper, as in torch: running statistics move with every batch, by
the share `momentum`. Numbers of 16 bits are normalised in 32.
"""

import torch
from torch import nn

from course_utils.channels import (
    BatchNormState,
    all_but_channels,
    at_least_32_bits,
    check_batch,
    check_error,
    check_groups,
    check_last_axes,
    checked_inputs,
    spread,
)
from course_utils.initialization import fans, he_, xavier_  # noqa: F401

# Batch norm, forward: chapter 05


def channel_statistics(x):
    """x [N, C, ...] -> mean and variance [C] of each channel.

    The variance is the biased one: it divides by M, not by M - 1.
    Taught in chapter 05."""
    axes = all_but_channels(x)
    return x.mean(axes), x.var(axes, correction=0)


def normalize(x, mean, variance, weight, bias, eps=1e-5):
    """x [N, C, ...], all others [C] -> weight * (x - mean) / √(variance + eps) + bias.

    In evaluation mode, with the running mean and variance, that is all.
    Taught in chapter 05."""
    scale = weight / (variance + eps).sqrt()  # [C]
    return (x - spread(mean, x)) * spread(scale, x) + spread(bias, x)


def batch_norm_forward(x, weight, bias, eps=1e-5):
    """x [N, C, ...], weight and bias [C] -> y, and mean and variance [C] of the batch.

    A channel of y has the mean `bias` and, but for eps, the standard deviation
    `weight`. Taught in chapter 05."""
    check_batch(x, weight, bias)
    mean, variance = channel_statistics(x)
    return normalize(x, mean, variance, weight, bias, eps), mean, variance


# Batch norm, backward: chapter 05


def batch_norm_backward(grad_output, x, weight, mean, variance, eps=1e-5):
    """grad_output and x [N, C, ...], others [C] -> gradients of x, weight and bias.

    y does not change if a channel of x is shifted, nor (but for eps) if it is
    stretched: the gradient of x has no part in either direction. mean and variance are
    those that batch_norm_forward gave. Taught in chapter 05."""
    check_error(grad_output, x, weight)
    axes, values = all_but_channels(x), x.numel() / x.shape[1]  # M values a channel
    std = (variance + eps).sqrt()
    normalized = (x - spread(mean, x)) / spread(std, x)  # [N, C, ...]
    grad_bias = grad_output.sum(axes)
    grad_weight = (grad_output * normalized).sum(axes)
    shift = spread(grad_bias / values, x)
    stretch = spread(grad_weight / values, x) * normalized
    grad_x = spread(weight / std, x) * (grad_output - shift - stretch)
    return grad_x, grad_weight, grad_bias


def batch_norm_evaluation_backward(grad_output, x, weight, mean, variance, eps=1e-5):
    """The same in evaluation mode, where mean and variance are constants.

    Each value of x then makes one value of y, and its gradient is only scaled.
    Taught in chapter 05."""
    check_error(grad_output, x, weight)
    axes = all_but_channels(x)
    std = (variance + eps).sqrt()
    normalized = (x - spread(mean, x)) / spread(std, x)
    grad_x = spread(weight / std, x) * grad_output
    return grad_x, (grad_output * normalized).sum(axes), grad_output.sum(axes)


class BatchNormFunction(torch.autograd.Function):
    """batch_norm_forward with its gradient by hand: apply(x, weight, bias, eps).

    Only y has a gradient, which has one itself: gradients of gradients are right.
    Taught in chapter 05."""

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        y, mean, variance = batch_norm_forward(x, weight, bias, eps)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx, grad_output, *_):
        x, weight, mean, variance = ctx.saved_tensors
        if torch.is_grad_enabled():  # this gradient will be differentiated, by x too
            mean, variance = channel_statistics(x)
        saved = x, weight, mean, variance
        return *batch_norm_backward(grad_output, *saved, ctx.eps), None


class BatchNorm(BatchNormState):
    """torch's batch norm by hand: x [N, C, ...] -> y of the same size.

    momentum is the share of a new batch in the running statistics, None for their mean
    over all batches; the running variance is the unbiased one. Taught in chapter 05."""

    def forward(self, x):
        wide, weight, bias = checked_inputs(self, x)
        if self.training or self.running_mean is None:
            y, *statistics = BatchNormFunction.apply(wide, weight, bias, self.eps)
            if self.training and self.running_mean is not None:
                self.update(*statistics, x.numel() // x.shape[1])
        else:
            running = at_least_32_bits(self.running_mean, self.running_var)
            y = normalize(wide, *running, weight, bias, self.eps)
        return y.to(x.dtype)

    @torch.no_grad()
    def update(self, mean, variance, values):
        """Move the running statistics towards a batch of M values a channel."""
        self.num_batches_tracked += 1
        share = self.momentum
        if share is None:
            share = 1 / self.num_batches_tracked.to(mean.dtype)
        unbiased = variance * (values / (values - 1))
        self.running_mean += share * (mean - self.running_mean)
        self.running_var += share * (unbiased - self.running_var)


class BatchNorm1d(BatchNorm):
    """torch's BatchNorm1d by hand, for x [N, C] or [N, C, L]. Used in chapter 05."""

    dimensions = range(2, 4)


class BatchNorm2d(BatchNorm):
    """torch's BatchNorm2d by hand, for x [N, C, H, W]. Used in chapter 05."""

    dimensions = range(4, 5)


# Relatives: chapter 05


def standardize(x, axes, eps=1e-5):
    """x minus its mean, over its standard deviation, both taken over the given axes.

    Batch norm's axes are all but the channels. Taught in chapter 05."""
    mean = x.mean(axes, keepdim=True)
    variance = x.var(axes, correction=0, keepdim=True)
    return (x - mean) / (variance + eps).sqrt()


class LayerNorm(nn.Module):
    """torch's LayerNorm by hand: standardises each example over its last axes.

    normalized_shape, a number or several, is their size. Taught in chapter 05."""

    def __init__(self, normalized_shape, eps=1e-5):
        super().__init__()
        size = torch.empty(normalized_shape).shape
        self.axes, self.eps = tuple(range(-len(size), 0)), eps
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x):
        check_last_axes(x, self.weight)
        wide, weight, bias = at_least_32_bits(x, self.weight, self.bias)
        y = standardize(wide, self.axes, self.eps) * weight + bias
        return y.to(x.dtype)


class GroupNorm(nn.Module):
    """torch's GroupNorm by hand: standardises each group of channels of each picture.

    x [N, C, ...] -> y of the same size. Taught in chapter 05."""

    dimensions = range(2, 9)

    def __init__(self, num_groups, num_channels, eps=1e-5):
        super().__init__()
        check_groups(num_channels, num_groups)
        self.num_groups, self.num_features, self.eps = num_groups, num_channels, eps
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x):
        wide, weight, bias = checked_inputs(self, x)
        groups = wide.unflatten(1, (self.num_groups, -1))  # [N, G, C/G, ...]
        y = standardize(groups, tuple(range(2, groups.ndim)), self.eps).flatten(1, 2)
        return (y * spread(weight, x) + spread(bias, x)).to(x.dtype)
