"""What goes up through a deep network before any training, and what comes back down.

torch computes all that the controls can ask for when the widget is made, about two
thousand passes through small layers; the browser chooses (histograms.js) and draws
(histograms_drawing.js). So it needs no kernel, though torch is behind every number.
"""

import itertools
import math

import numpy as np
import torch
import traitlets
from torch.nn import functional as F

from course_utils.explorables.base import Explorable
from course_utils.plots import COLORS, new_figure

WIDTH = 100  # units in a layer, and images in the batch
DEPTHS = (3, 10, 20, 50)
GAINS = (0.1, 0.3, 0.5, 0.8, 1.0, 1.2, math.sqrt(2), 1.7, 2.0, 3.0, 10.0)
ACTIVATIONS = {"tanh": torch.tanh, "ReLU": torch.relu}
MOST_LAYERS = 10  # of a network that are drawn
LOWEST, HIGHEST, BINS = -9, 3, 24  # of the histograms of log10 |number|
HEIGHT = (HIGHEST - LOWEST) / BINS  # of a bin, in decades
SIDES = {"activations": "train", "gradients": "gradient"}  # and their colours


def layers_shown(depth):
    """The layers of a network that are drawn, from 1: at most ten, evenly spread."""
    return np.linspace(1, depth, min(depth, MOST_LAYERS)).round().astype(int)


