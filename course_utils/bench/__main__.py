"""The command line of the benchmark: `python -m course_utils.bench --help`."""

import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from course_utils.arguments import Parser, whole
from course_utils.bench.around import measure_around
from course_utils.bench.convolutions import measure_convolutions
from course_utils.bench.knobs import measure_knobs
from course_utils.bench.loops import measure_loops
from course_utils.bench.peers import peer_versions
from course_utils.bench.pipelines import measure_pipelines
from course_utils.bench.target import measure_target
from course_utils.bench.throughput import measure_throughput
from course_utils.runtime import device_name, environment, pick_device

TITLE = "Measure the speed of the training engine and of the layers by hand."
SCHEMA = 1  # of the file of numbers: raised when something in it gets another meaning
TUNING = ("OMP_", "GOMP_", "KMP_", "MKL_", "MALLOC_")  # variables that change timings
SECTIONS = {
    "loops": measure_loops,
    "around": measure_around,
    "pipelines": measure_pipelines,
    "knobs": measure_knobs,
    "throughput": measure_throughput,
    "convolutions": measure_convolutions,
    "target": measure_target,
}


@dataclass(frozen=True)
class Settings:
    """How much to measure. The defaults are for a processor.

    repetitions       rounds, and long_repetitions of what takes long
    loop_batches      in an epoch of the tiny CNN, ResNet-20, almost no model
    knob_batch_size   and knob_batches, of the tiny CNN and ResNet-20
    augmented_images  in an epoch of the pipelines
    epoch_images      of the epoch around whose steps is measured
    matrix_size       of the products that show the peak
    convolution_calls in a round, of each of the functions
    seeds             trainings to 94 %; 0 leaves them out
    compiled          whether to try torch.compile
    """

    repetitions: int = 15
    long_repetitions: int = 5
    loop_batches: tuple = (20, 8, 300)
    knob_batch_size: int = 128
    knob_batches: tuple = (20, 8)
    augmented_images: int = 5120
    epoch_images: int = 60_000
    matrix_size: int = 2048
    convolution_calls: int = 20
    seeds: int = 0
    compiled: bool = False


QUICK = Settings(
    repetitions=3,
    long_repetitions=1,
    loop_batches=(10, 4, 100),
    knob_batches=(10, 4),
    augmented_images=1280,
    epoch_images=6400,
    matrix_size=512,
    convolution_calls=10,
)
ON_CUDA = {  # what takes a fraction of the time there
    "loop_batches": (200, 100, 1000),
    "knob_batch_size": 1024,
    "knob_batches": (58, 58),  # as many as Fashion-MNIST has
    "augmented_images": 10_240,
    "matrix_size": 8192,
    "convolution_calls": 200,
    "seeds": 5,
    "compiled": True,
}


def settings_for(device, quick) -> Settings:
    """What suits the device."""
    settings = QUICK if quick else Settings()
    if device.type == "cuda":
        settings = replace(settings, **ON_CUDA)
    return replace(settings, seeds=min(settings.seeds, 1)) if quick else settings


class Report:
    """Prints lines and keeps them."""

    def __init__(self):
        self.lines = []

    def __call__(self, *lines):
        self.lines += lines
        print(*lines, sep="\n", flush=True)


def described(device) -> str:
    """The device by name, with what its speed depends on."""
    if device.type == "cuda":
        versions = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
        return f"{device_name(device)}, {versions}"
    if device.type == "cpu":
        return f"{device}, {torch.backends.cpu.get_cpu_capability()}"
    return str(device)


def heading(settings, found) -> list[str]:
    """What is measured, on what; `found` is the environment()."""
    versions = {"python": found.python, **found.packages, **peer_versions()}
    names = ("python", "torch", "torchvision", "lightning", "fastai", "accelerate")
    lines = [
        ", ".join(f"{name} {versions[name]}" for name in names if name in versions),
        f"device {found.device}, threads {found.threads}, "
        f"{settings.repetitions} interleaved rounds ({settings.long_repetitions} of "
        "what takes long), median [quartiles]",
    ]
    if hasattr(os, "getloadavg"):
        busy = os.getloadavg()[0]
        advice = ": other programs blur wall times" if busy > 0.5 else ""
        lines.append(f"processors busy in the minute before: {busy:.1f}{advice}")
    if tuned := [f"{k}={v}" for k, v in os.environ.items() if k.startswith(TUNING)]:
        lines.append(" ".join(tuned))
    return lines


def bench(settings, device, sections, keep) -> None:
    """Measure and print the sections; `keep(numbers)` is called after each of them."""
    report, found = Report(), replace(environment(), device=described(device))
    result = {"schema": SCHEMA, "settings": asdict(settings)}
    result |= {"environment": asdict(found), "peers": peer_versions()}
    result["printed"] = report.lines
    report(*heading(settings, found))
    for name in sections:
        report("", f"=== {name}")
        result[name] = SECTIONS[name](settings, device, report)
        keep(result)


def parse(parser, arguments):
    """The options, the settings that they give, and the device."""
    add = parser.add_argument
    add("--quick", action="store_true", help="a rough look, a minute or two")
    add("--only", nargs="+", choices=SECTIONS, metavar="SECTION",
        default=[*SECTIONS], help=f"some of {', '.join(SECTIONS)}")  # fmt: skip
    add("--device", help='such as "cpu" or "cuda" (the one found)')
    add("--threads", type=whole(), help="threads of torch on the CPU")
    add("--repetitions", type=whole(), help="rounds (15; quick: 3)")
    add("--seeds", type=whole(), help="trainings to 94 %% (on CUDA 5, else none)")
    add("--compile", action="store_true", help="try torch.compile on any device")
    add("--json", type=Path, metavar="FILE", help="write all numbers")
    options = parser.parse_args(arguments)
    device = pick_device(options.device)
    if device.index:
        raise ValueError(
            f"the peers choose the first card, not {device}; set "
            f"CUDA_VISIBLE_DEVICES={device.index} and give --device cuda"
        )
    settings = settings_for(device, options.quick)
    wanted = {"repetitions": options.repetitions, "seeds": options.seeds}
    wanted["compiled"] = options.compile or None
    changes = {name: value for name, value in wanted.items() if value is not None}
    return options, replace(settings, **changes), device


def main(arguments=None):
    """The command line."""
    parser = Parser(prog="python -m course_utils.bench", description=TITLE)

    def keep(numbers):
        if options.json is not None:
            options.json.write_text(json.dumps(numbers, indent=1), encoding="utf-8")

    try:
        options, settings, device = parse(parser, arguments)
        keep({})  # better now than after minutes, if it cannot be written
    except (ValueError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    bench(settings, device, options.only, keep)


if __name__ == "__main__":
    main()
