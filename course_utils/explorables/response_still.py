"""The still of the response surface: the map with the searches, and their curves."""

import numpy as np

from course_utils.explorables.response_search import (
    QUARTER,
    best_so_far,
    interpolate,
)
from course_utils.plots import COLORS, label_line, new_figure

BANDS = 10  # shades of the map
LOOKS = {"random": ("test", "s"), "TPE": ("train", "^")}  # role, marker
BAND = 10, 90  # percentiles of the runs
ROOM = 0.06  # above and below the curves, as in the browser


def heights(values, better):
    """From 0 at the best of values to 1 at the worst, by the root of the distance.

    The root shows differences between good values, also beside very bad ones.
    """
    values = np.asarray(values, dtype=float)
    distance = values - values.min() if better == "lower" else values.max() - values
    return np.sqrt(distance / distance.max())


def draw(surface):
    """The figure of a ResponseSurface, revealed."""
    figure, (left, right) = new_figure(
        1, 2, size=(8.6, 3.9), width_ratios=(5, 4), layout="constrained"
    )
    _draw_map(left, surface)
    _draw_curves(right, surface)
    return figure


def _draw_map(axes, surface):
    u, v = np.meshgrid((np.arange(120) + 0.5) / 120, (np.arange(96) + 0.5) / 96)
    height = heights(
        interpolate(surface.values, *surface._knots(), u, v), surface.better
    )
    shade = 1 - 0.55 * np.minimum(np.floor(height * BANDS), BANDS - 1) / (BANDS - 1)
    ends = [
        np.log10([axis["at"][0], axis["at"][-1]]) for axis in (surface.x, surface.y)
    ]
    axes.imshow(
        shade, vmin=0, vmax=1, origin="lower", aspect="auto",
        extent=(*ends[0], *ends[1]),
    )  # fmt: skip
    for name, (role, marker) in LOOKS.items():
        places = np.array(surface.rivals[name]["places"])
        logs = [
            low + (high - low) * p
            for (low, high), p in zip(ends, places.T, strict=True)
        ]
        axes.plot(
            *logs, marker, color=COLORS[role], markeredgecolor="white", markersize=7
        )
    if surface.trials:
        tried = np.log10(np.array(surface.trials)[:, :2])
        axes.plot(*tried.T, "o", color="black", markeredgecolor="white", markersize=7)
    for which, axis in ((axes.xaxis, surface.x), (axes.yaxis, surface.y)):
        which.get_major_locator().set_params(integer=True, nbins=6)
        which.set_major_formatter(lambda power, _: f"{10**power:g}")
        which.set_label_text(axis["name"])
    axes.set_title(f"{surface.what}: lighter is better")


def _draw_curves(axes, surface):
    counts = np.arange(1, surface.budget + 1)
    ends, heights_shown = {}, []
    for name, (role, _) in LOOKS.items():
        curves = np.array(surface.rivals[name]["curves"])
        color = COLORS[role]
        low, high = np.percentile(curves, BAND, axis=0)
        middle = np.median(curves, axis=0)
        axes.fill_between(counts, low, high, color=color, alpha=0.2, linewidth=0)
        axes.plot(counts, middle, color=color)
        ends[name] = middle[-1], color
        heights_shown += [low[-1], high[-1], middle[surface.budget // QUARTER]]
    if surface.trials:
        own = best_so_far([value for *_, value in surface.trials], surface.better)
        axes.plot(counts[: len(own)], own, color="black")
        heights_shown += [*own[surface.budget // QUARTER :], own[-1]]
    least, most = min(heights_shown), max(heights_shown)
    room = ROOM * (most - least or abs(most) or 1)
    axes.set_ylim(least - room, most + room)  # the first points would squeeze the rest
    above = max(ends, key=lambda name: ends[name][0])
    for name, (value, color) in ends.items():
        offset = (6, 7 if name == above else -7)
        label_line(axes, surface.budget, value, name, color, offset=offset)
    axes.set(xlabel="points tried")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title("best so far")
