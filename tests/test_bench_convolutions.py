"""The benchmark of convolution by hand calls what it says, on the problems it names.

Nothing here is timed.
"""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from course_utils.bench import __main__ as command
from course_utils.bench import convolutions
from course_utils.bench.convolutions import AGAIN, LAYERS, Layer, verdict
from course_utils.convolution import conv2d_backward, conv2d_forward

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SMALL = Layer(2, 3, 5, 4)
FEW = command.Settings(repetitions=5, convolution_calls=3)


@pytest.fixture
def small(monkeypatch):
    """One small layer instead of those that are measured."""
    monkeypatch.setattr(convolutions, "LAYERS", (SMALL,))


def test_the_layers_are_those_of_the_targets():
    assert [str(layer) for layer in LAYERS] == [
        "32 x 16 x 28 x 28 to 32 maps, kernel 3, padding 1",
        "16 x 64 x 14 x 14 to 128 maps, kernel 3, padding 1",
    ]
    assert convolutions.TARGETS == {"forward": 1.5, "backward": 2.0}


@pytest.mark.parametrize("layer", [SMALL, Layer(3, 2, 4, 5, kernel=5)])
def test_all_compute_the_layer_and_its_gradients(layer):
    calls = layer.calls(CPU)
    assert [*calls] == [*convolutions.TARGETS]
    for direction, ours in (("forward", conv2d_forward), ("backward", conv2d_backward)):
        assert [*calls[direction]][1:] == [AGAIN, ours.__name__]
        assert calls[direction][ours.__name__].func is ours
    x, weight, bias = calls["forward"]["conv2d_forward"].args
    P = calls["forward"]["conv2d_forward"].keywords["padding"]
    assert f"padding {P}" in str(layer)
    given = [one.clone().requires_grad_() for one in (x, weight, bias)]
    y = F.conv2d(*given, padding=P)
    assert x.shape == (layer.batch, layer.channels, layer.pixels, layer.pixels)
    assert y.shape == (layer.batch, layer.maps, layer.pixels, layer.pixels)
    assert weight.shape[2:] == (layer.kernel, layer.kernel)
    for call in calls["forward"].values():
        torch.testing.assert_close(call(), y)
    gradients = torch.autograd.grad(y, given, calls["backward"][AGAIN].args[0])
    for call in calls["backward"].values():
        torch.testing.assert_close([*call()], [*gradients])


def test_another_result_is_noticed():
    calls = {direction: dict(c) for direction, c in SMALL.calls(CPU).items()}
    for direction in calls:
        assert convolutions.largest_difference(calls[direction]) < 1e-5
    ours = calls["forward"]["conv2d_forward"]
    calls["forward"]["conv2d_forward"] = lambda: ours() * 1.01
    assert convolutions.largest_difference(calls["forward"]) == pytest.approx(0.01, 0.1)
    back = calls["backward"]["conv2d_backward"]
    calls["backward"]["conv2d_backward"] = lambda: (*back()[:2], back()[2] + 1)
    assert convolutions.largest_difference(calls["backward"]) > 0.01


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        ([1.1, 1.2, 1.3, 1.4, 9.0], "met"),
        ([1.5] * 5, "met"),
        ([1.6, 1.7, 1.8, 1.9, 0.1], "not met"),
        ([1.3, 1.4, 1.45, 1.6, 1.7], "undecided"),
        ([1.1] * 4, "undecided"),  # too few
    ],
)
def test_a_target_is_met_missed_or_undecided(ratios, said):
    assert verdict(ratios, 1.5) == said


def test_ratios_are_of_ours_to_torch_s_in_the_same_round(monkeypatch):
    walls = {
        "theirs": [1.0, 2.0, 4.0, 1.0, 1.0],
        AGAIN: [9.0] * 5,
        "ours": [1.2, 2.8, 5.2, 1.3, 1.3],
    }
    seconds = {
        name: {"wall": taken, "processor": taken} for name, taken in walls.items()
    }
    runs = []

    def interleave(given, device, repetitions):
        runs.append((list(given), device, repetitions))
        return seconds

    monkeypatch.setattr(convolutions, "interleave", interleave)
    calls = dict.fromkeys(walls, partial(torch.ones, 100))
    found = convolutions.compare_calls(calls, 1.35, CPU, FEW)
    assert runs == [(list(walls), CPU, 5)]
    assert found["range"] == pytest.approx([1.2, 1.4])
    assert found["target"] == "met" and found["difference"] == 0
    assert found["rows"][0]["ms_per_step"] == pytest.approx(1000 / 3)  # of 3 calls
    assert found["rows"][2]["wall_ratio"] == pytest.approx([1.3] * 3)
    assert [row["peak_mb"] for row in found["rows"]] == [0.0004] * 3
    lines = convolutions.result_lines(found)
    assert lines[-2] == (
        "ratios of the rounds from 1.200 to 1.400; target, at most 1.35: met"
    )
    found = convolutions.compare_calls(calls, None, CPU, FEW)
    assert found["target"] is None
    assert convolutions.result_lines(found)[-2].endswith("to 1.400")


def test_each_is_called_so_many_times_while_the_clock_runs():
    noted = []

    class Clock:
        def start(self):
            noted.append("start")

        def stop(self):
            noted.append("stop")

    convolutions.call_often(lambda: noted.append("call"), 3, Clock())
    assert noted == ["start", "call", "call", "call", "stop"]


def test_the_section_says_what_became_of_the_targets(small):
    lines = command.Report()
    found = convolutions.measure_convolutions(FEW, CPU, lines)
    assert [*found["layers"]] == [str(SMALL)]
    for direction, target in convolutions.TARGETS.items():
        part = found["layers"][str(SMALL)][direction]
        assert f"{direction}: {SMALL}" in lines.lines
        assert part["target_ratio"] == target
        said = f"target, at most {target:g}: {part['target']}"
        assert any(line.endswith(said) for line in lines.lines)
        assert all(row["peak_mb"] > 0 for row in part["rows"])
        assert all(len(taken["wall"]) == 5 for taken in part["seconds"].values())


def test_there_is_no_target_for_other_devices_and_no_tf32(small, monkeypatch):
    found, flags = [], set()
    compare_calls = convolutions.compare_calls

    def compare(calls, target, device, settings):
        flags.add(torch.backends.cudnn.allow_tf32)
        found.append((target, device))
        return compare_calls(calls, target, CPU, settings)

    monkeypatch.setattr(convolutions, "compare_calls", compare)
    monkeypatch.setattr(
        Layer, "calls", lambda self, device, own=Layer.calls: own(self, CPU)
    )
    lines = command.Report()
    convolutions.measure_convolutions(FEW, CUDA, lines)
    assert found == [(None, CUDA)] * 2 and flags == {False}
    assert torch.backends.cudnn.allow_tf32
    assert "the targets are for processors" in lines.lines
    assert not any("at most" in line for line in lines.lines)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_it_runs_on_a_graphics_card(small):
    found = convolutions.measure_convolutions(FEW, CUDA, command.Report())
    for part in found["layers"][str(SMALL)].values():
        assert part["difference"] < 1e-5
        assert all(row["ms_per_step"] > 0 for row in part["rows"])
