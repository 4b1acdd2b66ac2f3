"""One convolution on a small grid, cell by cell, forward and backward.

The browser does all of it: arithmetic (convolution_arithmetic.js), grids and marks
(convolution_drawing.js), sums and sentences (convolution_words.js), controls
(convolution.js). convolution_numbers.py and convolution_still.py do the same in Python
for the still.
"""

import numpy as np
import traitlets

from course_utils.explorables.base import Explorable, check_whole
from course_utils.explorables.convolution_numbers import MODES, Numbers, Setting
from course_utils.explorables.convolution_still import draw

LARGEST_INPUT, LARGEST_KERNEL, MOST_PADDING, LARGEST_NUMBER = 7, 4, 3, 99
RANGES = {"stride": (1, 3), "padding": (0, MOST_PADDING), "dilation": (1, 3)}
X = (
    (0, 1, 2, 1, 0, 3),
    (2, 4, 3, 0, 1, 2),
    (1, 3, 5, 4, 2, 0),
    (0, 2, 4, 5, 3, 1),
    (3, 1, 0, 3, 4, 2),
    (2, 0, 1, 2, 3, 5),
)
WEIGHT = ((1, 2, -1, 0), (0, 3, -2, 1), (-1, 1, 2, -1), (2, 0, 1, 1))
ERROR = ((1, -2, 0, 3), (2, 1, -1, 0), (-3, 0, 2, 1), (1, -1, 2, -2))
KINDS = {
    "forward": "the products that one output is the sum of",
    "backward": "the errors and weights that the gradient of one input gathers",
    "weights": "the inputs and errors that the gradient of one weight sums up",
}


class ConvolutionGrid(Explorable):
    """A convolution of x [H, W] with weight [K, K], every number shown and editable.

    mode      "forward" shows the sum behind an output, "backward" the sum behind a
              cell of the gradient of the input, and the full convolution with the
              turned kernel, "weights" the sum behind a cell of the weight's gradient
    grad_output  the error [H', W'] that arrives at the output; small numbers where None
    chosen    the (row, column) whose sum is written out at first

    H and W are at most 7, K at most 4; numbers lie from -99 to 99 and are rounded to
    two decimals, as they are shown. The properties `x`, `weight` and `grad_output` are
    the numbers as they stand now, with what a reader has typed. Raises ValueError for
    what does not fit together. Taught in chapter 08.
    """

    scripts = (
        "steady", "convolution_arithmetic", "convolution_words", "convolution_drawing",
        "convolution",
    )  # fmt: skip
    mode = traitlets.Enum(MODES, "forward").tag(sync=True)
    input = traitlets.List(traitlets.Float()).tag(sync=True)
    kernel = traitlets.List(traitlets.Float()).tag(sync=True)
    error = traitlets.List(traitlets.Float()).tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    kernel_size = traitlets.Int().tag(sync=True)
    stride = traitlets.Int().tag(sync=True)
    padding = traitlets.Int().tag(sync=True)
    dilation = traitlets.Int().tag(sync=True)
    chosen = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(
        self, x=None, weight=None, grad_output=None, *, stride=1, padding=0,
        dilation=1, mode="forward", chosen=None,
    ):  # fmt: skip
        x = _checked("x", X if x is None else x, LARGEST_INPUT)
        weight = np.array(WEIGHT)[:3, :3] if weight is None else weight
        weight = _checked("weight", weight, LARGEST_KERNEL)
        setting = _checked_setting(x, weight, stride, padding, dilation)
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        kernel = np.array(WEIGHT, dtype=float)
        kernel[: len(weight), : len(weight)] = weight
        super().__init__(
            mode=mode, input=x.ravel().tolist(), kernel=kernel.ravel().tolist(),
            error=_errors(grad_output, setting).ravel().tolist(),
            height=setting.height, width=setting.width, kernel_size=setting.kernel,
            stride=stride, padding=padding, dilation=dilation,
            chosen=_checked_place(chosen, setting, mode),
            alt=(
                f"A convolution on a grid: an input of {setting.height} by "
                f"{setting.width} numbers, a kernel of {setting.kernel} by "
                f"{setting.kernel} with stride {stride}, padding {padding} and "
                f"dilation {dilation}, and {KINDS[mode]}, marked in the grids and "
                "written out."
            ),
        )  # fmt: skip

    @property
    def setting(self):
        """The sizes as they stand now."""
        return Setting(
            self.height, self.width, self.kernel_size, self.stride, self.padding,
            self.dilation,
        )  # fmt: skip

    @property
    def x(self):
        """The input [H, W] as it stands now."""
        return np.reshape(self.input, (self.height, self.width))

    @property
    def weight(self):
        """The kernel [K, K] as it stands now."""
        square = np.reshape(self.kernel, (LARGEST_KERNEL, LARGEST_KERNEL))
        return square[: self.kernel_size, : self.kernel_size]

    @property
    def grad_output(self):
        """The error [H', W'] as it stands now; [0, 0] where the kernel does not fit."""
        rows, columns = self.setting.output_shape
        table = np.reshape(self.error, _error_shape(self.setting))
        return table[:rows, :columns]

    def compute(self, mode):
        """The grid of a mode: output, gradient of the input, or of the weight."""
        return self._numbers().gather(mode)

    def picture(self):
        shape = self.setting.target_shape(self.mode)
        place = [
            max(0, min(*pair))
            for pair in zip(self.chosen, np.subtract(shape, 1), strict=True)
        ]
        return draw(self._numbers(), self.mode, tuple(place))

    def _numbers(self):
        return Numbers(self.setting, self.x, self.weight, self.grad_output)


