"""The benchmark compares what it says, and its tables hold what was measured.

Nothing here is timed. The knobs of the engine are in test_bench_knobs.py.
"""

import json
import re
import types
from functools import partial

import pytest
import torch
from torch import nn

from course_utils.bench import __main__ as command
from course_utils.bench import (
    around,
    convolutions,
    knobs,
    loops,
    peak,
    peers,
    pipelines,
    problems,
    target,
    throughput,
    timing,
)
from course_utils.bench.knobs import Knob
from course_utils.bench.loops import CONTENDERS, train_by_hand
from course_utils.bench.memory import add_peaks, peak_memory
from course_utils.bench.problems import Problem
from course_utils.data import load_images
from course_utils.models import tiny_cnn
from course_utils.recipes import Recipe
from course_utils.speedrun import training_flops
from course_utils.steps import ClassifierStep
from course_utils.training import fit

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SMALLEST = command.Settings(1, 1, (1, 1, 2), 8, (1, 1), 64, 256, 16, 2)


@pytest.fixture
def problem():
    return Problem(tiny_cnn, load_images(limit=80), 32, CPU)


@pytest.fixture
def card(monkeypatch):
    """A function that makes torch tell of a CUDA card, which nothing is computed on."""

    def make(name="NVIDIA H200", bf16=True, memory=100e9):
        def is_bf16_supported(including_emulation=True):
            return bf16 or including_emulation

        cuda = torch.cuda
        monkeypatch.setattr(cuda, "get_device_name", lambda d=None: name)
        monkeypatch.setattr(cuda, "is_bf16_supported", is_bf16_supported)
        monkeypatch.setattr(cuda, "mem_get_info", lambda d=None: (memory, memory))

    return make


# Loops


def order_of(problem):
    """The permutation in which the first epoch of the course's batches goes."""
    labels = problem.image_set.labels
    problem.image_set.labels = torch.arange(len(problem.image_set))
    order = torch.cat([labels for _, labels in problem.batches()])
    problem.image_set.labels = labels
    return order


@pytest.mark.parametrize("read", [torch.Tensor.item, torch.Tensor.detach])
def test_raw_loop_learns_what_fit_learns(problem, read):
    model, optimizer = problem.parts()
    order = order_of(problem)
    data = problem.images, problem.labels, problem.batch_size
    loss, accuracy = train_by_hand(model, optimizer, *data, order, read)
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
    contenders = CONTENDERS | peers.installed_peers()[0]
    differences = loops.largest_differences(contenders, problem)
    assert differences.keys() == contenders.keys()
    assert max(differences.values()) < 1e-6


def test_less_work_is_noticed(problem):
    lazy = {"fit": CONTENDERS["fit"], "lazy": lambda problem, _: problem.parts()[0]}
    assert loops.largest_differences(lazy, problem)["lazy"] > 1e-4


def test_random_order_unless_told(problem):
    first, second = (
        torch.cat([labels for _, labels in problem.float_batches()]) for _ in range(2)
    )
    assert not torch.equal(first, second)
    assert torch.equal(first.bincount(), second.bincount())


def test_bar_is_really_drawn_and_the_checkpoint_written(problem, monkeypatch):
    drawn, saved = [], []

    class Watched(loops.Terminal):
        def write(self, text):
            drawn.append(text)

    def watched(step, batches, epochs, *, progress, checkpoint):
        history = fit(step, batches, epochs, progress=progress, checkpoint=checkpoint)
        saved.append(checkpoint is not None and checkpoint.stat().st_size)
        return history

    for module in (loops, around):
        monkeypatch.setattr(module, "Terminal", Watched)
        monkeypatch.setattr(module, "fit", watched)
    weights = sum(4 * parameter.numel() for parameter in tiny_cnn().parameters())
    loops.course_watched(problem, timing.Clock(CPU))
    assert "epoch 1/1" in "".join(drawn) and saved.pop() > 2 * weights
    drawn.clear()
    loops.course(problem, timing.Clock(CPU))
    assert not drawn and not saved.pop()
    around.compare_around(problem, repetitions=1)
    assert [bool(size) for size in saved] == [False, False, True]
    assert "epoch 1/1" in "".join(drawn)


