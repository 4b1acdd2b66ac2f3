"""Dropout as an ensemble: passes with random masks, their mean, and the one without.

A model has computed the probabilities in the notebook. The browser takes means and
spreads of them (ensemble_arithmetic.js) and draws (ensemble_drawing.js, ensemble.js);
`summary` and the still do the same in NumPy.
"""

import numpy as np
import traitlets

from course_utils.explorables.base import Explorable, check_whole
from course_utils.plots import COLORS, new_figure

STEPS = 10_000  # probabilities are kept in steps of 1/10,000
MOST_NUMBERS, MOST_CLASSES, MOST_PIXELS = 15_000, 20, 12_288
MEAN, WHOLE = COLORS["train"], COLORS["validation"]


class DropoutEnsemble(Explorable):
    """The mean of passes with dropout, class by class, beside the pass without it.

    probabilities  [R, M, K] for one image: R dropout rates, M passes with new masks, K
                   classes; all kinds of arrays and tensors are taken
    whole          [K] the single pass without dropout, or [R, K] where each rate has a
                   network of its own; rates: the R rates; labels: the K names
    truth          the number of the right class; image: uint8 [1 or 3, H, W] or [H, W]
    rate, passes   which rate and how many passes are shown first; by default the
                   middle one of the rates, and all passes

    Raises ValueError for what are no probabilities and for lengths that do not fit.
    Taught in chapter 06.
    """

    scripts = ("steady", "ensemble_arithmetic", "ensemble_drawing", "ensemble")
    passed = traitlets.Bytes().tag(sync=True)  # [R, M, K] as two bytes each
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    whole = traitlets.List().tag(sync=True)  # [R][K]
    rates = traitlets.List(traitlets.Float()).tag(sync=True)
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    truth = traitlets.Int(-1).tag(sync=True)  # -1: not known
    image = traitlets.Bytes().tag(sync=True)
    sides = traitlets.List(traitlets.Int()).tag(sync=True)
    chosen = traitlets.Int().tag(sync=True)  # the number of the rate
    passes = traitlets.Int().tag(sync=True)

    def __init__(
        self, probabilities, whole, rates, labels, *, truth=None, image=None,
        rate=None, passes=None,
    ):  # fmt: skip
        kept = _checked_probabilities("probabilities", probabilities, 3)
        shape = [int(side) for side in kept.shape]
        count, most, classes = shape
        rates = _checked_rates(rates, count)
        labels = [str(label) for label in labels]
        if len(labels) != classes:
            raise ValueError(f"labels must be {classes} names, got {len(labels)}")
        image, sides = _checked_image(image)
        passes = most if passes is None else passes
        check_whole("passes", passes, 1, most)
        if truth is not None:
            check_whole("truth", truth, 0, classes - 1)
        chosen = count // 2 if rate is None else _place_of(rate, rates)
        super().__init__(
            passed=(kept * STEPS).round().astype("<u2").tobytes(), shape=shape,
            whole=_checked_whole(whole, count, classes), rates=rates, labels=labels,
            truth=-1 if truth is None else int(truth), image=image, sides=sides,
            chosen=chosen, passes=int(passes),
        )  # fmt: skip
        self.alt = self._describe()

    def _describe(self):
        mean, spread, whole, distance = self.summary()
        top, alone = mean.argmax(), whole.argmax()
        several = f"; the standard deviation between passes is {spread[top]:.2f}"
        return (
            f"Probabilities of {len(self.labels)} classes for one image, as bars: the "
            f"mean of {self.passes} passes with dropout of rate "
            f"{self.rates[self.chosen]:g}, each pass a dot, beside the one pass "
            f"without dropout. The mean gives {self.labels[top]} {mean[top]:.2f}"
            f"{several if self.passes > 1 else ''}. The one pass without "
            f"dropout gives {self.labels[alone]} {whole[alone]:.2f}. Half the sum of "
            f"their absolute differences is {distance[-1]:.2f}."
        )

    @property
    def probabilities(self):
        """Those of the chosen rate and number of passes, float64 [passes, K]."""
        kept = np.frombuffer(self.passed, "<u2").reshape(self.shape) / STEPS
        return kept[self.chosen, : self.passes]

    def summary(self):
        """(mean [K], standard deviation [K], whole [K], distances [passes]).

        A distance is half the sum of the absolute differences between the mean of the
        first passes and the pass without dropout: 0 where equal, 1 where disjoint.
        """
        rows, whole = self.probabilities, np.array(self.whole[self.chosen])
        counts = np.arange(1, len(rows) + 1)[:, None]
        means = rows.cumsum(axis=0) / counts
        distances = np.abs(means - whole).sum(axis=1) / 2
        return rows.mean(axis=0), rows.std(axis=0), whole, distances

    def picture(self):
        if not self.image:
            figure, axes = new_figure(size=self._size(7))
        else:
            figure, (left, axes) = new_figure(
                1, 2, size=self._size(8.4), width_ratios=(2, 5)
            )
            pixels = np.frombuffer(self.image, np.uint8).reshape(self.sides)
            shown = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
            left.imshow(shown, cmap="gray", vmin=0, vmax=255)
            left.set(xticks=[], yticks=[])
            if self.truth >= 0:
                left.set_title(f"label: {self.labels[self.truth]}")
        self._draw_bars(axes)
        return figure

    def _size(self, width):
        return width, 1.2 + 0.32 * len(self.labels)

    def _draw_bars(self, axes):
        mean, spread, whole, _ = self.summary()
        places = np.arange(len(mean))
        axes.barh(places - 0.2, mean, 0.36, color=MEAN, alpha=0.45)
        axes.barh(places + 0.2, whole, 0.36, color=WHOLE)
        for row in self.probabilities:
            axes.plot(row, places - 0.2, ".", color=MEAN, markersize=4, alpha=0.5)
        if self.passes > 1:
            axes.errorbar(
                mean, places - 0.2, xerr=spread, fmt="none", color="black", lw=1.2
            )
        longest = max(self.probabilities.max(), whole.max(), (mean + spread).max())
        axes.set(
            xlim=(0, min(1, 1.05 * longest)), yticks=places, yticklabels=self.labels
        )
        axes.invert_yaxis()
        axes.set_xlabel("probability")
        rate = f"{self.rates[self.chosen]:g}"
        title = f"blue: mean of {self.passes} passes, p = {rate}; orange: no dropout"
        if self.passes > 1:
            title += "\nblack: ± one standard deviation of the passes"
        axes.set_title(title, fontsize=11)


