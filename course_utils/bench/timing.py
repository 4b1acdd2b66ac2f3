"""Time things fairly: in rounds, in random order, compared within a round."""

import gc
import random
import time
from contextlib import contextmanager

import numpy as np
import torch

NAME_WIDTH = 31
COLUMNS = (  # key of a row, heading, width, digits
    ("wall_ratio", "wall ratio", 23, 3),
    ("processor_ratio", "processor ratio", 23, 3),
    ("extra_us", "processor, µs more a step", 27, 0),
)


class Clock:
    """Seconds between start() and stop(): `wall` until the device is done, `processor`
    that the host computed until it had told the device everything."""

    def __init__(self, device):
        self.device = device

    def start(self):
        self._wait()
        self._started = time.perf_counter(), time.process_time()

    def stop(self):
        processor = time.process_time()  # while it waits for CUDA, the host spins
        self._wait()
        self.wall = time.perf_counter() - self._started[0]
        self.processor = processor - self._started[1]

    def _wait(self):
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)


def interleave(runs, device, repetitions, seed=0) -> dict:
    """{name: {"wall": seconds per round, "processor": ...}} of {name: run}.

    A run is called with a Clock, which it starts and stops.
    """
    shuffler, names = random.Random(seed), list(runs)
    seconds = {name: {"wall": [], "processor": []} for name in names}
    with quick_collections():
        for _ in range(repetitions):
            shuffler.shuffle(names)
            for name in names:
                gc.collect()
                clock = Clock(device)
                runs[name](clock)
                seconds[name]["wall"].append(clock.wall)
                seconds[name]["processor"].append(clock.processor)
    return seconds


@contextmanager
def quick_collections():
    """A context in which gc.collect() does not look through what is there already."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def stop_if(interrupted) -> None:
    """End the benchmark on Ctrl-C, for which `fit` only cuts its epoch short."""
    if interrupted:
        raise KeyboardInterrupt


def quartiles(values) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return np.percentile(values, [25, 50, 75]).tolist()


def spread(numbers, digits=3) -> str:
    """The three numbers of quartiles() as text: median [lower, upper]."""
    low, middle, high = (f"{number:,.{digits}f}" for number in numbers)
    return f"{middle} [{low}, {high}]"


def compare(seconds, reference, steps) -> list[dict]:
    """A row for each name in what interleave() gave, for runs of so many steps.

    "ms_per_step" is the median of wall times; the others are quartiles of what was
    found round by round, against the reference in that round.
    """
    rows = []
    base = {key: np.array(values) for key, values in seconds[reference].items()}
    for name, taken in seconds.items():
        wall, processor = np.array(taken["wall"]), np.array(taken["processor"])
        row = {"name": name, "ms_per_step": float(np.median(wall)) / steps * 1e3}
        if name != reference:
            extra = (processor - base["processor"]) / steps * 1e6
            row["wall_ratio"] = quartiles(wall / base["wall"])
            row["processor_ratio"] = quartiles(processor / base["processor"])
            row["extra_us"] = quartiles(extra)
        rows.append(row)
    return rows


def comparison_lines(rows) -> list[str]:
    """A table of the rows that compare() gave, with "peak_mb" where they have it."""
    with_memory = any("peak_mb" in row for row in rows)
    head = f"{'':{NAME_WIDTH}}{'ms a step':>10}{'peak MB' if with_memory else '':>9}"
    lines = [head + "".join(f"{title:>{width}}" for _, title, width, _ in COLUMNS)]
    for row in rows:
        memory = row.get("peak_mb")
        shown = "" if memory is None else f"{memory:,.1f}"
        line = f"{row['name']:{NAME_WIDTH}}{row['ms_per_step']:10.3f}  {shown:>7}"
        for key, _, width, digits in COLUMNS:
            text = spread(row[key], digits) if key in row else ""
            line += f"  {text:>{width - 2}}"
        lines.append(line.rstrip())
    return lines