def _checked(name, values, largest):
    """Numbers as a matrix of floats, two decimals."""
    values = values.detach().cpu() if hasattr(values, "detach") else values
    matrix = np.asarray(values, dtype=float)
    if matrix.ndim != 2 or not 1 <= min(matrix.shape) <= max(matrix.shape) <= largest:
        raise ValueError(
            f"{name} must be a matrix with sides from 1 to {largest}, "
            f"got {list(matrix.shape)}"
        )
    if not (np.abs(matrix) <= LARGEST_NUMBER).all():
        raise ValueError(
            f"{name} must hold numbers from -{LARGEST_NUMBER} to {LARGEST_NUMBER}, "
            f"got {matrix.min():g} to {matrix.max():g}"
        )
    return np.round(matrix, 2) + 0.0


def _checked_setting(x, weight, stride, padding, dilation):
    if weight.shape[0] != weight.shape[1]:
        raise ValueError(f"weight must be square, got {list(weight.shape)}")
    given = {"stride": stride, "padding": padding, "dilation": dilation}
    for name, (least, most) in RANGES.items():
        check_whole(name, given[name], least, most)
    setting = Setting(*x.shape, len(weight), stride, padding, dilation)
    if setting.output_shape == (0, 0):
        raise ValueError(
            f"the kernel spans {setting.span} cells and the padded input has "
            f"{min(x.shape) + 2 * padding}; take a smaller weight or dilation, or more "
            "padding"
        )
    return setting


def _error_shape(setting):
    """The table of errors is as large as any output that the controls can ask for."""
    return setting.height + 2 * MOST_PADDING, setting.width + 2 * MOST_PADDING


def _errors(grad_output, setting):
    """Errors for every size of output; those given in the upper left corner."""
    rows, columns = np.indices(_error_shape(setting))
    errors = (5 * rows**2 + 3 * columns**2 + 2 * rows * columns + columns) % 7 % 6 - 2.0
    errors[:4, :4] = ERROR
    if grad_output is not None:
        given = _checked("grad_output", grad_output, max(errors.shape))
        if given.shape != setting.output_shape:
            raise ValueError(
                f"grad_output must have the shape of the output, "
                f"{list(setting.output_shape)}, got {list(given.shape)}"
            )
        errors[: given.shape[0], : given.shape[1]] = given
    return errors


def _checked_place(chosen, setting, mode):
    """The place chosen at first; by default one near the middle of its grid."""
    shape = setting.target_shape(mode)
    if chosen is None:
        return [
            min(1, (size - 1) // 2) if mode != "backward" else (size - 1) // 2
            for size in shape
        ]
    if len(chosen) != 2 or any(
        k not in range(n) for k, n in zip(chosen, shape, strict=True)
    ):
        raise ValueError(
            f"chosen must be a (row, column) of the {shape[0]} by {shape[1]} grid, "
            f"counted from 0, got {chosen!r}"
        )
    return list(chosen)
