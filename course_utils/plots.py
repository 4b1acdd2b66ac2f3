"""Figures of the course: one look, fixed colours, and words for who cannot see them.

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

STYLE = Path(__file__).with_name("course.mplstyle")
DOTS_PER_INCH = 144  # more than PAGE_DOTS_PER_INCH, for sharp screens
PAGE_DOTS_PER_INCH = 100
PALETTE = 256

# One colour per role in the whole course, apart for colour-blind readers as well
# (Okabe and Ito 2008, "Color Universal Design").
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
}


def new_figure(rows=1, columns=1, size=None, **options):
    """A Figure and its axes in the course's style, as plt.subplots gives them.

    `size` is (width, height) in inches; a notebook page is 7 inches wide.
    """
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(rows, columns, figsize=size, **options)
    plt.close(figure)  # not shown a second time by the inline backend
    return figure, axes


def show(figure, caption, alt):
    """Display a figure, then its caption.

    caption  says what the figure shows and how to read it (Markdown)
    alt      describes it to someone who cannot see it; it becomes the alternative text
    """
    for name, text in (("caption", caption), ("alt", alt)):
        if not text or not text.strip():
            raise ValueError(
                f"{name} is empty; every figure needs a caption and an alt"
            )
    data, width = to_png(figure)
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
    plt.close(figure)


def to_png(figure):
    """A figure as the bytes of a small PNG, and its width on the page in pixels."""
    buffer = io.BytesIO()
    with plt.style.context(STYLE):
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    image = Image.open(buffer).convert("RGB")
    colours = image.quantize(PALETTE, dither=Image.Dither.NONE)
    small = io.BytesIO()
    colours.save(small, format="png", optimize=True)
    return small.getvalue(), round(image.width * PAGE_DOTS_PER_INCH / DOTS_PER_INCH)


def draw_images(
    images, titles=None, *, columns=10, size=None, signed=False, marks=None
):
    """A grid of images [N, 1 or 3, H, W] or [N, H, W], from 0 to 255 or from 0 to 1.

    Grey images run from black to white; with signed=True they are weights or
    gradients: red above zero, blue below, white at zero, one scale for all. `marks`
    are truth values: a false one gets a frame and a cross, for mistakes.
    """
    images = np.asarray(images.detach().cpu() if hasattr(images, "detach") else images)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"images must be [N, 1 or 3, H, W] or [N, H, W], got {list(images.shape)}"
        )
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    size = size or (7, rows * (7 / columns + (0.28 if titles else 0.05)))
    figure, axes = new_figure(rows, columns, size=size, squeeze=False)
    limit = np.abs(images).max() or 1
    colours = {"cmap": "gray", "vmin": 0, "vmax": 255 if limit > 1 else 1}
    if signed:
        colours = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    for place in axes.flat:
        place.axis("off")
    for i, (image, place) in enumerate(zip(images, axes.flat, strict=False)):
        picture = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        place.imshow(picture, **colours)
        if titles is not None:
            place.set_title(titles[i], fontsize=10, loc="center", pad=3)
        if marks is not None and not marks[i]:
            _mark_mistake(place)
    return figure


def draw_history(history, columns=("loss", "accuracy")):
    """Curves of a History over epochs: a panel per metric, train and test labelled."""
    figure, axes = new_figure(1, len(columns), size=(7, 3.2), squeeze=False)
    for place, name in zip(axes.flat, columns, strict=True):
        for role in ("train", "test"):
            values = [row.get(f"{role}_{name}") for row in history.rows]
            if not values or values[0] is None:
                continue
            epochs = [row["epoch"] for row in history.rows]
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


def label_line(axes, x, y, text, color, offset=(6, 0)):
    """Write a line's name beside its last point, in its own colour."""
    axes.annotate(
        text, (x, y), offset, textcoords="offset points", color=color, va="center"
    )


def _mark_mistake(axes):
    axes.axis("on")
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(visible=True, color=COLORS["test"], linewidth=2.5)
    axes.text(
        0.97, 0.95, "✗", transform=axes.transAxes, ha="right", va="top",
        color=COLORS["test"], fontsize=13, fontweight="bold",
    )  # fmt: skip
