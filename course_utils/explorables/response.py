"""A measured surface of a score over two hyperparameters, searched blindly by hand.

The browser interpolates and compares (response_arithmetic.js), draws
(response_drawing.js) and takes the reader's points (response.js). Python runs the
searches to compare with (response_search.py) and draws the still (response_still.py).
"""

import itertools

import numpy as np
import traitlets

from course_utils.explorables.base import Explorable, check_whole
from course_utils.explorables.response_search import interpolate, knots, run_rivals
from course_utils.explorables.response_still import draw

MOST_POINTS = 60  # of a budget
MOST_SEEDS = 50
MOST_SIDE = 40  # measured positions of an axis


class ResponseSurface(Explorable):
    """Search a hidden surface point by point, then see random search and TPE on it.

    values  [len(ys), len(xs)] scores measured on a grid, all finite; what: their name
    x, y    (name, positions) of the two axes, positive and increasing; both axes are
            logarithmic, and between the measured points the surface is bilinear there
    budget  how many points a search may try; better: "lower" or "higher" scores
    seeds   how many runs of random search and of TPE to compare with; the first has
            the seed `seed`. TPE is Optuna's; the first quarter of its points are those
            of random search with the same seed

    value(u, v) is the surface at two positions; `trials` lists what the reader tried.
    Raises ValueError for arguments that make no surface. Taught in chapter 07.
    """

    scripts = ("steady", "response_arithmetic", "response_drawing", "response")
    values = traitlets.List().tag(sync=True)
    x = traitlets.Dict().tag(sync=True)
    y = traitlets.Dict().tag(sync=True)
    what = traitlets.Unicode().tag(sync=True)
    budget = traitlets.Int().tag(sync=True)
    better = traitlets.Enum(("lower", "higher"), "lower").tag(sync=True)
    rivals = traitlets.Dict().tag(sync=True)
    picked = traitlets.List().tag(sync=True)  # places [u, v] from 0 to 1
    revealed = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self, values, x, y, *, budget=20, seed=0, seeds=20, better="lower",
        what="validation loss",
    ):  # fmt: skip
        axes = [_checked_axis("x", x), _checked_axis("y", y)]
        values = _checked_values(values, *axes)
        check_whole("budget", budget, 2, MOST_POINTS)
        check_whole("seed", seed, 0, 2**31 - 1)
        check_whole("seeds", seeds, 2, MOST_SEEDS)
        if better not in ("lower", "higher"):
            raise ValueError(f"better must be 'lower' or 'higher', got {better!r}")
        across, up = (knots(axis["at"]) for axis in axes)
        rivals = run_rivals(
            lambda u, v: float(interpolate(values, across, up, u, v)),
            budget=budget, seeds=seeds, seed=seed, better=better,
        )  # fmt: skip
        ends = {
            name: float(np.median(np.array(run["curves"])[:, -1]))
            for name, run in rivals.items()
        }
        super().__init__(
            values=values.tolist(), x=axes[0], y=axes[1], budget=budget, better=better,
            what=what, rivals=rivals,
            alt=(
                f"A map of the {what} over {axes[0]['name']} and {axes[1]['name']}, "
                f"hidden until {budget} points have been tried by hand; then it shows "
                "the points of random search and of TPE too. Beside it the best so far "
                f"against the number of points: after {budget}, the median of {seeds} "
                f"runs is {ends['random']:.3g} for random search and "
                f"{ends['TPE']:.3g} for TPE."
            ),
        )  # fmt: skip

    def value(self, x, y):
        """The surface at positions x, y of the axes, numbers or arrays of one shape."""
        places = []
        for given, axis in ((x, self.x), (y, self.y)):
            low, high = axis["at"][0], axis["at"][-1]
            if not np.all((np.asarray(given) >= low) & (np.asarray(given) <= high)):
                raise ValueError(
                    f"{axis['name']} must be from {low:g} to {high:g}, got {given}"
                )
            places.append(np.log(np.asarray(given) / low) / np.log(high / low))
        return interpolate(self.values, *self._knots(), *places)

    @property
    def trials(self):
        """What the reader has tried: a list of (x, y, value) in order."""
        across, up = self._knots()
        return [
            (*self._position(u, v), float(interpolate(self.values, across, up, u, v)))
            for u, v in self.picked
        ]

    def picture(self):
        return draw(self)

    def _knots(self):
        return knots(self.x["at"]), knots(self.y["at"])

    def _position(self, u, v):
        return tuple(
            float(axis["at"][0] * (axis["at"][-1] / axis["at"][0]) ** part)
            for axis, part in ((self.x, u), (self.y, v))
        )


def _checked_axis(letter, given):
    """{"name": ..., "at": [...]} of a pair of a name and its positions."""
    try:
        name, positions = given
        positions = [float(position) for position in positions]
    except (TypeError, ValueError):
        raise ValueError(
            f"{letter} must be a pair of a name and its positions, such as "
            f'("learning rate", [0.001, 0.01, 0.1]), got {given!r}'
        ) from None
    if not 2 <= len(positions) <= MOST_SIDE:
        raise ValueError(
            f"{name} must have from 2 to {MOST_SIDE} positions, got {len(positions)}"
        )
    steps = itertools.pairwise(positions)
    if not (all(low < high for low, high in steps) and positions[0] > 0):
        raise ValueError(
            f"the positions of {name} must be positive and increasing, for its axis is "
            f"logarithmic, got {positions}"
        )
    if not np.isfinite(positions[-1]):
        raise ValueError(f"the positions of {name} must be finite, got {positions}")
    return {"name": str(name), "at": positions}


def _checked_values(values, x, y):
    """The values as an array, rounded as the browser gets them."""
    values = np.array(values, dtype=float)
    shape = [len(y["at"]), len(x["at"])]
    if list(values.shape) != shape:
        raise ValueError(
            f"values must be {shape}, a row for each {y['name']} and a column for each "
            f"{x['name']}, got {list(values.shape)}"
        )
    if not np.isfinite(values).all():
        raise ValueError(
            f"{(~np.isfinite(values)).sum()} of the values are not finite; give "
            "trainings that broke down a score of their own, such as that of guessing"
        )
    if values.min() == values.max():
        raise ValueError(f"all values are {values[0, 0]:g}: there is nothing to find")
    return np.array([[float(f"{value:.5g}") for value in row] for row in values])
