"""How fast is the training loop? `make bench`, or `python -m course_utils.bench`.

Every loop trains the same model from the same weights on the same images, in rounds: a
round runs each loop once, in random order. A ratio is taken within a round, to the time
of the raw loop in it; shown are the median of the rounds and the quartiles. The A/A
control, the raw loop against itself, shows what noise alone does on this machine.

Most of the noise on Linux is freed memory that goes back to the system and has to be
fetched again. Without it the A/A spread is several times smaller:

MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=2000000000 make bench
"""

import argparse
import gc
import json
import os
import random
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from course_utils.bench_loops import BATCH_SIZE, CONTENDERS, problems
from course_utils.bench_peers import installed_peers, peer_versions, pipelines
from course_utils.data import load_images
from course_utils.runtime import environment, pick_device

TUNING = ("OMP_", "GOMP_", "KMP_", "MKL_", "MALLOC_")  # variables that change timings
REFERENCE = "raw loop, .item() each step"


@dataclass
class Settings:
    """How long to measure: rounds, batches per epoch and model, augmented images."""

    repetitions: int = 15
    tiny_batches: int = 20
    resnet_batches: int = 8
    nothing_batches: int = 300
    augmented_images: int = 5120
    device: str | None = None
    seed: int = 0


QUICK = Settings(3, 10, 4, 100, 1280)


class Clock:
    """Wall and processor seconds between start() and stop(), the device included."""

    def __init__(self, device):
        self.device = device

    def _now(self):
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)
        return time.perf_counter(), time.process_time()

    def start(self):
        self.started = self._now()

    def stop(self):
        wall, processor = self._now()
        self.wall = wall - self.started[0]
        self.processor = processor - self.started[1]


def largest_differences(contenders, problem) -> dict:
    """How far the weights of each contender are from those of `fit` after one epoch.

    All draw the same order here, so that the differences are 0 or rounding.
    """
    places = replace(problem.image_set, labels=torch.arange(len(problem.image_set)))
    order = torch.cat(
        [labels for _, labels in replace(problem, image_set=places).batches()]
    )
    same_order = replace(problem, draw_order=lambda: order)
    weights = {
        name: torch.nn.utils.parameters_to_vector(
            contender(same_order, Clock(problem.device)).parameters()
        )
        for name, contender in contenders.items()
    }
    return {
        name: (vector - weights["fit"]).abs().max().item()
        for name, vector in weights.items()
    }


def measure(contenders, run, settings) -> dict:
    """{name: {"wall": seconds per round, "processor": ...}} of interleaved rounds."""
    shuffler = random.Random(settings.seed)
    times = {name: {"wall": [], "processor": []} for name in contenders}
    names = list(contenders)
    gc.collect()
    gc.freeze()  # what exists already need not be looked through before each run
    for _ in range(settings.repetitions):
        shuffler.shuffle(names)
        for name in names:
            gc.collect()
            clock = run(contenders[name])
            times[name]["wall"].append(clock.wall)
            times[name]["processor"].append(clock.processor)
    gc.unfreeze()
    return times


def measure_loops(contenders, problem, settings) -> dict:
    """Seconds that each contender takes for one epoch of the problem."""

    def run(contender):
        clock = Clock(problem.device)
        contender(problem, clock)
        return clock

    return measure(contenders, run, settings)


def measure_pipelines(settings, device) -> dict:
    """Seconds to draw one epoch of augmented batches, after one epoch of warming up."""
    image_set = load_images(limit=settings.augmented_images)
    found = pipelines(image_set, BATCH_SIZE, device)

    def run(pipeline):
        clock = Clock(device)
        clock.start()
        for images, labels in pipeline:
            images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        clock.stop()
        return clock

    for pipeline in found.values():
        run(pipeline)
    return measure(found, run, settings)


