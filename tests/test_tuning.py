"""What "auto" chooses: the faster way, by a clock of ours, and nothing else changes."""

import copy
import random

import numpy as np
import pytest
import torch
from resuming import assert_same
from torch import nn

from course_utils import steps, tuning
from course_utils.averaging import MovingAverage
from course_utils.random_states import random_state
from course_utils.schedules import warmup_cosine
from course_utils.steps import ClassifierStep, MixupStep
from course_utils.tuning import (
    Choice,
    choose_compile,
    choose_faster_precision,
    choose_layout,
    compile_mode,
    copied,
    fastest,
    time_steps,
    use_layout,
    use_tensor_cores,
)

IMAGES, LABELS = torch.randn(6, 2, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])


class Clock:
    """Seconds that pass only where a model says so; copies are the same clock."""

    def __init__(self):
        self.seconds, self.calls = 0.0, []

    def __call__(self):
        return self.seconds

    def __deepcopy__(self, memo):
        return self


class Timed(nn.Module):
    """A net that takes as long as `costs` says, for what it is asked to do."""

    def __init__(self, clock, **costs):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4 * 36, 3)
        self.drop = nn.Dropout(0.5)
        self.clock, self.costs, self.compiled = clock, costs, None

    def forward(self, x):
        weight = self.conv.weight
        last = weight.is_contiguous(memory_format=torch.channels_last)
        ways = {
            "channels_last" if last else "contiguous",
            "bf16" if torch.is_autocast_enabled("cpu") else "fp32",
            "off" if self.compiled is None else self.compiled,
        }
        if self.compiled == "first":
            self.compiled = "on"
        self.clock.calls.append(ways)
        self.clock.seconds += sum(self.costs.get(way, 0) for way in ways)
        return self.head(self.drop(self.norm(self.conv(x)).relu()).flatten(1))

    def compile(self, **settings):
        self.compiled, self.settings = "first", settings


def make_step(kind=ClassifierStep, **costs):
    """A step with everything that has a state, one batch old, and its clock."""
    clock = Clock()
    model = Timed(clock, **costs)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    step = kind(
        model,
        optimizer,
        precision="fp32",
        scheduler=warmup_cosine(optimizer, 50, warmup=5),
        average=MovingAverage(model, 0.9),
    )
    step(IMAGES, LABELS)
    clock.calls.clear()
    return step, clock


def channels_last(step):
    """Which weights of 4 axes lie so: (model's, average's, optimizer's)."""
    model, average = step.model.conv.weight, step.average.model.conv.weight
    momentum = step.optimizer.state[model]["momentum_buffer"]
    layout = torch.channels_last
    return [t.is_contiguous(memory_format=layout) for t in (model, average, momentum)]


@pytest.mark.parametrize(
    ("costs", "chosen"),
    [
        ({"contiguous": 0.0178, "channels_last": 0.0123}, "channels_last"),
        ({"contiguous": 0.0123, "channels_last": 0.0178}, "contiguous"),
        ({"contiguous": 0.0100, "channels_last": 0.0098}, "contiguous"),
        ({"contiguous": 0.0100, "channels_last": 0.0096}, "channels_last"),
    ],
)
def test_the_faster_layout_is_chosen_and_applied(costs, chosen):
    step, clock = make_step(**costs)
    choice = choose_layout(step, IMAGES, LABELS, clock)
    assert choice.name == chosen
    assert choice.seconds == pytest.approx(costs)
    assert channels_last(step) == [chosen == "channels_last"] * 3
    step(IMAGES, LABELS)  # it still learns


def test_a_layout_is_also_taken_back():
    step, clock = make_step(contiguous=0.01, channels_last=0.02)
    use_layout(step, "channels_last")
    assert channels_last(step) == [True] * 3
    assert choose_layout(step, IMAGES, LABELS, clock).name == "contiguous"
    assert channels_last(step) == [False] * 3


@pytest.mark.parametrize(
    ("costs", "chosen"),
    [({"fp32": 0.02, "bf16": 0.01}, "bf16"), ({"fp32": 0.01, "bf16": 0.03}, "fp32")],
)
def test_the_faster_precision_is_chosen_and_applied(costs, chosen):
    step, clock = make_step(**costs)
    choice = choose_faster_precision(step, IMAGES, LABELS, clock)
    assert (choice.name, step.precision) == (chosen, chosen)
    clock.calls.clear()
    step(IMAGES, LABELS)
    assert chosen in clock.calls[0]


