"""Every option of the command line reaches the part that it names."""

import argparse
from argparse import Namespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import train_parts
from course_utils.arguments import Parser, UsageError, number, whole
from course_utils.steps import ClassifierStep, MixupStep, Nothing
from course_utils.train_options import as_arguments, make_parser, parse, to_keep
from course_utils.train_parts import (
    TOO_FEW,
    assemble,
    augmentation,
    load_sets,
    make_batches,
    make_model,
    make_optimizer,
    make_schedule,
    make_step,
    settle,
)
from course_utils.tuning import Choice

CHOSEN = {"layout": "contiguous", "precision": "fp32", "compile": "off"}


@pytest.fixture
def net(make_model):
    """A small net with a batch norm."""
    return make_model()


# Options


@pytest.mark.parametrize("columns", [200, 80, 60])
def test_the_help_fits_the_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = make_parser().format_help()
    options, examples = text.split("examples:")
    assert max(map(len, text.splitlines())) <= 80
    if columns < 80:
        grouped = options.split("model and data:")[1]
        assert max(map(len, grouped.splitlines())) <= columns
    assert examples.count("course_utils.train") == 3


def test_the_help_explains_every_option_and_its_default():
    parser = make_parser()
    text = parser.format_help()
    for action in parser._actions:
        assert action.help and "%(default)s" not in text
        if action.default not in (None, False, argparse.SUPPRESS):
            assert "%(default)s" in action.help, action.dest
    assert " or\n" not in text and "  --resume FOLDER" in text


def test_the_defaults_are_complete():
    options = parse([])
    assert (options.model, options.data) == ("tiny_cnn", "fashion-mnist")
    assert (options.lr, options.weight_decay, options.warmup) == (0.015, 0.05, 0.05)
    assert options.momentum is None and options.compile == "off"
    options = parse(["--optimizer=sgd", "--schedule=constant"])
    assert (options.lr, options.weight_decay, options.momentum) == (0.1, 5e-4, 0.9)
    assert options.warmup is None


def test_zero_is_a_value():
    options = parse(["--weight-decay=0", "--optimizer=sgd", "--momentum=0"])
    assert options.weight_decay == options.momentum == 0
    assert parse(["--warmup=0"]).warmup == 0


def test_compile_needs_no_value():
    for given, meant in (
        ([], "off"),
        (["--compile"], "on"),
        (["--compile=auto"], "auto"),
    ):
        assert parse(given).compile == meant
    assert parse(["--compile", "--flip"]).flip


@pytest.mark.parametrize(
    "given",
    [
        [],
        [
            "--model=resnet20",
            "--width=8",
            "--lr=0.1234567890123",
            "--flip",
            "--ema=0.9",
        ],
        ["--compile", "--optimizer=sgd", "--momentum=0", "--no-nesterov", "--limit=3"],
        ["--data=-a folder", "--warmup=0.0", "--checkpoint-every=7", "--shard"],
    ],
)
def test_kept_options_give_themselves_again(given):
    options = parse(given)
    assert parse(as_arguments(to_keep(options))) == options
    kept = to_keep(parse([*given, "--out=here", "--verbose"]))
    assert kept == to_keep(options)


def test_numbers_within_bounds():
    assert whole()("3") == 3 and whole(0)("0") == 0
    assert number()("1e-3") == 0.001 and number(low_too=True)("0") == 0
    for parse_one, text in (
        (whole(), "0"), (whole(), "1.5"), (whole(), ""), (number(), "0"),
        (number(), "inf"), (number(), "nan"), (number(0, 1), "1"), (number(), "x"),
    ):  # fmt: skip
        with pytest.raises(argparse.ArgumentTypeError, match="expected a"):
            parse_one(text)


def test_a_parser_raises_its_errors():
    parser = Parser(prog="x")
    parser.add_argument("--long", type=whole())
    for given in (["--lon", "3"], ["--long=a"], ["more"]):
        with pytest.raises(UsageError):
            parser.parse_args(given)


# Data and model


def test_data_are_loaded_as_asked(monkeypatch, make_images):
    calls = []

    def load(name, split, **further):
        calls.append((name, split, further))
        return make_images()

    monkeypatch.setattr(train_parts, "load_images", load)
    train, test = load_sets(parse(["--data=there", "--limit=9", "--size=8"]))
    assert len(train) == len(test) == 50
    further = {"limit": 9, "size": 8}
    assert calls == [("there", "train", further), ("there", "test", further)]
    calls.clear()
    _, test = load_sets(parse(["--test=never"]))
    assert test is None and [call[1] for call in calls] == ["train"]