def test_an_interrupt_ends_the_benchmark(problem, monkeypatch):
    stopped = types.SimpleNamespace(interrupted=True)
    for module in (loops, around, knobs):
        monkeypatch.setattr(module, "fit", lambda *_, **options: stopped)
    trial = knobs.Trial(Knob(), problem)
    clock = timing.Clock(CPU)
    for run in (
        lambda: loops.course(problem, clock),
        lambda: around.time_around(problem),
        lambda: trial(clock),
    ):
        with pytest.raises(KeyboardInterrupt):
            run()


def test_parameter_counts_are_those_in_the_docstrings():
    for build in (tiny_cnn, problems.quarter_resnet20, problems.almost_nothing):
        count = sum(parameter.numel() for parameter in build().parameters())
        assert f"{count:,} parameters" in build.__doc__


def test_resnet20_computes_on_a_quarter_of_the_pixels():
    images = torch.zeros(2, 1, 28, 28)
    assert problems.quarter_resnet20().stem(images).shape == (2, 16, 14, 14)


def test_problems_are_of_the_sizes_that_were_asked_for():
    found = problems.small_problems(CPU, 32, 3, 2)
    found["nothing"] = problems.loop_problem(CPU, 5)
    sizes = [(problem.steps, problem.batch_size) for problem in found.values()]
    assert sizes == [(3, 32), (2, 32), (5, 8)]
    titles = [problem.described(name) for name, problem in found.items()]
    assert titles == [
        "tiny CNN, 25,866 parameters: 3 batches of 32 images of 1 x 28 x 28",
        "ResNet-20, 272,186 parameters: 2 batches of 32 images of 1 x 28 x 28",
        "nothing, 20 parameters: 5 batches of 8 images of 1 x 1 x 1",
    ]


def test_missing_peers_are_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert peers.installed_peers() == ({}, ["accelerate", "fastai", "lightning"])
    assert peers.peer_versions() == {}


def test_pipelines_give_batches_of_the_same_kind():
    found = pipelines.pipelines(load_images(limit=40), 32, CPU)
    for pipeline in found.values():
        images, labels = next(iter(pipeline))
        assert images.shape == (32, 1, 28, 28) and images.dtype == torch.float32
        assert labels.shape == (32,) and labels.dtype == torch.int64


def test_speed_of_pipelines_is_compared_within_a_round():
    walls = {pipelines.OURS: [1.0, 2.0, 3.0], "other": [5.0, 10.0, 15.0]}
    seconds = {name: {"wall": wall} for name, wall in walls.items()}
    ours, other = pipelines.pipeline_rows(seconds, images=100)
    assert ours == {"name": pipelines.OURS, "images_per_second": 50.0}
    assert other["images_per_second"] == 10 and other["ours_faster"] == [5.0] * 3
    assert pipelines.pipeline_lines([ours, other])[2].split()[1:] == [
        "10", "5.0", "[5.0,", "5.0]"
    ]  # fmt: skip


# Time and memory


@pytest.fixture
def time(monkeypatch):
    """Time that passes only when a test says so."""
    fake = types.SimpleNamespace(wall=0.0, processor=0.0)
    fake.perf_counter, fake.process_time = lambda: fake.wall, lambda: fake.processor
    monkeypatch.setattr(timing, "time", fake)
    return fake


def test_clock_waits_for_the_device_but_does_not_count_that_as_work(time, monkeypatch):
    def wait(device):
        time.wall += 10
        time.processor += 10

    monkeypatch.setattr(torch.accelerator, "synchronize", wait)
    clock = timing.Clock(CUDA)
    clock.start()
    time.wall, time.processor = time.wall + 2, time.processor + 1
    clock.stop()
    assert (clock.wall, clock.processor) == (12, 1)


