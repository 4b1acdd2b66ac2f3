"""Images per second of models with the whole engine, and the share of the peak in it.

The work for an image is what torch counts in convolutions and matrix products, forward
and backward. The peak is that of the numbers in which it computes; on CUDA torch
rounds convolutions in fp32 to TF32 where the card has it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import resnet50

from course_utils.bench.knobs import Knob, channels_last, try_knobs
from course_utils.bench.peak import kinds_of_numbers, measure_peaks, peak_lines
from course_utils.bench.problems import Problem, quarter_resnet20, random_images
from course_utils.bench.timing import interleave, quartiles, spread
from course_utils.models import tiny_cnn
from course_utils.speedrun import training_flops

FAST = {"lay_out": channels_last, "parts": {"precision": "auto"}}
FUSED = {"fused": True}
VARIANTS = {
    "fp32": Knob(),
    "auto, channels_last, fused": Knob(optimizer=FUSED, **FAST),
    "the same, compiled": Knob(optimizer=FUSED, wrap=torch.compile, **FAST),
}
SMALL_MEMORY = 40e9  # bytes, under which a card gets smaller batches


@dataclass(frozen=True)
class Workload:
    """A model to build, the shape (C, H, W) of an image, batch size and batches."""

    build: Callable
    shape: tuple
    batch_size: int
    batches: int
    classes: int = 10

    def problem(self, device) -> Problem:
        """Noise to train it on."""
        count = self.batch_size * self.batches
        images = random_images(count, self.shape, self.classes)
        return Problem(self.build, images, self.batch_size, device)


def workloads(device) -> dict:
    """The models by name, in batches that suit the device."""
    large = partial(resnet50, weights=None)
    small, colour = (1, 28, 28), (3, 224, 224)
    if device.type != "cuda":
        return {
            "tiny CNN": Workload(tiny_cnn, small, 128, 20),
            "ResNet-20": Workload(quarter_resnet20, small, 128, 8),
            "ResNet-50": Workload(large, colour, 4, 2, 1000),
        }
    _, memory = torch.cuda.mem_get_info(device)
    size = 64 if memory < SMALL_MEMORY else 256
    return {
        "tiny CNN": Workload(tiny_cnn, small, 4096, 40),
        "ResNet-20": Workload(quarter_resnet20, small, 2048, 40),
        "ResNet-50": Workload(large, colour, size, 20, 1000),
    }


def multiply_adds(model, shape) -> int:
    """The multiply-adds of a forward pass, for one image of shape (C, H, W)."""
    device = next(model.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(1, *shape, device=device))
    return counter.get_total_flops() // 2


def numbers_of(step, device) -> str:
    """In which numbers a step computes: the kinds of peak.py."""
    if step.precision != "fp32" or "tf32" not in kinds_of_numbers(device):
        return step.precision
    return "tf32" if torch.backends.cudnn.allow_tf32 else "fp32"


def compare_variants(name, workload, variants, peaks, device, settings) -> dict:
    """Train a model in each of the variants; returns all numbers, and a row each."""
    problem = workload.problem(device)
    model, _ = problem.parts()
    work = multiply_adds(model, workload.shape), training_flops(model, workload.shape)
    trials, reasons = try_knobs(variants, problem, settings.compiled)
    seconds = interleave(trials, device, settings.long_repetitions)
    rows = []
    for variant, taken in seconds.items():
        rates = len(problem.image_set) / np.array(taken["wall"])
        kind = numbers_of(trials[variant].step, device)
        row = {"name": variant, "numbers": kind, "images_per_second": quartiles(rates)}
        row["tflops"] = row["images_per_second"][1] * work[1] / 1e12
        for peak, value in peaks[kind].items():
            row[f"percent_of_{peak}"] = value and 100 * row["tflops"] / value
        rows.append(row)
    return {
        "title": problem.described(name),
        "multiply_adds_forward": work[0],
        "flops_training": work[1],
        "rows": rows,
        "not_measured": reasons,
        "seconds": seconds,
    }


def work_line(found) -> str:
    """The work for an image, as text."""
    forward, training = found["multiply_adds_forward"], found["flops_training"]
    return (
        f"an image: {forward / 1e6:,.2f} million multiply-adds forward; in training "
        f"{training / 1e6:,.2f} MFLOP, that is {training / (2 * forward):.2f} of these"
    )


def variant_lines(rows) -> list[str]:
    """A table of the rows; the data sheet only where it is known."""
    on_sheet = any(row["percent_of_data_sheet"] is not None for row in rows)
    heads = ["images per second", "TFLOP/s", "% of measured"]
    heads += ["% of data sheet"] if on_sheet else []
    lines = [_line("", "numbers", heads)]
    for row in rows:
        rates, sheet = row["images_per_second"], row["percent_of_data_sheet"]
        texts = [spread(rates, 0 if rates[1] >= 100 else 2), f"{row['tflops']:.3f}"]
        texts += [f"{row['percent_of_measured']:.1f}"]
        texts += [] if sheet is None else [f"{sheet:.1f}"]
        lines.append(_line(row["name"], row["numbers"], texts))
    return lines


def _line(name, numbers, texts):
    widths = (29, 8, 13, 15)
    cells = (f"  {text:>{width}}" for text, width in zip(texts, widths, strict=False))
    return f"{name:28}{numbers:7}{''.join(cells)}"


def measure_throughput(settings, device, report) -> dict:
    """The section of the benchmark: the peak, and a table for each of the models."""
    peaks = measure_peaks(settings, device)
    report(*peak_lines(peaks, settings.matrix_size))
    results = {}
    for name, workload in workloads(device).items():
        found = compare_variants(name, workload, VARIANTS, peaks, device, settings)
        report("", found["title"], work_line(found), *variant_lines(found["rows"]))
        for variant, reason in found["not_measured"].items():
            report(f"{variant:28}{reason}")
        results[name] = found
        torch.compiler.reset()
    return {"matrix_size": settings.matrix_size, "peaks": peaks, "models": results}