def test_batches_are_drawn_as_asked(make_images):
    options = parse(["--batch-size=20", "--seed=3", "--flip"])
    images, device = make_images(), torch.device("cpu")
    batches = make_batches(options, images, device)
    assert (batches.batch_size, batches.shuffle, batches.seed) == (20, True, 3)
    assert repr(batches.augment) == "Compose(RandomFlip(p=0.5))"
    tests = make_batches(options, images, device, train=False)
    assert not tests.shuffle and tests.augment is None
    assert torch.equal(next(iter(tests))[1], images.labels[:20])


def test_augmentations_come_together():
    assert augmentation(parse([])) is None
    made = augmentation(parse(["--crop=2", "--flip", "--erase=5"]))
    assert repr(made) == (
        "Compose(RandomCrop(padding=2), RandomFlip(p=0.5), RandomErase(size=5))"
    )


def test_a_model_is_built_for_the_images(make_images):
    images = make_images(channels=3, side=16, classes=4)
    given = ["--model=resnet20", "--width=4", "--stem-stride=2"]
    model = make_model(parse(given), images)
    assert model.stem[0].weight.shape == (4, 3, 3, 3)
    assert model.stem[0].stride == (2, 2) and model.head.out_features == 4
    assert make_model(parse(["--model=linear"]), images)[1].in_features == 3 * 16 * 16


# Optimizer, schedule, step


@pytest.mark.parametrize("decay_all", [False, True])
def test_biases_and_norms_decay_only_on_request(decay_all, net):
    given = ["--weight-decay=0.3", *(["--decay-all"] if decay_all else [])]
    optimizer = make_optimizer(parse(given), net)
    decays = {
        id(p): group["weight_decay"]
        for group in optimizer.param_groups
        for p in group["params"]
    }
    for parameter in net.parameters():
        wanted = 0.3 if decay_all or parameter.ndim > 1 else 0.0
        assert decays[id(parameter)] == wanted


def test_frozen_weights_are_left_out(net):
    net[0].weight.requires_grad_(False)
    groups = make_optimizer(parse([]), net).param_groups
    assert sum(len(group["params"]) for group in groups) == len([*net.parameters()]) - 1


@pytest.mark.parametrize(
    ("given", "kind", "settings"),
    [
        ([], torch.optim.AdamW, {"lr": 0.015, "fused": True}),
        (["--optimizer=sgd"], torch.optim.SGD,
         {"lr": 0.1, "momentum": 0.9, "nesterov": True, "fused": True}),
        (["--optimizer=sgd", "--lr=3", "--momentum=0.5", "--no-nesterov"],
         torch.optim.SGD, {"lr": 3, "momentum": 0.5, "nesterov": False}),
        (["--optimizer=sgd", "--momentum=0"], torch.optim.SGD,
         {"momentum": 0, "nesterov": False}),
    ],
)  # fmt: skip
def test_optimizers(given, kind, settings, net):
    optimizer = make_optimizer(parse(given), net)
    assert type(optimizer) is kind
    for group in optimizer.param_groups:
        assert settings.items() <= group.items()


def test_an_optimizer_is_fused_where_that_exists(net):
    model = net.to("meta")
    assert make_optimizer(parse([]), model).defaults["fused"] is None


