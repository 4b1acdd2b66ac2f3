"""The arithmetic of the landscape in Python, for its still: landscape_arithmetic.js.

The optimizers here move one coordinate, a number. That they are those of
course_utils.optimizers is tested; they are not called, so that a chapter that shows a
landscape uses no other optimizer than its own.
"""

import math
from dataclasses import dataclass

import numpy as np

LARGEST = 1000  # farther away, a path has exploded
WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class Surface:
    """A loss over a plane; x and y are numbers or arrays of one shape.

    steepness is the condition number of the bowl, the curvature of the ravine's walls
    and across the saddle, and the sharpness of the steep optimum; angle, in degrees,
    turns the bowl.
    """

    name: str
    steepness: float
    angle: float = 0

    def loss(self, x, y):
        k = self.steepness
        if self.name == "bowl":
            cos, sin = self._turn()
            return ((x * cos + y * sin) ** 2 + k * (y * cos - x * sin) ** 2) / 2
        if self.name == "ravine":
            return ((1 - x) ** 2 + k * (y - x * x) ** 2) / 2
        if self.name == "saddle":
            return k * x * x / 2 + (y * y - 1) ** 2 / 4
        return np.log1p(k * (x * x + 3 * y * y)) / 2

    def gradient(self, x, y):
        k = self.steepness
        if self.name == "bowl":
            cos, sin = self._turn()
            u, w = x * cos + y * sin, k * (y * cos - x * sin)
            return cos * u - sin * w, sin * u + cos * w
        if self.name == "ravine":
            return x - 1 - 2 * k * x * (y - x * x), k * (y - x * x)
        if self.name == "saddle":
            return k * x, y * (y * y - 1)
        scale = k / (1 + k * (x * x + 3 * y * y))
        return scale * x, 3 * scale * y

    def steepest(self, x, y):
        """The largest eigenvalue of the Hessian at a point."""
        a, b, c = self._hessian(x, y)
        return (a + c) / 2 + math.hypot((a - c) / 2, b)

    def _hessian(self, x, y):
        k = self.steepness
        if self.name == "bowl":
            cos, sin = self._turn()
            return cos**2 + k * sin**2, cos * sin * (1 - k), sin**2 + k * cos**2
        if self.name == "ravine":
            return 1 - 2 * k * y + 6 * k * x * x, -2 * k * x, k
        if self.name == "saddle":
            return k, 0, 3 * y * y - 1
        scale = k / (1 + k * (x * x + 3 * y * y))
        return (
            scale - 2 * (scale * x) ** 2,
            -6 * scale**2 * x * y,
            3 * scale - 2 * (3 * scale * y) ** 2,
        )

    def _turn(self):
        angle = math.radians(self.angle)
        return math.cos(angle), math.sin(angle)


def move(optimizer, g, state, t, p):
    """How far an optimizer moves one coordinate down; see RULES in the script."""
    name, eta = optimizer["name"], optimizer["eta"]
    if name == "SGD":
        return eta * g
    if name in ("Momentum", "Nesterov"):
        v = state["v"] = optimizer["mu"] * state["v"] + g
        return eta * (v if name == "Momentum" else optimizer["mu"] * v + g)
    eps = optimizer["eps"]
    if name == "Adagrad":
        state["s"] += g * g
        return eta * g / (math.sqrt(state["s"]) + eps)
    if name in ("Adadelta", "RMSprop"):
        rho = optimizer["rho"]
        s = state["s"] = rho * state["s"] + (1 - rho) * g * g
        if name == "RMSprop":
            return eta * g / (math.sqrt(s) + eps)
        step = math.sqrt(state["d"] + eps) / math.sqrt(s + eps) * g
        state["d"] = rho * state["d"] + (1 - rho) * step * step
        return eta * step
    beta1, beta2 = optimizer["beta1"], optimizer["beta2"]
    m = state["m"] = beta1 * state["m"] + (1 - beta1) * g
    s = state["s"] = beta2 * state["s"] + (1 - beta2) * g * g
    step = eta * m / (1 - beta1**t) / (math.sqrt(s / (1 - beta2**t)) + eps)
    return step + (eta * optimizer["decay"] * p if name == "AdamW" else 0)


def noise_of(seed, t):
    """The two normal numbers of step t, the same for every optimizer."""
    radius = math.sqrt(-2 * math.log(1 - _uniform(seed, 2 * t)))
    turn = 2 * math.pi * _uniform(seed, 2 * t + 1)
    return radius * math.cos(turn), radius * math.sin(turn)


def _uniform(seed, n):
    h = ((seed * 0x9E3779B1) ^ n) & WORD
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & WORD
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & WORD
    return (h ^ (h >> 16)) / 2**32


@dataclass
class Path:
    """Points and losses from the start on; `exploded` is the step that went too far."""

    points: list
    losses: list
    exploded: int | None = None


def follow(surface, optimizer, start, noise, seed, count):
    """The Path of an optimizer over `count` steps, or to where it explodes."""
    states = [dict.fromkeys("vmsd", 0.0) for _ in range(2)]
    path = Path([tuple(start)], [float(surface.loss(*start))])
    for t in range(1, count + 1):
        point = path.points[-1]
        slope, random = surface.gradient(*point), noise_of(seed, t)
        following = tuple(
            p - move(optimizer, slope[i] + noise * random[i], states[i], t, p)
            for i, p in enumerate(point)
        )
        if not all(abs(p) < LARGEST for p in following):
            path.exploded = t
            break
        path.points.append(following)
        path.losses.append(float(surface.loss(*following)))
    return path


def stable_rate(optimizer, curvature):
    """The largest stable learning rate for a quadratic loss with that curvature.

    inf where nothing curves upwards, None for optimizers that rescale the gradient.
    """
    mu = optimizer.get("mu", 0)
    reach = {
        "SGD": 2,
        "Momentum": 2 * (1 + mu),
        "Nesterov": 2 * (1 + mu) / (1 + 2 * mu),
    }.get(optimizer["name"])
    if reach is None:
        return None
    return reach / curvature if curvature > 0 else math.inf
