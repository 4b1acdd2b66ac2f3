"""Lines and planes through weights: ends, filters, scale, and nothing left over."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import update_bn

from course_utils.loss_surface import (
    direction_between,
    filter_normalized,
    loss_line,
    loss_plane,
    random_direction,
)
from course_utils.training import evaluate

double = torch.float64


def random(*size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=generator, dtype=double)


def batches(count=20, size=8):
    images, labels = random(count, 1, 6, 6, seed=2), torch.arange(count) % 3
    pairs = zip(images.split(size), labels.split(size), strict=True)
    return [(some, wanted) for some, wanted in pairs]


def net(seed=0):
    """A net whose batch norm has seen other images than torch's 0 and 1."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(12, 3),
    ).double()  # fmt: skip
    for _ in range(3):
        model(3 * random(16, 1, 6, 6, seed=seed + 5) + 1)
    return model


def state_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first | second)


def test_the_ends_of_a_line_are_the_two_models():
    first, second = net(0), net(1)
    direction = direction_between(first.state_dict(), second.state_dict())
    rows = loss_line(first, direction, batches(), torch.linspace(0, 1, 3))
    assert [row["position"] for row in rows] == [0, 0.5, 1]
    for row, model in ((rows[0], first), (rows[2], second)):
        expected = evaluate(model, batches())
        assert row["loss"] == pytest.approx(expected["loss"], rel=1e-12)
        assert row["accuracy"] == expected["accuracy"]
    assert abs(rows[0]["loss"] - rows[2]["loss"]) > 0.01


def test_the_middle_of_a_line_is_the_mean_of_the_states():
    first, second, middle = net(0), net(1), net(2)
    a, b = first.state_dict(), second.state_dict()
    mean = {name: (a[name] + b[name]) / 2 for name in a if a[name].is_floating_point()}
    middle.load_state_dict({**a, **mean})
    (row,) = loss_line(first, direction_between(a, b), batches(), [0.5])
    assert row["loss"] == pytest.approx(evaluate(middle, batches())["loss"], rel=1e-12)


def test_beyond_the_ends_running_statistics_stay_as_at_the_nearer_one():
    first, second = net(0), net(1)
    a, b = first.state_dict(), second.state_dict()
    direction = direction_between(a, b)
    for position, nearer in ((-5.0, a), (6.0, b)):
        moved = {
            name: nearer[name] if "running" in name else a[name] + position * change
            for name, change in direction.items()
        }
        expected = net(2)
        expected.load_state_dict({**a, **moved})
        (row,) = loss_line(first, direction, batches(), [position])
        loss = evaluate(expected, batches())["loss"]
        assert row["loss"] == pytest.approx(loss, rel=1e-12)


def test_batch_norm_may_be_prepared_at_each_position():
    first, second = net(0), net(1)
    images = [images for images, _ in batches()]
    direction = direction_between(first.state_dict(), second.state_dict())

    def prepare(model):
        update_bn(images, model)
        model.train()  # the measurement is in evaluation mode all the same

    before = state_of(first)
    (row,) = loss_line(first, direction, batches(), [1.0], prepare)
    update_bn(images, second)
    expected = evaluate(second, batches())["loss"]
    assert row["loss"] == pytest.approx(expected, rel=1e-9)
    assert same(state_of(first), before)


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_as_before(fails):
    model = net()
    model.train()
    model[1].eval()
    model[0].requires_grad_(False)
    before = state_of(model)
    given = [(images[:, :, :2] if fails else images, y) for images, y in batches()]
    directions = [filter_normalized(random_direction(model, s), model) for s in (0, 1)]
    for call in (
        lambda: loss_line(model, directions[0], given, [1.0, 2.0]),
        lambda: loss_plane(model, directions, given, [1.0]),
    ):
        if fails:
            with pytest.raises(RuntimeError):
                call()
        else:
            call()
        assert same(state_of(model), before)
        assert model.training and model[0].training and not model[1].training
        assert all(p.grad is None for p in model.parameters())
        assert not model[0].weight.requires_grad and model[6].weight.requires_grad


