"""One batch: what the classifier's step returns, changes and refuses."""

import contextlib
import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.data import Batches
from course_utils.steps import ClassifierStep, Step, classification_sums


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(7, 5, generator=generator)
    return images, torch.randint(3, (7,), generator=generator)


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(5, 3)


def sgd(model, **options):
    return torch.optim.SGD(model.parameters(), lr=0.1, **options)


def test_sums_of_a_batch_equal_a_loop(batch):
    images, labels = batch
    logits = linear()(images).detach()
    sums = classification_sums(logits, labels)
    log_probabilities = logits.double().log_softmax(1)
    loss = -sum(
        row[label] for row, label in zip(log_probabilities, labels, strict=True)
    )
    right = sum(
        int(max(range(3), key=row.__getitem__) == label)
        for row, label in zip(logits.tolist(), labels.tolist(), strict=True)
    )
    assert sums["loss"].item() == pytest.approx(loss.item(), rel=1e-6)
    assert sums["accuracy"].item() == right


def test_a_step_equals_the_lines_by_hand(batch):
    images, labels = batch
    model, by_hand = linear(), linear()
    optimizer = sgd(by_hand, momentum=0.9)
    step = ClassifierStep(model, sgd(model, momentum=0.9))
    for _ in range(5):
        step(images, labels)
        optimizer.zero_grad()
        F.cross_entropy(by_hand(images), labels).backward()
        optimizer.step()
    assert torch.equal(model.weight, by_hand.weight)
    assert torch.equal(model.bias, by_hand.bias)


def test_it_returns_sums_that_stay_on_the_device_without_a_graph(batch):
    images, labels = batch
    model = linear()
    expected = classification_sums(model(images), labels)  # of the model before
    sums = ClassifierStep(model, sgd(model))(images, labels)
    assert sums.keys() == expected.keys() == {"loss", "accuracy"}
    for name, value in sums.items():
        assert isinstance(value, torch.Tensor) and not value.requires_grad
        assert value.item() == pytest.approx(expected[name].item(), rel=1e-6)


def test_it_puts_the_model_into_training_mode(batch):
    model = nn.Sequential(linear(), nn.Dropout()).eval()
    ClassifierStep(model, sgd(model))(*batch)
    assert model.training and model[1].training


def test_another_loss_is_used(batch):
    def smoothed(logits, labels):
        return F.cross_entropy(logits, labels, label_smoothing=0.1)

    images, labels = batch
    model = linear()
    expected = smoothed(model(images), labels).item() * len(labels)
    sums = ClassifierStep(model, sgd(model), loss=smoothed)(images, labels)
    assert sums["loss"].item() == pytest.approx(expected, rel=1e-6)


def test_the_scheduler_moves_with_every_batch(batch):
    model = linear()
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    step = ClassifierStep(model, optimizer, scheduler=scheduler)
    for _ in range(3):
        step(*batch)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 / 8)


@pytest.mark.parametrize("clip_norm", [0.01, 1e6])
def test_long_gradients_are_shortened_to_the_norm(batch, clip_norm):
    model = linear()
    step = ClassifierStep(model, sgd(model), clip_norm=clip_norm)
    images, labels = batch
    F.cross_entropy(model(images), labels).backward()
    long = torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item()
    before = torch.cat([p.detach().flatten() for p in model.parameters()])
    step(images, labels)
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    moved = (after - before).norm().item() / 0.1
    assert moved == pytest.approx(min(clip_norm, long), rel=1e-3)


def test_every_parameter_gets_a_gradient(make_model, make_images):
    model = make_model()
    step = ClassifierStep(model, sgd(model))
    step(*next(iter(Batches(make_images(16), 16))))
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_one_batch_can_be_learned_by_heart(make_model, make_images):
    images, labels = next(iter(Batches(make_images(32), 32)))
    labels = torch.arange(32) % 3  # nothing to do with the images
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    step = ClassifierStep(model, optimizer)
    sums = [step(images, labels) for _ in range(200)]
    assert sums[-1]["accuracy"] == 32 and sums[-1]["loss"] / 32 < 0.01


def test_bf16_computes_in_bfloat16_and_keeps_weights(batch):
    images, labels = batch
    model, seen = linear(), []
    model.register_forward_hook(lambda module, given, result: seen.append(result.dtype))
    ClassifierStep(model, sgd(model), precision="bf16")(images, labels)
    ClassifierStep(model, sgd(model), precision="fp32")(images, labels)
    ClassifierStep(model, sgd(model), precision="auto")(images, labels)
    assert seen == [torch.bfloat16, torch.float32, torch.float32]
    assert model.weight.dtype == torch.float32


def test_automatic_precision_on_a_processor_is_that_of_the_weights():
    model = linear()
    autocast = ClassifierStep(model, sgd(model)).autocast
    assert isinstance(autocast, contextlib.nullcontext)


def test_an_unknown_precision_is_named():
    model = linear()
    message = "precision must be one of auto, fp32, bf16, got 'fp8'"
    with pytest.raises(ValueError, match=message):
        ClassifierStep(model, sgd(model), precision="fp8")


def test_an_optimizer_of_another_model_is_noticed():
    with pytest.raises(ValueError, match=r"no parameter of this model.*parameters"):
        ClassifierStep(linear(), sgd(linear()))


def test_an_optimizer_of_a_part_of_the_model_is_fine(batch):
    model = nn.Sequential(linear(), nn.Linear(3, 3))
    before = model[0].weight.clone()
    ClassifierStep(model, sgd(model[1]))(*batch)
    assert torch.equal(model[0].weight, before)


def test_state_of_all_parts_and_back(batch):
    def build(seed):
        model = linear(seed)
        optimizer = sgd(model, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        return ClassifierStep(model, optimizer, scheduler=scheduler)

    step, other = build(0), build(1)
    step(*batch)
    assert step.state_dict().keys() == {"model", "optimizer", "scheduler"}
    other.load_state_dict(copy.deepcopy(step.state_dict()))
    for _ in range(2):
        step(*batch), other(*batch)
    assert torch.equal(step.model.weight, other.model.weight)
    assert step.scheduler.state_dict() == other.scheduler.state_dict()


def test_states_of_other_parts_are_an_error():
    model = linear()
    step = ClassifierStep(model, sgd(model))
    with pytest.raises(
        ValueError, match=r"holds \['model'\], this step has \['model', "
    ):
        step.load_state_dict({"model": model.state_dict()})


def test_the_state_of_another_optimizer_is_an_error():
    model = linear()
    adam = ClassifierStep(model, torch.optim.Adam(model.parameters()))
    step = ClassifierStep(model, sgd(model))
    with pytest.raises(ValueError, match=r"of another optimizer.*amsgrad.*momentum"):
        step.load_state_dict(adam.state_dict())


def test_a_step_of_its_own_kind_finds_its_parts():
    class Two(Step):
        def __init__(self):
            self.first, self.second, self.number = linear(), linear(), 3

    assert Two().parts().keys() == {"first", "second"}
