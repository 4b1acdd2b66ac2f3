"""A loss over a plane, and the paths that one or two optimizers take down it.

The browser does all of it: arithmetic (landscape_arithmetic.js), map and curves
(landscape_drawing.js), sentences (landscape_words.js), controls (landscape.js).
landscape_numbers.py and landscape_still.py do the same in Python for the still.
"""

import math

import traitlets

from course_utils.explorables.base import Explorable, check_whole
from course_utils.explorables.landscape_numbers import Surface, follow, stable_rate
from course_utils.explorables.landscape_still import draw

MOST_STEPS = 400
# What the browser must know of each surface: `view` is left, right, bottom, top; `even`
# has contours at even distances, elsewhere each is a factor above the last.
SURFACES = {
    "bowl": {
        "title": "bowl", "words": "condition number κ", "steepness": 10,
        "start": [-2.4, 0.9], "view": [-3, 3, -2, 2], "minima": [[0, 0]],
        "even": False,
    },
    "ravine": {
        "title": "ravine", "words": "steepness of the walls", "steepness": 10,
        "start": [-1.3, 1.5], "view": [-2.1, 2.1, -0.7, 2.1], "minima": [[1, 1]],
        "even": False,
    },
    "saddle": {
        "title": "saddle", "words": "curvature across", "steepness": 4,
        "start": [-2.2, 0.01], "view": [-3, 3, -2, 2], "minima": [[0, -1], [0, 1]],
        "even": False,
    },
    "steep": {
        "title": "steep optimum", "words": "sharpness", "steepness": 20,
        "start": [-2.2, 1.1], "view": [-3, 3, -2, 2], "minima": [[0, 0]],
        "even": True,
    },
}  # fmt: skip
# The settings of each optimizer, and where they begin.
OPTIMIZERS = {
    "SGD": {"eta": 0.05},
    "Momentum": {"eta": 0.02, "mu": 0.9},
    "Nesterov": {"eta": 0.02, "mu": 0.9},
    "Adagrad": {"eta": 0.5, "eps": 1e-10},
    "Adadelta": {"eta": 1.0, "rho": 0.9, "eps": 1e-6},
    "RMSprop": {"eta": 0.05, "rho": 0.9, "eps": 1e-8},
    "Adam": {"eta": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    "AdamW": {"eta": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "decay": 0.01},
}
RANGES = {  # the lowest and the highest value of a slider
    "eta": (1e-4, 10), "mu": (0, 0.999), "rho": (0, 0.999), "beta1": (0, 0.999),
    "beta2": (0, 0.9999), "eps": (1e-12, 1), "decay": (0, 1), "steepness": (1, 100),
    "angle": (-90, 90), "noise": (0, 5),
}  # fmt: skip


class Landscape(Explorable):
    """Drag the start over a bowl, ravine, saddle or steep optimum and watch the path.

    surface     "bowl", "ravine", "saddle" or "steep"; steepness from 1 to 100 is the
                bowl's condition number, angle turns the bowl, in degrees
    optimizers  one or two of the names in OPTIMIZERS, or pairs of a name and a
                dictionary of its settings: eta, mu, rho, beta1, beta2, eps, decay
    eta         the learning rate of all that are not given one of their own
    noise       standard deviation of what is added to each gradient, made from `seed`
    start       where to begin; steps: how many are drawn at first, at most 400
    choose      whether a reader may change the optimizers; by default with two

    Raises ValueError for what is outside its range. Taught in chapter 03.
    """

    scripts = (
        "steady", "landscape_arithmetic", "landscape_words", "landscape_drawing",
        "landscape",
    )  # fmt: skip
    surface = traitlets.Enum(tuple(SURFACES), "bowl").tag(sync=True)
    steepness = traitlets.Float().tag(sync=True)
    angle = traitlets.Float().tag(sync=True)
    start = traitlets.List(traitlets.Float()).tag(sync=True)
    noise = traitlets.Float().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    steps = traitlets.Int().tag(sync=True)
    optimizers = traitlets.List(traitlets.Dict()).tag(sync=True)
    choose = traitlets.Bool().tag(sync=True)
    most_steps = traitlets.Int(MOST_STEPS).tag(sync=True)
    surfaces = traitlets.Dict(SURFACES).tag(sync=True)
    choices = traitlets.Dict(OPTIMIZERS).tag(sync=True)
    ranges = traitlets.Dict({k: list(v) for k, v in RANGES.items()}).tag(sync=True)

    def __init__(
        self, surface="bowl", optimizers=("SGD",), *, eta=None, steepness=None, angle=0,
        start=None, noise=0, seed=0, steps=40, choose=None,
    ):  # fmt: skip
        place = _checked_surface(surface)
        runs = _checked_optimizers(optimizers, eta)
        steepness = place["steepness"] if steepness is None else steepness
        for name, value in (
            ("steepness", steepness), ("angle", angle), ("noise", noise)
        ):  # fmt: skip
            _check_range(name, value)
        check_whole("seed", seed, 0, 2**31 - 1)
        check_whole("steps", steps, 0, MOST_STEPS)
        names = " and ".join(run["name"] for run in runs)
        super().__init__(
            surface=surface, steepness=steepness, angle=angle, noise=noise, seed=seed,
            steps=steps, start=_checked_start(start, place), optimizers=runs,
            choose=len(runs) > 1 if choose is None else choose,
            alt=(
                f"A map of a loss over two weights, a {place['title']}, with the path "
                f"of {names} over {steps} steps from a start that can be moved, the "
                "loss against the step beside it, and the largest stable learning "
                "rate, where there is one."
            ),
        )  # fmt: skip

    @property
    def paths(self):
        """The path of each optimizer as it is drawn now: points, losses, exploded."""
        return [
            follow(
                self._surface, run, self.start, self.noise, self.seed, self.steps
            )
            for run in self.optimizers
        ]  # fmt: skip

    @property
    def limits(self):
        """The largest stable rate of each at the end of its path; None: has none."""
        return [
            stable_rate(run, self._surface.steepest(*path.points[-1]))
            for run, path in zip(self.optimizers, self.paths, strict=True)
        ]

    def picture(self):
        place = SURFACES[self.surface]
        return draw(self._surface, place, self.optimizers, self.paths, self.limits)

    @property
    def _surface(self):
        angle = self.angle if self.surface == "bowl" else 0
        return Surface(self.surface, self.steepness, angle)


def _checked_surface(surface):
    if surface not in SURFACES:
        raise ValueError(
            f"surface must be one of {', '.join(SURFACES)}, got {surface!r}"
        )
    return SURFACES[surface]


def _checked_optimizers(optimizers, eta):
    """Complete dictionaries: the name of each optimizer and all of its settings."""
    if isinstance(optimizers, str):
        optimizers = [optimizers]
    if not 1 <= len(optimizers) <= 2:
        raise ValueError(
            f"optimizers must be one name or two, got {len(optimizers)}; for more, "
            "draw a figure"
        )
    runs = []
    for given in optimizers:
        name, own = (given, {}) if isinstance(given, str) else given
        if name not in OPTIMIZERS:
            raise ValueError(
                f"an optimizer must be one of {', '.join(OPTIMIZERS)}, got {name!r}"
            )
        usual = OPTIMIZERS[name]
        if unknown := own.keys() - usual.keys():
            raise ValueError(
                f"{name} has the settings {', '.join(usual)}, "
                f"got {', '.join(sorted(unknown))}"
            )
        general = {} if eta is None else {"eta": eta}
        settings = {**usual, **general, **own}
        for setting, value in settings.items():
            _check_range(setting, value)
        runs.append({"name": name, **settings})
    return runs


def _check_range(name, value):
    low, high = RANGES[name]
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low:g} to {high:g}, got {value}")


def _checked_start(start, place):
    left, right, bottom, top = place["view"]
    if start is None:
        return list(place["start"])
    x, y = start
    if not (left <= x <= right and bottom <= y <= top and math.isfinite(x + y)):
        raise ValueError(
            f"start must lie on the map, x from {left} to {right} and y from {bottom} "
            f"to {top}, got {list(start)}"
        )
    return [float(x), float(y)]
