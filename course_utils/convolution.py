"""Two-dimensional convolution by hand: forward, backward, and the layer made of them.

What deep learning calls a convolution slides the kernel without flipping it; in signal
processing that is a cross-correlation. Arguments and results are those of torch's
functions. x is [N, C, H, W], weight [O, C/G, K, K]: G groups of channels are G
convolutions side by side. Pooling is in pooling.py and can be imported from here too.

Sources: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition",
section II; Chellapilla, Puri and Simard 2006, "High Performance Convolutional Neural
Networks for Document Processing", for the matrix product. Deviation from the latter:
a matrix holds what one row of the kernel sees, in a few pictures at a time.

From 16 output channels, without groups, the channels of a pixel lie side by side in
memory (channels last), also in the result: flatten and reshape take it, view does not.
"""

import math

import torch
from torch import nn

from course_utils.layouts import (
    channels_go_last,
    empty_pictures,
    empty_rows,
    kernel_matrices,
    pictures_at_once,
)
from course_utils.pooling import (  # noqa: F401 (models import layers from here)
    AvgPool2d,
    MaxPool2d,
    avg_pool2d_backward,
    avg_pool2d_forward,
    max_pool2d_backward,
    max_pool2d_forward,
)
from course_utils.windows import (
    check_groups,
    convolution_grid,
    dilate,
    gradient_grid,
    kernel_settings,
    pad,
    transposed_size,
    windows,
)

# Forward: chapter 08


