"""Our loop beside one written by hand and those of other libraries.

A contender is called as `contender(problem, clock)`. It makes a fresh model, starts the
clock, trains for one epoch, stops the clock and returns the model, so that it can be
checked that all of them did the same work.
"""

import io
import tempfile
from contextlib import redirect_stderr
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.nn.utils import parameters_to_vector

from course_utils.bench.memory import add_peaks, peak_memory
from course_utils.bench.peers import installed_peers
from course_utils.bench.problems import Problem, loop_problem, small_problems
from course_utils.bench.timing import (
    Clock,
    compare,
    comparison_lines,
    interleave,
    stop_if,
)
from course_utils.steps import ClassifierStep
from course_utils.training import fit

REFERENCE = "raw loop, .item() each step"
BATCH_SIZE = 128


def train_by_hand(model, optimizer, images, labels, batch_size, order, read):
    """One epoch in plain PyTorch; returns the mean loss and the accuracy.

    `read` is torch.Tensor.item to fetch loss and count of every batch, or
    torch.Tensor.detach to leave them on the device until the end.
    """
    model.train()
    loss_sum = correct = 0
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        inputs, targets = images[chosen], labels[chosen]
        optimizer.zero_grad(set_to_none=True)
        logits = model(inputs)
        loss = F.cross_entropy(logits, targets)
        loss.backward()
        optimizer.step()
        loss_sum += read(loss) * len(targets)
        correct += read((logits.argmax(1) == targets).sum())
    return float(loss_sum) / len(order), float(correct) / len(order)


def by_hand(problem, clock, read):
    """The loop by hand, reading the loss after every step, or once (see above)."""
    model, optimizer = problem.parts()
    images, labels, size = problem.images, problem.labels, problem.batch_size
    clock.start()
    order = problem.draw_order()
    train_by_hand(model, optimizer, images, labels, size, order, read)
    clock.stop()
    return model


def course(problem, clock, draw=Problem.batches, progress=False, checkpoint=None):
    """`fit` as the course uses it, on bytes or, with Problem.float_batches, floats."""
    model, optimizer = problem.parts()
    step, batches = ClassifierStep(model, optimizer, precision="fp32"), draw(problem)
    clock.start()
    history = fit(step, batches, 1, progress=progress, checkpoint=checkpoint)
    clock.stop()
    stop_if(history.interrupted)
    return model


def course_watched(problem, clock):
    """`fit`, drawing its bar for nobody and saving a checkpoint after the epoch."""
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(Terminal()):
        path = Path(folder) / "run.pt"
        return course(problem, clock, progress=True, checkpoint=path)


class Terminal(io.StringIO):
    """Memory that says it is a terminal, so that the progress bar is really drawn."""

    def isatty(self):
        return True


CONTENDERS = {
    REFERENCE: partial(by_hand, read=torch.Tensor.item),
    "raw loop again (A/A control)": partial(by_hand, read=torch.Tensor.item),
    "raw loop, read once per epoch": partial(by_hand, read=torch.Tensor.detach),
    "fit": course,
    "fit, on float images as raw": partial(course, draw=Problem.float_batches),
    "fit with bar and checkpoint": course_watched,
}


def largest_differences(contenders, problem) -> dict:
    """How far the weights of each contender are from those of `fit` after one epoch.

    All draw the same order here, so that the differences are 0 or rounding.
    """
    places = replace(problem.image_set, labels=torch.arange(len(problem.image_set)))
    order = torch.cat(
        [labels for _, labels in replace(problem, image_set=places).batches()]
    )
    same_order = replace(problem, draw_order=lambda: order)
    weights = {}
    for name, contender in contenders.items():
        model = contender(same_order, Clock(problem.device))
        weights[name] = parameters_to_vector(model.parameters()).detach().cpu()
    return {
        name: (vector - weights["fit"]).abs().max().item()
        for name, vector in weights.items()
    }


def compare_loops(contenders, problem, repetitions) -> dict:
    """Train the problem with each contender; returns all numbers, and a row each."""
    differences = largest_differences(contenders, problem)
    runs = {name: partial(contender, problem) for name, contender in contenders.items()}
    seconds = interleave(runs, problem.device, repetitions)
    rows = compare(seconds, REFERENCE, problem.steps)
    measures = {
        name: partial(peak_memory, partial(run, Clock(problem.device)), problem.device)
        for name, run in runs.items()
    }
    add_peaks(rows, measures)
    return {"rows": rows, "differences": differences, "seconds": seconds}


def measure_loops(settings, device, report) -> dict:
    """The section of the benchmark: a table for each of three models."""
    found, missing = installed_peers()
    report(
        "fit and other training loops over a loop written by hand",
        "float32, NCHW, SGD with momentum; fit gets bytes, the others floats that were",
        "normalised beforehand; timed: the call of fit with its set-up, of Trainer and",
        "fastai only the epoch; memory: of tensors at the same time, without the data",
    )
    if missing:
        report(f"not installed: {', '.join(missing)}: pip install -e .[bench]")
    *sizes, nothing_batches = settings.loop_batches
    problems = small_problems(device, BATCH_SIZE, *sizes)
    nothing = "almost no model (the loop's own cost)"
    problems[nothing] = loop_problem(device, nothing_batches)
    results = {}
    for name, problem in problems.items():
        results[name] = compare_loops(CONTENDERS | found, problem, settings.repetitions)
        results[name]["title"] = title = problem.described(name)
        furthest = max(results[name]["differences"].values())
        report("", title, *comparison_lines(results[name]["rows"]))
        report(f"largest difference of trained weights: {furthest:.1g}")
    return {"missing": missing, "models": results}
