"""The moving average equals the recurrence by hand and torch's, and never waits."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils._python_dispatch import TorchDispatchMode

from course_utils.averaging import MovingAverage


@pytest.fixture
def train(make_images):
    """A function that lets a model learn from a few batches, a step of SGD each."""

    def run(model, average, steps, first=0):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        for number in range(first, first + steps):
            images = make_images(16, seed=number)
            model.train()
            optimizer.zero_grad()
            logits = model(images.images.to(next(model.parameters()).dtype) / 255)
            nn.functional.cross_entropy(logits, images.labels).backward()
            optimizer.step()
            average.step()
            yield model.state_dict()

    return run


def snapshot(thing):
    return copy.deepcopy(thing.state_dict())


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


class Calls(TorchDispatchMode):
    """Notes every call of torch that reaches a kernel."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


# What it computes


@pytest.mark.parametrize("warmup", [True, False])
@pytest.mark.parametrize("decay", [0.3, 0.9, 0.0])
def test_it_is_the_recurrence_by_hand(make_model, train, decay, warmup):
    model = make_model().double()
    expected = {name: value.tolist() for name, value in snapshot(model).items()}
    average = MovingAverage(model, decay, warmup)

    def mix(old, new, d):
        if isinstance(old, list):
            return [mix(*pair, d) for pair in zip(old, new, strict=True)]
        return new if isinstance(new, int) else d * old + (1 - d) * new

    for t, state in enumerate(train(model, average, 8)):
        d = min(decay, (1 + t) / (10 + t)) if warmup else decay
        expected = {
            name: mix(expected[name], value.tolist(), d)
            for name, value in state.items()
        }
    assert expected["1.num_batches_tracked"] == 8
    for name, value in average.model.state_dict().items():
        torch.testing.assert_close(
            value, torch.tensor(expected[name], dtype=value.dtype), rtol=0, atol=1e-13
        )


def test_it_is_torchs_without_warm_up(make_model, train):
    model = make_model()
    average = MovingAverage(model, 0.9, warmup=False)
    update = get_ema_multi_avg_fn(0.9)
    theirs = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    theirs.update_parameters(model)  # its first update copies
    for _ in train(model, average, 10):
        theirs.update_parameters(model)
    found = average.model.state_dict()
    for name, value in theirs.module.state_dict().items():
        if value.is_floating_point():  # torch averages counts too, and rounds them
            torch.testing.assert_close(found[name], value)
            assert not torch.equal(value, model.state_dict()[name])


def test_warm_up_soon_forgets_the_first_weights():
    model = nn.Linear(1, 1)
    nn.init.zeros_(model.weight)
    forgotten, stuck = (MovingAverage(model, 0.999, warmup) for warmup in (True, False))
    for average in (forgotten, stuck):
        nn.init.ones_(average.model.weight)
        for _ in range(30):
            average.step()
    assert forgotten.model.weight.item() < 1e-6
    assert stuck.model.weight.item() == pytest.approx(0.999**30)


def test_decay_is_reached_after_the_warm_up():
    model = nn.Linear(1, 1)
    average = MovingAverage(model, 0.75)
    average.steps = 1000
    nn.init.zeros_(model.weight), nn.init.ones_(average.model.weight)
    average.step()
    assert average.model.weight.item() == 0.75


def test_the_average_is_for_evaluation_and_the_model_is_left_alone(make_model):
    model = make_model(dropout=0.5).train()
    before = snapshot(model)
    average = MovingAverage(model)
    for _ in range(3):
        average.step()
    assert not any(module.training for module in average.model.modules())
    assert not any(item.requires_grad for item in average.model.parameters())
    assert all(module.training for module in model.modules())
    assert all(item.requires_grad for item in model.parameters())
    assert_equal(model.state_dict(), before)
    own = {item.data_ptr() for item in average.model.state_dict().values()}
    assert own.isdisjoint(item.data_ptr() for item in model.state_dict().values())