def test_rounds_run_everything_once_in_changing_order(time):
    ran, orders = [], set()

    def run(clock, name):
        clock.start()
        ran.append(name)
        time.wall, time.processor = time.wall + len(ran), time.processor + ord(name)
        clock.stop()

    runs = {name: partial(run, name=name) for name in "abc"}
    seconds = timing.interleave(runs, CPU, repetitions=8)
    for i in range(0, 24, 3):
        assert sorted(ran[i : i + 3]) == ["a", "b", "c"]
        orders.add(tuple(ran[i : i + 3]))
    assert len(orders) > 1 and [*seconds] == ["a", "b", "c"]
    for name, taken in seconds.items():
        places = [place for place, other in enumerate(ran, 1) if other == name]
        assert taken == {"wall": places, "processor": [ord(name)] * 8}


def test_ratios_are_taken_within_a_round():
    seconds = {
        "raw": {"wall": [1.0, 10.0, 2.0], "processor": [1.0, 1.0, 1.0]},
        "half": {"wall": [0.5, 5.0, 1.0], "processor": [1.5, 1.5, 1.5]},
    }
    raw, half = timing.compare(seconds, "raw", steps=1000)
    assert raw == {"name": "raw", "ms_per_step": 2.0}
    assert half["wall_ratio"] == [0.5] * 3 and half["processor_ratio"] == [1.5] * 3
    assert half["extra_us"] == pytest.approx([500] * 3)
    half["peak_mb"] = 1234.56
    head, first, second = timing.comparison_lines([raw, half])
    for title in ("ms a step", "peak MB", "wall ratio", "processor ratio", "µs more"):
        assert title in head
    assert first.split() == ["raw", "2.000"]
    assert second.split()[1:3] == ["1.000", "1,234.6"]
    assert "0.500 [0.500, 0.500]" in second and "1.500 [1.500, 1.500]" in second
    assert second.endswith("500 [500, 500]") and len(second) == len(head)


def test_large_numbers_do_not_run_into_each_other():
    many = [123_456.7] * 3
    row = {"name": "x" * 31, "ms_per_step": 123456.7, "peak_mb": 1234567.8}
    row |= {"wall_ratio": many, "processor_ratio": many, "extra_us": many}
    words = timing.comparison_lines([row])[1].split()
    assert words.count("123,456.700") == 2 and words.count("123,457") == 1
    rates = {"name": "x", "numbers": "bf16", "images_per_second": [1.2345678e8] * 3}
    for name in ("tflops", "percent_of_measured", "percent_of_data_sheet"):
        rates[name] = 123.4
    assert len(throughput.variant_lines([rates])[1].split()) == 8


def test_quartiles_stand_around_the_median():
    assert timing.quartiles([4, 1, 3, 2, 5]) == [2, 3, 4]
    assert timing.spread([2, 3, 4444], 1) == "3.0 [2.0, 4,444.0]"


def test_peak_is_of_tensors_that_exist_at_the_same_time():
    def run():
        first = torch.empty(1000, 1000)
        second = torch.empty(500, 1000)
        del first
        third = torch.empty(250, 1000)
        return second, third

    assert peak_memory(run, CPU) == 6_000_000
    assert peak_memory(lambda: None, CPU) == 0
    assert peak_memory(run, torch.device("mps")) is None


def test_peaks_are_put_into_rows_as_megabytes():
    rows = [{"name": "a"}, {"name": "b"}]
    add_peaks(rows, {"b": lambda: None, "a": lambda: 2_500_000})
    assert rows == [{"name": "a", "peak_mb": 2.5}, {"name": "b"}]


def test_memory_on_cuda_is_the_rise_of_the_peak(monkeypatch):
    called = []
    cuda = torch.cuda
    monkeypatch.setattr(cuda, "memory_allocated", lambda d: 100)
    monkeypatch.setattr(cuda, "reset_peak_memory_stats", lambda d: called.append("0"))
    monkeypatch.setattr(cuda, "max_memory_allocated", lambda d: 250)
    assert peak_memory(lambda: called.append("run"), CUDA) == 150
    assert called == ["0", "run"]


