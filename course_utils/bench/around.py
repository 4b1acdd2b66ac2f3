"""What the loop itself, history, progress and checkpoints take of an epoch.

The time in steps and in drawing batches is measured and taken from that of `fit`. Each
step waits for the device, so that none of a graphics card's work is counted as around
it; since the host could do these things while the card computes, the share is an upper
bound there.
"""

import tempfile
from contextlib import redirect_stderr
from pathlib import Path

from course_utils.bench.loops import Terminal
from course_utils.bench.problems import Problem
from course_utils.bench.timing import Clock, quartiles, spread, stop_if
from course_utils.data import load_images
from course_utils.models import tiny_cnn
from course_utils.steps import ClassifierStep
from course_utils.training import fit

BATCH_SIZE = 128
TARGET = 2.0  # percent, for all of it


class Timed:
    """A step or batches; adds up the seconds that calls and drawing take."""

    def __init__(self, thing, device):
        self.thing, self.clock, self.seconds = thing, Clock(device), 0.0

    def __getattr__(self, name):
        return getattr(self.thing, name)

    def __len__(self):
        return len(self.thing)

    def __call__(self, *arguments):
        self.clock.start()
        result = self.thing(*arguments)
        self.clock.stop()
        self.seconds += self.clock.wall
        return result

    def __iter__(self):
        iterator = iter(self.thing)
        draw = Timed(lambda: next(iterator, None), self.clock.device)
        while (batch := draw()) is not None:
            yield batch
        self.seconds += draw.seconds


def time_around(problem, checkpoint=None) -> dict:
    """Train for an epoch; {"seconds": of all, "around": of what is around the steps}.

    With a path for a checkpoint a progress bar is drawn too, for nobody.
    """
    model, optimizer = problem.parts()
    step = Timed(ClassifierStep(model, optimizer, precision="fp32"), problem.device)
    batches = Timed(problem.batches(), problem.device)
    watched = checkpoint is not None
    clock = Clock(problem.device)
    with redirect_stderr(Terminal()):
        clock.start()
        history = fit(step, batches, 1, progress=watched, checkpoint=checkpoint)
        clock.stop()
    stop_if(history.interrupted)
    around = clock.wall - step.seconds - batches.seconds
    return {"seconds": clock.wall, "around": around}


def compare_around(problem, repetitions) -> list[dict]:
    """A row for `fit` alone and one for all of it: shares in percent, milliseconds."""
    alone, watched = [], []
    time_around(problem)  # for what is done only once
    for _ in range(repetitions):
        alone.append(time_around(problem))
        with tempfile.TemporaryDirectory() as folder:
            watched.append(time_around(problem, Path(folder) / "run.pt"))
    names = ("loop and history", "loop, history, bar, checkpoint")
    return [
        {
            "name": name,
            "ms_an_epoch": quartiles([1e3 * run["around"] for run in runs]),
            "percent": quartiles(
                [100 * run["around"] / run["seconds"] for run in runs]
            ),
        }
        for name, runs in zip(names, (alone, watched), strict=True)
    ]


def measure_around(settings, device, report) -> dict:
    """The section of the benchmark: two lines, for the quickest of the models."""
    clothes = load_images(limit=settings.epoch_images)
    problem = Problem(tiny_cnn, clothes, BATCH_SIZE, device)
    title = "around the steps: " + problem.described("tiny CNN")
    report(title, f"{'':31}  {'ms an epoch':>22}  {'% of the epoch':>22}")
    rows = compare_around(problem, settings.long_repetitions)
    for row in rows:
        times, shares = spread(row["ms_an_epoch"], 1), spread(row["percent"], 2)
        report(f"{row['name']:31}  {times:>22}  {shares:>22}")
    kept = "kept" if rows[-1]["percent"][1] <= TARGET else "missed"
    report(f"target, all of it at most {TARGET:g} %: {kept}")
    return {"title": title, "rows": rows, "target_percent": TARGET, "target": kept}
