"""What the layers of a model do to numbers, forward and backward.

activation_statistics and gradient_statistics look at the layers during one batch and
leave the model as it was. The curvature of a loss is in curvature.py, its shape around
a solution in loss_surface.py, and calibration in calibration.py.

Source of what to look at: Glorot and Bengio 2010, "Understanding the difficulty of
training deep feedforward neural networks", sections 3 and 4.
"""

from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F

# A model that is only looked at


@contextmanager
def evaluating(model):
    """In its block the model is in evaluation mode; then every part is as before."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def unchanged(model):
    """After its block all parameters and buffers hold what they held before.

    Gives a dictionary of copies, {name: tensor}.
    """
    kept = {name: tensor.clone() for name, tensor in tensors_of(model).items()}
    try:
        yield kept
    finally:
        for name, tensor in tensors_of(model).items():
            if not torch.equal(tensor, kept[name]):  # autograd notices every writing
                tensor.copy_(kept[name])


def tensors_of(model):
    """All parameters and buffers as {name: tensor}, each once, out of autograd."""
    named = (*model.named_parameters(), *model.named_buffers())
    return {name: tensor.detach() for name, tensor in named}


# Layers: chapter 05


class LayerStatistics(NamedTuple):
    """The numbers at one layer: its output, or the gradient of the loss by its output.

    name and kind are the layer's ("3", "ReLU"), zeros is the share that is exactly 0.
    weight_std belongs to the gradient by the layer's weight; None for outputs, and for
    layers without a weight that learns. counts [bins] and edges [bins + 1] are the
    histogram of the finite numbers, or None.
    """

    name: str
    kind: str
    mean: float
    std: float
    zeros: float
    weight_std: float | None = None
    counts: torch.Tensor | None = None
    edges: torch.Tensor | None = None


@torch.no_grad()
def activation_statistics(model, images, kinds=None, bins=None, limits=None):
    """What each layer puts out for images [N, C, H, W]: a list of LayerStatistics.

    kinds   a class of layers or a tuple of them, such as (nn.ReLU, nn.Tanh); by
            default all layers that are not made of layers
    bins    adds a histogram of so many bins, from limits[0] to limits[1], or by
            default from the smallest number to the largest

    There is a row for each call of a layer, in their order. The model stays in the mode
    it is in; buffers that a batch in training mode moves are put back. Raises
    ValueError where no layer is of these kinds. Used in chapter 05.
    """
    rows = []

    def note(name, layer, output):
        rows.append(_summary(name, layer, output, bins, limits))

    with unchanged(model), _watching(model, kinds, note):
        model(images.clone())  # which a first layer may change in place
    return rows


@torch.enable_grad()
def gradient_statistics(
    model, images, labels, kinds=None, loss=F.cross_entropy, bins=None, limits=None
):
    """The gradient of a loss by each layer's output and weight: LayerStatistics.

    loss(logits, labels) is a number, the mean over images; the gradient by the output
    for one image has a share of 1/N. Rows, kinds, bins, limits, mode and errors are
    those of activation_statistics; a layer that the loss does not depend on has no row.
    No parameter's .grad is touched. Used in chapter 05.
    """
    rows, weights = {}, {}

    def note(name, layer, output):
        def keep(place, gradient):
            rows[place] = _summary(name, layer, gradient, bins, limits)

        if output.requires_grad:
            weight = getattr(layer, "weight", None)
            if isinstance(weight, torch.Tensor) and weight.requires_grad:
                weights[name] = weight
            output.register_hook(partial(keep, len(rows)))
            rows[len(rows)] = None

    start = images.detach().requires_grad_()  # so that every layer has a gradient
    with unchanged(model), _watching(model, kinds, note):
        value = loss(model(start.clone()), labels)
        wanted = [start, *weights.values()]
        _, *found = torch.autograd.grad(value, wanted, allow_unused=True)
    stds = {
        name: _numbers(gradient).std(correction=0).item()
        for name, gradient in zip(weights, found, strict=True)
        if gradient is not None
    }
    filled = [row for row in rows.values() if row is not None]
    return [row._replace(weight_std=stds.get(row.name)) for row in filled]


@contextmanager
def _watching(model, kinds, note):
    """In its block, note(name, layer, output) is called with every layer's output."""
    layers = [
        (name, module)
        for name, module in model.named_modules()
        if (not any(module.children()) if kinds is None else isinstance(module, kinds))
    ]
    if not layers:
        present = sorted({type(module).__name__ for module in model.modules()})
        raise ValueError(
            f"{type(model).__name__} has no layer of the kinds asked for ({kinds}); it "
            f"has {', '.join(present)}"
        )

    def hook(name, layer, _, output):
        if isinstance(output, torch.Tensor):
            note(name, layer, output)

    handles = []
    try:
        for name, layer in layers:
            handles.append(layer.register_forward_hook(partial(hook, name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _numbers(tensor):
    """In 64 bits, where the square of a vanishing gradient is not yet 0."""
    return tensor.detach().cpu().double()


def _summary(name, layer, tensor, bins, limits):
    numbers = _numbers(tensor)
    mean, std = numbers.mean().item(), numbers.std(correction=0).item()
    zeros = (numbers == 0).double().mean().item()
    row = LayerStatistics(name, type(layer).__name__, mean, std, zeros)
    if bins is None:
        return row
    finite = numbers[numbers.isfinite()]
    if limits is None:
        limits = finite.aminmax() if len(finite) else (0, 1)
    low, high = map(float, limits)
    if low == high:  # one number: a bin around it
        low, high = low - 0.5, high + 0.5
    counts, edges = torch.histogram(finite, bins, range=(low, high))
    return row._replace(counts=counts, edges=edges)
