"""Grids of numbers as figures show them: cells with values, colours, marks and factors.

One unit of the axes is the side of a cell; rows go down, as in an array.
"""

import matplotlib
import numpy as np
from matplotlib.patches import Rectangle

from course_utils.plots import COLORS

INK, QUIET, LINE = "#111111", "#595959", "#C4C4C4"


def tint(value, limit):
    """A light colour of a signed value: blue below 0, white at 0, red above."""
    share = value / limit if limit else 0
    strong = np.array(matplotlib.colormaps["RdBu_r"]((share + 1) / 2)[:3])
    return tuple((1 + strong) / 2)


def shade(value, low, high):
    """A light grey of an input value, darker where it is smaller."""
    level = (170 + 85 * (value - low) / (high - low)) / 255 if high > low else 1.0
    return (level, level, level)


def number_text(value):
    """A number as a cell shows it: at most two decimals, a true minus sign."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", "−")


def new_cells(figure, columns, rows, box=(0, 0, 1, 1)):
    """Axes for grids: `columns` by `rows` cells, row 0 at the top, without ticks."""
    axes = figure.add_axes(box)
    axes.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal", anchor="NW")
    axes.axis("off")
    return axes


def draw_grid(
    axes, corner, values, *, is_input=False, limit=None, lit=(), chosen=None,
    factors=None, hollow=(), unread=(), color=COLORS["after"], size=11,
):  # fmt: skip
    """Draw a grid [rows, columns] of numbers whose upper left cell is at `corner`.

    values    numbers; NaN leaves a cell empty
    is_input  grey, as a picture; otherwise red above 0 and blue below it
    limit     the value of the strongest colour; the largest of the grid where None
    lit, hollow, unread  sets of (row, column): outlined; dashed, as padding; hatched
    chosen    the (row, column) with the thick outline; factors {(row, column): text}
    """
    values = np.asarray(values, dtype=float)
    known = [v for place, v in np.ndenumerate(values) if place not in hollow]
    known = [value for value in known if not np.isnan(value)] or [0.0]
    limit = limit or max(map(abs, known))
    low, high = min(0, *known, 0), max(0, *known, 0)
    factors = factors or {}
    for place, value in np.ndenumerate(values):
        x, y = corner[0] + place[1], corner[1] + place[0]
        colour = "white"
        if place not in hollow and not np.isnan(value):
            colour = shade(value, low, high) if is_input else tint(value, limit)
        style = {"linestyle": (0, (3, 2))} if place in hollow else {}
        hatch = "////" if place in unread else None
        axes.add_patch(
            Rectangle(
                (x, y), 1, 1, facecolor=colour, edgecolor=LINE, linewidth=0.8,
                hatch=hatch, zorder=1, **style,
            )
        )  # fmt: skip
        _write_cell(axes, x, y, value, factors.get(place), place in hollow, size)
        if place in lit or place == chosen:
            _outline(axes, x, y, color, 3.2 if place == chosen else 1.8)


def _write_cell(axes, x, y, value, factor, quiet, size):
    if np.isnan(value):
        return
    text = number_text(value)
    middle = y + (0.3 if factor else 0.5)
    axes.text(
        x + 0.5, middle, text, ha="center", va="center", color=QUIET if quiet else INK,
        fontsize=size if len(text) < 5 else 0.75 * size, zorder=4,
    )  # fmt: skip
    if factor:
        axes.text(
            x + 0.5, y + 0.73, factor, ha="center", va="center", color=INK,
            fontsize=0.88 * size, weight="bold", zorder=4,
        )  # fmt: skip


def _outline(axes, x, y, color, width):
    axes.add_patch(
        Rectangle(
            (x + 0.04, y + 0.04), 0.92, 0.92, fill=False, edgecolor=color,
            linewidth=width, zorder=3,
        )
    )  # fmt: skip


def draw_frame(axes, corner, size, color):
    """A frame of size (rows, columns) with its upper left corner at `corner`."""
    axes.add_patch(
        Rectangle(
            corner, size[1], size[0], fill=False, edgecolor=color, linewidth=3,
            joinstyle="round", zorder=5,
        )
    )  # fmt: skip