def test_training_needs_its_weights_and_activations(problem):
    used = peak_memory(lambda: loops.course(problem, timing.Clock(CPU)), CPU)
    weights = sum(4 * parameter.numel() for parameter in tiny_cnn().parameters())
    activations = 4 * 32 * 28 * 28 * 16  # of the first layer
    assert 3 * weights + activations < used < 10 * (3 * weights + activations)


def test_what_is_around_the_steps_is_what_is_left(time, monkeypatch, problem):
    def slow_fit(step, batches, epochs, *, progress, checkpoint):
        time.wall += 0.5
        for images, labels in batches:
            step(images, labels)
            time.wall += 0.25
        time.wall += len(batches)
        return types.SimpleNamespace(interrupted=False)

    def slow_batches(self):
        for image in range(4):
            time.wall += 7
            yield image, image

    class SlowStep:
        def __init__(self, *parts, **options):
            pass

        def __call__(self, images, labels):
            time.wall += 3

    monkeypatch.setattr(around, "fit", slow_fit)
    monkeypatch.setattr(around, "ClassifierStep", SlowStep)
    monkeypatch.setattr(
        Problem,
        "batches",
        lambda self: type(
            "B", (), {"__iter__": slow_batches, "__len__": lambda s: 4}
        )(),
    )
    found = around.time_around(problem)
    assert found == {"seconds": 0.5 + 4 * (7 + 3 + 0.25) + 4, "around": 0.5 + 1 + 4}
    rows = around.compare_around(problem, repetitions=2)
    assert [row["ms_an_epoch"] for row in rows] == [[5500.0] * 3] * 2
    assert rows[0]["percent"] == pytest.approx([100 * 5.5 / 45.5] * 3)


def test_a_missed_target_is_called_so(monkeypatch):
    rows = [{"name": "x", "ms_an_epoch": [1, 1, 1], "percent": [1.0, 2.5, 3.0]}]
    monkeypatch.setattr(around, "compare_around", lambda problem, count: rows)
    lines = command.Report()
    assert around.measure_around(SMALLEST, CPU, lines)["target"] == "missed"
    assert "at most 2 %: missed" in lines.lines[-1]
    rows[0]["percent"] = [0.1, 1.9, 2.5]
    assert around.measure_around(SMALLEST, CPU, lines)["target"] == "kept"


# Peak and throughput


def test_multiply_adds_are_those_of_the_formulas():
    convolution = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    assert throughput.multiply_adds(convolution, (3, 10, 12)) == 10 * 12 * 8 * 3 * 9
    model = nn.Sequential(nn.Flatten(), nn.Linear(20, 6), nn.ReLU(), nn.Linear(6, 5))
    assert throughput.multiply_adds(model, (1, 4, 5)) == 20 * 6 + 6 * 5
    # Backward: both gradients of the second layer, that of the weights of the first.
    assert training_flops(model, (1, 4, 5)) == 2 * (2 * 20 * 6 + 3 * 6 * 5)


def test_rate_of_matrix_products_is_the_best_after_a_warm_up(monkeypatch):
    seconds = iter([0.001, 4.0, 2.0, 8.0])
    seen = set()

    def product(a, b, count):
        seen.add((a.dtype, b.shape, count, torch.get_float32_matmul_precision()))
        return next(seconds)

    monkeypatch.setattr(peak, "_time_products", product)
    before = torch.get_float32_matmul_precision()
    rate = peak.matrix_rate("tf32", 100, CPU, repetitions=3, products=7)
    assert rate == pytest.approx(7 * 2 * 100**3 / 2.0 / 1e12)
    assert seen == {(torch.float32, (100, 100), 7, "high")}
    assert torch.get_float32_matmul_precision() == before


