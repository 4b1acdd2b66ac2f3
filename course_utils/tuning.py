"""What "auto" means: known where it can be known, and timed where it cannot.

Which layout of images in memory is faster depends on the model and on the machine:
channels_last took 0.65 of the time of the contiguous layout for one small net and 1.35
for another on the same processor. So a few training steps of both are timed, on copies
of the step, in turn, so that what else the machine does meets both alike. The step
itself and all random generators stay as they are.

    step = ClassifierStep(model, optimizer)
    print(choose_layout(step, images, labels))     # applied to the step as well
    # layout channels_last: 12.3 ms a batch, contiguous 17.8 ms

Give a step whose model is not distributed yet. Under torchrun all processes have to
call the same, and the first one decides.
"""

import copy
import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from course_utils.distributed import first_decides, unwrap
from course_utils.random_states import random_state, set_random_state
from course_utils.steps import Nothing

LAYOUTS = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
}
MARGIN = 0.97  # of the time of what is usual: what is not faster is not worth a change
HOPELESS = 1.5  # times the time of the fastest: not timed any further
ROUNDS = 5
SECONDS_A_ROUND = 0.02  # for each way, at least
MOST_STEPS_A_ROUND = 100
GRAPHS = 3  # compiled in a run: for whole batches, for the last one, for the test


@dataclass(frozen=True)
class Choice:
    """What was chosen, and the median seconds of a batch with each way to compute.

    `note` is what else there is to know. print() shows it in a line.
    """

    subject: str
    name: str
    seconds: dict[str, float]
    note: str = ""

    def __str__(self):
        others = [name for name in self.seconds if name != self.name]
        times = [f"{name} {_milliseconds(self.seconds[name])}" for name in others]
        if self.name in self.seconds:
            own = f"{_milliseconds(self.seconds[self.name])} a batch"
            times = [own, *times]
        said = "; ".join(part for part in (", ".join(times), self.note) if part)
        return f"{self.subject} {self.name}" + (f": {said}" if said else "")


def choose_layout(step, images, labels, clock=None) -> Choice:
    """Give the model of a step the faster layout: "contiguous" or "channels_last".

    images [n, C, H, W] and labels int64 [n] are a batch as in training, on the device
    of the model. `clock()` gives the seconds. Taught in chapter 19.
    """
    with random_states_kept():
        trials = {name: copied(step) for name in LAYOUTS}
        for name, trial in trials.items():
            use_layout(trial, name)
        seconds = time_steps(trials, images, labels, clock)
    chosen = fastest(seconds)
    use_layout(step, chosen)
    return Choice("layout", chosen, seconds)


def choose_faster_precision(step, images, labels, clock=None) -> Choice:
    """Let a step compute in the faster of "fp32" and "bf16", without asking the device.

    On CUDA choose_precision knows, and so it does on Apple's chips; this is for
    processors, some of which multiply bf16 in hardware. The arguments are those of
    choose_layout. Taught in chapter 19.
    """
    device = images.device
    if device.type != "cpu":
        step.compute_in("auto")
        return Choice("precision", step.precision, {}, "as always on such a device")
    with random_states_kept():
        trials = {name: copied(step) for name in ("fp32", "bf16")}
        for name, trial in trials.items():
            trial.compute_in(name)
        seconds = time_steps(trials, images, labels, clock)
    chosen = fastest(seconds)
    step.compute_in(chosen)
    return Choice("precision", chosen, seconds)