def test_the_precision_of_other_devices_is_known(monkeypatch):
    step, clock = make_step()
    monkeypatch.setattr(steps, "choose_precision", lambda *given: "bf16")
    choice = choose_faster_precision(step, IMAGES.to("meta"), LABELS)
    assert choice.name == step.precision == "bf16" and not clock.calls
    assert str(choice) == "precision bf16: as always on such a device"


def test_a_precision_is_what_the_step_would_have_been_made_with():
    step, _ = make_step()
    step.compute_in("fp16")
    assert step.scaler.is_enabled() and step.precision == "fp16"
    step.compute_in("fp32")
    assert not step.scaler.is_enabled()


@pytest.mark.parametrize("kind", [ClassifierStep, MixupStep])
def test_nothing_but_the_choice_changes(kind):
    step, clock = make_step(kind, contiguous=0.01, channels_last=0.02, fp32=0.01)
    step.model.eval()
    before = copy.deepcopy(step.state_dict()), random_state()
    gradients = [p.grad.clone() for p in step.model.parameters()]
    for choose in (choose_layout, choose_faster_precision):
        choose(step, IMAGES, LABELS, clock)
    choose_compile(step, IMAGES, LABELS, 1, clock=clock)
    assert clock.calls
    assert_same(before, (step.state_dict(), random_state()))
    assert_same(gradients, [p.grad for p in step.model.parameters()])
    assert not step.model.training and not step.average.model.training


def test_random_states_are_kept_where_timing_fails():
    step, _ = make_step()
    before = random_state()

    def clock():
        random.random(), np.random.rand(), torch.rand(1)
        raise OSError("no time")

    with pytest.raises(OSError, match="no time"):
        choose_layout(step, IMAGES, LABELS, clock)
    assert_same(before, random_state())


def test_a_copy_shares_nothing_and_leaves_the_schedule_alone():
    step, _ = make_step()
    before = copy.deepcopy(step.state_dict())
    trial = copied(step)
    for _ in range(3):
        trial(IMAGES, LABELS)
    assert_same(before, step.state_dict())
    assert trial.optimizer.param_groups[0]["lr"] == step.scheduler.get_last_lr()[0]
    moved = trial.model.conv.weight - step.model.conv.weight
    assert moved.abs().max() > 0
    average = trial.average.model.conv.weight - step.average.model.conv.weight
    assert average.abs().max() > 0  # it follows the copy


# How time is taken


def test_ways_take_turns_in_alternating_order():
    step, clock = make_step(contiguous=0.03, channels_last=0.04)
    choose_layout(step, IMAGES, LABELS, clock)
    order = ["l" if "channels_last" in ways else "c" for ways in clock.calls]
    warm, rest = order[:4], order[4:]
    assert warm == ["c", "l"] * 2  # each twice
    assert "".join(rest) == ("cl" + "lc") * 2 + "cl"


def test_the_median_is_not_moved_by_a_disturbance():
    clock = Clock()
    times = iter([1, 1, 1, 1, 1, 2, 2, 9, 1, 2, 2, 1, 9, 2])  # a b a b, a b, b a, ...

    def trial(images, labels):
        clock.seconds += next(times)

    found = time_steps({"a": trial, "b": trial}, IMAGES, LABELS, clock)
    assert found == {"a": 1, "b": 2}


def test_what_is_hopeless_is_not_timed_any_further():
    step, clock = make_step(fp32=0.03, bf16=0.3)
    choice = choose_faster_precision(step, IMAGES, LABELS, clock)
    assert sum("bf16" in ways for ways in clock.calls) == 2
    assert choice.seconds == pytest.approx({"fp32": 0.03, "bf16": 0.3})