def spread(values, digits=3) -> str:
    """Median and quartiles as text."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def loop_table(times, batches) -> list[str]:
    """Lines that compare loops with the reference, round by round."""
    heads = ("wall ratio", "processor ratio", "processor, µs more a step")
    lines = [f"{'':31}{'ms a step':>9}" + "".join(f"  {head:>25}" for head in heads)]
    reference = {key: np.array(values) for key, values in times[REFERENCE].items()}
    for name, taken in times.items():
        wall, processor = np.array(taken["wall"]), np.array(taken["processor"])
        line = f"{name:31}{np.median(wall) / batches * 1e3:9.3f}"
        if name != REFERENCE:
            extra = (processor - reference["processor"]) / batches * 1e6
            columns = [spread(wall / reference["wall"])]
            columns += [spread(processor / reference["processor"]), spread(extra, 0)]
            line += "".join(f"  {column:>25}" for column in columns)
        lines.append(line)
    return lines


def pipeline_table(times, images) -> list[str]:
    """Lines that compare the images per second of pipelines."""
    lines = [f"{'':38}{'images per second':>18}{'Batches is faster by':>26}"]
    ours, *others = times
    for name, taken in times.items():
        wall = np.array(taken["wall"])
        line = f"{name:38}{images / np.median(wall):18,.0f}"
        if name in others:
            line += f"{spread(wall / np.array(times[ours]['wall']), 1):>26}"
        lines.append(line)
    return lines


def heading(settings, device) -> list[str]:
    """What is measured, on what."""
    found = environment()
    versions = {"python": found.python, **found.packages, **peer_versions()}
    names = ("python", "torch", "torchvision", "lightning", "fastai", "accelerate")
    _, missing = installed_peers()
    lines = [
        "fit and other training loops over a loop written by hand",
        ", ".join(f"{name} {versions[name]}" for name in names if name in versions),
        f"device {device}, threads {torch.get_num_threads()}, float32, NCHW, SGD with "
        f"momentum; {settings.repetitions} interleaved rounds, median [quartiles]",
        "raw and peers get float images normalised beforehand; fit normalises bytes",
        "timed: the call of fit with its set-up; of Trainer and fastai only the epoch",
    ]
    if hasattr(os, "getloadavg"):
        busy = os.getloadavg()[0]
        advice = ": other programs blur wall times" if busy > 0.5 else ""
        lines.append(f"processors busy in the minute before: {busy:.1f}{advice}")
    if tuned := [f"{k}={v}" for k, v in os.environ.items() if k.startswith(TUNING)]:
        lines.append(" ".join(tuned))
    if missing:
        lines.append(f"not installed: {', '.join(missing)}: pip install -e .[bench]")
    return lines


def bench(settings, report=print) -> dict:
    """Measure everything, report the tables as they are ready; returns the numbers."""
    device = pick_device(settings.device)
    report("\n".join(heading(settings, device)))
    contenders = CONTENDERS | installed_peers()[0]
    result = {"settings": asdict(settings), "environment": asdict(environment())}
    result |= {"peers": peer_versions(), "loops": {}}
    for name, problem in problems(settings, device).items():
        differences = largest_differences(contenders, problem)
        times = measure_loops(contenders, problem, settings)
        result["loops"][name] = {"differences": differences, "seconds": times}
        report("\n".join(["", name, *loop_table(times, len(problem.batches()))]))
        report(
            f"largest difference of trained weights: {max(differences.values()):.1g}"
        )
    images = settings.augmented_images
    result["pipelines"] = measure_pipelines(settings, device)
    report(f"\ncrop, flip and erase, {images:,} images of 1 x 28 x 28 per round")
    report("\n".join(pipeline_table(result["pipelines"], images)))
    return result


def main(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m course_utils.bench")
    parser.add_argument("--quick", action="store_true", help="a rough look, seconds")
    parser.add_argument("--repetitions", type=int, help="rounds (15; quick: 3)")
    parser.add_argument("--device", help='such as "cpu" or "cuda" (the one found)')
    parser.add_argument("--threads", type=int, help="threads of torch on the CPU")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    options = parser.parse_args(arguments)
    settings = replace(QUICK if options.quick else Settings(), device=options.device)
    if options.repetitions is not None:
        if options.repetitions < 1:
            parser.error("--repetitions must be 1 or more")
        settings = replace(settings, repetitions=options.repetitions)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    result = bench(settings)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