def test_so_many_products_are_timed(monkeypatch):
    calls = []
    monkeypatch.setattr(torch, "mm", lambda a, b: calls.append(1))
    assert peak._time_products(torch.ones(2, 2), torch.ones(2, 2), 6) >= 0
    assert len(calls) == 6


@pytest.mark.parametrize(
    ("name", "bf16"),
    [
        ("NVIDIA H200", 989),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA A100-SXM4-40GB", 312),
        ("NVIDIA L4", 121),
        ("NVIDIA GeForce RTX 4090", 165),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
    ],
)
def test_data_sheets_are_of_exactly_that_card(name, bf16, card):
    card(name)
    assert peak.data_sheet(CUDA).get("bf16") == bf16
    assert peak.data_sheet(CPU) == {}


def test_cards_compute_in_the_numbers_that_they_have(card):
    assert peak.kinds_of_numbers(CPU) == ["fp32"]
    card()
    assert peak.kinds_of_numbers(CUDA) == ["fp32", "tf32", "bf16", "fp16"]
    step = types.SimpleNamespace(precision="fp32")
    assert throughput.numbers_of(step, CPU) == "fp32"
    assert throughput.numbers_of(step, CUDA) == "tf32"
    step.precision = "bf16"
    assert throughput.numbers_of(step, CUDA) == "bf16"
    card("Tesla T4", bf16=False)
    assert peak.kinds_of_numbers(CUDA) == ["fp32", "fp16"]
    step.precision = "fp32"
    assert throughput.numbers_of(step, CUDA) == "fp32"
    card()
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        assert throughput.numbers_of(step, CUDA) == "fp32"


def test_data_sheet_stands_beside_what_was_measured(card, monkeypatch):
    card("Tesla T4", bf16=False)
    monkeypatch.setattr(peak, "matrix_rate", lambda kind, size, device: 50.0)
    peaks = peak.measure_peaks(SMALLEST, CUDA)
    assert peaks["fp16"] == {"measured": 50.0, "data_sheet": 65}
    assert peak.peak_lines(peaks, 16)[2] == "fp16  50.000, data sheet 65"
    card("Some other card")
    peaks = peak.measure_peaks(SMALLEST, CUDA)
    assert peaks["bf16"] == {"measured": 50.0, "data_sheet": None}


def test_batches_suit_the_memory_of_the_card(card):
    card(memory=16e9)
    assert throughput.workloads(CUDA)["ResNet-50"].batch_size == 64
    card(memory=80e9)
    found = throughput.workloads(CUDA)
    assert found["ResNet-50"].batch_size == 256
    for workload in [*found.values(), *throughput.workloads(CPU).values()]:
        assert workload.shape[1:] in ((28, 28), (224, 224))


SMALL_WORK = throughput.Workload(tiny_cnn, (1, 8, 8), 4, 2)


def test_share_of_the_peak_is_images_times_work(monkeypatch):
    walls = {"wall": [1.0, 2.0, 4.0], "processor": [0, 0, 0]}
    monkeypatch.setattr(
        throughput, "interleave", lambda trials, *_: dict.fromkeys(trials, walls)
    )
    peaks = {"fp32": {"measured": 2.0, "data_sheet": None}}
    found = throughput.compare_variants(
        "tiny", SMALL_WORK, {"plain": Knob()}, peaks, CPU, SMALLEST
    )
    work = training_flops(tiny_cnn(), (1, 8, 8))
    assert found["flops_training"] == work
    assert found["title"].startswith("tiny, 25,866 parameters: 2 batches of 4 images")
    (row,) = found["rows"]
    assert row["images_per_second"] == [3.0, 4.0, 6.0] and row["numbers"] == "fp32"
    assert row["tflops"] == pytest.approx(4 * work / 1e12)
    assert row["percent_of_measured"] == pytest.approx(100 * row["tflops"] / 2)
    assert row["percent_of_data_sheet"] is None
    head, line = throughput.variant_lines([row])
    assert "data sheet" not in head and "4.00 [3.00, 6.00]" in line
    head, line = throughput.variant_lines([row | {"percent_of_data_sheet": 12.34}])
    assert head.endswith("data sheet") and line.endswith(" 12.3")