def choose_compile(step, images, labels, steps, *, mode=None, clock=None) -> Choice:
    """Compile the model of a step if that saves more time in `steps` than it takes.

    `mode` is that of torch.compile. Where it fails, as without a C++ compiler, the step
    stays as it is and the note says why. The other arguments are those of
    choose_layout. Taught in chapter 19.
    """
    clock = clock or _clock(images.device)
    with random_states_kept():
        trials = {"off": copied(step), "on": copied(step)}
        trials["on"].model.compile(mode=mode)
        started = clock()
        failure = _failure(trials["on"], images, labels)
        cost = clock() - started
        if first_decides(failure is not None):
            return Choice("compile", "off", {}, f"failed here ({failure})")
        seconds = time_steps(trials, images, labels, clock)
    saved = steps * (seconds["off"] - seconds["on"])
    worth = fastest(seconds) == "on" and saved > (GRAPHS - 1) * cost
    chosen = "on" if first_decides(worth) else "off"
    if chosen == "on":
        step.model.compile(mode=mode)
    note = f"compiling takes {cost:.1f} s or more, and saves {max(saved, 0):.1f} s here"
    return Choice("compile", chosen, seconds, note)


def _failure(step, images, labels):
    """Why torch cannot compile this step, in a line; None where it can."""
    try:
        step(images, labels)
    except Exception as error:
        if not is_about_compiling(error):
            raise
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    return None


def is_about_compiling(error) -> bool:
    """Whether an error comes from torch.compile."""
    modules = [kind.__module__ for kind in type(error).__mro__]
    return any(
        name.startswith(("torch._dynamo", "torch._inductor")) for name in modules
    )


def compile_mode(device, pieces=1, processes=1):
    """The mode of torch.compile: CUDA graphs where each step replays a single one."""
    if device.type == "cuda" and pieces == processes == 1:
        return "reduce-overhead"
    return None


def use_layout(step, name) -> None:
    """Bring the weights of a step, and what belongs to them, into a layout."""
    layout = LAYOUTS[name]
    for model in (unwrap(step.model), getattr(step.average, "model", None)):
        if model is not None:
            model.to(memory_format=layout)
    for state in step.optimizer.state.values():
        for key, value in state.items():
            if isinstance(value, torch.Tensor) and value.ndim == 4:
                state[key] = value.contiguous(memory_format=layout)


def use_tensor_cores(tf32, device) -> None:
    """Set up CUDA for 32-bit numbers: TF32 or not, and the fastest convolutions.

    TF32 rounds what is multiplied to 11 bits, adds in 32, and is several times faster.
    """
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True  # tries all once for each shape


def copied(step):
    """A copy of a step that shares nothing with it, and leaves the schedule alone."""
    return copy.deepcopy(step, {id(step.scheduler): Nothing()})


@contextmanager
def random_states_kept():
    """A block after which all random generators are where they were before."""
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)


def time_steps(trials, images, labels, clock=None) -> dict[str, float]:
    """The median seconds of a batch for each of the steps {name: step}.

    Each is called twice to warm up. Then they take turns, in alternating order, with as
    many calls each time as the clock needs. One that takes HOPELESS times as long as
    the fastest keeps the time of its second call.
    """
    clock = clock or _clock(images.device)

    def seconds_of(name, count):
        started = clock()
        for _ in range(count):
            trials[name](images, labels)
        return (clock() - started) / count

    for name in trials:
        seconds_of(name, 1)
    warm = {name: seconds_of(name, 1) for name in trials}
    best = min(warm.values())
    names = [n for n in trials if not first_decides(warm[n] > HOPELESS * best)]
    wanted = SECONDS_A_ROUND / max(best, 1e-9)
    count = first_decides(min(MOST_STEPS_A_ROUND, 1 + int(wanted)))
    times = {name: [] for name in names}
    for number in range(ROUNDS if len(names) > 1 else 0):
        for name in names if number % 2 == 0 else reversed(names):
            times[name].append(seconds_of(name, count))
    return warm | {name: statistics.median(t) for name, t in times.items() if t}


def fastest(seconds) -> str:
    """The name of the least time, or the first name where that is no real gain."""
    usual = next(iter(seconds))
    names = [*seconds]
    best = min(names, key=seconds.get)
    gain = seconds[best] < MARGIN * seconds[usual]
    return names[first_decides(names.index(best if gain else usual))]


def _clock(device):
    """A clock that waits for the device first."""

    def now():
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        return time.perf_counter()

    return now


def _milliseconds(seconds):
    return f"{1000 * seconds:.3g} ms"