def conv2d_windows(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """x [N, C, H, W], weight [O, C/G, K, K], bias [O] -> y [N, O, H', W'].

    One sum over the pixels of every window: the version to read. The one to compute
    with is conv2d_forward. Taught in chapter 08."""
    grid = convolution_grid(x, weight, bias, stride, padding, dilation, groups)
    seen = windows(pad(x, grid.pads), grid.kernel_size, grid.stride, grid.dilation)
    seen = seen.unflatten(1, (groups, -1))  # [N, G, C/G, H', W', K, K]
    kernels = weight.unflatten(0, (groups, -1))  # [G, O/G, C/G, K, K]
    y = torch.einsum("ngcijuv,gocuv->ngoij", seen, kernels).flatten(1, 2)
    return y if bias is None else y + bias[:, None, None]


def window_matrices(x, grid, groups, last):
    """Yield (batch, matrices): what each row of the kernel sees, for a few pictures.

    They are K matrices [n G, H' W', K C/G], with a row for each place of the kernel,
    for the n pictures in the slice `batch` and G groups; n is at most
    pictures_at_once(x, grid). If `last`, channels lie last in memory, else places. The
    next come into the same memory: use them before. Taught in chapter 08."""
    (kh, kw), (sh, sw), (dh, dw), (left, right, top, bottom), (out_h, _) = grid
    _, C, H, W = x.shape
    size, before = pictures_at_once(x, grid), None
    for start in range(0, len(x), size):
        some = x[start : start + size]
        # New memory and views of it; autograd, where it is on, needs the old one later.
        if len(some) != before or torch.is_grad_enabled():
            before, high, wide = len(some), top + H + bottom, left + W + right
            padded = empty_pictures(x, (before, C, high, wide), last).zero_()
            inside = padded[:, :, top : top + H, left : left + W]
            seen = padded.unfold(3, dw * (kw - 1) + 1, sw)[..., ::dw]
            seen = seen.unflatten(1, (groups, -1))  # [n, G, C/G, high, W', K]
            seen = seen.permute(0, 1, 3, 4, 5, 2)  # [n, G, high, W', K, C/G]
            if sh > 1:  # for each row of the kernel: [K, n, G, H', W', K, C/G]
                seen = seen.unfold(2, dh * (kh - 1) + 1, sh)[..., ::dh].movedim(6, 0)
            rows, matrices = empty_rows(seen, last), []
            lines = rows.flatten(-2).flatten(-5, -4)  # [(K,) n G, high, W', K C/G]
            for u in range(kh):
                mine = lines[u] if sh > 1 else lines[:, u * dh : u * dh + out_h]
                matrices.append(mine.flatten(1, 2))
        inside.copy_(some)
        rows.copy_(seen)
        yield slice(start, start + size), matrices


def conv2d_forward(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """x [N, C, H, W], weight [O, C/G, K, K], bias [O] -> y [N, O, H', W'].

    A matrix product for each row of the kernel: windows are rows, kernels are columns.
    Taught in chapter 08."""
    grid = convolution_grid(x, weight, bias, stride, padding, dilation, groups)
    size, last = pictures_at_once(x, grid), channels_go_last(len(weight), groups)
    kernels = kernel_matrices(weight, groups, size)  # [K, n G, K C/G, O/G]
    y = empty_pictures(x, (len(x), len(weight), *grid.output_size), last)
    sums = y.flatten(2).unflatten(1, (groups, -1))  # a view of y: [N, G, O/G, H' W']
    first = 0 if bias is None else bias.view(groups, -1, 1)
    for batch, matrices in window_matrices(x, grid, groups, last):
        sums[batch] = first
        part = sums[batch].flatten(0, 1)  # [n G, O/G, H' W']
        for matrix, kernel in zip(matrices, kernels[:, : len(part)], strict=True):
            if last:
                part.mT.baddbmm_(matrix, kernel)  # part.mT += matrix @ kernel
            else:
                part.baddbmm_(kernel.mT, matrix.mT)  # the same, transposed
    return y


# Backward: chapter 09


def conv2d_input_gradient(
    grad_output, weight, input_size, stride=1, padding=0, dilation=1, groups=1
):
    """grad_output [N, O, H', W'], weight [O, C/G, K, K] -> gradient of x [N, C, H, W].

    The full convolution of the error, with zeros where the stride left gaps, with the
    turned kernel, whose channels change places. Taught in chapter 09."""
    settings = stride, padding, dilation, groups
    grid = gradient_grid(grad_output, input_size, weight.shape, *settings)
    (kh, kw), stride, (dh, dw), (x_left, _, x_top, _), _ = grid
    errors = dilate(grad_output, stride)
    # A border for a full convolution, less the border of x, which needs no gradient;
    # below and to the right, as much as makes the result as large as x.
    full_h, full_w = dh * (kh - 1), dw * (kw - 1)
    top, left = full_h - x_top, full_w - x_left
    bottom = input_size[2] + full_h - top - errors.shape[2]
    right = input_size[3] + full_w - left - errors.shape[3]
    # What opposite sides have in common is left to the forward pass: that saves a copy.
    high, wide = max(0, min(top, bottom)), max(0, min(left, right))
    errors = pad(errors, (left - wide, right - wide, top - high, bottom - high))
    turned = weight.flip(2, 3).unflatten(0, (groups, -1))  # [G, O/G, C/G, K, K]
    turned = turned.transpose(1, 2).flatten(0, 1)  # [C, O/G, K, K]
    return conv2d_forward(errors, turned, None, 1, (high, wide), dilation, groups)


def conv2d_weight_gradient(
    grad_output, x, weight_size, stride=1, padding=0, dilation=1, groups=1
):
    """grad_output [N, O, H', W'], x [N, C, H, W] -> gradient of weight [O, C/G, K, K].

    The convolution of the input with the error: each cell of a kernel gathers error
    times pixel, over all places and pictures. Taught in chapter 09."""
    settings = stride, padding, dilation, groups
    grid = gradient_grid(grad_output, x.shape, weight_size, *settings)
    out_channels, channels, kh, kw = weight_size
    # errors [N, G, O/G, H' W'], gradient [K, G, O/G, K C/G]
    last = channels_go_last(kw * channels, groups)
    errors = grad_output if last else grad_output.contiguous()
    errors = errors.flatten(2).unflatten(1, (groups, -1))
    gradient = x.new_zeros(kh, groups, out_channels // groups, kw * channels)
    for batch, matrices in window_matrices(x, grid, groups, last):
        part = errors[batch].flatten(0, 1)
        for u, matrix in enumerate(matrices):
            products = part @ matrix  # [n G, O/G, K C/G]
            gradient[u].add_(products.unflatten(0, (-1, groups)).sum(0))
    gradient = gradient.unflatten(3, (kw, channels))  # [K, G, O/G, K, C/G]
    return gradient.permute(1, 2, 4, 0, 3).flatten(0, 1)


def conv2d_backward(grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1):
    """grad_output [N, O, H', W'], x, weight -> the gradients of x, weight and bias.

    Taught in chapter 09."""
    settings = stride, padding, dilation, groups
    return (
        conv2d_input_gradient(grad_output, weight, x.shape, *settings),
        conv2d_weight_gradient(grad_output, x, weight.shape, *settings),
        grad_output.sum((0, 2, 3)),
    )


class Conv2dFunction(torch.autograd.Function):
    """conv2d_forward with its gradients by hand; one that nobody wants is not computed.

    apply(x, weight, bias, stride, padding, dilation, groups). Taught in chapter 09."""

    @staticmethod
    def forward(ctx, x, weight, bias, *settings):
        ctx.save_for_backward(x, weight)
        ctx.settings = settings
        return conv2d_forward(x, weight, bias, *settings)

    @staticmethod
    def backward(ctx, grad_output):
        (x, weight), settings = ctx.saved_tensors, ctx.settings
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = conv2d_input_gradient(grad_output, weight, x.shape, *settings)
        if ctx.needs_input_grad[1]:
            grad_weight = conv2d_weight_gradient(
                grad_output, x, weight.shape, *settings
            )
        if ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum((0, 2, 3))
        return grad_x, grad_weight, grad_bias, *[None] * len(settings)


class Conv2d(nn.Module):
    """torch's Conv2d by hand: x [N, C, H, W] -> [N, O, H', W'].

    Arguments, initial weights and names in the state_dict are torch's; padding_mode is
    left out, a border is always 0. The result may lie channels last in memory: use
    flatten or reshape, not view. Taught in chapter 09."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0,
                 dilation=1, groups=1, bias=True, device=None, dtype=None):  # fmt: skip
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        settings = kernel_settings(kernel_size, stride, padding, dilation)
        self.kernel_size, self.stride, self.dilation, _ = settings
        self.padding, self.groups = padding, groups
        check_groups(in_channels, out_channels, groups)
        size = out_channels, in_channels // groups, *self.kernel_size
        bound = 1 / math.sqrt(math.prod(size[1:]))  # one over the root of the fan-in
        weight = torch.empty(size, device=device, dtype=dtype).uniform_(-bound, bound)
        self.weight, self.bias = nn.Parameter(weight), None
        if bias:
            bias = weight.new_empty(out_channels).uniform_(-bound, bound)
            self.bias = nn.Parameter(bias)

    def forward(self, x):
        settings = self.stride, self.padding, self.dilation, self.groups
        x, weight, bias = under_autocast(x, self.weight, self.bias)
        return Conv2dFunction.apply(x, weight, bias, *settings)

    def extra_repr(self):
        return (
            f"{self.in_channels}, {self.out_channels}, {self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}"
        )


def conv_transpose2d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """x [N, C, H, W], weight [C, O/G, K, K], bias [O] -> y [N, O, H', W'].

    The input gradient of a convolution that turns y into x. Taught in chapter 09."""
    settings = stride, padding, dilation, groups
    size = transposed_size(x, weight, bias, *settings, output_padding)
    y = conv2d_input_gradient(x, weight, size, *settings)
    return y if bias is None else y + bias[:, None, None]


# What they share


def under_autocast(*tensors):
    """The tensors in the type that torch.autocast asks of a layer; None stays None."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device) or tensors[0].dtype == torch.float64:
        return tensors
    dtype = torch.get_autocast_dtype(device)
    return [tensor if tensor is None else tensor.to(dtype) for tensor in tensors]
