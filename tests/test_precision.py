"""Which numbers a step computes in, and what loss scaling does about small ones."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import precision
from course_utils.precision import LossScaler, autocast_for, choose_precision
from course_utils.steps import ClassifierStep

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_a_precision_that_is_named_is_taken(name, device):
    assert choose_precision(name, torch.device(device)) == name


@pytest.mark.parametrize(
    ("device", "has_bf16", "capability", "expected"),
    [
        ("cpu", True, (9, 0), "fp32"),
        ("mps", True, (9, 0), "fp32"),
        ("cuda", True, (9, 0), "bf16"),
        ("cuda", False, (7, 5), "fp16"),  # a T4 only emulates bf16
        ("cuda", False, (7, 0), "fp16"),
        ("cuda", False, (6, 1), "fp32"),
    ],
)
def test_auto_knows_the_cards(monkeypatch, device, has_bf16, capability, expected):
    def supported(including_emulation=True):
        return has_bf16 or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda d: capability)
    assert choose_precision("auto", torch.device(device)) == expected


def test_an_unknown_precision_is_named():
    with pytest.raises(ValueError, match="auto, fp32, bf16, fp16, got 'half'"):
        choose_precision("half", CPU)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_forward_passes_compute_in_it(name, dtype):
    with autocast_for(name, CPU):
        logits = nn.Linear(3, 2)(torch.ones(4, 3))
        loss = F.cross_entropy(logits, torch.zeros(4, dtype=torch.int64))
    assert logits.dtype == dtype and loss.dtype == torch.float32


# Loss scaling


def model_and_step(**options):
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    fused = options.pop("fused", False)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, fused=fused)
    return model, ClassifierStep(model, optimizer, **options)


def batch(factor=1.0):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(8, 4, generator=generator) * factor
    return images, torch.arange(8) % 3


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("clip_norm", [None, 0.05])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_fp16_learns_what_fp32_learns(fused, clip_norm, accumulate):
    options = {"fused": fused, "clip_norm": clip_norm, "accumulate": accumulate}
    exact, exact_step = model_and_step(precision="fp32", **options)
    model, step = model_and_step(precision="fp16", **options)
    start = exact.weight.detach().clone()
    for _ in range(5):
        exact_step(*batch()), step(*batch())
    moved = (exact.weight - start).norm()
    assert step.scaler.skipped == 0
    assert (model.weight - exact.weight).norm() < 0.01 * moved


def test_scaling_saves_gradients_that_float16_cannot_hold():
    """Gradients of 1e-9 are zero in float16; times 65536 they are not."""

    def gradient(scaled):
        weight = torch.ones((), requires_grad=True)
        scaler = LossScaler(CPU, enabled=scaled)
        loss = (weight.half() * torch.tensor(1e-3).half()).float() * 1e-6
        scaler.scale(loss).backward()
        optimizer = torch.optim.SGD([weight], 0.1)
        scaler.unscale_(optimizer)
        return weight.grad.item()

    assert gradient(scaled=False) == 0
    assert gradient(scaled=True) == pytest.approx(1e-9, rel=0.01)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_an_overflow_skips_the_update_and_is_counted(fused, clip_norm):
    model, step = model_and_step(precision="fp16", fused=fused, clip_norm=clip_norm)
    step(*batch())
    before = copy.deepcopy(step.state_dict())
    step(*batch(1e4))  # times the scale of 65536 too large for float16
    assert torch.equal(model.weight, before["model"]["weight"])
    buffer = step.optimizer.state[model.weight]["momentum_buffer"]
    assert torch.equal(buffer, before["optimizer"]["state"][0]["momentum_buffer"])
    assert step.scaler.skipped == 1 and step.report() == {"skipped_steps": 1}
    assert step.scaler.get_scale() == before["scaler"]["scale"] / 2
    step(*batch())
    assert not torch.equal(model.weight, before["model"]["weight"])
    assert step.scaler.skipped == 1


@pytest.mark.parametrize("fused", [False, True])
def test_a_schedule_moves_on_from_a_first_update_that_was_left_out(fused):
    _, step = model_and_step(precision="fp16", fused=fused)
    step.scheduler = torch.optim.lr_scheduler.LambdaLR(
        step.optimizer, lambda t: 1 / 2**t
    )
    step(*batch(1e4)), step(*batch())  # a warning would be an error here
    assert step.scaler.skipped == 1
    assert step.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 / 4)


def test_only_fp16_scales_and_reports():
    for name in ("fp32", "bf16", "auto"):
        _, step = model_and_step(precision=name)
        assert step.report() == {} and not step.scaler.is_enabled()
    _, step = model_and_step(precision="fp16")
    assert step.report() == {"skipped_steps": 0} and step.scaler.is_enabled()


def test_the_state_of_the_scale_comes_back():
    _, step = model_and_step(precision="fp16")
    step(*batch(1e4)), step(*batch())
    _, other = model_and_step(precision="fp16")
    other.load_state_dict(copy.deepcopy(step.state_dict()))
    assert other.scaler.state_dict() == step.scaler.state_dict()
    assert other.scaler.skipped == 1


@pytest.mark.parametrize(("saved", "now"), [("fp16", "fp32"), ("fp32", "fp16")])
def test_the_state_of_another_precision_is_an_error(saved, now):
    state = model_and_step(precision=saved)[1].state_dict()
    with pytest.raises(ValueError, match="use the precision of then"):
        model_and_step(precision=now)[1].load_state_dict(state)


def test_precisions_are_those_of_the_documentation():
    for name in precision.PRECISIONS:
        assert f"\n{name}  " in precision.__doc__
