"""The checks of the exercises on the backward pass of a convolution (chapter 09)."""

import itertools

import torch
import torch.nn.functional as F
from torch.autograd import Function

from course_utils.exercises import Wrong, describe, exercise
from course_utils.exercises.convolution import ALLOWED, CONVOLUTIONS
from course_utils.exercises.tensors import (
    check_tensor,
    check_unchanged,
    likely_mistake,
    numbers,
    same,
)
from course_utils.exercises.watching import Watch

GRADIENTS = {"autograd", "grad", "backward", "convolution_backward"}
REFUSED = CONVOLUTIONS | GRADIENTS | {"conv_transpose1d", "fold"}


# The gradient of the weights


@exercise
def check_weight_gradient(weight_gradient):
    """weight_gradient(error, x, K, stride) equals that of autograd."""
    advice = "use loops, products, sums and indexing"
    for case, (K, S) in enumerate(((3, 1), (2, 1), (3, 2), (2, 3), (1, 2))):
        x, weight = numbers(2, 3, 7, 8, seed=case), numbers(4, 3, K, K, seed=9)
        size = F.conv2d(x, weight, stride=S).shape
        error = numbers(*size, seed=case + 20)
        given = error.clone(), x.clone()
        with Watch(REFUSED, advice, ALLOWED):
            gradient = weight_gradient(*given, K, S)
        where = f"with K={K} and stride={S}"
        what = (
            f"for error {list(error.shape)} and x [2, 3, 7, 8], {where}, the gradient"
        )
        sizes = {
            (3, 4, K, K): "kernels come first, [O, C, K, K]",
            (4, K, K): "each kernel has a table for every input channel",
            (2, 4, 3, K, K): "sum over the images: all of them used the same weights",
        }
        check_tensor(gradient, weight.shape, what, sizes)
        if gradient.dtype != x.dtype:
            raise Wrong(
                f"{where} the gradient is {gradient.dtype} and x is {x.dtype}; "
                "error.new_zeros(...) takes the type of error"
            )
        expected = _weight_gradient(error, x, K, S)
        if not same(gradient, expected):
            raise Wrong(f"{where} {_weight_mistake(gradient, error, x, K, S)}")
        check_unchanged(given, (error, x))
    return "five combinations of kernel and stride, all equal to autograd"


def _weight_gradient(error, x, K, S, distance=None):
    """[O, C, K, K]; `distance` is that of the windows, if not the stride."""
    rows, columns = error.shape[2:]
    distance = distance or S
    windows = x.unfold(2, K, distance).unfold(3, K, distance)
    return torch.einsum("noij,ncijuv->ocuv", error, windows[:, :, :rows, :columns])


def _weight_mistake(gradient, error, x, K, S):
    """What was probably done, from the values."""
    right = _weight_gradient(error, x, K, S)
    count = error.shape[2] * error.shape[3]
    first, last = (_weight_gradient(error[[n]], x[[n]], K, S) for n in (0, -1))
    end = torch.zeros_like(error)
    end[-1, :, -1, -1] = error[-1, :, -1, -1]
    mistakes = {
        "the result is turned by 180 degrees: the kernel is turned in the gradient of "
        "the input, not in that of the weights": right.flip(2, 3),
        "rows and columns of the kernel are swapped": right.mT,
        "this is the mean over the images; a gradient is the sum over all uses": right
        / len(x),
        "this is the mean over the places; a gradient is the sum over all uses": right
        / count,
        "this is the mean over images and places; a gradient is the sum over all "
        "uses": right / (count * len(x)),
        "only the first image counts; sum over all of them": first,
        "only the last image is left; add with += instead of overwriting": last,
        "only the last place is left; add with += instead of overwriting": (
            _weight_gradient(end, x, K, S)
        ),
        "the windows start at i and j; with a stride they start at i * stride and "
        "j * stride": _weight_gradient(error, x, K, S, distance=1),
        "every kernel has the sum of all gradients; kernel o collects the errors of "
        "map o only": right.sum(0, keepdim=True).expand_as(right),
        "every channel has the sum of all gradients; channel c is multiplied with the "
        "window of channel c": right.sum(1, keepdim=True).expand_as(right),
    }
    return likely_mistake(gradient, right, mistakes)


# One dimension with a stride


