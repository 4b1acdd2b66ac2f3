"""Convolution by hand beside torch's: time and memory, forward and backward.

A row is one function, called many times in a round on the same numbers. Forward is
conv2d_forward over F.conv2d, backward conv2d_backward over the function that autograd
calls for F.conv2d; both give the gradients of pictures, kernels and bias. Nothing is
recorded for autograd, as within a layer. On a graphics card convolutions are kept from
rounding to TF32, which products of matrices do not do.
"""

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F

from course_utils.bench.knobs import exact_convolutions
from course_utils.bench.memory import add_peaks, peak_memory
from course_utils.bench.timing import (
    compare,
    comparison_lines,
    interleave,
    quartiles,
)
from course_utils.convolution import conv2d_backward, conv2d_forward

AGAIN = "the same again (A/A control)"
TARGETS = {"forward": 1.5, "backward": 2.0}  # times torch's, on two cores
WARM_UP_CALLS = 3
FEWEST_ROUNDS = 5  # that decide about a target


@dataclass(frozen=True)
class Layer:
    """A batch of square pictures and as many kernels as there are maps."""

    batch: int
    channels: int
    pixels: int
    maps: int
    kernel: int = 3

    def __str__(self):
        return (
            f"{self.batch} x {self.channels} x {self.pixels} x {self.pixels} to "
            f"{self.maps} maps, kernel {self.kernel}, padding {self.padding}"
        )

    @property
    def padding(self) -> int:
        """The border that keeps the number of pixels."""
        return self.kernel // 2

    def calls(self, device) -> dict:
        """{direction: {name: function without arguments}}, torch's function first."""
        generator = torch.Generator().manual_seed(0)

        def random(*shape):
            return torch.randn(shape, generator=generator).to(device)

        P = self.padding
        x = random(self.batch, self.channels, self.pixels, self.pixels)
        weight = random(self.maps, self.channels, self.kernel, self.kernel)
        bias = random(self.maps)
        theirs = partial(F.conv2d, x, weight, bias, padding=P)
        error = random(*theirs().shape)
        pairs = (P, P)
        # stride, padding, dilation, transposed, output_padding, groups, which gradients
        settings = (1, 1), pairs, (1, 1), False, (0, 0), 1, (True, True, True)
        backward = partial(
            torch.ops.aten.convolution_backward, error, x, weight, bias.shape, *settings
        )
        return {
            "forward": {
                "F.conv2d": theirs,
                AGAIN: theirs,
                "conv2d_forward": partial(conv2d_forward, x, weight, bias, padding=P),
            },
            "backward": {
                "aten.convolution_backward": backward,
                AGAIN: backward,
                "conv2d_backward": partial(
                    conv2d_backward, error, x, weight, padding=P
                ),
            },
        }


LAYERS = (Layer(32, 16, 28, 32), Layer(16, 64, 14, 128))


def call_often(call, times, clock):
    """Time so many calls."""
    clock.start()
    for _ in range(times):
        call()
    clock.stop()


def largest_difference(calls) -> float:
    """Between the first and the last of the calls, as a fraction of the largest number.

    Of several results, such as the gradients, it is the largest of all.
    """
    theirs, *_, ours = (call() for call in calls.values())
    if isinstance(theirs, torch.Tensor):
        theirs, ours = [theirs], [ours]
    return max(
        ((a - b).abs().max() / a.abs().max()).item()
        for a, b in zip(theirs, ours, strict=True)
    )


def verdict(ratios, target) -> str:
    """Whether the ratios are at most the target, each of them that of a round.

    It is undecided where the quartiles stand on both sides or the rounds are too few.
    """
    low, _, high = quartiles(ratios)
    if len(ratios) < FEWEST_ROUNDS or low <= target < high:
        return "undecided"
    return "met" if high <= target else "not met"


def compare_calls(calls, target, device, settings) -> dict:
    """Call each in rounds; returns all numbers, a row each, and what the target says.

    Without a target (None) nothing is said about it.
    """
    difference = largest_difference(calls)
    runs = {
        name: partial(call_often, call, settings.convolution_calls)
        for name, call in calls.items()
    }
    for call in calls.values():
        for _ in range(WARM_UP_CALLS):
            call()
    seconds = interleave(runs, device, settings.repetitions)
    reference, *_, ours = calls
    rows = compare(seconds, reference, settings.convolution_calls)
    add_peaks(
        rows, {name: partial(peak_memory, call, device) for name, call in calls.items()}
    )
    walls = zip(seconds[ours]["wall"], seconds[reference]["wall"], strict=True)
    ratios = [wall / base for wall, base in walls]
    found = {"rows": rows, "seconds": seconds, "difference": difference}
    found |= {"range": [min(ratios), max(ratios)], "target_ratio": target}
    return found | {"target": target and verdict(ratios, target)}


def result_lines(found) -> list[str]:
    """What compare_calls() gave, as text."""
    low, high = found["range"]
    said = f"ratios of the rounds from {low:.3f} to {high:.3f}"
    if found["target"] is not None:
        said += f"; target, at most {found['target_ratio']:g}: {found['target']}"
    difference = f"largest difference of results: {found['difference']:.1g} of them"
    return [*comparison_lines(found["rows"]), said, difference]


def measure_convolutions(settings, device, report) -> dict:
    """The section of the benchmark: two tables for each layer."""
    times, on_processor = settings.convolution_calls, device.type == "cpu"
    aims = TARGETS if on_processor else dict.fromkeys(TARGETS)
    report(
        "convolution by hand over torch's, float32, NCHW; a step is one call, a round",
        f"has {times} of each; memory: of tensors at the same time, results included,",
        "data not",
    )
    if not on_processor:
        report("the targets are for processors")
    results = {}
    for layer in LAYERS:
        title, results[str(layer)] = str(layer), {}
        with exact_convolutions(), torch.no_grad():
            for direction, calls in layer.calls(device).items():
                found = compare_calls(calls, aims[direction], device, settings)
                results[title][direction] = found
                report("", f"{direction}: {title}", *result_lines(found))
    return {"layers": results}
