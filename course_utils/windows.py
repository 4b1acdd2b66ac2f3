"""Windows: what a small kernel sees of a picture at every place where it can stand.

Convolution (convolution.py) and pooling (pooling.py) slide a kernel over a picture.
This is what they share: the places of a kernel, views of what it sees there, and the
rules for sizes, with errors that say which of them was broken.

Sizes are (vertical, horizontal) pairs; one number stands for both. [H', W'] are the
places of the kernel, [K, K] its cells.
"""

import itertools
from numbers import Integral
from typing import NamedTuple

import torch.nn.functional as F


class Grid(NamedTuple):
    """The places of a kernel, as pairs; pads is the border left, right, top, bottom."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pads: tuple[int, int, int, int]
    output_size: tuple[int, int]


def output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    """The number of places of a kernel along an axis of `size` pixels.

    It is 0 or less where the kernel does not fit. Taught in chapter 08."""
    reach = dilation * (kernel_size - 1) + 1  # pixels from its first cell to its last
    return (size + 2 * padding - reach) // stride + 1


def windows(x, kernel_size, stride=1, dilation=1):
    """Every window of x [N, C, H, W], as a view: [N, C, H', W', K, K].

    Element [n, c, i, j, a, b] is pixel [i stride + a dilation, j stride + b dilation]
    of picture n, channel c. Nothing is copied. Taught in chapter 08."""
    grid = kernel_grid(x.shape, kernel_size, stride, 0, dilation)
    (kh, kw), (sh, sw), (dh, dw), _, _ = grid
    x = x.unfold(2, dh * (kh - 1) + 1, sh)  # [N, C, H', W, reach]
    x = x.unfold(3, dw * (kw - 1) + 1, sw)  # [N, C, H', W', reach, reach]
    return x[..., ::dh, ::dw]


def cells(x, grid):
    """What each cell of the kernel sees of x [N, C, H, W]: views [N, C, H', W'].

    In reading order of the kernel; x has its border already. Taught in chapter 08."""
    (kh, kw), (sh, sw), (dh, dw), _, (out_h, out_w) = grid
    for i, j in itertools.product(range(kh), range(kw)):
        yield x[:, :, i * dh :: sh, j * dw :: sw][:, :, :out_h, :out_w]


def dilate(x, stride):
    """x [N, C, H, W] with stride - 1 zeros between its pixels; itself for stride 1."""
    if stride == (1, 1):
        return x
    (n, c, h, w), (sh, sw) = x.shape, stride
    wide = x.new_zeros(n, c, (h - 1) * sh + 1, (w - 1) * sw + 1)
    wide[:, :, ::sh, ::sw] = x
    return wide


def pad(x, pads, value=0.0):
    """x with a border of left, right, top, bottom pixels; x itself where all are 0."""
    return F.pad(x, pads, value=value) if any(pads) else x


def kernel_grid(x_size, kernel_size, stride=1, padding=0, dilation=1) -> Grid:
    """The places of a kernel on pictures of size [N, C, H, W].

    Raises ValueError where the kernel does not fit into the padded picture, and as
    kernel_settings() does.
    """
    if len(x_size) != 4:
        raise ValueError(
            f"x must be [N, C, H, W], got {list(x_size)}; x[None] adds an axis for the "
            "batch, x[:, None] one for the channels"
        )
    settings = kernel_settings(kernel_size, stride, padding, dilation)
    kernel_size, stride, dilation, (left, right, top, bottom) = settings
    padded = x_size[2] + top + bottom, x_size[3] + left + right
    axes = zip(padded, kernel_size, stride, (0, 0), dilation, strict=True)
    places = tuple(output_size(*axis) for axis in axes)
    if min(places) < 1:
        raise ValueError(
            f"a kernel of {by(kernel_size)} with dilation {by(dilation)} does not fit "
            f"into {by(padded)} pixels (x {list(x_size)} with padding {padding!r}); "
            "try more padding or a smaller kernel"
        )
    return Grid(*settings, places)


def kernel_settings(kernel_size, stride, padding, dilation):
    """Kernel size, stride and dilation as pairs, and the border: the start of a Grid.

    padding is a number, a pair, "valid" for none, or "same" for as many places as
    pixels, where an odd pixel goes right and below. Raises ValueError where one of them
    is out of range.
    """
    kernel_size = as_pair(kernel_size, "kernel_size", 1)
    stride, dilation = as_pair(stride, "stride", 1), as_pair(dilation, "dilation", 1)
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(
                f"padding 'same' needs stride 1, got stride {by(stride)}; give the "
                "padding as a number, such as kernel_size // 2"
            )
        spare = [d * (k - 1) for d, k in zip(dilation, kernel_size, strict=True)]
        top, left = (n // 2 for n in spare)
        pads = left, spare[1] - left, top, spare[0] - top
        return kernel_size, stride, dilation, pads
    if isinstance(padding, str) and padding != "valid":
        raise ValueError(f"padding is numbers, 'same' or 'valid', got {padding!r}")
    top, left = as_pair(0 if padding == "valid" else padding, "padding", 0)
    return kernel_size, stride, dilation, (left, left, top, top)


def as_pair(value, name, least):
    """One whole number, or a pair of them, as a pair; ValueError below `least`."""
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    whole = all(isinstance(n, Integral) and not isinstance(n, bool) for n in pair)
    if len(pair) != 2 or not whole or min(pair) < least:
        raise ValueError(
            f"{name} must be a whole number from {least}, or a pair of them "
            f"(vertical, horizontal), got {value!r}"
        )
    return pair


def convolution_grid(x, weight, bias, *settings) -> Grid:
    """The Grid of a convolution; ValueError where its arguments do not fit together.

    settings are stride, padding, dilation and groups.
    """
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and (tensor.dtype, tensor.device) != (x.dtype, x.device):
            raise ValueError(
                f"x is {x.dtype} on {x.device}, {name} is {tensor.dtype} on "
                f"{tensor.device}; make x the same with x.to({name})"
            )
    grid = _sizes_grid(x.shape, weight.shape, *settings)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(
            "bias must hold one number for each output channel of weight "
            f"{list(weight.shape)}, got {list(bias.shape)}"
        )
    return grid


def gradient_grid(grad_output, x_size, weight_size, *settings) -> Grid:
    """The Grid of a convolution whose output is of the size of grad_output."""
    grid = _sizes_grid(x_size, weight_size, *settings)
    check_error(grad_output, (x_size[0], weight_size[0], *grid.output_size), x_size)
    return grid


def _sizes_grid(x_size, weight_size, stride, padding, dilation, groups):
    """convolution_grid() for sizes of x [N, C, H, W] and weight [O, C/G, K, K]."""
    if len(weight_size) != 4:
        raise ValueError(
            "weight must be [output channels, input channels / groups, K, K], "
            f"got {list(weight_size)}"
        )
    grid = kernel_grid(x_size, weight_size[2:], stride, padding, dilation)
    check_groups(x_size[1], weight_size[0], groups)
    if x_size[1] // groups != weight_size[1]:
        raise ValueError(
            f"a kernel must have as many channels as a group of x, {weight_size[1]} is "
            f"not {x_size[1] // groups} for x {list(x_size)}, weight "
            f"{list(weight_size)} and groups {groups}; weight is [output channels, "
            "input channels / groups, K, K]"
        )
    return grid


def transposed_size(x, weight, bias, stride, padding, dilation, groups, output_padding):
    """[N, O, H', W'] of a transposed convolution; ValueError where it has none."""
    if len(x.shape) != 4 or len(weight.shape) != 4 or x.shape[1] != len(weight):
        raise ValueError(
            "a transposed convolution takes x [N, C, H, W] and weight [C, output "
            f"channels / groups, K, K], got {list(x.shape)} and {list(weight.shape)}"
        )
    strides, pads = as_pair(stride, "stride", 1), as_pair(padding, "padding", 0)
    dilations = as_pair(dilation, "dilation", 1)
    extras = as_pair(output_padding, "output_padding", 0)
    if any(extra >= step for extra, step in zip(extras, strides, strict=True)):
        raise ValueError(
            f"output_padding {output_padding!r} must be smaller than the stride "
            f"{stride!r}: a larger one would belong to a larger x"
        )
    axes = zip(
        x.shape[2:], weight.shape[2:], strides, pads, extras, dilations, strict=True
    )
    size = [(n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, e, d in axes]
    if min(size) < 1:
        raise ValueError(
            f"the output would be {by(size)} pixels for x {list(x.shape)} and padding "
            f"{padding!r}; try less padding"
        )
    out_channels = weight.shape[1] * groups
    if bias is not None and bias.shape != (out_channels,):
        raise ValueError(
            f"bias must hold {out_channels} numbers, got {list(bias.shape)}"
        )
    return x.shape[0], out_channels, *size


def check_groups(in_channels, out_channels, groups):
    """ValueError unless the channels can be split into that many groups."""
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"groups must be a whole number from 1, got {groups!r}")
    if in_channels % groups or out_channels % groups:
        raise ValueError(
            f"groups must divide the channels, but {groups} does not divide both "
            f"{in_channels} input and {out_channels} output channels; 1 always does"
        )


def check_error(grad_output, output_size, x_size):
    """ValueError unless grad_output has the size of the output for x."""
    if tuple(grad_output.shape) != tuple(output_size):
        raise ValueError(
            f"grad_output must be {list(output_size)}, as the output for x "
            f"{list(x_size)} is, got {list(grad_output.shape)}"
        )


def by(pair):
    """A pair of sizes for a message: "3 x 5"."""
    return f"{pair[0]} x {pair[1]}"
