"""The check of the exercise on the backward pass of max pooling (chapter 09)."""

import itertools

import torch
import torch.nn.functional as F

from course_utils.exercises import Wrong, exercise
from course_utils.exercises.convolution_backward import GRADIENTS
from course_utils.exercises.tensors import (
    check_tensor,
    check_unchanged,
    likely_mistake,
    numbers,
    same,
)
from course_utils.exercises.watching import Watch
from course_utils.pooling import max_pool2d_backward

POOLINGS = {"max_pool2d", "max_pool2d_with_indices", "boolean_dispatch", "max_unpool2d"}


@exercise
def check_max_pool_gradient(max_pool_gradient):
    """max_pool_gradient(error, x, K, stride) equals torch's, ties included."""
    for case, (K, S) in enumerate(((2, 2), (3, 3), (3, 1), (2, 1), (3, 2), (2, 3))):
        generator = torch.Generator().manual_seed(case)
        x = torch.randint(-4, 0, (2, 3, 7, 8), generator=generator).double()
        if case < 2:  # at first without equal numbers
            x = numbers(2, 3, 7, 8, seed=case) - 3
        error = numbers(*F.max_pool2d(x, K, S).shape, seed=case + 9)
        given = error.clone(), x.clone()
        with Watch(POOLINGS | GRADIENTS, "use loops and indexing"):
            gradient = max_pool_gradient(*given, K, S)
        where = f"with K={K} and stride={S}"
        sizes = {tuple(error.shape): "a gradient has the shape of x"}
        what = f"for x [2, 3, 7, 8], {where}, the gradient"
        check_tensor(gradient, x.shape, what, sizes)
        right = max_pool2d_backward(error, x, K, S)
        if not same(gradient.double(), right):
            raise Wrong(f"{where} {_winner_mistake(gradient, error, x, K, S)}")
        check_unchanged(given, (error, x))
    return "six combinations, with overlaps, equal numbers and pixels left over"


def _winner_mistake(gradient, error, x, K, S):
    """What was probably done, from the values."""
    mistakes = {
        "every one of several equal numbers gets the whole error; only the first in "
        "reading order does": _winners(error, x, K, S, "all"),
        "the error is shared among equal numbers; the first in reading order gets all "
        "of it": _winners(error, x, K, S, "shared"),
        "of several equal numbers the last gets the error; it is the first in reading "
        "order": _winners(error, x, K, S, "last"),
        "of several equal numbers the first down the columns gets the error; reading "
        "order is row by row": _winners(error, x, K, S, "down"),
        "a pixel that wins in several windows keeps one error only; add them with "
        "+=": _winners(error, x, K, S, "first", overwrite=True),
        "the windows start at i and j; they start at i * stride": _winners(
            error, x, K, 1, "first"
        ),
        "every pixel of a window gets the error; only the largest does": _winners(
            error, x, K, S, "everyone"
        ),
        "every pixel of a window gets a share; that is average pooling": _winners(
            error, x, K, S, "everyone"
        )
        / K**2,
    }
    right = max_pool2d_backward(error, x, K, S)
    return likely_mistake(gradient.double(), right, mistakes)


def _winners(error, x, K, S, who, overwrite=False):
    """The gradient where, in each window, `who` gets the error."""
    gradient = torch.zeros_like(x)
    for n, c, i, j in itertools.product(*map(range, error.shape)):
        window = x[n, c, i * S : i * S + K, j * S : j * S + K]
        best = window == window.max()
        places = best.T.nonzero().flip(1) if who == "down" else best.nonzero()
        if who == "everyone":
            places = torch.ones_like(best).nonzero()
        chosen = {"first": places[:1], "down": places[:1], "last": places[-1:]}
        chosen = chosen.get(who, places)
        part = error[n, c, i, j] / (len(places) if who == "shared" else 1)
        for a, b in chosen.tolist():
            before = 0 if overwrite else gradient[n, c, i * S + a, j * S + b]
            gradient[n, c, i * S + a, j * S + b] = before + part
    return gradient
