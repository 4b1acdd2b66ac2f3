"""A photograph under a 3 x 3 kernel that the reader edits.

The browser computes (filters_arithmetic.js) and shows (filters.js); `filtered` does the
same in NumPy. Both are compared with PyTorch in tests/test_explore_filters.py.
"""

import matplotlib.cbook
import numpy as np
import traitlets
from PIL import Image

from course_utils.explorables.base import Explorable
from course_utils.grids import draw_grid, new_cells
from course_utils.plots import new_figure

PRESETS = {  # name: nine weights, what they are divided by, how the result is shown
    "identity": ((0, 0, 0, 0, 1, 0, 0, 0, 0), 1, "clipped"),
    "blur": ((1, 1, 1, 1, 1, 1, 1, 1, 1), 9, "clipped"),
    "sharpen": ((0, -1, 0, -1, 5, -1, 0, -1, 0), 1, "clipped"),
    "vertical edges (Sobel)": ((-1, 0, 1, -2, 0, 2, -1, 0, 1), 1, "signed"),
    "horizontal edges (Sobel)": ((-1, -2, -1, 0, 0, 0, 1, 2, 1), 1, "signed"),
    "emboss": ((-2, -1, 0, -1, 1, 1, 0, 1, 2), 1, "clipped"),
    "outline (Laplacian)": ((0, 1, 0, 1, -4, 1, 0, 1, 0), 1, "absolute"),
}
PADDINGS = {"zeros": "constant", "replicate": "edge", "reflect": "reflect"}  # NumPy's
DISPLAYS = ("clipped", "signed", "absolute")
SCALES = {
    "clipped": "black 0, white 255",
    "signed": "blue ≤ −{0:.0f}, white 0, red ≥ {0:.0f}",
    "absolute": "black 0, white ≥ {0:.0f}",
}
SMALLEST, LARGEST, MOST_TIMES = 20, 224, 8
SOURCE = (
    "Grace Hopper, 1984. Photograph by James S. Davis, US Navy, in the public domain, "
    "from Wikimedia Commons; it comes with matplotlib's sample data."
)


STILL, PHOTO = (7.6, 3.5), 384 / 144  # inches; two dots a pixel make a small file


def photograph(side=192):
    """A grey photograph of Grace Hopper, uint8 [side, side].

    A photograph by James S. Davis for the US Navy, 1984, in the public domain, from
    Wikimedia Commons (Grace_Hopper.jpg). It is part of matplotlib's sample data; raises
    FileNotFoundError where matplotlib was installed without them.
    """
    try:
        path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
        with Image.open(path) as opened:
            colour = opened.convert("RGB")
    except OSError as error:
        raise FileNotFoundError(
            "matplotlib's sample picture grace_hopper.jpg is missing; "
            "pip install --force-reinstall matplotlib brings it back"
        ) from error
    width = colour.width
    square = colour.crop((0, 0, width, width)).convert("L")
    return np.asarray(square.resize((side, side), Image.Resampling.LANCZOS))


def ninety_ninth(values):
    """The size that 99 of 100 values stay below, from every fourth of them.

    The end of a colour scale that a few strong edges do not make faint.
    """
    sizes = np.sort(np.abs(values).ravel()[::4])
    return float(sizes[int(0.99 * len(sizes))] or sizes[-1] or 1)


