"""Pooling by hand: the largest or the mean pixel of every window, and the gradients.

Arguments and results are those of torch's functions; ceil_mode and the dilation of max
pooling are left out. Pictures are [N, C, H, W]. Windows are in windows.py.

Source of overlapping windows: Krizhevsky, Sutskever and Hinton 2012, "ImageNet
Classification with Deep Convolutional Neural Networks", section 3.4.
"""

import math
from functools import reduce

import torch
from torch import nn

from course_utils.windows import by, cells, check_error, kernel_grid, pad

# Forward: chapter 08


def max_pool2d_forward(x, kernel_size, stride=None, padding=0):
    """x [N, C, H, W] -> y [N, C, H', W'], the largest pixel of every window.

    The stride is the size of the kernel unless given. The border is minus infinity and
    never wins; where there is a NaN, y is NaN. Taught in chapter 08."""
    grid = pooling_grid(x, kernel_size, stride, padding)
    start = x.new_full((), -math.inf)
    return reduce(torch.maximum, cells(pad(x, grid.pads, -math.inf), grid), start)


def avg_pool2d_forward(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    """x [N, C, H, W] -> y [N, C, H', W'], the mean of every window.

    The zeros of the border are counted, unless count_include_pad is False.
    Taught in chapter 08."""
    grid = pooling_grid(x, kernel_size, stride, padding)
    total = reduce(torch.add, cells(pad(x, grid.pads), grid))
    return total / pixel_counts(x, grid, count_include_pad)


# Backward: chapter 09


def max_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    """grad_output [N, C, H', W'], x [N, C, H, W] -> gradient of x [N, C, H, W].

    The whole error of a window goes to its largest pixel, of several equal ones to the
    first in reading order (of several NaN too, where torch takes the last).
    A pixel gathers from all the windows in which it won.
    Taught in chapter 09."""
    grid = pooling_grid(x, kernel_size, stride, padding, grad_output)
    x = x.clamp(min=torch.finfo(x.dtype).min)  # no pixel is as low as the border
    padded = pad(x, grid.pads, -math.inf)
    largest = max_pool2d_forward(x, kernel_size, stride, padding)
    gradient = torch.zeros_like(padded)
    free = torch.ones_like(largest, dtype=torch.bool)  # windows without a winner yet
    for pixel, total in zip(cells(padded, grid), cells(gradient, grid), strict=True):
        wins = free & ((pixel == largest) | pixel.isnan())
        total.add_(torch.where(wins, grad_output, 0))  # a view: adds to the gradient
        free = free & ~wins
    return without_border(gradient, x, grid)


def avg_pool2d_backward(
    grad_output, x, kernel_size, stride=None, padding=0, count_include_pad=True
):
    """grad_output [N, C, H', W'], x [N, C, H, W] -> gradient of x [N, C, H, W].

    Every pixel of a window gets the same share of its error. Taught in chapter 09."""
    grid = pooling_grid(x, kernel_size, stride, padding, grad_output)
    gradient = torch.zeros_like(pad(x, grid.pads))
    share = grad_output / pixel_counts(x, grid, count_include_pad)
    for total in cells(gradient, grid):
        total.add_(share)  # a view: adds to the gradient
    return without_border(gradient, x, grid)


class Pool2dFunction(torch.autograd.Function):
    """A pooling for autograd, from its forward and its backward by hand.

    apply(x, forward, backward, *settings) gives forward(x, *settings), whose gradient
    is backward(grad_output, x, *settings). Taught in chapter 09."""

    @staticmethod
    def forward(ctx, x, forward, backward, *settings):
        ctx.save_for_backward(x)
        ctx.backward_by_hand, ctx.settings = backward, settings
        return forward(x, *settings)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        gradient = ctx.backward_by_hand(grad_output, x, *ctx.settings)
        return gradient, None, None, *[None] * len(ctx.settings)


class MaxPool2d(nn.Module):
    """torch's MaxPool2d by hand: x [N, C, H, W] -> [N, C, H', W'].

    Taught in chapter 09."""

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def forward(self, x):
        settings = self.kernel_size, self.stride, self.padding
        functions = max_pool2d_forward, max_pool2d_backward
        return Pool2dFunction.apply(x, *functions, *settings)

    def extra_repr(self):
        return f"{self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(nn.Module):
    """torch's AvgPool2d by hand: x [N, C, H, W] -> [N, C, H', W'].

    Taught in chapter 09."""

    def __init__(self, kernel_size, stride=None, padding=0, *, count_include_pad=True):
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        self.count_include_pad = count_include_pad

    def forward(self, x):
        settings = self.kernel_size, self.stride, self.padding, self.count_include_pad
        functions = avg_pool2d_forward, avg_pool2d_backward
        return Pool2dFunction.apply(x, *functions, *settings)

    def extra_repr(self):
        return f"{self.kernel_size}, stride={self.stride}, padding={self.padding}"


# What they share


def pooling_grid(x, kernel_size, stride, padding, grad_output=None):
    """The Grid of a pooling; ValueError where the arguments do not fit together."""
    stride = kernel_size if stride is None else stride
    grid = kernel_grid(x.shape, kernel_size, stride, padding)
    left, _, top, _ = grid.pads
    if 2 * top > grid.kernel_size[0] or 2 * left > grid.kernel_size[1]:
        raise ValueError(
            "the padding of a pooling is at most half of its kernel, so that every "
            f"window has a pixel, got {by((top, left))} for {by(grid.kernel_size)}"
        )
    if not x.is_floating_point():
        raise ValueError(
            f"x must hold floating-point numbers, got {x.dtype}; x.float()"
        )
    if grad_output is not None:
        check_error(grad_output, (*x.shape[:2], *grid.output_size), x.shape)
    return grid


def pixel_counts(x, grid, count_include_pad):
    """Over how many pixels each window is averaged: one number, or [1, 1, H', W']."""
    if count_include_pad:
        return math.prod(grid.kernel_size)
    ones = pad(torch.ones_like(x[:1, :1]), grid.pads)
    return reduce(torch.add, cells(ones, grid))


def without_border(gradient, x, grid):
    """The pixels of x [N, C, H, W] in the gradient of x with its border."""
    left, _, top, _ = grid.pads
    return gradient[:, :, top : top + x.shape[2], left : left + x.shape[3]]
