"""What each setting of the engine changes, over a plain step in fp32.

A knob is turned in a step that is built once, so that what is compiled stays so. Each
round trains one epoch with `fit`, from the same weights.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn

from course_utils.averaging import MovingAverage
from course_utils.bench.memory import add_peaks, peak_memory
from course_utils.bench.peak import kinds_of_numbers
from course_utils.bench.problems import small_problems
from course_utils.bench.timing import (
    Clock,
    compare,
    comparison_lines,
    interleave,
    stop_if,
)
from course_utils.steps import ClassifierStep, MixupStep
from course_utils.training import fit

REFERENCE = "plain step, fp32"
TOO_SLOW = 5  # times the reference: not run in every round
WARM_UP_BATCHES = 3  # a compiled model records its CUDA graphs in the second


def as_it_is(model):
    """The model, unchanged."""
    return model


def channels_last(model):
    """The model, its weights laid out with the channel as the last axis in memory."""
    return model.to(memory_format=torch.channels_last)


def exact_convolutions() -> AbstractContextManager:
    """A context in which cuDNN may not round the inputs of convolutions to TF32."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def searched_kernels() -> AbstractContextManager:
    """A context in which cuDNN tries its kernels and takes the fastest."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=True)


@dataclass(frozen=True)
class Knob:
    """One thing that is done otherwise than in the plain step.

    lay_out, wrap  called with the model: the first changes it, what the second returns
                   stands for it in the step
    optimizer      options of the optimizer
    step, parts    the kind of step and its options; `average` is called with the model
    within         gives the context to train in
    """

    lay_out: Callable = as_it_is
    wrap: Callable = as_it_is
    optimizer: dict = field(default_factory=dict)
    step: type = ClassifierStep
    parts: dict = field(default_factory=dict)
    average: Callable | None = None
    within: Callable = nullcontext


GRAPHS = partial(torch.compile, mode="reduce-overhead")
SMOOTH = nn.CrossEntropyLoss(label_smoothing=0.1)
KNOBS = {
    REFERENCE: Knob(),
    "the same again (A/A control)": Knob(),
    "channels_last": Knob(lay_out=channels_last),
    "bf16": Knob(parts={"precision": "bf16"}),
    "fp16, scaled loss": Knob(parts={"precision": "fp16"}),
    "convolutions without TF32": Knob(within=exact_convolutions),
    "cudnn.benchmark": Knob(within=searched_kernels),
    "compile": Knob(wrap=torch.compile),
    "compile, reduce-overhead": Knob(wrap=GRAPHS),
    "fused optimizer": Knob(optimizer={"fused": True}),
    "accumulate=4": Knob(parts={"accumulate": 4}),
    "clip_norm=1": Knob(parts={"clip_norm": 1.0}),
    "MovingAverage": Knob(average=MovingAverage),
    "mixup": Knob(step=MixupStep),
    "label smoothing 0.1": Knob(parts={"loss": SMOOTH}),
}


class Trial:
    """A knob, turned for a problem: `trial(clock)` trains an epoch and times it."""

    def __init__(self, knob, problem):
        self.knob, self.problem = knob, problem
        self.model, optimizer = problem.parts(**knob.optimizer)
        knob.lay_out(self.model)
        parts = {"precision": "fp32"} | knob.parts
        if knob.average is not None:
            parts["average"] = knob.average(self.model)
        self.step = knob.step(knob.wrap(self.model), optimizer, **parts)
        self.start = {k: v.clone() for k, v in self.model.state_dict().items()}

    def warm_up(self) -> float:
        """Train on a few batches, twice; returns the seconds of the second time."""
        size = self.problem.batch_size * WARM_UP_BATCHES
        batches = self.problem.batches()
        batches.image_set = batches.image_set[:size]
        for _ in range(2):
            clock = Clock(self.problem.device)
            self.train(batches, clock)
        return clock.wall

    def __call__(self, clock):
        self.train(self.problem.batches(), clock)

    def train(self, batches, clock):
        """Train for one epoch of the batches from the weights of the beginning."""
        self.model.load_state_dict(self.start)
        with self.knob.within():
            clock.start()
            history = fit(self.step, batches, 1, progress=False)
            clock.stop()
        stop_if(history.interrupted)

    def peak_memory(self):
        """The most bytes in an epoch, the state of the step included; None: unknown."""
        if self.knob.wrap is GRAPHS:  # they keep memory that no counter sees
            return None
        device = self.problem.device
        self.step.optimizer.zero_grad()
        found = peak_memory(partial(self, Clock(device)), device)
        kept = sum(tensor.nbytes for tensor in tensors_in(self.step.state_dict()))
        return None if found is None else found + kept


def tensors_in(state):
    """The tensors in dictionaries and lists of dictionaries and lists."""
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, (dict, list, tuple)):
        for item in state.values() if isinstance(state, dict) else state:
            yield from tensors_in(item)


def lacking(knob, device, compiled):
    """Why a knob cannot be turned on the device; None if it can."""
    cuda, kinds = device.type == "cuda", kinds_of_numbers(device)
    if not cuda and (knob.wrap is GRAPHS or knob.within is not nullcontext):
        return "needs CUDA"
    if knob.wrap is not as_it_is and not compiled:
        return "takes long: with --compile"
    if knob.within is exact_convolutions and "tf32" not in kinds:
        return "the card has no TF32"
    if cuda and knob.parts.get("precision") == "bf16" and "bf16" not in kinds:
        return "the card has no bf16"
    return None


def try_knobs(knobs, problem, compiled):
    """({name: Trial, warmed up} of the knobs that turn, {name: why} of the others).

    The first knob is the reference; one that takes TOO_SLOW times as long is left out.
    """
    trials, reasons, expected = {}, {}, None
    for name, knob in knobs.items():
        if reason := lacking(knob, problem.device, compiled):
            reasons[name] = reason
            continue
        try:
            trial = Trial(knob, problem)
            seconds = trial.warm_up()
        except RuntimeError as error:  # of torch, on a device that cannot do it
            reasons[name] = str(error).strip().splitlines()[0]
            continue
        expected = expected or seconds
        if seconds > TOO_SLOW * expected:
            reasons[name] = f"takes {seconds / expected:.0f} times as long"
        else:
            trials[name] = trial
    return trials, reasons


def compare_knobs(knobs, problem, repetitions, compiled) -> dict:
    """Turn each knob for the problem; returns all numbers, and a row each."""
    trials, reasons = try_knobs(knobs, problem, compiled)
    seconds = interleave(trials, problem.device, repetitions)
    rows = compare(seconds, next(iter(knobs)), problem.steps)
    add_peaks(rows, {name: trial.peak_memory for name, trial in trials.items()})
    return {"rows": rows, "not_measured": reasons, "seconds": seconds}


def measure_knobs(settings, device, report) -> dict:
    """The section of the benchmark: a table for each of two models."""
    report("one setting of the engine at a time, over a plain step in fp32 with fit")
    results = {}
    sizes = settings.knob_batch_size, *settings.knob_batches
    for name, problem in small_problems(device, *sizes).items():
        found = compare_knobs(KNOBS, problem, settings.repetitions, settings.compiled)
        title = problem.described(name)
        report("", title, *comparison_lines(found["rows"]))
        for knob, reason in found["not_measured"].items():
            report(f"{knob:31}{reason}")
        results[name] = {"title": title, **found}
        torch.compiler.reset()  # what was compiled is not needed any more
    return {"models": results}
