"""Each knob of the benchmark turns what it is named for, and nothing else."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.bench import knobs
from course_utils.bench.knobs import KNOBS, Knob, Trial, lacking, tensors_in, try_knobs
from course_utils.bench.problems import Problem, random_images
from course_utils.bench.timing import Clock
from course_utils.models import tiny_cnn
from course_utils.steps import ClassifierStep, MixupStep

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def problem():
    return Problem(tiny_cnn, random_images(24, (1, 12, 12)), 8, CPU)


@pytest.fixture
def turn(problem):
    """A function that turns a knob by its name."""
    return lambda name: Trial(KNOBS[name], problem)


def train(trial):
    clock = Clock(CPU)
    trial(clock)
    return flat(trial.model)


def flat(model):
    """All weights as one vector."""
    return torch.cat([item.detach().reshape(-1) for item in model.parameters()])


def watch(module, note):
    """Call note(images, outputs) in each forward pass of a module."""
    module.register_forward_hook(lambda module, inputs, out: note(inputs[0], out))


def test_plain_step_is_plain(turn):
    trial = turn(knobs.REFERENCE)
    step, (group,) = trial.step, trial.step.optimizer.param_groups
    assert type(step) is ClassifierStep and step.model is trial.model
    assert (step.precision, step.accumulate, step.clip_norm) == ("fp32", 1, None)
    assert step.loss is F.cross_entropy and step.tested is trial.model
    assert not group.get("fused") and not step.scaler.is_enabled()
    assert KNOBS["the same again (A/A control)"] == KNOBS[knobs.REFERENCE]


def test_channels_last_lays_out_weights_and_activations(turn):
    layouts = {}
    for name in (knobs.REFERENCE, "channels_last"):
        trial, found = turn(name), []
        last = torch.channels_last
        watch(trial.model[3], lambda i, out, f=found: f.append(out.stride(1) == 1))
        train(trial)
        weight = trial.model[3].weight
        layouts[name] = weight.is_contiguous(memory_format=last), set(found)
    assert layouts["channels_last"] == (True, {True})
    assert layouts[knobs.REFERENCE] == (False, {False})


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        (knobs.REFERENCE, torch.float32),
        ("bf16", torch.bfloat16),
        ("fp16, scaled loss", torch.float16),
    ],
)
def test_layers_compute_in_the_precision(turn, name, dtype):
    trial, found = turn(name), set()
    watch(trial.model[0], lambda images, out: found.add(out.dtype))
    train(trial)
    assert found == {dtype}
    assert trial.step.scaler.is_enabled() == (dtype == torch.float16)


@pytest.mark.parametrize(
    ("name", "flag", "value"),
    [
        ("convolutions without TF32", "allow_tf32", False),
        ("cudnn.benchmark", "benchmark", True),
    ],
)
def test_cudnn_is_told_while_it_trains(turn, name, flag, value):
    trial, found = turn(name), set()
    assert getattr(torch.backends.cudnn, flag) is not value
    watch(trial.model, lambda i, o: found.add(getattr(torch.backends.cudnn, flag)))
    train(trial)
    assert found == {value}
    assert getattr(torch.backends.cudnn, flag) is not value


def test_compiled_models_are_compiled(turn):
    for name in ("compile", "compile, reduce-overhead"):
        trial = turn(name)
        assert trial.step.model is not trial.model
        assert isinstance(trial.step.model, torch._dynamo.OptimizedModule)
        assert trial.step.optimizer.param_groups[0]["params"] == [
            *trial.model.parameters()
        ]
    assert KNOBS["compile, reduce-overhead"].wrap.keywords == {
        "mode": "reduce-overhead"
    }


def test_fused_optimizer_is_fused(turn):
    assert turn("fused optimizer").step.optimizer.param_groups[0]["fused"] is True


def test_accumulation_goes_through_the_batch_in_four_pieces(turn):
    sizes = {}
    for name in (knobs.REFERENCE, "accumulate=4"):
        trial, found = turn(name), []
        watch(trial.model, lambda images, out, f=found: f.append(len(images)))
        train(trial)
        sizes[name] = found
    assert sizes == {knobs.REFERENCE: [8] * 3, "accumulate=4": [2] * 12}


def test_gradients_are_clipped(problem):
    problem.image_set.std = [0.001]  # so that gradients are long
    norms = {}
    for name in (knobs.REFERENCE, "clip_norm=1"):
        trial = Trial(KNOBS[name], problem)
        found = norms[name] = []

        def note(optimizer, *_, model=trial.model, found=found):
            gradients = [parameter.grad.flatten() for parameter in model.parameters()]
            found.append(torch.cat(gradients).norm().item())

        trial.step.optimizer.register_step_pre_hook(note)
        trial.step.scheduler = Still(trial.model)
        train(trial)
    assert norms["clip_norm=1"] == pytest.approx([1.0] * 3, rel=1e-3)
    assert min(norms[knobs.REFERENCE]) > 1.5


class Still:
    """Stands for a schedule; takes each step back."""

    def __init__(self, model):
        self.model = model
        self.state = {k: v.clone() for k, v in model.state_dict().items()}

    def step(self):
        self.model.load_state_dict(self.state)


def test_average_follows_the_model(turn):
    trial = turn("MovingAverage")
    weights = train(trial)
    average = flat(trial.step.tested)
    start = torch.cat([value.flatten() for value in trial.start.values()])
    assert trial.step.tested is not trial.model and trial.step.average.steps == 3
    assert (average - start).norm() > 0 and (average - weights).norm() > 0


def test_mixup_blends_images(turn, problem):
    trial, seen = turn("mixup"), []
    assert type(trial.step) is MixupStep
    trial.step.alpha = 100.0  # halves of both images
    watch(trial.model, lambda images, out: seen.append(images))
    train(trial)
    for images in seen:
        distances = torch.cdist(images.flatten(1), problem.images.flatten(1))
        assert distances.amin(1).median() > 1


def test_labels_are_smoothed(turn):
    loss = turn("label smoothing 0.1").step.loss
    logits, labels = torch.randn(5, 10), torch.arange(5)
    expected = F.cross_entropy(logits, labels, label_smoothing=0.1)
    torch.testing.assert_close(loss(logits, labels), expected)
    assert loss(logits, labels) != F.cross_entropy(logits, labels)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("the same again (A/A control)", 0.0),
        ("convolutions without TF32", 0.0),
        ("cudnn.benchmark", 0.0),
        ("MovingAverage", 0.0),
        ("channels_last", 1e-6),
        ("fused optimizer", 1e-6),
        ("accumulate=4", 1e-6),
    ],
)
def test_these_knobs_do_not_change_what_is_learned(turn, name, tolerance):
    difference = (train(turn(name)) - train(turn(knobs.REFERENCE))).abs().max()
    assert difference <= tolerance


@pytest.mark.parametrize(
    "name", ["bf16", "fp16, scaled loss", "mixup", "label smoothing 0.1"]
)
def test_these_knobs_change_what_is_learned(turn, name):
    difference = (train(turn(name)) - train(turn(knobs.REFERENCE))).abs().max()
    assert 1e-6 < difference < 0.1


def test_each_round_trains_all_batches_from_the_same_weights(turn):
    trial, losses = turn(knobs.REFERENCE), []
    watch(trial.model, lambda images, out: losses.append(out.detach().clone()))
    train(trial)
    assert len(losses) == 3
    trial.problem.batches = lambda: pytest.fail("the warm-up takes its own batches")
    assert trial.knob == Knob()
    del trial.problem.batches
    train(trial)
    torch.testing.assert_close(losses[0], losses[3], rtol=0, atol=0)


def test_warm_up_is_short(problem):
    problem = Problem(tiny_cnn, random_images(80, (1, 12, 12)), 8, CPU)
    trial, sizes = Trial(Knob(), problem), []
    watch(trial.model, lambda images, out: sizes.append(len(images)))
    assert trial.warm_up() > 0
    assert sizes == [8] * 2 * knobs.WARM_UP_BATCHES


# What a device lacks


def lacking_by_name(device, compiled):
    found = {name: lacking(knob, device, compiled) for name, knob in KNOBS.items()}
    return {name: reason for name, reason in found.items() if reason}


def test_a_processor_lacks_what_is_of_cuda():
    of_cuda = ["convolutions without TF32", "cudnn.benchmark"]
    found = lacking_by_name(CPU, compiled=True)
    assert sorted(found) == ["compile, reduce-overhead", *of_cuda]
    assert set(found.values()) == {"needs CUDA"}
    found = lacking_by_name(CPU, compiled=False)
    assert "--compile" in found["compile"] and len(found) == 4


def test_cards_lack_what_came_after_them(monkeypatch):
    kinds = ["fp32", "tf32", "bf16", "fp16"]
    monkeypatch.setattr(knobs, "kinds_of_numbers", lambda device: kinds)
    assert lacking_by_name(CUDA, compiled=True) == {}
    kinds[1:3] = []
    assert lacking_by_name(CUDA, compiled=True) == {
        "bf16": "the card has no bf16",
        "convolutions without TF32": "the card has no TF32",
    }


def test_what_fails_or_takes_long_is_named(problem, monkeypatch):
    class Broken(nn.Module):
        def forward(self, images):
            raise RuntimeError("no such kernel\nmore about it")

    found = {"plain": Knob(), "broken": Knob(wrap=lambda model: WithWeights(Broken()))}
    times = iter([1.0, 4.9, 6.1])
    original = Trial.warm_up

    def warm_up(trial):
        original(trial)
        return next(times)

    class WithWeights(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.weight = inner, nn.Parameter(torch.ones(1))

        def forward(self, images):
            return self.inner(images)

    found |= {"fast enough": Knob(), "slow": Knob()}
    monkeypatch.setattr(Trial, "warm_up", warm_up)
    monkeypatch.setattr("course_utils.steps._check_parts", lambda *_: None)
    trials, reasons = try_knobs(found, problem, compiled=True)
    assert [*trials] == ["plain", "fast enough"]
    assert reasons == {"broken": "no such kernel", "slow": "takes 6 times as long"}


# Memory


def test_memory_counts_what_the_step_keeps():
    problem = Problem(tiny_cnn, random_images(128, (1, 28, 28)), 64, CPU)
    weights = sum(tensor.nbytes for tensor in tiny_cnn().state_dict().values())
    used = {}
    for name in (knobs.REFERENCE, "MovingAverage", "accumulate=4", "bf16"):
        trial = Trial(KNOBS[name], problem)
        trial.warm_up()
        used[name] = trial.peak_memory()
    plain = used[knobs.REFERENCE]
    assert used["MovingAverage"] == pytest.approx(plain + weights, abs=weights / 10)
    activations = plain - 3 * weights  # beside weights, gradients and momentum
    assert 0 < used["accumulate=4"] - 3 * weights < activations / 2
    assert 0 < used["bf16"] - 3 * weights < activations


def test_memory_of_graphs_is_not_known(turn):
    assert turn("compile, reduce-overhead").peak_memory() is None


def test_tensors_are_found_everywhere():
    one, two, three = torch.ones(1), torch.ones(2), torch.ones(3)
    state = {"a": one, "b": [{"c": (two, 5)}, "text", None], "d": {"e": three}}
    assert [len(tensor) for tensor in tensors_in(state)] == [1, 2, 3]


def test_a_table_for_each_model_and_the_reasons(monkeypatch, problem):
    lines = []
    chosen = {knobs.REFERENCE: Knob(), "needs a card": KNOBS["cudnn.benchmark"]}
    monkeypatch.setattr(knobs, "KNOBS", chosen)
    monkeypatch.setattr(knobs, "small_problems", lambda device, *sizes: {"x": problem})

    class Settings:
        repetitions, compiled, knob_batch_size, knob_batches = 2, False, 8, (1, 1)

    found = knobs.measure_knobs(Settings, CPU, lambda *new: lines.extend(new))
    assert found["models"]["x"]["not_measured"] == {"needs a card": "needs CUDA"}
    (row,) = found["models"]["x"]["rows"]
    assert row["name"] == knobs.REFERENCE and row["peak_mb"] > 0
    assert len(found["models"]["x"]["seconds"][knobs.REFERENCE]["wall"]) == 2
    assert lines[-1].split() == ["needs", "a", "card", "needs", "CUDA"]