# Time to the target


def test_time_to_the_target_is_that_of_the_speed_run():
    lines = command.Report()
    tiny = Recipe(epochs=1, widths=(2, 2, 2), batch_size=30)
    found = target.time_to_target(tiny, 2, CPU, lines, limit=60)
    assert [row["seed"] for row in found["rows"]] == [0, 1]
    assert found["mean"] in lines.lines and found["mean"].startswith("mean")
    assert found["verdict"].splitlines() == lines.lines[-2:]
    assert lines.lines[-1].startswith("94 % with both views: not reached by the mean")


@pytest.mark.parametrize("compiled", [False, True])
def test_the_target_is_tried_with_the_recipe_and_all_seeds(compiled, monkeypatch):
    calls = []

    def speed_run(*arguments, compiled, report):
        calls.append((*arguments, compiled))
        return {"rows": [{"seconds": 1.0, "accuracy": 0.94, "both_views": 0.95}]}

    monkeypatch.setattr(target, "speed_run", speed_run)
    settings = command.Settings(seeds=3, compiled=compiled)
    found = target.measure_target(settings, CPU, command.Report())
    recipe = target.RECIPES["fashion-mnist"]
    expected = [("fashion-mnist", recipe, 3, CPU, False)]
    expected += [("fashion-mnist", recipe, 3, CPU, True)] if compiled else []
    assert calls == expected and len(found) == len(expected)


def test_without_a_card_the_target_is_left_out():
    lines = command.Report()
    found = target.measure_target(SMALLEST, CPU, lines)
    assert found["not_measured"] in lines.lines


# The command


@pytest.fixture
def small(monkeypatch):
    """All sections on as little as can be."""

    def one_problem(device, batch_size, *batches):
        return {"tiny": SMALL_WORK.problem(device)}

    monkeypatch.setattr(command, "QUICK", SMALLEST)
    monkeypatch.setattr(loops, "small_problems", one_problem)
    monkeypatch.setattr(knobs, "small_problems", one_problem)
    monkeypatch.setattr(throughput, "workloads", lambda device: {"tiny": SMALL_WORK})
    monkeypatch.setattr(convolutions, "LAYERS", (convolutions.Layer(2, 3, 5, 4),))


def numbers_in(thing):
    """All numbers in dictionaries and lists."""
    if isinstance(thing, (dict, list)):
        for item in thing.values() if isinstance(thing, dict) else thing:
            yield from numbers_in(item)
    elif isinstance(thing, (int, float)):
        yield thing


def test_command_prints_what_the_file_holds(tmp_path, capsys, small):
    file = tmp_path / "numbers.json"
    command.main(["--quick", "--repetitions", "2", "--device", "cpu",
                  "--json", str(file)])  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    numbers = json.loads(file.read_text(encoding="utf-8"))
    assert numbers["printed"] == lines and numbers["schema"] == command.SCHEMA
    assert [*numbers][-len(command.SECTIONS) :] == [*command.SECTIONS]
    assert torch.__version__.split("+")[0] in lines[0] and "device cpu, " in lines[1]
    for section in command.SECTIONS:
        assert f"=== {section}" in lines
    known = [*numbers_in({name: numbers[name] for name in command.SECTIONS})]
    rows = [row for row in lines if re.search(r"\d \[-?[\d,.]+, ", row)]
    assert len(rows) > 20  # all lines with quartiles
    for row in rows:
        _, cells = re.split(r"  +", row.strip(), maxsplit=1)  # a name may hold numbers
        for text in re.findall(r"(?<= |\[)-?[\d,]+\.\d+\b", " " + cells):
            value, digits = float(text.replace(",", "")), len(text.rpartition(".")[2])
            nearest = min(abs(value - number) for number in known)
            assert nearest <= 0.5001 * 10**-digits, f"{text} in {row}"