def test_replaced_tensors_are_followed():
    class Centre(nn.Module):
        """Subtracts a running mean that is a new tensor after every batch."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))
            self.register_buffer("mean", torch.zeros(1))

    model = Centre()
    average = MovingAverage(model, 0.5, warmup=False)
    model.mean = torch.full((1,), 8.0)
    model.weight = nn.Parameter(torch.full((1,), 3.0))
    average.step()
    assert average.model.mean.item() == 4.0
    assert average.model.weight.item() == 2.0


def test_shared_weights_move_once_a_step():
    layer = nn.Linear(2, 2, bias=False)
    tied = nn.Linear(2, 2, bias=False)
    tied.weight = layer.weight
    model = nn.Sequential(layer, nn.ReLU(), tied, layer)
    average = MovingAverage(model, 0.5, warmup=False)
    nn.init.ones_(layer.weight), nn.init.zeros_(average.model[0].weight)
    average.step()
    assert average.model[0].weight is average.model[2].weight
    assert torch.equal(average.model[0].weight, torch.full((2, 2), 0.5))


def test_channels_last_is_kept(make_model):
    model, plain = (make_model(channels=3) for _ in range(2))
    model.to(memory_format=torch.channels_last)
    averages = [MovingAverage(each, 0.9) for each in (model, plain)]
    weight = averages[0].model[0].weight
    for each in (model, plain):
        with torch.no_grad():
            for item in each.parameters():
                item.mul_(1.5)
    averages[0].step(), averages[1].step()
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    assert_equal(*(average.model.state_dict() for average in averages))


# What it costs


def test_a_step_is_two_calls_and_reads_nothing(make_model):
    model = make_model()
    average = MovingAverage(model)
    with Calls() as calls:
        average.step()
    assert calls.names == ["_foreach_lerp_", "_foreach_copy_"]
    with Calls() as control:
        torch.ones(()).item()
    assert "_local_scalar_dense" in control.names


# Saved, resumed, copied


def test_a_resumed_average_equals_an_uninterrupted_one(make_model, train, tmp_path):
    model, path = make_model(), tmp_path / "average.pt"
    average = MovingAverage(model, 0.9)
    for _ in train(model, average, 4):
        pass
    torch.save([model.state_dict(), average.state_dict()], path)
    for _ in train(model, average, 6, first=4):
        pass

    again = make_model(seed=5)
    resumed = MovingAverage(again, 0.9)
    states = torch.load(path, weights_only=True)
    again.load_state_dict(states[0])
    resumed.load_state_dict(states[1])
    assert resumed.steps == 4
    for _ in train(again, resumed, 6, first=4):
        pass
    assert_equal(resumed.model.state_dict(), average.model.state_dict())
    assert resumed.steps == average.steps == 10


def test_a_copy_follows_the_copied_model(make_model, train):
    model = make_model()
    both = {"average": MovingAverage(model, 0.9), "model": model}
    for _ in train(model, both["average"], 2):
        pass
    copied = copy.deepcopy(both)
    before = snapshot(both["average"].model)
    for _ in train(copied["model"], copied["average"], 3, first=2):
        pass
    assert_equal(both["average"].model.state_dict(), before)
    for _ in train(model, both["average"], 3, first=2):
        pass
    assert_equal(
        copied["average"].model.state_dict(), both["average"].model.state_dict()
    )
    assert not torch.equal(before["0.weight"], both["average"].model[0].weight)


# What cannot be


@pytest.mark.parametrize("decay", [1, -0.1, 1.5, 999, float("nan")])
def test_a_bad_decay_is_named(decay):
    with pytest.raises(ValueError, match=rf"below 1, got {decay}; try 0.999"):
        MovingAverage(nn.Linear(1, 1), decay)


def test_a_model_without_weights_is_named():
    with pytest.raises(ValueError, match="Flatten has no weights that could"):
        MovingAverage(nn.Flatten())


def test_the_state_of_something_else_is_an_error(make_model):
    average = MovingAverage(make_model())
    with pytest.raises(ValueError, match=r"holds model and steps, got \['bias', 'wei"):
        average.load_state_dict(nn.Linear(1, 1).state_dict())
    other = MovingAverage(make_model(classes=4)).state_dict()
    with pytest.raises(RuntimeError, match="size mismatch"):
        average.load_state_dict(other)
