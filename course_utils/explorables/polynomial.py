"""A polynomial fitted to noisy points, with its train and test error beside it.

The browser computes (polynomial_arithmetic.js), draws (polynomial_drawing.js) and shows
(polynomial.js); the methods here do the same in NumPy, with its own least squares.
"""

import numpy as np
import traitlets

from course_utils.explorables.base import Explorable, check_whole
from course_utils.explorables.chance import uniforms
from course_utils.plots import COLORS, label_line, new_figure

MOST_DEGREE = 14
FEWEST, MOST = 15, 200  # points
MOST_SEED = 999
PLACES = (2 * np.arange(401) + 1) / 401 - 1  # the middles of 401 cells of -1..1
OTHER = "#56B4E9"  # the fits to other samples
FLOOR, CEILING = 1e-3, 10.0  # of the axis of errors


def truth(x):
    """The function behind the points."""
    return np.sin(np.pi * x)


class PolynomialFit(Explorable):
    """Points from a sine with noise, and the polynomial that fits them best.

    degree  of the polynomial, from 0 to 14; points: their number, from 15 to 200
    noise   the standard deviation of the noise, from 0 to 1
    seed    of the points, from 0 to 999; others: also draw fits to 20 other samples

    The test error is that on new points with the same noise. Raises ValueError for
    numbers outside these ranges. Taught in chapter 02.
    """

    scripts = (
        "steady", "chance", "polynomial_arithmetic", "polynomial_drawing", "polynomial",
    )  # fmt: skip
    degree = traitlets.Int().tag(sync=True)
    noise = traitlets.Float().tag(sync=True)
    points = traitlets.Int().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    others = traitlets.Bool().tag(sync=True)

    def __init__(self, degree=9, *, noise=0.3, points=20, seed=0, others=False):
        check_whole("degree", degree, 0, MOST_DEGREE)
        check_whole("points", points, FEWEST, MOST)
        check_whole("seed", seed, 0, MOST_SEED)
        if not 0 <= noise <= 1:
            raise ValueError(f"noise must be from 0 to 1, got {noise}")
        super().__init__(
            degree=degree, noise=noise, points=points, seed=seed, others=others,
            alt=(
                f"{points} noisy points of a sine, a polynomial of degree {degree} "
                "fitted to them, and beside it the train and the test error of every "
                f"degree from 0 to {MOST_DEGREE} on a logarithmic axis."
            ),
        )  # fmt: skip

    def sample(self, seed=None):
        """The places and values (x [N], y [N]) of the points, or of another seed's."""
        count = self.points
        numbers = uniforms(self.seed if seed is None else seed, 3 * count)
        first, second, third = numbers.reshape(3, count)
        x = 2 * (np.arange(count) + first) / count - 1
        normal = np.sqrt(-2 * np.log(1 - second)) * np.cos(2 * np.pi * third)
        return x, truth(x) + self.noise * normal

    def fitted(self, degree, seed=None):
        """The best polynomial of this degree, a function of places."""
        x, y = self.sample(seed)
        return np.polynomial.Legendre.fit(x, y, degree, domain=[-1, 1])

    def errors(self):
        """(train, test) mean squared errors [15] of every degree."""
        x, y = self.sample()
        curves = [self.fitted(degree) for degree in range(MOST_DEGREE + 1)]
        train = [((curve(x) - y) ** 2).mean() for curve in curves]
        test = [((curve(PLACES) - truth(PLACES)) ** 2).mean() for curve in curves]
        return np.array(train), np.array(test) + self.noise**2

    def picture(self):
        figure, (left, right) = new_figure(
            1, 2, size=(8.6, 3.5), width_ratios=(6, 5), layout="constrained"
        )
        self._draw_fit(left)
        self._draw_errors(right)
        return figure

    def _draw_fit(self, axes):
        x, y = self.sample()
        if self.others:
            for k in range(20):
                curve = self.fitted(self.degree, self.seed + 1000 * (k + 1))
                axes.plot(PLACES, curve(PLACES), color=OTHER, lw=0.9)
        axes.plot(PLACES, truth(PLACES), "--", color=COLORS["grey"], linewidth=1.5)
        axes.plot(PLACES, self.fitted(self.degree)(PLACES), color="black")
        axes.plot(x, y, "o", color=COLORS["train"])
        axes.set(xlim=(-1, 1), ylim=(-2, 2), xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        axes.set_title(
            f"degree {self.degree}, {self.points} points, σ = {self.noise:g}"
        )

    def _draw_errors(self, axes):
        degrees = np.arange(MOST_DEGREE + 1)
        if self.noise > 0:
            axes.axhline(self.noise**2, color=COLORS["grey"], linestyle="--", lw=1.5)
            axes.text(0, 0.75 * self.noise**2, "noise", color="#555555", va="top")
        axes.axvline(self.degree, color="#C4C4C4")
        for role, errors in zip(("train", "test"), self.errors(), strict=True):
            shown = errors.clip(FLOOR, CEILING)
            axes.plot(degrees, shown, color=COLORS[role])
            axes.plot(self.degree, shown[self.degree], "o", color=COLORS[role])
            label_line(axes, MOST_DEGREE, shown[-1], role, COLORS[role])
        axes.set(yscale="log", ylim=(FLOOR, CEILING), xticks=degrees[::2],
                 xlabel="degree")  # fmt: skip
        axes.set_title("mean squared error")
