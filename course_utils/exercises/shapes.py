"""The check of the exercise on the shapes of a whole network (chapter 08)."""

import torch
from torch import nn

from course_utils.exercises import Wrong, describe, exercise


@exercise
def check_shapes(shapes, network, image_shape):
    """shapes: the (channels, height, width) after every layer of `network`.

    `image_shape` is the (C, H, W) of its input. Raises ValueError where the network
    holds anything but convolutions and poolings.
    """
    try:
        shapes = [tuple(int(size) for size in shape) for shape in shapes]
    except (TypeError, ValueError):
        raise Wrong(
            "shapes must be a list with (channels, height, width) for each layer, "
            f"got {describe(shapes)}"
        ) from None
    if len(shapes) != len(network):
        raise Wrong(f"the network has {len(network)} layers, you give {len(shapes)}")
    x = torch.zeros(1, *image_shape)
    for number, (layer, shape) in enumerate(zip(network, shapes, strict=True), 1):
        before, x = tuple(x.shape[1:]), layer(x)
        expected = tuple(x.shape[1:])
        if shape != expected:
            reason = _reason(layer, shape, before, expected)
            raise Wrong(
                f"layer {number}, {layer}, gets {before} and does not give {shape}: "
                f"{reason}"
            )
    return f"all {len(network)} shapes are right"


def _reason(layer, shape, before, expected):
    """Why the shape that was given is not what the layer gives."""
    if len(shape) != 3:
        return "give three numbers, channels, height and width, without the batch"
    channels, size = shape[0], shape[1:]
    if shape[2] == expected[0] != channels:
        return "the channels come first"
    if channels != expected[0]:
        if isinstance(layer, nn.Conv2d):
            return "a convolution gives one map for each of its kernels"
        return "pooling works on each channel for itself and keeps their number"
    return _size_reason(layer, size, before[1:])


def _size_reason(layer, size, before):
    K, S, P, D = (
        _number(getattr(layer, name, 1))
        for name in ("kernel_size", "stride", "padding", "dilation")
    )
    span = D * (K - 1) + 1

    def sizes(span=span, S=S, P=P, extra=1, up=False):
        rooms = [n + 2 * P - span for n in before]
        return tuple((-(-room // S) if up else room // S) + extra for room in rooms)

    reasons = {
        sizes(P=P / 2): "padding is added on both sides, 2P in all",
        sizes(up=True): "a window that hangs over the edge is dropped: round down",
        sizes(extra=0): "the number of windows is the number of steps between them "
        "plus 1",
        sizes(S=1): f"the stride is {S} here"
        + (
            "" if isinstance(layer, nn.Conv2d) else "; for pooling it is K unless given"
        ),
        sizes(span=K): f"with dilation {D} the kernel spans {span} pixels, not {K}",
        sizes(P=0): f"the padding of {P} on each side was left out",
    }
    reasons.pop(sizes(), None)
    if K == 1 and S == 1 and P == 0:
        return "a kernel of 1 x 1 with stride 1 fits everywhere: the map keeps its size"
    return reasons.get(size, f"H' = floor((H + 2*{P} - {span}) / {S}) + 1")


def _number(value):
    return value[0] if isinstance(value, tuple) else value