def test_filters_of_a_direction_are_as_long_as_those_of_the_model():
    model = net()
    with torch.no_grad():
        model[0].weight[1] = 0  # a dead filter
    drawn = random_direction(model)
    direction = filter_normalized(drawn, model)
    for name in ("0.weight", "6.weight"):
        weight = dict(model.named_parameters())[name]
        lengths = direction[name].flatten(1).norm(dim=1)
        assert torch.allclose(lengths, weight.flatten(1).norm(dim=1), rtol=1e-12)
        cosine = F.cosine_similarity(direction[name].flatten(1), drawn[name].flatten(1))
        assert torch.allclose(cosine[lengths > 0], torch.ones(3).double()[lengths > 0])
    assert (direction["0.weight"][1] == 0).all()
    for name in ("0.bias", "1.weight", "1.bias", "6.bias"):
        assert drawn[name].any() and not direction[name].any()
    assert not any("running" in name for name in direction)


def test_a_direction_without_some_filters_keeps_them():
    model = net()
    between = direction_between(model.state_dict(), model.state_dict())  # all 0
    direction = filter_normalized(between, model)
    assert all(not tensor.any() for tensor in direction.values())
    assert filter_normalized({}, model).keys() == direction.keys()


def test_random_directions_are_those_of_their_seed():
    model = net()
    first, again, other = (random_direction(model, seed) for seed in (0, 0, 1))
    assert same(first, again) and not same(first, other)
    assert all(tensor.dtype == double for tensor in first.values())


def relu_net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(36, 20), nn.ReLU(), nn.Linear(20, 3)
    ).double()


def test_the_normalised_line_does_not_see_how_layers_are_scaled():
    model = relu_net()
    scaled = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in scaled[1].parameters():
            tensor *= 10
        scaled[3].weight /= 10
    positions, plain = [-1.0, 0.0, 0.5, 2.0], random_direction(model)
    lines = [
        [row["loss"] for row in loss_line(each, direction, batches(), positions)]
        for each in (model, scaled)
        for direction in (filter_normalized(plain, each), plain)
    ]
    normalized, unscaled, normalized_again, scaled_too = lines
    assert normalized == pytest.approx(normalized_again, rel=1e-9)
    assert unscaled[1] == pytest.approx(scaled_too[1])
    assert unscaled != pytest.approx(scaled_too, rel=0.01)


def test_a_plane_holds_its_lines():
    model, positions = net(), [-1.0, 0.0, 0.5]
    directions = [filter_normalized(random_direction(model, s), model) for s in (0, 1)]
    plane = loss_plane(model, directions, batches(), positions)
    assert plane["loss"].shape == plane["accuracy"].shape == (3, 3)
    for direction, losses in zip(
        directions, (plane["loss"][:, 1], plane["loss"][1]), strict=True
    ):
        line = loss_line(model, direction, batches(), positions)
        assert losses.tolist() == pytest.approx([row["loss"] for row in line], rel=1e-6)
    both = {
        name: -directions[0][name] + directions[1][name] / 2 for name in directions[0]
    }
    (row,) = loss_line(model, both, batches(), [1])
    assert plane["loss"][0, 2].item() == pytest.approx(row["loss"], rel=1e-6)


def test_a_loss_that_is_not_finite_stays_in_its_row():
    model = relu_net().float()
    given = [(images.float(), labels) for images, labels in batches()]
    rows = loss_line(model, random_direction(model), given, [0.0, 1e38])
    assert rows[0]["loss"] < 10 and not rows[1]["loss"] < float("inf")


def test_other_things_can_be_measured():
    def measure(logits, labels):
        return {"confidence": logits.softmax(1).amax(1).sum()}

    (row,) = loss_line(net(), {}, batches(), [0], measure=measure)
    assert row.keys() == {"position", "confidence"} and 1 / 3 < row["confidence"] < 1


@pytest.mark.parametrize(("call", "message"), [
    (lambda m: direction_between(m.state_dict(), nn.Linear(2, 2).state_dict()),
     "same kind of model, but differ in .*0.bias.*weight"),
    (lambda m: filter_normalized({"0.weight": torch.ones(2)}, m),
     r"has 0.weight \[2\], the model \[3, 1, 3, 3\]"),
    (lambda m: loss_line(m, {"9.bias": torch.ones(2)}, batches(), [0]),
     r"has 9.bias \[2\], the model no such tensor"),
    (lambda m: loss_line(m, {}, batches(), []), r"at least one, got \[\]"),
    (lambda m: loss_line(m, {}, batches(), [0, torch.inf]), "must be finite numbers"),
    (lambda m: loss_line(m, {}, iter(batches()), [0]), "usable more than once"),
    (lambda m: loss_line(m, {}, [(random(0, 1, 6, 6), torch.ones(0).long())], [0]),
     "no image in the batches"),
    (lambda m: loss_plane(m, [{}], batches(), [0]), "takes two directions, got 1"),
])  # fmt: skip
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(net())
