"""Figures of the course: one look, fixed colours, and words for who cannot see them.

Importing this module sets matplotlib's style, also for figures that a reader draws.
Functions that draw return a matplotlib Figure; `show` displays it with its caption and
its description. No function leaves a figure open.
"""

import io
from pathlib import Path

import matplotlib
import numpy as np
from IPython.display import display
from matplotlib import pyplot as plt
from PIL import Image

plt.style.use(Path(__file__).with_name("course.mplstyle"))

DOTS_PER_INCH = 144  # more than PAGE_DOTS_PER_INCH, for sharp screens
PAGE_DOTS_PER_INCH = 100
PALETTE = 256

# One colour per role in the whole course, apart for colour-blind readers as well
# (Okabe and Ito 2008, "Color Universal Design"; the indigo is Tol's).
COLORS = {
    "train": "#0072B2",
    "validation": "#E69F00",
    "test": "#D55E00",
    "real": "#009E73",
    "generated": "#CC79A7",
    "gradient": "#CC79A7",
    "before": "#999999",
    "after": "#0072B2",
    "grey": "#777777",
    "SGD": "#555555",
    "Momentum": "#0072B2",
    "Nesterov": "#56B4E9",
    "Adagrad": "#E69F00",
    "Adadelta": "#332288",
    "RMSprop": "#009E73",
    "Adam": "#D55E00",
    "AdamW": "#CC79A7",
}


def new_figure(rows=1, columns=1, size=None, **options):
    """A Figure and its axes in the course's style, as plt.subplots gives them.

    `size` is (width, height) in inches; a notebook page is 7 inches wide.
    """
    figure, axes = plt.subplots(rows, columns, figsize=size, **options)
    plt.close(figure)  # not shown a second time by the inline backend
    return figure, axes


def show(figure, caption, alt):
    """Display a figure, then its caption.

    caption  says what the figure shows and how to read it (Markdown)
    alt      describes it to someone who cannot see it; it becomes the alternative text
    """
    check_words("figure", caption, alt)
    display_png(*to_png(figure), caption, alt)
    plt.close(figure)


def check_words(kind, caption, alt):
    """Raise ValueError where a "figure" or "animation" lacks its words."""
    for name, text in (("caption", caption), ("alt", alt)):
        if not text or not text.strip():
            raise ValueError(
                f"{name} is empty; every {kind} needs a caption and an alt"
            )


def display_png(data, width, caption, alt):
    """Display the bytes of a PNG, `width` pixels wide on the page, and its caption."""
    display(
        {"image/png": data, "text/plain": alt},
        metadata={"image/png": {"alt": alt, "width": width}},
        raw=True,
    )
    display(
        {"text/markdown": f"*{caption}*", "text/plain": caption},
        metadata={"course": {"caption": True}},
        raw=True,
    )


