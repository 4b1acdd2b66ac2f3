"""Moving figures: frames drawn with matplotlib, shown as one animated PNG.

An animated PNG is a PNG like any other: JupyterLab, the decks and GitHub show it as
they show a figure, and where nothing moves (print, PDF, mail) its first picture stands.
So the file begins with the frame that says most when it stands alone.
"""

import io

import numpy as np
from PIL import Image

from course_utils.explorables.convolution_numbers import Setting
from course_utils.grids import QUIET, draw_frame, draw_grid, new_cells, number_text
from course_utils.plots import (
    COLORS,
    PAGE_DOTS_PER_INCH,
    check_words,
    display_png,
    new_figure,
)

DOTS_PER_INCH = 120
PALETTE = 96  # colours of an animation
MOST_BYTES = 400_000


def show_animation(frames, caption, alt, *, seconds=0.7, hold=2.5, still=-1):
    """Display figures one after the other, in a loop without end, then the caption.

    frames   matplotlib Figures, or a generator of them; it may draw on one and the same
    caption  says what moves and how to read it (Markdown); alt describes it to someone
             who cannot see it, and becomes the alternative text
    seconds  for each frame; the last frame stays for `hold` seconds
    still    the place of the frame that is shown where nothing moves; -1 is the last

    Raises ValueError where words are missing, or the file would be above 400 kB.
    """
    check_words("animation", caption, alt)
    picture = to_animation(frames, seconds=seconds, hold=hold, still=still)
    display_png(*picture, caption, alt)


def to_animation(frames, *, seconds=0.7, hold=2.5, still=-1):
    """Figures as the bytes of an animated PNG, and its width on the page in pixels."""
    pictures = [_render(figure) for figure in frames]
    count = len(pictures)
    if count < 2 or len({picture.size for picture in pictures}) > 1:
        raise ValueError(
            f"an animation needs two or more frames of one size, got {count} of "
            f"{sorted({picture.size for picture in pictures})}"
        )
    if not -count <= still < count:
        raise ValueError(f"still must be a place among {count} frames, got {still}")
    milliseconds = [round(1000 * seconds)] * (count - 1) + [round(1000 * hold)]
    first = still % count
    pictures = _share_palette(pictures)
    order = [*range(first, count), *range(first)]
    buffer = io.BytesIO()
    pictures[first].save(
        buffer, format="png", save_all=True, optimize=True, loop=0,
        append_images=[pictures[k] for k in order[1:]],
        duration=[milliseconds[k] for k in order],
    )  # fmt: skip
    if buffer.tell() > MOST_BYTES:
        raise ValueError(
            f"the animation has {buffer.tell():,} bytes, at most {MOST_BYTES:,}; "
            "take fewer or smaller frames"
        )
    width = round(pictures[0].width * PAGE_DOTS_PER_INCH / DOTS_PER_INCH)
    return buffer.getvalue(), width


