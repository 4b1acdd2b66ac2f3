"""One batch: what steps return, change and refuse."""

import contextlib
import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from course_utils import steps
from course_utils.augment import Compose, RandomCrop, RandomErase, RandomFlip
from course_utils.averaging import MovingAverage
from course_utils.data import Batches
from course_utils.steps import ClassifierStep, MixupStep, Step, classification_sums
from course_utils.totals import Totals


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
    message = "precision must be one of auto, fp32, bf16, fp16, got 'fp8'"
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
    assert step.state_dict().keys() == {"model", "optimizer", "scheduler", "scaler"}
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


# A batch in pieces


@pytest.mark.parametrize("accumulate", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_pieces_add_up_to_the_gradient_of_the_batch(batch, accumulate, clip_norm):
    images, labels = (tensor.double() for tensor in batch)
    labels = labels.long()
    models = [linear().double(), linear().double()]
    whole, pieces = (
        ClassifierStep(model, sgd(model), clip_norm=clip_norm, accumulate=count)
        for model, count in zip(models, (1, accumulate), strict=True)
    )
    for _ in range(3):
        expected, found = whole(images, labels), pieces(images, labels)
        assert found["loss"].item() == pytest.approx(expected["loss"].item(), rel=1e-12)
        assert found["accuracy"] == expected["accuracy"]
    for first, second in zip(*(m.parameters() for m in models), strict=True):
        assert torch.allclose(first, second, rtol=0, atol=1e-14)


def test_four_pieces_equal_the_large_batch_in_float32(make_model, make_images):
    image_set = make_images(64)
    models = [make_model(seed=1), make_model(seed=1)]
    for model in models:
        model[1] = nn.Identity()  # batch norm would see the pieces
    for model, accumulate in zip(models, (1, 4), strict=True):
        step = ClassifierStep(model, sgd(model, momentum=0.9), accumulate=accumulate)
        for images, labels in Batches(image_set, 22):  # the last has 20 images
            step(images, labels)
    for first, second in zip(*(m.parameters() for m in models), strict=True):
        assert torch.allclose(first, second, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("accumulate", [0, -1, 1.5, "2"])
def test_a_bad_number_of_pieces_is_named(accumulate):
    model = linear()
    with pytest.raises(ValueError, match="accumulate must be a whole number from 1"):
        ClassifierStep(model, sgd(model), accumulate=accumulate)


@pytest.mark.parametrize("clip_norm", [0, -1.0, float("nan")])
def test_a_bad_length_of_gradients_is_named(clip_norm):
    model = linear()
    with pytest.raises(ValueError, match="clip_norm must be a length above 0 or None"):
        ClassifierStep(model, sgd(model), clip_norm=clip_norm)


# Averages


def test_the_average_moves_after_each_step_and_is_tested(batch):
    model = linear()
    step = ClassifierStep(model, sgd(model))
    assert step.tested is model
    average = MovingAverage(model, decay=0.5, warmup=False)
    step = ClassifierStep(model, sgd(model), average=average)
    assert step.tested is average.model and step.tested is not model
    expected = model.weight.detach().clone()
    for _ in range(3):
        step(*batch)
        expected = expected / 2 + model.weight.detach() / 2
    assert torch.allclose(average.model.weight, expected)
    assert "average" in step.state_dict()


# Mixup


class Fixed:
    """Stands for the random module: one blend, always."""

    def __init__(self, blend):
        self.blend = blend

    def betavariate(self, alpha, beta):
        assert alpha == beta == 0.4
        return self.blend


@pytest.mark.parametrize("blend", [0.0, 0.3, 0.9])
def test_mixup_is_a_step_on_blends_with_blended_targets(batch, monkeypatch, blend):
    images, labels = batch
    monkeypatch.setattr(steps, "random", Fixed(blend))
    torch.manual_seed(5)
    partner = torch.randperm(len(labels))
    b = max(blend, 1 - blend)
    target = b * F.one_hot(labels, 3) + (1 - b) * F.one_hot(labels[partner], 3)
    by_hand = linear()
    logits = by_hand(b * images + (1 - b) * images[partner])
    loss = -(target * logits.log_softmax(1)).sum(1).mean()
    loss.backward()
    model = linear()
    step = MixupStep(model, sgd(model), alpha=0.4)
    torch.manual_seed(5)
    sums = step(images, labels)
    assert sums["loss"].item() == pytest.approx(loss.item() * len(labels), rel=1e-5)
    assert sums["accuracy"] == (logits.argmax(1) == labels).sum()
    assert torch.allclose(model.weight.grad, by_hand.weight.grad, atol=1e-6)


def test_mixup_leaves_images_as_they_are(batch):
    images, labels = batch
    before = images.clone()
    model = linear()
    MixupStep(model, sgd(model))(images, labels)
    assert torch.equal(images, before)


@pytest.mark.parametrize("alpha", [0, -0.1])
def test_a_bad_alpha_is_named(alpha):
    model = linear()
    with pytest.raises(ValueError, match=r"alpha must be above 0.*got"):
        MixupStep(model, sgd(model), alpha=alpha)


# Waiting for the device


class Readings(TorchDispatchMode):
    """Counts how often a value is fetched from a tensor: item(), bool(), float()."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*arguments, **(options or {}))


ENGINE = {
    "plain": {},
    "clipped": {"clip_norm": 0.5},
    "in pieces": {"accumulate": 3},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16", "clip_norm": 0.5},
}


@pytest.mark.parametrize("options", ENGINE.values(), ids=ENGINE)
@pytest.mark.parametrize("kind", [ClassifierStep, MixupStep])
def test_nothing_waits_for_the_device(make_model, make_images, kind, options):
    model = make_model()
    optimizer = sgd(model, momentum=0.9, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 100)
    average = MovingAverage(model, 0.9)
    step = kind(model, optimizer, scheduler=schedule, average=average, **options)
    augment = Compose(RandomCrop(1), RandomFlip(), RandomErase(2))
    batches = Batches(make_images(48), 16, shuffle=True, augment=augment)
    with Readings() as readings:
        totals = Totals()
        for images, labels in batches:
            totals.add(step(images, labels), len(labels))
        assert readings.count == 0
        totals.read()
        torch.ones(()).item()
        assert readings.count == 1  # the counter counts


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")
@pytest.mark.parametrize("options", ENGINE.values(), ids=ENGINE)
@pytest.mark.parametrize("kind", [ClassifierStep, MixupStep])
def test_no_step_synchronises_with_the_card(make_model, make_images, kind, options):
    model = make_model().cuda()
    optimizer = sgd(model, momentum=0.9, fused=True)
    step = kind(model, optimizer, average=MovingAverage(model, 0.9), **options)
    augment = Compose(RandomCrop(1), RandomFlip(), RandomErase(2))
    batches = Batches(make_images(160), 16, augment=augment, device="cuda")
    drawn = iter(batches)
    for _ in range(3):  # set-up may wait
        step(*next(drawn))
    torch.cuda.set_sync_debug_mode("error")
    try:
        for images, labels in drawn:
            step(images, labels)
    finally:
        torch.cuda.set_sync_debug_mode("default")