def to_png(figure, colours=PALETTE):
    """A figure as the bytes of a small PNG, and its width on the page in pixels.

    `colours` is the size of its palette, at most 256: fewer make a smaller file.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    image = Image.open(buffer).convert("RGB")
    reduced = image.quantize(colours, dither=Image.Dither.NONE)
    small = io.BytesIO()
    reduced.save(small, format="png", optimize=True)
    return small.getvalue(), round(image.width * PAGE_DOTS_PER_INCH / DOTS_PER_INCH)


def draw_images(images, titles=None, *, columns=10, rows=None, size=None, signed=False):
    """A grid of images [N, 1 or 3, H, W] or [N, H, W], from 0 to 255 or from 0 to 1.

    `titles` stand above the images, `rows` are names before the rows. Grey images run
    from black to white; with signed=True they are weights or gradients: red above zero,
    blue below, white at zero, on one scale for all.
    """
    images = np.asarray(images.detach().cpu() if hasattr(images, "detach") else images)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"images must be [N, 1 or 3, H, W] or [N, H, W], got {list(images.shape)}"
        )
    if len(images) == 0:
        raise ValueError("there is no image to draw, got an empty batch")
    columns, titles = min(columns, len(images)), list(titles or [])
    count = -(-len(images) // columns)
    titled = -(-len(titles) // columns)
    height = count * (0.06 + (6 if rows else 7) / columns) + 0.25 * titled
    figure, axes = new_figure(count, columns, size=size or (7, height), squeeze=False)
    limit = np.abs(images).max() or 1
    colours = {"cmap": "gray", "vmin": 0, "vmax": 255 if limit > 1 else 1}
    if signed:
        colours = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    longest = max(
        (len(line) for title in titles for line in title.split("\n")), default=1
    )
    font_size = min(11, 72 * 7 / columns / (0.65 * longest))  # no title meets the next
    for i, place in enumerate(axes.flat):
        place.set(xticks=[], yticks=[], frame_on=False)
        if i < len(images):
            image = images[i]
            picture = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
            place.imshow(picture, **colours)
        if i < len(titles):
            place.set_title(titles[i], fontsize=font_size, loc="center", pad=3)
        if rows and i % columns == 0:
            place.set_ylabel(rows[i // columns], rotation=0, ha="right", va="center")
    return figure


def draw_history(history, columns=("loss", "accuracy")):
    """Curves of a History over epochs: a panel per metric, train and test labelled."""
    figure, axes = new_figure(1, len(columns), size=(7, 3.2), squeeze=False)
    for place, name in zip(axes.flat, columns, strict=True):
        for role in ("train", "test"):
            column = f"{role}_{name}"
            rows = [row for row in history.rows if column in row]
            if not rows:
                continue
            epochs = [row["epoch"] for row in rows]
            values = [row[column] for row in rows]
            place.plot(epochs, values, "o-", color=COLORS[role])
            label_line(place, epochs[-1], values[-1], role, COLORS[role])
        place.set_xlabel("epoch")
        place.set_title(f"{name} per image" if name == "loss" else name)
        place.xaxis.get_major_locator().set_params(integer=True)
        if name == "accuracy":
            place.yaxis.set_major_formatter(
                matplotlib.ticker.PercentFormatter(1, decimals=0)
            )
    return figure


def draw_lines(lines, x=None, *, xlabel, ylabel, colors=None, log=False, size=None):
    """Named lines in one panel, each labelled at its end.

    `lines` maps a name to values [n], or [seeds, n]: then the median is drawn in a band
    from the smallest to the largest. `colors` maps names to colours or roles.
    """
    figure, axes = new_figure(size=size)
    for i, (name, values) in enumerate(lines.items()):
        values = np.atleast_2d(np.asarray(values, dtype=float))
        places = np.arange(1, values.shape[1] + 1) if x is None else np.asarray(x)
        color = (colors or {}).get(name, f"C{i}")
        color = COLORS.get(color, color)
        middle = np.median(values, axis=0)
        axes.plot(places, middle, color=color)
        if len(values) > 1:
            low, high = values.min(axis=0), values.max(axis=0)
            axes.fill_between(places, low, high, color=color, alpha=0.2, linewidth=0)
        label_line(axes, places[-1], middle[-1], name, color)
    axes.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    return figure


def draw_bars(bars, *, xlabel, colors=None, size=None):
    """Named horizontal bars from zero, with the number at the end of each.

    `bars` maps a name to a number, or to several: then the bar is their median and
    each is drawn as a dot.
    """
    figure, axes = new_figure(size=size or (7, 0.8 + 0.5 * len(bars)))
    for i, (name, values) in enumerate(bars.items()):
        values = np.atleast_1d(np.asarray(values, dtype=float))
        color = (colors or {}).get(name, "grey")
        axes.barh(i, np.median(values), color=COLORS.get(color, color), height=0.6)
        if len(values) > 1:
            axes.plot(values, [i] * len(values), "o", color="black", markersize=3)
        label_line(axes, values.max(), i, f"{np.median(values):.3g}", "#333333")
    axes.set(xlabel=xlabel, yticks=range(len(bars)), yticklabels=list(bars))
    axes.invert_yaxis()
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def draw_dots(axes, rows, form, colors=None, marked=np.median):
    """Named rows of numbers on given axes: a stroke for each, a dot for marked(row).

    `rows` maps a name to its numbers, which may be none; form(value) is the text above
    the dot. `colors` maps names to roles or colours, grey where it has none.
    """
    for i, (name, values) in enumerate(rows.items()):
        values = np.asarray(values, dtype=float)
        color = (colors or {}).get(name, "grey")
        color = COLORS.get(color, color)
        axes.plot(values, [i] * len(values), "|", color=color, markersize=12)
        if len(values):
            value = marked(values)
            axes.plot(value, i, "o", color=color)
            axes.annotate(form(value), (value, i - 0.36), ha="center", va="center")
    axes.set(ylim=(len(rows) - 0.5, -0.7), yticks=range(len(rows)), yticklabels=rows)
    axes.margins(x=0.15)


def label_line(axes, x, y, text, color, offset=(6, 0)):
    """Write a line's name beside its last point, in its own colour."""
    axes.annotate(
        text, (x, y), offset, textcoords="offset points", color=color, va="center"
    )
