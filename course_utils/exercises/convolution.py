"""The checks of the exercises on the forward pass of a convolution (chapter 08)."""

import torch
import torch.nn.functional as F

from course_utils.exercises import Wrong, exercise
from course_utils.exercises.tensors import (
    check_tensor,
    check_unchanged,
    likely_mistake,
    numbers,
    same,
)
from course_utils.exercises.watching import Watch

CONVOLUTIONS = {"conv1d", "conv2d", "conv3d", "conv_transpose2d", "unfold"}
POOLINGS = {"max_pool2d", "max_pool2d_with_indices", "adaptive_max_pool2d"}
POOLINGS |= {"boolean_dispatch", "max_pool1d", "max_pool3d"}
IM2COL = {"unfold", "im2col"}
ALLOWED = (torch.Tensor.unfold,)  # windows along one axis


# The layer by loops


@exercise
def check_layer(convolution_layer):
    """convolution_layer(x, weight, bias, stride, padding) equals F.conv2d."""
    advice = "use loops, products, sum and indexing"
    cases = ((3, 1, 0), (3, 2, 0), (3, 1, 1), (2, 3, 1), (3, 2, 2), (1, 1, 0))
    for case, (K, S, P) in enumerate(cases):
        x, weight = numbers(2, 3, 7, 9, seed=case), numbers(4, 3, K, K, seed=case + 9)
        bias = numbers(4, seed=case + 20)
        given = [one.clone() for one in (x, weight, bias)]
        with Watch(CONVOLUTIONS, advice, ALLOWED):
            y = convolution_layer(*given, S, P)
        where = f"with K={K}, stride={S}, padding={P}"
        expected = F.conv2d(x, weight, bias, S, P)
        what = f"for x [2, 3, 7, 9] and weight [4, 3, {K}, {K}], {where}, the output"
        check_tensor(y, expected.shape, what, _layer_sizes(K, S, P))
        if not same(y.double(), expected):
            raise Wrong(f"{where} {_layer_mistake(y, x, weight, bias, S, P)}")
        check_unchanged(given, (x, weight, bias))
    return "six combinations of kernel, stride and padding, all equal to F.conv2d"


