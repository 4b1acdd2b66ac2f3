"""The benchmark compares what it says, and its tables hold what was measured.

Nothing here is timed.
"""

import json

import pytest
import torch

from course_utils import bench, bench_loops
from course_utils.bench_loops import CONTENDERS, Problem, tiny_cnn, train_by_hand
from course_utils.bench_peers import PEERS, installed_peers, pipelines
from course_utils.data import load_images
from course_utils.steps import ClassifierStep
from course_utils.training import fit

SMALLEST = bench.Settings(1, 1, 1, 2, 64, device="cpu")


@pytest.fixture
def problem():
    return Problem(tiny_cnn, load_images(limit=80), 32, torch.device("cpu"))


def order_of(problem):
    """The permutation in which the first epoch of the course's batches goes."""
    problem.image_set.labels = torch.arange(len(problem.image_set))
    order = torch.cat([labels for _, labels in problem.batches()])
    problem.image_set.labels = problem.labels
    return order


@pytest.mark.parametrize("read", [torch.Tensor.item, torch.Tensor.detach])
def test_raw_loop_learns_what_fit_learns(problem, read):
    model, optimizer = problem.parts()
    loss, accuracy = train_by_hand(
        model,
        optimizer,
        problem.images,
        problem.labels,
        problem.batch_size,
        order_of(problem),
        read,
    )
    by_fit, optimizer = problem.parts()
    step = ClassifierStep(by_fit, optimizer, precision="fp32")
    row = fit(step, problem.batches(), 1, progress=False).last
    start, _ = problem.parts()
    for ours, theirs, first in zip(
        by_fit.parameters(), model.parameters(), start.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-7)
        assert not torch.equal(ours, first)
    assert row["train_loss"] == pytest.approx(loss, rel=1e-6)
    assert row["train_accuracy"] == pytest.approx(accuracy)


def test_every_contender_does_the_same_work(problem):
    contenders = CONTENDERS | installed_peers()[0]
    differences = bench.largest_differences(contenders, problem)
    assert differences.keys() == contenders.keys()
    assert max(differences.values()) < 1e-6


def test_less_work_is_noticed(problem):
    lazy = {"fit": CONTENDERS["fit"], "lazy": lambda problem, _: problem.parts()[0]}
    assert bench.largest_differences(lazy, problem)["lazy"] > 1e-4


def test_random_order_unless_told(problem):
    first, second = (
        torch.cat([labels for _, labels in problem.float_batches()]) for _ in range(2)
    )
    assert not torch.equal(first, second)
    assert torch.equal(first.bincount(), second.bincount())


def test_progress_bar_is_really_drawn(problem, monkeypatch):
    drawn = []

    class Watched(bench_loops.Terminal):
        def write(self, text):
            drawn.append(text)

    monkeypatch.setattr(bench_loops, "Terminal", Watched)
    bench_loops.course_progress(problem, bench.Clock(problem.device))
    assert "epoch 1/1" in "".join(drawn)
    drawn.clear()
    bench_loops.course(problem, bench.Clock(problem.device))
    assert not drawn


def test_parameter_counts_are_those_in_the_docstrings():
    for build in (tiny_cnn, bench_loops.resnet20, bench_loops.almost_nothing):
        count = sum(parameter.numel() for parameter in build().parameters())
        assert f"{count:,} parameters" in build.__doc__


def test_ratios_are_taken_within_a_round():
    times = {
        bench.REFERENCE: {"wall": [1.0, 10.0, 2.0], "processor": [1.0, 1.0, 1.0]},
        "half": {"wall": [0.5, 5.0, 1.0], "processor": [1.5, 1.5, 1.5]},
    }
    head, reference, half = bench.loop_table(times, batches=1000)
    assert "wall ratio" in head and "processor ratio" in head
    assert reference.split()[-1] == "2.000"
    assert "0.500 [0.500, 0.500]" in half
    assert "1.500 [1.500, 1.500]" in half
    assert half.endswith("500 [500, 500]")


def test_pipelines_give_batches_of_the_same_kind():
    found = pipelines(load_images(limit=40), 32, torch.device("cpu"))
    for pipeline in found.values():
        images, labels = next(iter(pipeline))
        assert images.shape == (32, 1, 28, 28) and images.dtype == torch.float32
        assert labels.shape == (32,) and labels.dtype == torch.int64


def test_command_prints_the_tables_and_writes_the_numbers(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(bench, "QUICK", SMALLEST)
    file = tmp_path / "numbers.json"
    bench.main(
        ["--quick", "--repetitions", "2", "--device", "cpu", "--json", str(file)]
    )
    text = capsys.readouterr().out
    numbers = json.loads(file.read_text(encoding="utf-8"))
    contenders = CONTENDERS | installed_peers()[0]
    assert [name.split(",")[0] for name in numbers["loops"]] == [
        "tiny CNN",
        "ResNet-20",
        "almost no model (the loop's own cost)",
    ]
    for model, loop in numbers["loops"].items():
        table = text[text.index(model) :].splitlines()[2 : 2 + len(contenders)]
        for name, line in zip(contenders, table, strict=True):
            assert line.startswith(name)
            assert all(len(taken) == 2 for taken in loop["seconds"][name].values())
        assert loop["differences"].keys() == contenders.keys()
    for name in numbers["pipelines"]:
        assert f"\n{name} " in text
    assert "A/A control" in text and torch.__version__.split("+")[0] in text


def test_missing_peers_are_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert installed_peers() == ({}, ["accelerate", "fastai", "lightning"])
    lines = bench.heading(SMALLEST, torch.device("cpu"))
    hint = "not installed: accelerate, fastai, lightning: pip install -e .[bench]"
    assert hint in lines
    assert all(package in hint for package, _ in PEERS.values())


def test_variables_that_change_timings_are_shown(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    assert any(
        "OMP_WAIT_POLICY=passive" in line
        for line in bench.heading(SMALLEST, torch.device("cpu"))
    )


def test_a_wrong_option_is_explained(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--repetitions", "0"])
    assert "--repetitions must be 1 or more" in capsys.readouterr().err