@exercise
def check_line_gradient(line_gradient):
    """line_gradient(error [H'], w [K], length, stride) equals that of autograd."""
    advice = "use loops, or zeros between the errors, and sums"
    cases = ((8, 3, 1), (9, 3, 2), (8, 3, 2), (10, 2, 3), (11, 4, 3), (5, 1, 2))
    for case, (length, K, S) in enumerate(cases):
        w = numbers(K, seed=case)
        error = numbers((length - K) // S + 1, seed=case + 9)
        given = error.clone(), w.clone()
        with Watch(REFUSED, advice, ALLOWED):
            gradient = line_gradient(*given, length, S)
        where = f"with {length} pixels, K={K} and stride={S}"
        reached = (len(error) - 1) * S + K
        sizes = {
            (len(error),): "there is one gradient for each pixel, not for each error",
            (len(error) + K - 1,): "this is the length for stride 1",
            (reached,): "pixels that no window saw belong to the line too; their "
            "gradient is 0",
        }
        check_tensor(gradient, (length,), f"{where} the gradient", sizes)
        right = _line_gradient(error, w, length, S)
        if not same(gradient.double(), right):
            raise Wrong(f"{where} {_line_mistake(gradient, error, w, length, S)}")
        check_unchanged(given, (error, w))
    return "six combinations, also where pixels are left over that no window saw"


def _line_gradient(error, w, length, S, D=1, overwrite=False):
    """The gradient for the stride S and the dilation D; it ends with the line."""
    gradient = error.new_zeros(length)
    for i, u in itertools.product(range(len(error)), range(len(w))):
        pixel = i * S + u * D
        if pixel < length:
            before = 0 if overwrite else gradient[pixel]
            gradient[pixel] = before + error[i] * w[u]
    return gradient


def _line_mistake(gradient, error, w, length, S):
    right = _line_gradient(error, w, length, S)
    mistakes = {
        "the kernel is turned where it should not be: pixel i * stride + u was "
        "multiplied by w[u] (in a convolution with zeros around the errors it is the "
        "other way round)": _line_gradient(error, w.flip(0), length, S),
        "neighbouring windows lie 1 pixel apart; with a stride, output i starts at "
        "pixel i * stride": _line_gradient(error, w, length, 1),
        "a pixel in several windows keeps only one of its products; add them with "
        "+=": _line_gradient(error, w, length, S, overwrite=True),
        "the kernel is spread out, which is dilation; a stride moves the window: "
        "output i starts at pixel i * stride": _line_gradient(error, w, length, 1, D=S),
        "there are too many zeros between the errors: stride - 1 of them": (
            _line_gradient(error, w, length, S + 1)
        ),
        "each error is repeated; between the errors there are zeros": _line_gradient(
            error.repeat_interleave(S), w, length, 1
        ),
        "this is a mean over the errors; a gradient is the sum over all uses": right
        / len(error),
    }
    return likely_mistake(gradient.double(), right, mistakes)


# A new operation


@exercise
def check_leaky_relu(function):
    """An autograd Function of (x, slope), with slope * x below zero."""
    if not (isinstance(function, type) and issubclass(function, Function)):
        raise Wrong(
            "this must be a class derived from torch.autograd.Function, got "
            f"{describe(function)}"
        )
    for slope in (0.1, 0.3):
        x = numbers(4, 5, seed=3) * 2
        x[0, 0] = 0
        x.requires_grad_()
        with Watch({"leaky_relu", "leaky_relu_", "prelu"}, "write the two cases"):
            y = _apply(function, x, slope)
        check_tensor(y, x.shape, "the output for x [4, 5]")
        if not same(y.detach(), F.leaky_relu(x, slope).detach()):
            raise Wrong(
                f"forward: with the slope {slope}, numbers -2, 0 and 3 become "
                f"{_applied(function, slope)}; expected {[-2 * slope, 0.0, 3.0]}"
            )
        error = numbers(4, 5, seed=4)
        (gradient,) = _backward(y, x, error)
        check_tensor(gradient, x.shape, "the gradient of x [4, 5]")
        right = torch.where(x > 0, error, slope * error).detach()
        if not same(gradient, right):
            raise Wrong(f"backward: {_leaky_mistake(gradient, x, error, slope)}")
    return "forward and backward are right for two slopes"


def _apply(function, x, slope):
    try:
        return function.apply(x, slope)
    except TypeError as problem:
        if "save_for_backward" not in str(problem):
            raise
        raise Wrong(
            "save_for_backward is for tensors; keep the number with ctx.slope = slope"
        ) from None


def _backward(y, x, error):
    try:
        return torch.autograd.grad(y, x, error)
    except RuntimeError as problem:
        text = str(problem)
        if "not a Variable" in text:
            raise Wrong(
                "backward returns a gradient for the slope; return them in the "
                "order of forward's arguments after ctx: one for x, then None"
            ) from None
        if "incorrect number of gradients" in text:
            raise Wrong(
                "backward must return as many gradients as forward has arguments after "
                "ctx: one for x, and None for the slope"
            ) from None
        if "does not require grad" in text:
            raise Wrong(
                "the output has no history: call apply(), and compute on tensors"
            ) from None
        if "not have been used in the graph" in text or "unused" in text:
            raise Wrong("backward returns None for x; it has a gradient") from None
        raise


def _applied(function, slope):
    x = torch.tensor([-2.0, 0.0, 3.0], dtype=torch.float64)
    return [round(value, 4) for value in function.apply(x, slope).tolist()]


def _leaky_mistake(gradient, x, error, slope):
    x = x.detach()
    right = torch.where(x > 0, error, slope * error)
    mistakes = {
        "this is the derivative of the output; multiply it by the error that arrives "
        "(the chain rule)": torch.where(x > 0, torch.ones_like(x), slope),
        "the sign of the error decides; it should be the sign of x": torch.where(
            error > 0, error, slope * error
        ),
        "at x = 0 it should be the slope times the error: 1 is for x > 0": torch.where(
            x >= 0, error, slope * error
        ),
        "the slope is a fixed 0.1; take the one that forward was given": torch.where(
            x > 0, error, 0.1 * error
        ),
        "the two cases are swapped": torch.where(x > 0, slope * error, error),
        "nothing passes where x is negative; that is plain ReLU": error * (x > 0),
        "the whole error passes everywhere; where x is negative only slope times it "
        "does": error,
        "this multiplies the error by the output; multiply it by the derivative, 1 or "
        "the slope": error * torch.where(x > 0, x, slope * x),
    }
    return likely_mistake(gradient, right, mistakes)
