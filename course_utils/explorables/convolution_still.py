"""The still of the convolution grid: one mode's grids side by side, and the sum."""

import textwrap

import numpy as np

from course_utils.grids import QUIET, draw_frame, draw_grid, new_cells, number_text
from course_utils.plots import COLORS, new_figure

WIDTH = 8.6  # inches
GAP = 1.25  # between grids, in cells
TITLE = 0.5  # above them, in inches
FORWARD, BACKWARD = COLORS["after"], COLORS["gradient"]
SYMBOL = {"forward": "y", "backward": "∂L/∂x", "weights": "∂L/∂w"}
FLOW = {"forward": "∗→", "backward": "←∗=", "weights": "→←"}


def draw(numbers, mode, place):
    """The figure: the sum behind the cell `place` of the grid that `mode` computes."""
    grids = _layout(numbers, mode, place)
    shapes = [np.shape(grid["values"]) for grid in grids]
    columns = sum(max(2, shape[1]) for shape in shapes) + GAP * (len(grids) - 1)
    cell = min(0.52, (WIDTH - 0.2) / columns)  # inches
    rows = max(shape[0] for shape in shapes) + TITLE / cell
    lines = _sum_lines(numbers, mode, place)
    below = 0.25 + 0.24 * len(lines)
    size = (WIDTH, rows * cell + below + 0.1)
    figure, axes = new_figure(size=size, layout="none")
    axes.remove()
    box = (0.1 / size[0], below / size[1], 1 - 0.2 / size[0], rows * cell / size[1])
    axes = new_cells(figure, (WIDTH - 0.2) / cell, rows, box)
    _draw_grids(axes, grids, mode, TITLE / cell, 72 * 0.34 * cell)
    for k, line in enumerate(lines):
        y = (below - 0.22 - 0.24 * k) / size[1]
        figure.text(0.1 / size[0], y, line, fontsize=10.5, va="top")
    return figure


def _draw_grids(axes, grids, mode, top, font):
    left, middle = 0, top + len(grids[1]["values"]) / 2
    for k, grid in enumerate(grids):
        options = grid["options"]
        if k:
            axes.text(
                left - GAP / 2, middle, FLOW[mode][k - 1], fontsize=15, ha="center",
                va="center",
            )  # fmt: skip
        axes.text(left, 0.15 * top, grid["title"], fontsize=10, weight="bold", va="top")
        axes.text(left, 0.58 * top, grid["detail"], fontsize=8.5, va="top", color=QUIET)
        draw_grid(axes, (left, top), grid["values"], size=font, **options)
        if grid.get("frame"):
            (row, column), shape = grid["frame"]
            draw_frame(axes, (left + column, top + row), shape, options["color"])
        left += max(2, np.shape(grid["values"])[1]) + GAP


def _layout(numbers, mode, place):
    """The grids of a mode from left to right: titles, values and marks."""
    color = FORWARD if mode == "forward" else BACKWARD
    products = numbers.products_of(mode, place)
    target = {
        "values": numbers.gather(mode),
        "options": {"chosen": place, "color": color},
    }
    if mode == "forward":
        target |= {"title": "output y", "detail": _by(numbers.setting.output_shape)}
        return [
            _input(numbers, mode, place, products, color),
            _kernel(numbers, products, color),
            target,
        ]
    target |= {
        "title": f"gradient {SYMBOL[mode]}",
        "detail": _by(target["values"].shape),
    }
    error = _error(numbers, mode, products, color)
    if mode == "weights":
        return [_input(numbers, mode, place, products, color), target, error]
    target["options"]["unread"] = numbers.unread()
    return [
        target,
        _kernel(numbers, products, color),
        error,
        _full(numbers, place, color),
    ]


def _input(numbers, mode, place, products, color):
    setting = numbers.setting
    P = setting.padding
    values, padding = _padded(numbers.x, P, 0.0)
    which = 0 if mode == "forward" else 1
    factors = {
        (
            one.r + P,
            one.c + P,
        ): f"×\u2009{number_text(numbers.factors(mode, one)[which])}"
        for one in products
    }
    pitch = setting.stride if mode == "forward" else setting.dilation
    shape = (setting.span,) * 2
    if mode == "weights":
        shape = [(count - 1) * setting.stride + 1 for count in setting.output_shape]
    detail = _by(numbers.x.shape) + (f", padded {_by(values.shape)}" if P else "")
    options = {
        "is_input": True, "factors": factors, "lit": set(factors), "hollow": padding,
        "unread": {(r + P, c + P) for r, c in numbers.unread()}, "color": color,
    }  # fmt: skip
    return {
        "title": "input x", "detail": detail, "values": values, "options": options,
        "frame": ((place[0] * pitch, place[1] * pitch), shape) if products else None,
    }  # fmt: skip


def _kernel(numbers, products, color):
    setting = numbers.setting
    spans = (
        f", spans {_by((setting.span,) * 2)}" if setting.span > setting.kernel else ""
    )
    lit = {(one.a, one.b) for one in products}
    return {
        "title": "kernel w", "detail": _by(numbers.weight.shape) + spans,
        "values": numbers.weight, "options": {"lit": lit, "color": color},
    }  # fmt: skip


def _error(numbers, mode, products, color):
    factors = {}
    if mode == "backward":
        factors = {
            (one.i, one.j): f"×\u2009{number_text(numbers.factors(mode, one)[0])}"
            for one in products
        }
    lit = {(one.i, one.j) for one in products}
    return {
        "title": "error ∂L/∂y", "detail": _by(numbers.grad_output.shape),
        "values": numbers.grad_output,
        "options": {"lit": lit, "factors": factors, "color": color},
    }  # fmt: skip


def _full(numbers, place, color):
    """The errors with zeros between and around them, under the turned kernel."""
    setting, (values, real) = numbers.setting, numbers.stretched()
    last = setting.kernel - 1
    factors = {}
    for (a, b), weight in np.ndenumerate(numbers.weight):
        row = place[0] + (last - a) * setting.dilation
        column = place[1] + (last - b) * setting.dilation
        factors[row, column] = f"×\u2009{number_text(weight)}"
    hollow = {cell for cell in np.ndindex(values.shape) if not real[cell]}
    return {
        "title": "the same as a full convolution",
        "detail": f"{_by(values.shape)}, kernel turned by 180°",
        "values": values, "frame": (place, (setting.span,) * 2),
        "options": {
            "lit": set(factors), "factors": factors, "hollow": hollow, "color": color,
        },
    }  # fmt: skip


def _padded(values, padding, filling):
    """The grid in a ring of `padding` cells, and the places of the ring."""
    padded = np.pad(values, padding, constant_values=filling)
    inner = np.pad(np.ones(values.shape, dtype=bool), padding)
    return padded, {cell for cell in np.ndindex(padded.shape) if not inner[cell]}


def _sum_lines(numbers, mode, place):
    """The sum written out, in lines that fit the figure."""
    name = f"{SYMBOL[mode]}[{place[0]}, {place[1]}]"
    if numbers.setting.output_shape == (0, 0):
        return [
            f"The kernel spans {numbers.setting.span} cells, more than the padded "
            "input has: there is no output."
        ]
    terms, total = numbers.sum_text(mode, place)
    pieces = [term.replace(" ", "\u00a0") for term in terms]
    text = (
        f"{name} = " + " + ".join(pieces) + (" = " if terms else "nothing = ") + total
    )
    return textwrap.wrap(text, 108, break_long_words=False, break_on_hyphens=False)


def _by(shape):
    return f"{shape[0]} × {shape[1]}"