def some_weights(features, seed=0):
    """Weights of the deepest network, [WIDTH, fan-in] each, of standard deviation 1."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [features] + [WIDTH] * (max(DEPTHS) - 1)
    draw = {"generator": generator, "dtype": torch.float64}
    return [torch.randn(WIDTH, size, **draw) for size in sizes]


def signals(inputs, weights, gain, activate, norm):
    """Outputs and their gradients of every layer: two lists of tensors [N, WIDTH].

    Weights are multiplied by gain / √fan-in, biases are 0. With `norm` each layer is
    normalised over the batch before its activation. The error that is sent back from
    the last layer has standard deviation 1.
    """
    signal, outputs = inputs.clone().requires_grad_(), []
    for weight in weights:
        signal = F.linear(signal, weight * (gain / math.sqrt(weight.shape[1])))
        if norm:
            signal = F.batch_norm(signal, None, None, training=True)
        signal = activate(signal)
        outputs.append(signal)
    generator = torch.Generator().manual_seed(2)
    error = torch.randn(signal.shape, generator=generator, dtype=signal.dtype)
    gradients = torch.autograd.grad(signal, outputs, error)
    return [output.detach() for output in outputs], list(gradients)


def shares(numbers):
    """The histogram [BINS] of log10 |number| and, last, the share that is exactly 0."""
    sizes = numbers[numbers != 0].abs().log10()
    inside = sizes.clamp(LOWEST, HIGHEST)  # what lies outside is drawn at the rim
    counts = torch.histc(inside, BINS, LOWEST, HIGHEST)
    return np.append(counts.numpy(), (numbers == 0).sum()) / numbers.numel()


class LayerHistograms(Explorable):
    """Activations and gradients, layer by layer, in networks that were not yet trained.

    depth       of the network, one of 3, 10, 20 and 50 layers of 100 units
    gain        of its weights: their standard deviation is gain / √(fan-in). One of
                GAINS, among them 1 (Xavier's, at equal fans) and √2 (He's)
    activation  the name of one of `activations`; norm: batch norm before it
    activations names and functions of tensors; "tanh" and "ReLU" by default
    inputs      a batch [N, F] that enters; by default 100 rows of normal numbers

    Raises ValueError for other values. Taught in chapter 05.
    """

    scripts = ("steady", "histograms_drawing", "histograms")
    depth = traitlets.Int().tag(sync=True)
    gain = traitlets.Float().tag(sync=True)
    activation = traitlets.Unicode().tag(sync=True)
    norm = traitlets.Bool().tag(sync=True)
    depths = traitlets.List().tag(sync=True)
    gains = traitlets.List().tag(sync=True)
    activations = traitlets.List().tag(sync=True)
    shares = traitlets.Bytes().tag(sync=True)  # of 255
    spreads = traitlets.Bytes().tag(sync=True)  # standard deviations, as float64

    def __init__(self, depth=50, gain=1.0, activation="tanh", norm=False, *,
                 activations=ACTIVATIONS, inputs=None):  # fmt: skip
        _check("depth", depth, DEPTHS)
        _check("activation", activation, tuple(activations))
        gain = next(
            (one for one in GAINS if math.isclose(one, gain, rel_tol=0.01)), gain
        )
        _check("gain", gain, GAINS)
        found, stds = measure(_checked(inputs), activations.values())
        super().__init__(
            depth=depth, gain=gain, activation=activation, norm=norm,
            depths=list(DEPTHS), gains=list(GAINS), activations=list(activations),
            shares=np.rint(found * 255).astype(np.uint8).tobytes(),
            spreads=stds.astype("<f8").tobytes(),
            alt=(
                f"Histograms of the activations and of the gradients in {depth} layers "
                f"of {activation} units {'with' if norm else 'without'} batch norm, "
                f"whose weights have the standard deviation {gain:.3g} divided by the "
                "root of the number of inputs: a column for each layer, sizes on a "
                "logarithmic axis, and the standard deviation of each layer."
            ),
        )  # fmt: skip

    def chosen(self):
        """Shares [2, layers, BINS + 1] and standard deviations [2, layers], as shown.

        First those of the activations, then those of the gradients.
        """
        places = (len(self.activations), 2, len(DEPTHS), len(GAINS), 2, MOST_LAYERS)
        here = (
            self.activations.index(self.activation), int(self.norm),
            DEPTHS.index(self.depth), GAINS.index(self.gain),
        )  # fmt: skip
        found = np.frombuffer(self.shares, np.uint8).reshape(*places, BINS + 1)[here]
        stds = np.frombuffer(self.spreads, "<f8").reshape(places)[here]
        count = len(layers_shown(self.depth))
        return found[:, :count] / 255, stds[:, :count]

    def picture(self):
        figure, places = new_figure(
            1, 2, size=(8.6, 3.6), sharey=True, layout="constrained"
        )
        layers = layers_shown(self.depth)
        for (side, role), axes, found, stds in zip(
            SIDES.items(), places, *self.chosen(), strict=True
        ):
            self._draw(axes, COLORS[role], found, stds)
            names = layers if len(layers) < 7 else [*layers[:-1:2], layers[-1]]
            axes.set_xticks([list(layers).index(one) for one in names], names)
            axes.set(title=side, xlabel="layer")
        powers = range(LOWEST, HIGHEST + 1, 3)
        places[0].set_yticks(powers, [f"$10^{{{power}}}$" for power in powers])
        return figure

    def _draw(self, axes, color, found, stds):
        edges = np.linspace(LOWEST, HIGHEST, BINS + 1)
        for k, (row, std) in enumerate(zip(found, stds, strict=True)):
            widths = row[:-1] / max(row[:-1].max(), 1e-9)
            axes.barh(
                edges[:-1], widths * 0.9, HEIGHT, k - widths * 0.45, align="edge",
                color=color, linewidth=0,
            )  # fmt: skip
            if std > 0:
                place = np.clip(np.log10(std), LOWEST, HIGHEST)
                axes.plot(k, place, "o", color="black", markersize=4)
        axes.set(xlim=(-0.6, len(found) - 0.4), ylim=(LOWEST, HIGHEST))


def measure(inputs, activations):
    """What all controls can ask for, before any training.

    Shares [A, 2, depths, gains, 2, layers, BINS + 1] and standard deviations, without
    the last axis: for A activations; without norm, with norm; activations, gradients.
    Layers that a network does not have are 0.
    """
    places = (len(activations), 2, len(DEPTHS), len(GAINS), 2, MOST_LAYERS)
    weights = some_weights(inputs.shape[1])
    found, stds = np.zeros((*places, BINS + 1)), np.zeros(places)
    for a, activate in enumerate(activations):
        for norm, (d, depth), (g, gain) in itertools.product(
            (0, 1), enumerate(DEPTHS), enumerate(GAINS)
        ):
            both = signals(inputs, weights[:depth], gain, activate, norm)
            for side, tensors in enumerate(both):
                for k, layer in enumerate(layers_shown(depth)):
                    numbers = tensors[layer - 1]
                    found[a, norm, d, g, side, k] = shares(numbers)
                    stds[a, norm, d, g, side, k] = numbers.std()
    return found, stds


def _checked(inputs):
    if inputs is None:
        generator = torch.Generator().manual_seed(1)
        return torch.randn(WIDTH, WIDTH, generator=generator, dtype=torch.float64)
    inputs = torch.as_tensor(inputs)
    if inputs.ndim != 2 or len(inputs) < 2:
        raise ValueError(
            f"inputs must be [N, F] with N of 2 or more, got {list(inputs.shape)}; "
            "lay images out with images.flatten(1)"
        )
    return inputs.detach().double()


def _check(name, value, allowed):
    if value not in allowed:
        known = ", ".join(
            f"{one:.3g}" if name == "gain" else f"{one}" for one in allowed
        )
        raise ValueError(f"{name} must be one of {known}, got {value!r}")