def _layer_sizes(K, S, P):
    """{a wrong shape: why it is wrong}, the more likely reason last."""

    def shape(size, maps=4):
        return 2, maps, size(7), size(9)

    return {
        shape(lambda n: n): "the output is not always as large as the input",
        shape(lambda n: (n + 2 * P) // S): "count the windows, not the pixels",
        shape(lambda n: (n + 2 * P - K) // S): "one too few: a window fits even where "
        "none of the H + 2P - K steps is left, so add 1",
        shape(lambda n: -(-(n + 2 * P - K) // S) + 1): "a window that does not fit any "
        "more is dropped: round down",
        shape(lambda n: (n + 2 * P - K) // S + 1, 3): "there is one map for each "
        "kernel, not for each input channel",
        shape(lambda n: (n + P - K) // S + 1): "padding is added on both sides, 2P in "
        "all",
        shape(lambda n: (n - K) // S + 1): "the padding was left out",
        shape(lambda n: n + 2 * P - K + 1): "this is the size for stride 1",
    }


def _layer_mistake(y, x, weight, bias, S, P):
    """What was probably done, from the values."""
    column, C, y = bias[:, None, None], x.shape[1], y.double()
    padded = F.pad(x, (P, P, P, P))
    plain = F.conv2d(padded, weight, None, S)
    rows, columns = plain.shape[2:]
    crowded = F.conv2d(padded, weight)[:, :, :rows, :columns]
    mistakes = {
        "the kernel was turned by 180 degrees; deep learning's convolution leaves it "
        "as it is": F.conv2d(padded, weight.flip(2, 3), bias, S),
        "rows and columns of the kernel are swapped": F.conv2d(
            padded, weight.mT.contiguous(), bias, S
        ),
        "the bias is missing": plain,
        "the bias is added once for each input channel; once per output is right": plain
        + C * column,
        "the bias is added once for each product; once per output is right": plain
        + weight[0].numel() * column,
        "only the first input channel is used; sum over all of them": F.conv2d(
            padded[:, :1], weight[:, :1], bias, S
        ),
        "only the last input channel is left; add the channels up instead of "
        "overwriting": F.conv2d(padded[:, -1:], weight[:, -1:], bias, S),
        "every kernel gives the same map: each needs its own weights": F.conv2d(
            padded, weight[:1].expand_as(weight), bias, S
        ),
        "this is the mean of the products, not their sum": plain / weight[0].numel()
        + column,
        "the border holds copies of the edge; padding is filled with zeros": F.conv2d(
            F.pad(x, (P, P, P, P), mode="replicate"), weight, bias, S
        ),
        "the windows start at i and j; with a stride they start at i * stride and "
        "j * stride": crowded + column,
        "all padding is above and to the left; it belongs on both sides": F.conv2d(
            F.pad(x, (2 * P, 0, 2 * P, 0)), weight, bias, S
        ),
        "every image gets the output of the first": (plain + column)[:1].expand_as(
            plain
        ),
    }
    return likely_mistake(y, plain + column, mistakes)


# Windows as the rows of a matrix


@exercise
def check_im2col(im2col):
    """im2col(x [N, C, H, W], K, stride) -> [N * H' * W', C * K * K]."""
    advice = "use x.unfold(axis, K, stride), permute and reshape"
    for K, S in ((3, 1), (2, 2), (3, 2)):
        x = numbers(2, 3, 6, 8, seed=K)
        h, w = (6 - K) // S + 1, (8 - K) // S + 1
        with Watch(IM2COL, advice, ALLOWED):
            rows = im2col(x.clone(), K, S)
        places, size = 2 * h * w, 3 * K * K
        sizes = {
            (size, places): "one window per row, so transpose",
            (2, size, h * w): "this is what F.unfold gives; the images belong one "
            "below the other, one window per row",
            (2, h * w, size): "merge the images and the places into one axis",
            (2 * 3 * h * w, K * K): "a row holds the window in all channels",
            (2 * (7 - K) * (9 - K), size): "this takes every window, also those "
            "that the stride skips",
        }
        what = f"for x [2, 3, 6, 8], K={K}, stride={S}, the matrix"
        check_tensor(rows, (places, size), what, sizes)
        windows = x.unfold(2, K, S).unfold(3, K, S)  # [N, C, H', W', K, K]
        if not same(rows, windows.permute(0, 2, 3, 1, 4, 5).reshape(places, size)):
            raise Wrong(f"with K={K}, stride={S} {_order_mistake(rows, windows)}")
    return "three sizes; one matrix product with weight.flatten(1).T is the layer"


def _order_mistake(rows, windows):
    orders = {
        (0, 2, 3, 4, 5, 1): "a row holds its channels last; weight.flatten(1) has them "
        "first, then rows, then columns of the kernel",
        (2, 3, 0, 1, 4, 5): "the places come before the images; all windows of the "
        "first image belong first",
        (0, 3, 2, 1, 4, 5): "the windows go down the columns of the picture; they "
        "should go along its rows",
        (0, 2, 3, 1, 5, 4): "rows and columns inside the windows are swapped",
        (0, 1, 2, 3, 4, 5): "the numbers were reshaped but not permuted, so a row "
        "mixes windows: bring the axes in order first",
    }
    for order, message in orders.items():
        if same(rows, windows.permute(*order).reshape(rows.shape)):
            return message
    turned = windows.flip(4, 5).permute(0, 2, 3, 1, 4, 5).reshape(rows.shape)
    if same(rows, turned):
        return "every window is turned by 180 degrees; leave it as it lies"
    return (
        f"the first row should begin {windows[0, 0, 0, 0].flatten()[:2].tolist()}, it "
        f"begins {rows[0, :2].tolist()}"
    )


# Pooling


@exercise
def check_max_pool(max_pool):
    """max_pool(x [N, C, H, W], K, stride, padding) equals F.max_pool2d."""
    for K, S, P in ((2, 2, 0), (3, 2, 0), (3, 2, 1), (2, 1, 1), (1, 2, 0)):
        x = numbers(2, 3, 7, 9, seed=K + S) - 3  # mostly below zero
        with Watch(POOLINGS, "use windows and amax, or loops"):
            y = max_pool(x.clone(), K, S, P)
        expected = F.max_pool2d(x, K, S, P)
        h, w = expected.shape[2:]
        where = f"with K={K}, stride={S}, padding={P}"
        sizes = {
            (2, 1, h, w): "each channel is pooled for itself",
            (2, h, w): "each channel is pooled for itself",
            tuple(F.max_pool2d(x, K, K, P).shape): "the windows may overlap: their "
            "distance is the stride, not K",
            tuple(F.max_pool2d(x, K, 1, P).shape): "this is the size for stride 1",
            tuple(F.max_pool2d(x, K, S, 0).shape): "the padding was left out",
        }
        check_tensor(y, expected.shape, f"for x [2, 3, 7, 9] {where} the output", sizes)
        if not same(y, expected):
            raise Wrong(f"{where} {_pool_mistake(y, x, K, S, P)}")
    return "five combinations, also where all numbers are negative and padding counts"


def _pool_mistake(y, x, K, S, P):
    zeros, h, w = F.pad(x, (P, P, P, P)), *y.shape[2:]
    lowest = F.pad(x, (P, P, P, P), value=float("-inf"))
    mistakes = {
        "the padding is 0 and wins over negative numbers; pad with -inf, which never "
        "wins": F.max_pool2d(zeros, K, S),
        "this is the mean of each window": F.avg_pool2d(zeros, K, S),
        "this is the smallest number of each window": -F.max_pool2d(-x, K, S, P),
        "the windows start at i and j; they start at i * stride": F.max_pool2d(
            lowest, K, 1
        )[:, :, :h, :w],
        "this is the largest absolute value": F.max_pool2d(x.abs(), K, S, P),
        "the largest of all channels is taken; each is pooled for itself": F.max_pool2d(
            x, K, S, P
        )
        .amax(1, keepdim=True)
        .expand_as(y),
        "this is one number of each window, not the largest": lowest[
            :, :, : h * S : S, : w * S : S
        ],
    }
    return likely_mistake(y, F.max_pool2d(x, K, S, P), mistakes)