def _as_array(values):
    values = values.detach().cpu() if hasattr(values, "detach") else values
    return np.asarray(values)


def _checked_probabilities(name, values, axes):
    values = np.asarray(_as_array(values), dtype=float)
    shapes = {3: "[rates, passes, classes]", 2: "[classes] or [rates, classes]"}
    if values.ndim != axes or 0 in values.shape:
        raise ValueError(f"{name} must be {shapes[axes]}, got {list(values.shape)}")
    inside = (values >= 0) & (values <= 1 + 1e-6)
    if not inside.all() or np.abs(values.sum(axis=-1) - 1).max() > 1e-3:
        raise ValueError(
            f"{name} must be from 0 to 1 and add up to 1 over the classes; take the "
            "softmax of logits first"
        )
    if values.size > MOST_NUMBERS or values.shape[-1] > MOST_CLASSES:
        raise ValueError(
            f"{name} {list(values.shape)} are too many for a notebook: at most "
            f"{MOST_NUMBERS} numbers and {MOST_CLASSES} classes; take fewer passes"
        )
    return values


def _checked_whole(whole, count, classes):
    """The passes without dropout, a list [R][K]; one for all rates is repeated."""
    whole = _as_array(whole)
    whole = np.broadcast_to(whole, (count, len(whole))) if whole.ndim == 1 else whole
    whole = _checked_probabilities("whole", whole, 2)
    if whole.shape != (count, classes):
        raise ValueError(
            f"whole must be [{classes}] or [{count}, {classes}], got "
            f"{list(whole.shape)}"
        )
    return [[round(float(p), 4) for p in row] for row in whole]


def _checked_rates(rates, count):
    rates = [float(rate) for rate in _as_array(rates)]
    if len(rates) != count:
        raise ValueError(
            f"rates must be {count}, one for each of probabilities, got {len(rates)}"
        )
    if not all(0 <= rate < 1 for rate in rates):
        raise ValueError(f"rates must be from 0 to below 1, got {rates}")
    if sorted(set(rates)) != rates:
        raise ValueError(f"rates must be increasing, got {rates}")
    return rates


def _place_of(rate, rates):
    if rate not in rates:
        raise ValueError(f"rate must be one of {rates}, got {rate}")
    return rates.index(rate)


def _checked_image(image):
    if image is None:
        return b"", []
    image = _as_array(image)
    image = image[None] if image.ndim == 2 else image
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(
            "image must be uint8 [1 or 3, H, W] or [H, W], got "
            f"{image.dtype} {list(image.shape)}"
        )
    if not 1 <= image.nbytes <= MOST_PIXELS:
        raise ValueError(
            f"the image has {image.nbytes} bytes, at most {MOST_PIXELS} go into a "
            "notebook; take a smaller one"
        )
    return image.tobytes(), list(image.shape)