def test_tables_have_a_line_for_each(tmp_path, capsys, small):
    file = tmp_path / "numbers.json"
    command.main(["--quick", "--device", "cpu", "--only", "loops", "pipelines",
                  "--json", str(file)])  # fmt: skip
    text = capsys.readouterr().out
    numbers = json.loads(file.read_text(encoding="utf-8"))
    assert numbers.keys() & command.SECTIONS.keys() == {"loops", "pipelines"}
    contenders = CONTENDERS | peers.installed_peers()[0]
    nothing = "almost no model (the loop's own cost)"
    assert [*numbers["loops"]["models"]] == ["tiny", nothing]
    for model in numbers["loops"]["models"].values():
        table = text[text.index(model["title"]) :].splitlines()
        for name, line in zip(contenders, table[2:], strict=False):
            assert line.startswith(name)
            assert all(len(taken) == 1 for taken in model["seconds"][name].values())
        assert model["differences"].keys() == contenders.keys()
        assert all(row["peak_mb"] > 0 for row in model["rows"])
    for name in numbers["pipelines"]["seconds"]:
        assert f"\n{name} " in text
    assert "A/A control" in text
    for package in peers.installed_peers()[1]:
        assert f"{package}" in text and "pip install -e .[bench]" in text


def test_what_was_measured_is_kept_when_a_later_section_fails(
    tmp_path, small, monkeypatch
):
    def fail(*_):
        raise RuntimeError("out of memory")

    file = tmp_path / "numbers.json"
    monkeypatch.setitem(command.SECTIONS, "target", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        command.main(["--quick", "--device", "cpu", "--only", "around", "target",
                      "--json", str(file)])  # fmt: skip
    assert "around" in json.loads(file.read_text(encoding="utf-8"))


def test_variables_that_change_timings_are_shown(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    lines = command.heading(SMALLEST, command.environment())
    assert any("OMP_WAIT_POLICY=passive" in line for line in lines)


def test_more_is_measured_on_a_card(monkeypatch, card):
    card()
    monkeypatch.setattr(command, "pick_device", lambda name: torch.device(name))

    def parse(*options):
        return command.parse(command.Parser(), options)

    _, settings, device = parse("--device", "cuda")
    assert device.type == "cuda" and settings.seeds == 5 and settings.compiled
    assert settings.repetitions == command.Settings().repetitions
    for batches in settings.loop_batches[:2]:
        assert batches * loops.BATCH_SIZE <= 60_000
    for batches in settings.knob_batches:
        assert batches * settings.knob_batch_size <= 60_000
    _, settings, _ = parse("--device", "cuda", "--quick")
    assert settings.seeds == 1 and settings.repetitions == 3
    assert "NVIDIA H200" in command.described(CUDA)
    _, settings, _ = parse("--device", "cpu", "--quick")
    assert settings == command.QUICK and settings.seeds == 0
    options = ["--device", "cpu", "--compile", "--seeds", "2", "--repetitions", "4"]
    _, settings, _ = parse(*options)
    assert (settings.compiled, settings.seeds, settings.repetitions) == (True, 2, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--repetitions", "0"], "--repetitions: expected a whole number from 1"),
        (["--device", "abacus"], "device 'abacus' cannot be used here"),
        (["--only", "everything"], "invalid choice: 'everything'"),
        (["--json", "no/such/folder/file"], "No such file or directory"),
    ],
)
def test_a_wrong_option_is_explained(options, message, capsys):
    with pytest.raises(SystemExit) as error:
        command.main(options)
    assert error.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith("bench: ") and text.count("\n") == 1
    assert message in text


def test_another_card_is_chosen_by_the_surroundings(monkeypatch, capsys):
    monkeypatch.setattr(command, "pick_device", lambda name: torch.device("cuda:1"))
    with pytest.raises(SystemExit):
        command.main(["--device", "cuda:1"])
    assert "set CUDA_VISIBLE_DEVICES=1" in capsys.readouterr().err
