"""One convolution of one channel and its gradients, product by product, in NumPy.

The same arithmetic as convolution_arithmetic.js, for the still. Both are compared with
PyTorch in tests/test_explore_convolution.py.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from course_utils.grids import number_text

MODES = ("forward", "backward", "weights")


class Product(NamedTuple):
    """Input [r, c] meets weight [a, b] for output [i, j]; outside: in the padding."""

    r: int
    c: int
    a: int
    b: int
    i: int
    j: int
    inside: bool

    def target(self, mode):
        """The cell that this product counts towards in a mode."""
        if mode == "forward":
            return self.i, self.j
        return (self.r, self.c) if mode == "backward" else (self.a, self.b)


@dataclass(frozen=True)
class Setting:
    """The sizes of a convolution: input [height, width], kernel [kernel, kernel]."""

    height: int
    width: int
    kernel: int
    stride: int
    padding: int
    dilation: int

    @property
    def span(self):
        """How many cells the kernel spans: its own and the gaps between them."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def output_shape(self):
        """(rows, columns) of the output; (0, 0) where the kernel does not fit."""
        rooms = [
            size + 2 * self.padding - self.span for size in (self.height, self.width)
        ]
        if min(rooms) < 0:
            return 0, 0
        return tuple(room // self.stride + 1 for room in rooms)

    def target_shape(self, mode):
        """(rows, columns) of the grid that a mode computes."""
        if mode == "forward":
            return self.output_shape
        if mode == "backward":
            return self.height, self.width
        return self.kernel, self.kernel

    def products(self):
        """Every product of the convolution, a list of Product."""
        found = []
        for i, j in np.ndindex(self.output_shape):
            for a, b in np.ndindex(self.kernel, self.kernel):
                r = i * self.stride + a * self.dilation - self.padding
                c = j * self.stride + b * self.dilation - self.padding
                inside = 0 <= r < self.height and 0 <= c < self.width
                found.append(Product(r, c, a, b, i, j, inside))
        return found


@dataclass(frozen=True)
class Numbers:
    """x [H, W], weight [K, K] and grad_output [H', W'] of a setting."""

    setting: Setting
    x: np.ndarray
    weight: np.ndarray
    grad_output: np.ndarray

    def products_of(self, mode, place):
        """The products that a cell of a mode's grid is the sum of."""
        return [
            product
            for product in self.setting.products()
            if product.target(mode) == tuple(place)
            and (mode != "backward" or product.inside)
        ]

    def factors(self, mode, product):
        """The two numbers of a product, in the order in which they are written."""
        weight = self.weight[product.a, product.b]
        value = self.x[product.r, product.c] if product.inside else 0.0
        if mode == "forward":
            return weight, value
        error = self.grad_output[product.i, product.j]
        return (weight, error) if mode == "backward" else (value, error)

    def gather(self, mode):
        """The grid that a mode computes: output, or gradient of input or weight."""
        result = np.zeros(self.setting.target_shape(mode))
        for product in self.setting.products():
            if mode != "backward" or product.inside:
                first, second = self.factors(mode, product)
                result[product.target(mode)] += first * second
        return result

    def sum_text(self, mode, place):
        """The terms of a cell's sum as texts, and the sum as a text."""
        pairs = [self.factors(mode, one) for one in self.products_of(mode, place)]
        terms = [
            f"{_bracketed(first)} × {_bracketed(second)}" for first, second in pairs
        ]
        total = round(sum(first * second for first, second in pairs), 4)
        return terms, f"{total or 0:.12g}".replace("-", "−")

    def unread(self):
        """The input cells (row, column) that no output reads."""
        read = {(product.r, product.c) for product in self.setting.products()}
        shape = (self.setting.height, self.setting.width)
        return {place for place in np.ndindex(shape) if place not in read}

    def stretched(self):
        """The errors with the zeros of the full convolution, and which cells are real.

        The gradient of the input is their cross-correlation with the kernel turned by
        180 degrees: stride - 1 zeros lie between the errors, dilation (K - 1) - padding
        around them.
        """
        setting = self.setting
        shape = (setting.height + setting.span - 1, setting.width + setting.span - 1)
        values, real = np.zeros(shape), np.zeros(shape, dtype=bool)
        before = setting.span - 1 - setting.padding
        for (i, j), error in np.ndenumerate(self.grad_output):
            row, column = i * setting.stride + before, j * setting.stride + before
            if 0 <= row < shape[0] and 0 <= column < shape[1]:
                values[row, column], real[row, column] = error, True
        return values, real


def _bracketed(value):
    return f"({number_text(value)})" if value < 0 else number_text(value)