class PhotoFilter(Explorable):
    """A photograph beside what a 3 x 3 kernel makes of it; every weight can be typed.

    kernel   the name of a preset ("blur", ...; see PRESETS) or numbers [3, 3], which
             are divided by `divisor`
    image    uint8 [H, W] or [1, H, W] with sides from 20 to 224; the photograph of
             Grace Hopper where None; `source` says where another one comes from
    padding  "zeros", "replicate", "reflect" or "none"; times: applied so often in a row
    display  "clipped" to 0..255, "signed" or "absolute"; None takes the preset's
    flip     turn the kernel by 180 degrees first, as mathematics' convolution does

    Raises ValueError for arguments that cannot work. Taught in chapter 08.
    """

    scripts = ("steady", "filters_arithmetic", "filters")
    pixels = traitlets.Bytes().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    source = traitlets.Unicode().tag(sync=True)
    presets = traitlets.List().tag(sync=True)
    weights = traitlets.List(traitlets.Float()).tag(sync=True)
    divisor = traitlets.Float().tag(sync=True)
    padding = traitlets.Enum([*PADDINGS, "none"], "zeros").tag(sync=True)
    display = traitlets.Enum(DISPLAYS, "clipped").tag(sync=True)
    times = traitlets.Int().tag(sync=True)
    flip = traitlets.Bool().tag(sync=True)

    def __init__(
        self, kernel="identity", image=None, *, divisor=None, padding="zeros",
        display=None, times=1, flip=False, source="",
    ):  # fmt: skip
        weights, own_divisor, own_display = _checked_kernel(kernel)
        divisor = own_divisor if divisor is None else divisor
        display = display or own_display
        _check_options(divisor, padding, display, times)
        source = source or (SOURCE if image is None else "")
        image = _checked_image(photograph() if image is None else image)
        named = f"the kernel “{kernel}”" if isinstance(kernel, str) else "a kernel"
        super().__init__(
            pixels=image.tobytes(), height=image.shape[0], width=image.shape[1],
            source=source, weights=weights, divisor=divisor, padding=padding,
            display=display, times=times, flip=flip,
            presets=[
                {"name": name, "weights": list(preset[0]), "divisor": preset[1],
                 "display": preset[2]}
                for name, preset in PRESETS.items()
            ],
            alt=(
                "A grey photograph"
                + (f" ({source.split('.')[0]})" if source else "")
                + f", {named} of 3 by 3 weights, and what the kernel makes of the "
                f"photograph with padding “{padding}”."
            ),
        )  # fmt: skip

    @property
    def image(self):
        """The photograph, uint8 [H, W]."""
        pixels = np.frombuffer(self.pixels, np.uint8)
        return pixels.reshape(self.height, self.width)

    @property
    def kernel(self):
        """The weights [3, 3] as they lie on the picture: divided, turned if asked."""
        divided = np.reshape(self.weights, (3, 3)) / self.divisor
        return divided[::-1, ::-1] if self.flip else divided

    def filtered(self):
        """What the kernel makes of the photograph, float64 [H', W']."""
        result = self.image.astype(float)
        for _ in range(self.times):
            if self.padding != "none":
                result = np.pad(result, 1, mode=PADDINGS[self.padding])
            windows = np.lib.stride_tricks.sliding_window_view(result, (3, 3))
            result = np.einsum("ijab,ab->ij", windows, self.kernel)
        return result

    def picture(self):
        figure, axes = new_figure(size=STILL, layout="none")
        axes.remove()
        result = self.filtered()
        limit = ninety_ninth(result)
        scale = SCALES[self.display].format(limit)
        grey = (self.image / 255, "gray", 0)
        shown = {
            "clipped": (result.clip(0, 255) / 255, "gray", 0),
            "absolute": ((np.abs(result) / limit).clip(0, 1), "gray", 0),
            "signed": ((result / limit).clip(-1, 1), "RdBu_r", -1),
        }[self.display]
        for title, (values, colours, low), words, left in (
            ("photograph", grey, SCALES["clipped"], 0.1),
            ("result", shown, scale, STILL[0] - 0.1 - PHOTO),
        ):
            box = (left / STILL[0], 0.4 / STILL[1], PHOTO / STILL[0], PHOTO / STILL[1])
            place = figure.add_axes(box)
            place.imshow(np.round(values * 31) / 31, cmap=colours, vmin=low, vmax=1)
            place.set(xticks=[], yticks=[], frame_on=False)
            place.set_title(f"{title}, {values.shape[0]} × {values.shape[1]}")
            place.set_xlabel(words, fontsize=10, labelpad=4)
        self._draw_kernel(figure)
        return figure

    def _draw_kernel(self, figure):
        turned = np.reshape(self.weights, (3, 3))
        turned = turned[::-1, ::-1] if self.flip else turned
        cells = new_cells(figure, 3.06, 3.06, (0.4, 0.36, 0.2, 0.434))
        draw_grid(cells, (0.03, 0.03), turned, size=13)
        words = [f"divided by {self.divisor:g}"] if self.divisor != 1 else []
        words += [f"{self.times} times"] if self.times > 1 else []
        words += ["turned by 180°"] if self.flip else []
        figure.text(0.4, 0.83, "kernel", fontsize=12)
        figure.text(0.4, 0.24, "\n".join([*words, f"padding: {self.padding}"]),
                    fontsize=10, va="center")  # fmt: skip


def _checked_kernel(kernel):
    """Nine weights, their divisor and their display."""
    if isinstance(kernel, str):
        if kernel not in PRESETS:
            raise ValueError(
                f"there is no preset {kernel!r}; there are {', '.join(PRESETS)}"
            )
        weights, divisor, display = PRESETS[kernel]
        return list(weights), divisor, display
    kernel = kernel.detach().cpu() if hasattr(kernel, "detach") else kernel
    matrix = np.asarray(kernel, dtype=float)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise ValueError(
            f"kernel must be 3 by 3 finite numbers or the name of a preset, "
            f"got {list(matrix.shape)}"
        )
    return matrix.ravel().tolist(), 1, "signed" if (matrix < 0).any() else "clipped"


def _check_options(divisor, padding, display, times):
    if not (np.isfinite(divisor) and divisor != 0):
        raise ValueError(f"divisor must be a number other than 0, got {divisor}")
    if padding not in (*PADDINGS, "none"):
        raise ValueError(
            f"padding must be one of {', '.join(PADDINGS)} or none, got {padding!r}"
        )
    if display not in DISPLAYS:
        raise ValueError(
            f"display must be one of {', '.join(DISPLAYS)}, got {display!r}"
        )
    if times not in range(1, MOST_TIMES + 1):
        raise ValueError(f"times must be from 1 to {MOST_TIMES}, got {times!r}")


def _checked_image(image):
    image = image.detach().cpu() if hasattr(image, "detach") else image
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[0] == 1:
        image = image[0]
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(
            f"image must be uint8 [H, W] or [1, H, W], grey, "
            f"got {image.dtype} {list(image.shape)}"
        )
    if not SMALLEST <= min(image.shape) <= max(image.shape) <= LARGEST:
        raise ValueError(
            f"the sides of image must be from {SMALLEST} to {LARGEST} pixels, "
            f"got {list(image.shape)}; make it smaller with PIL's Image.resize"
        )
    return np.ascontiguousarray(image)