def rates(given, net, steps=20):
    """The learning rates of all batches, as parts of that given."""
    options = parse(given)
    optimizer = make_optimizer(options, net)
    schedule = make_schedule(options, optimizer, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"] / options.lr)
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize(
    ("given", "peak"),
    [
        (["--warmup=0.25"], 5), (["--warmup=0"], 0), (["--warmup=0.999"], 19),
        (["--schedule=one-cycle"], 6), (["--schedule=triangular"], 4),
        (["--schedule=one-cycle", "--optimizer=sgd", "--momentum=0"], 6),
    ],
)  # fmt: skip
def test_schedules_reach_their_peak(given, peak, net):
    found = rates(given, net)
    assert max(found) == pytest.approx(1) and found.index(max(found)) == peak
    assert found == sorted(found[: peak + 1]) + sorted(found[peak + 1 :], reverse=True)


def test_a_constant_rate_has_no_schedule(net):
    step = make_step(parse(["--schedule=constant"]), net, 20, "fp32")
    assert isinstance(step.scheduler, Nothing)


def test_one_batch_can_be_scheduled(net):
    assert rates([], net, steps=1) == [1.0]


def test_steps_have_the_parts_that_were_asked_for(net):
    step = make_step(parse([]), net, 9, "fp32")
    assert type(step) is ClassifierStep and step.precision == "fp32"
    assert step.clip_norm is None and step.accumulate == 1
    given = ["--mixup=0.7", "--clip-norm=2", "--accumulate=3"]
    step = make_step(parse(given), net, 9, "bf16")
    assert type(step) is MixupStep and step.alpha == 0.7
    assert (step.clip_norm, step.accumulate, step.precision) == (2, 3, "bf16")


@pytest.mark.parametrize("smoothing", [None, 0.3])
def test_labels_are_smoothed_as_asked(smoothing, net):
    given = [] if smoothing is None else [f"--label-smoothing={smoothing}"]
    step = make_step(parse(given), net, 9, "fp32")
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    wanted = F.cross_entropy(logits, labels, label_smoothing=smoothing or 0.0)
    assert torch.equal(step.loss(logits, labels), wanted)


# What "auto" means


def test_what_is_asked_for_is_not_timed(net, make_images, monkeypatch):
    monkeypatch.setattr(train_parts, "choose_layout", fail)
    given = ["--layout=channels_last", "--precision=bf16", "--compile"]
    choices = settle(parse(given), net, make_images(), 10**6)
    layout, precision, compiling = map(str, choices)
    assert (layout, precision) == ("layout channels_last", "precision bf16")
    assert compiling == "compile on: the first batches take up to minutes"


def test_short_runs_take_what_is_usual(net, make_images, monkeypatch):
    monkeypatch.setattr(train_parts, "choose_layout", fail)
    choices = settle(parse(["--compile=auto"]), net, make_images(), TOO_FEW - 1)
    assert {choice.subject: choice.name for choice in choices} == CHOSEN
    assert all("too few batches" in choice.note for choice in choices)


def test_models_in_parts_are_not_timed(net, make_images, monkeypatch):
    monkeypatch.setattr(train_parts, "choose_layout", fail)
    choices = settle(parse(["--shard"]), net, make_images(), 10**6)
    assert "model in parts" in choices[0].note


def test_what_is_open_is_timed_on_a_copy(net, make_images, monkeypatch):
    seen = {}

    def chooser(subject, name):
        def choose(step, images, labels, **further):
            seen[subject] = step, images, further
            return Choice(subject, name, {})

        return choose

    for function, *pair in (
        ("choose_layout", "layout", "channels_last"),
        ("choose_faster_precision", "precision", "bf16"),
        ("choose_compile", "compile", "on"),
    ):
        monkeypatch.setattr(train_parts, function, chooser(*pair))
    options = parse(["--compile=auto", "--batch-size=20", "--crop=1"])
    before = [p.clone() for p in net.parameters()]
    choices = settle(options, net, make_images(), TOO_FEW)
    assert [c.name for c in choices] == ["channels_last", "bf16", "on"]
    step, images, further = seen["compile"]
    assert further == {"steps": TOO_FEW, "mode": None} and images.shape[0] == 20
    assert step.model is not net
    kernel = step.model[0].weight
    assert kernel.is_contiguous(memory_format=torch.channels_last)  # for what follows
    for parameter, old in zip(net.parameters(), before, strict=True):
        assert torch.equal(parameter, old) and parameter.is_contiguous()


def test_a_step_is_assembled_as_chosen(net, monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self, **k: compiled.append(k))
    chosen = {"layout": "channels_last", "precision": "bf16", "compile": "on"}
    net[0] = nn.Conv2d(2, 4, 3)
    step = assemble(parse(["--ema=0.7"]), net, chosen, 9)
    assert step.model is net and step.precision == "bf16"
    assert step.average.decay == 0.7
    for model in (net, step.tested):
        assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert compiled == [{"mode": None}]
    assemble(parse([]), net, CHOSEN, 9)
    assert len(compiled) == 1 and net[0].weight.is_contiguous()


@pytest.mark.parametrize("given", [["--sync-batch-norm"], ["--shard"]])
def test_models_for_several_processes(given, net, monkeypatch):
    calls = []

    def distribute(model, sync_batch_norm):
        calls.append(("distribute", sync_batch_norm))
        return model

    def shard(model, precision):
        calls.append(("shard", precision))
        return model

    monkeypatch.setattr(train_parts, "distribute", distribute)
    monkeypatch.setattr(train_parts, "shard", shard)
    assemble(parse(given), net, CHOSEN, 9)
    assemble(parse([]), net, CHOSEN, 9)
    first = ("shard", "fp32") if given == ["--shard"] else ("distribute", True)
    assert calls == [first, ("distribute", False)]


def fail(*given, **further):
    raise AssertionError("this must not be called")


def test_options_of_other_programs_do_no_harm():
    with pytest.raises(UsageError, match="unrecognized"):
        parse(as_arguments(vars(Namespace(**vars(parse([])), strange=3))))
