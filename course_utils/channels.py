"""Channels of a batch x [N, C, ...]: axes, what batch norm keeps of them, checks."""

import torch
from torch import nn


class BatchNormState(nn.Module):
    """Settings, weights and running statistics of a batch norm, without arithmetic.

    Arguments, initial values and names in the state_dict are torch's. Used by
    course_utils.normalization.
    """

    dimensions = range(2, 9)  # how many axes x may have

    def __init__(
        self, num_features, eps=1e-5, momentum=0.1, affine=True,
        track_running_stats=True, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        check_settings(num_features, eps, momentum)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        ones = torch.ones(num_features, device=device, dtype=dtype)
        zeros = torch.zeros_like(ones)
        self.weight = nn.Parameter(ones) if affine else None
        self.bias = nn.Parameter(zeros) if affine else None
        count = torch.tensor(0, device=device)
        buffers = [zeros.clone(), ones.clone(), count]
        if not track_running_stats:
            buffers = [None, None, None]
        names = "running_mean", "running_var", "num_batches_tracked"
        for name, tensor in zip(names, buffers, strict=True):
            self.register_buffer(name, tensor)

    def extra_repr(self):
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


def all_but_channels(x):
    """The axes of x [N, C, ...] without that of the channels: (0, 2, 3, ...)."""
    return (0, *range(2, x.ndim))


def spread(numbers, x):
    """A number for each channel [C] -> [C, 1, 1], to compute with x [N, C, H, W]."""
    return numbers.view(-1, *[1] * (x.ndim - 2))


def at_least_32_bits(*tensors):
    """The tensors; those of 16 bits with 32."""
    return [
        tensor.to(torch.promote_types(tensor.dtype, torch.float32))
        for tensor in tensors
    ]


def checked_inputs(layer, x):
    """x, weight and bias for a normalising layer, at least with 32 bits.

    A layer without weights gets ones and zeros. ValueError where x does not fit.
    """
    check_channels(x)
    name, channels = type(layer).__name__, layer.num_features
    if x.ndim not in layer.dimensions or x.shape[1] != channels:
        least, most = layer.dimensions[0], layer.dimensions[-1]
        number = f"{least}" if least == most else f"{least} to {most}"
        raise ValueError(
            f"{name}({channels}) takes x of {number} axes [N, {channels}, ...], with "
            f"{channels} channels, got {list(x.shape)}"
        )
    weight, bias = layer.weight, layer.bias
    if weight is None:
        weight, bias = x.new_ones(channels), x.new_zeros(channels)
    wide = at_least_32_bits(x, weight, bias)
    if wide[0].dtype != wide[1].dtype:
        raise ValueError(
            f"x is {x.dtype}, the weight of {name} is {weight.dtype}; make x the same "
            "with x.to(weight.dtype)"
        )
    return wide


def check_batch(x, weight, bias):
    """ValueError unless x [N, C, ...] has 2 values or more for each of C channels."""
    check_channels(x, weight=weight, bias=bias)
    if x.numel() < 2 * x.shape[1]:
        raise ValueError(
            "statistics need more than one value for each channel, got x "
            f"{list(x.shape)}; give a larger batch (drop a short last one), or put the "
            "model into evaluation mode"
        )


def check_error(grad_output, x, weight):
    """ValueError unless grad_output has the size of x, and weight fits to both."""
    check_channels(x, weight=weight)
    if grad_output.shape != x.shape:
        raise ValueError(
            f"grad_output must be {list(x.shape)}, as x and y are, got "
            f"{list(grad_output.shape)}"
        )


def check_channels(x, **numbers):
    """ValueError unless x is [N, C, ...] and each of the named tensors [C]."""
    if x.ndim < 2 or not x.is_floating_point():
        raise ValueError(
            f"x must be [N, C] or [N, C, H, W] of floating-point numbers, got "
            f"{x.dtype} {list(x.shape)}"
        )
    for name, tensor in numbers.items():
        if tensor.shape != x.shape[1:2]:
            raise ValueError(
                f"{name} must be [{x.shape[1]}], a number for each channel of x "
                f"{list(x.shape)}, got {list(tensor.shape)}"
            )


def check_last_axes(x, weight):
    """ValueError unless the last axes of x have the size of weight."""
    if x.shape[-weight.ndim :] != weight.shape:
        raise ValueError(
            f"the last axes of x must be {list(weight.shape)}, got x {list(x.shape)}"
        )


def check_groups(channels, groups):
    """ValueError unless the channels can be split into that many groups."""
    if not isinstance(groups, int) or groups < 1 or channels % groups:
        raise ValueError(
            f"num_groups must be a whole number that divides the {channels} channels, "
            f"got {groups!r}; 1 always does"
        )


def check_settings(num_features, eps, momentum):
    """ValueError for settings of batch norm that make no sense."""
    if not isinstance(num_features, int) or num_features < 1:
        raise ValueError(
            f"num_features must be a whole number of channels from 1, got "
            f"{num_features!r}"
        )
    if not eps >= 0:
        raise ValueError(f"eps must be at least 0, got {eps!r}; try 1e-5")
    if momentum is not None and not 0 <= momentum <= 1:
        raise ValueError(
            f"momentum must be from 0 to 1, or None for the mean over all batches, got "
            f"{momentum!r}; try 0.1"
        )