def test_quick_steps_are_timed_many_at_once(monkeypatch):
    monkeypatch.setattr(tuning, "MOST_STEPS_A_ROUND", 30)
    step, clock = make_step(contiguous=0.001, channels_last=0.001)
    choose_layout(step, IMAGES, LABELS, clock)
    steps_a_round = (len(clock.calls) - 4) / 2 / tuning.ROUNDS
    assert tuning.SECONDS_A_ROUND <= 0.001 * steps_a_round <= 0.0211 + 0.001
    step, clock = make_step()  # no time at all
    choose_layout(step, IMAGES, LABELS, clock)
    most = 2 * tuning.ROUNDS * tuning.MOST_STEPS_A_ROUND
    assert len(clock.calls) == 4 + most


def test_the_real_clock_runs():
    step, clock = make_step()
    choice = choose_layout(step, IMAGES, LABELS)
    assert all(seconds > 0 for seconds in choice.seconds.values()) and clock.calls


def test_the_first_process_decides(monkeypatch):
    monkeypatch.setattr(tuning, "first_decides", lambda number: 1 - number)
    assert fastest({"usual": 2, "other": 1}) == "usual"
    assert fastest({"usual": 1, "other": 2}) == "other"


# torch.compile


@pytest.mark.parametrize(
    ("on", "first", "steps", "chosen"),
    [
        (0.01, 5.0, 10_000, "on"),  # saves 100 s, costs about 15
        (0.01, 5.0, 900, "off"),  # saves 9 s
        (0.03, 0.1, 10_000, "off"),  # slower
    ],
)
def test_compiling_is_chosen_where_it_pays(on, first, steps, chosen):
    step, clock = make_step(off=0.02, on=on, first=first)
    choice = choose_compile(step, IMAGES, LABELS, steps, mode="any", clock=clock)
    assert choice.name == chosen
    assert choice.seconds == pytest.approx({"off": 0.02, "on": on})
    assert (step.model.compiled is not None) == (chosen == "on")
    if chosen == "on":
        assert step.model.settings == {"mode": "any"}
    assert f"compiling takes {first:.1f} s" in choice.note


def test_what_cannot_be_compiled_stays_as_it_is(monkeypatch):
    class BackendFailed(RuntimeError):
        __module__ = "torch._inductor.exc"

    step, clock = make_step(first=1)
    fail_in(monkeypatch, BackendFailed("no C++ compiler found\nfurther lines"))
    choice = choose_compile(step, IMAGES, LABELS, 10**6, clock=clock)
    assert str(choice) == "compile off: failed here (no C++ compiler found)"
    assert step.model.compiled is None


def test_other_errors_are_not_taken_for_failed_compiling(monkeypatch):
    step, clock = make_step(first=1)
    fail_in(monkeypatch, RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        choose_compile(step, IMAGES, LABELS, 10**6, clock=clock)


def fail_in(monkeypatch, error):
    """A compiled Timed raises the error."""
    forward = Timed.forward

    def failing(self, x):
        if self.compiled is not None:
            raise error
        return forward(self, x)

    monkeypatch.setattr(Timed, "forward", failing)


def test_graphs_are_replayed_where_a_step_is_one_graph():
    cuda = torch.device("cuda")
    assert compile_mode(cuda) == "reduce-overhead"
    assert compile_mode(cuda, pieces=2) is compile_mode(cuda, processes=2) is None
    assert compile_mode(torch.device("cpu")) is None


# What is known


def test_choices_are_lines_for_people():
    seconds = {"contiguous": 0.0178, "channels_last": 0.0123}
    line = "layout channels_last: 12.3 ms a batch, contiguous 17.8 ms"
    assert str(Choice("layout", "channels_last", seconds)) == line
    assert str(Choice("layout", "contiguous", {})) == "layout contiguous"
    assert str(Choice("layout", "contiguous", {}, "as asked")).endswith(": as asked")
    choice = Choice("compile", "off", {"off": 0.02, "on": 0.0095}, "so")
    assert str(choice) == "compile off: 20 ms a batch, on 9.5 ms; so"


def test_tensor_cores_are_set_up_on_cuda_alone(monkeypatch):
    def settings():
        flags = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
        return torch.get_float32_matmul_precision(), *flags

    before = settings()
    try:
        use_tensor_cores(True, torch.device("cpu"))
        assert settings() == before
        use_tensor_cores(True, torch.device("cuda"))
        assert settings() == ("high", True, True)
        use_tensor_cores(False, torch.device("cuda"))
        assert settings() == ("highest", False, True)
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
        torch.backends.cudnn.benchmark = before[2]
