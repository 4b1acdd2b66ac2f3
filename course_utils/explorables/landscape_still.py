"""The still of the landscape: the map with the paths, and the loss against the step."""

import math

import numpy as np

from course_utils.plots import COLORS, new_figure

SIZE = (8.6, 4.05)
LEVELS = 3, 12  # the contours span so many powers of ten, in so many lines
LOWEST, HIGHEST = 1e-12, 1e15  # losses beyond these are drawn at the edge
STYLES = ("-", (0, (4, 1.6)))
MARKS = ("o", "s")


def draw(surface, place, optimizers, paths, limits):
    """The figure: paths of one or two optimizers (dictionaries) on a Surface."""
    figure, axes = new_figure(size=SIZE, layout="none")
    axes.remove()
    left = figure.add_axes((0.05, 0.085, 0.575, 0.83))
    right = figure.add_axes((0.71, 0.12, 0.275, 0.5))
    _draw_map(left, surface, place, paths[0].points[0])
    names = [f"{run['name']}, η = {run['eta']:.3g}" for run in optimizers]
    for k, (run, path) in enumerate(zip(optimizers, paths, strict=True)):
        look = {
            "color": COLORS[run["name"]], "linestyle": STYLES[k], "marker": MARKS[k],
            "markersize": 3, "linewidth": 1.4,
        }  # fmt: skip
        x, y = np.transpose(path.points)
        left.plot(x, y, **look)
        losses = np.clip(path.losses, LOWEST, HIGHEST)
        right.plot(range(len(losses)), losses, **look | {"marker": ""})
        place_y = 0.9 - 0.1 * k
        figure.text(
            0.655, place_y, names[k], color=look["color"], fontsize=10, weight="bold"
        )
        said = _limit_text(path, limits[k], run["eta"])
        figure.text(0.655, place_y - 0.045, said, fontsize=8.5, color="#444444")
    right.set(yscale="log")
    right.set_xlabel("step", fontsize=9, labelpad=1)
    right.set_title("loss", fontsize=10, pad=4)
    right.tick_params(labelsize=8.5)
    right.xaxis.get_major_locator().set_params(integer=True, nbins=4)
    title = f"{place['title']}: {place['words']} {surface.steepness:.3g}"
    left.set_title(title, fontsize=10, pad=5)
    return figure


def _draw_map(axes, surface, place, start):
    left, right, bottom, top = place["view"]
    x, y = np.meshgrid(np.linspace(left, right, 181), np.linspace(bottom, top, 121))
    loss = surface.loss(x, y)
    powers, count = LEVELS
    levels = loss.max() * np.logspace(-powers, 0, count)
    if place["even"]:
        levels = loss.max() * np.arange(1, count + 1) / count
    shades = [str(1 - 0.24 * k / count) for k in range(count)]
    axes.contourf(x, y, loss, [0, *levels], colors=shades)
    axes.contour(x, y, loss, levels, colors="#A3A3A3", linewidths=0.7)
    for minimum in place["minima"]:
        axes.plot(*minimum, "+", color="black", markersize=9, markeredgewidth=1.6)
    axes.plot(*start, "o", color="white", markeredgecolor="black", markersize=10)
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes.tick_params(labelsize=8.5)


def _limit_text(path, limit, eta):
    if path.exploded is not None:
        return f"explodes in step {path.exploded}"
    if limit is None:
        return "rescales its steps: no limit 2/λmax"
    if math.isinf(limit):
        return "no upward curvature here: no limit"
    side = "above" if eta > limit else "below"
    return f"{side} the limit here, {limit:.3g}"