def _render(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return Image.open(buffer).convert("RGB")


def _share_palette(pictures):
    """The pictures in one palette of their commonest colours, others to the nearest.

    White stays white and every filled area keeps its colour; what is lost are shades at
    the edges of letters. One palette lets the file store only what changes.
    """
    packed = [
        np.asarray(one, dtype=np.uint32) @ (1 << 16, 1 << 8, 1) for one in pictures
    ]
    colours, counts = np.unique(np.stack(packed), return_counts=True)
    kept = np.sort(colours[np.argsort(-counts, kind="stable")[:PALETTE]])
    distances = np.abs(_channels(colours)[:, None] - _channels(kept)).sum(axis=2)
    nearest = distances.argmin(axis=1).astype(np.uint8)
    reduced = [
        Image.fromarray(nearest[np.searchsorted(colours, one)]) for one in packed
    ]
    for picture in reduced:
        picture.putpalette(_channels(kept).astype(np.uint8).tobytes())
    return reduced


def _channels(colours):
    """Packed colours [N] as red, green, blue [N, 3]."""
    return np.stack([colours >> 16, colours >> 8 & 255, colours & 255], 1).astype(int)


def backward_frames(weight, grad_output, shape, *, stride=1, padding=0, dilation=1):
    """Figures of a convolution's backward pass: a frame for every error.

    Each error of grad_output [H', W'] multiplies the weight [K, K], and the product is
    added to the gradient of the input [H, W] = shape, where the kernel lay. The last
    frame is the finished gradient. Raises ValueError where the shapes do not fit.
    """
    weight, errors = (_array(values) for values in (weight, grad_output))
    setting = Setting(*shape, len(weight), stride, padding, dilation)
    if weight.shape != (len(weight),) * 2 or errors.shape != setting.output_shape:
        raise ValueError(
            f"a weight {list(weight.shape)} on an input {list(shape)} with stride "
            f"{stride}, padding {padding} and dilation {dilation} has an output "
            f"{list(setting.output_shape)}; grad_output is {list(errors.shape)}"
        )
    steps = list(_steps(setting, weight, errors))
    limit = max(np.abs(gradient).max() for gradient, _, _ in steps) or 1
    for gradient, place, added in [*steps, (steps[-1][0], None, {})]:
        yield _draw_step(setting, weight, errors, (gradient, place, added), limit)


def _array(values):
    values = values.detach().cpu() if hasattr(values, "detach") else values
    return np.asarray(values, dtype=float)


def _steps(setting, weight, errors):
    """The gradient after each error, the error's place, and what it added where."""
    gradient = np.zeros((setting.height, setting.width))
    products = setting.products()
    for place in np.ndindex(errors.shape):
        added = {
            (one.r, one.c): weight[one.a, one.b] * errors[place]
            for one in products
            if (one.i, one.j) == place and one.inside
        }
        for cell, value in added.items():
            gradient[cell] += value
        yield gradient.copy(), place, added


def _draw_step(setting, weight, errors, step, limit):
    gradient, place, added = step
    height, (rows, columns) = setting.height, errors.shape
    across = columns + setting.kernel + setting.width + 2.7
    tall = max(height, rows, setting.kernel) + 2.1
    cell = min(0.5, 7.6 / across)  # inches
    size = (across * cell + 0.2, tall * cell + 0.1)
    figure, axes = new_figure(size=size, layout="none")
    axes.remove()
    box = (0.1 / size[0], 0.05 / size[1], 1 - 0.2 / size[0], 1 - 0.1 / size[1])
    axes = new_cells(figure, across, tall, box)
    font = 72 * 0.34 * cell
    starts = (0, columns + 1.3, columns + setting.kernel + 2.6)
    middle = "kernel w" if place is None else "error × w"
    titles = ("error ∂L/∂y", middle, "gradient ∂L/∂x")
    for start, title in zip(starts, titles, strict=True):
        axes.text(start, 0.75, title, fontsize=1.05 * font, weight="bold", va="bottom")
    for start in starts[1:]:
        axes.text(start - 0.65, 2.5, "→", fontsize=1.4 * font, ha="center", va="center")
    color = COLORS["gradient"]
    draw_grid(axes, (0, 1), errors, chosen=place, color=color, size=font)
    product = weight if place is None else weight * errors[place]
    draw_grid(axes, (starts[1], 1), product, limit=_largest(weight, errors), size=font)
    draw_grid(
        axes, (starts[2], 1), gradient, limit=limit, size=font, lit=set(added),
        factors={cell: _signed_text(value) for cell, value in added.items()},
        unread=_unread(setting), color=color,
    )  # fmt: skip
    if place is not None:
        corner = [k * setting.stride - setting.padding for k in place]
        place_of_frame = (starts[2] + corner[1], 1 + corner[0])
        draw_frame(axes, place_of_frame, (setting.span, setting.span), color)
    axes.text(
        0, tall - 0.55, _words(place, errors), fontsize=font, va="center", color=QUIET
    )
    return figure


def _largest(weight, errors):
    return np.abs(weight).max() * np.abs(errors).max() or 1


def _signed_text(value):
    return number_text(value) if value < 0 else f"+{number_text(value)}"


def _unread(setting):
    read = {(one.r, one.c) for one in setting.products()}
    return set(np.ndindex(setting.height, setting.width)) - read


def _words(place, errors):
    if place is None:
        return "Every error has been added: the gradient of the input."
    value, name = number_text(errors[place]), f"Error [{place[0]}, {place[1]}]"
    return f"{name} = {value}: {value} × w is added where the kernel lay."
