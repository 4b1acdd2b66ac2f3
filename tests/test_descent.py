"""Gradient descent by hand: against closed forms and torch's SGD."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.descent import descend, minibatch_descent


def test_a_path_down_a_parabola_is_a_geometric_sequence():
    start = torch.tensor([3.0, -1.0], dtype=torch.float64)
    curvature = torch.tensor([2.0, 0.5], dtype=torch.float64)
    path = descend(lambda theta: curvature * theta, start, 0.3, 7)
    factors = (1 - 0.3 * curvature) ** torch.arange(8)[:, None]
    assert path.shape == (8, 2)
    assert torch.allclose(path, start * factors, atol=1e-12)


def test_no_step_is_the_start_alone():
    assert descend(lambda theta: theta, torch.ones(2, 3), 0.1, 0).shape == (1, 2, 3)


@pytest.fixture
def problem():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(23, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (23,), generator=generator)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    return model, images, labels


@pytest.mark.parametrize("batch_size", [1, 5, 23, 100])
def test_batches_of_any_size_equal_torch(problem, batch_size):
    model, images, labels = problem
    other = copy.deepcopy(model)
    losses = minibatch_descent(model, images, labels, 0.2, batch_size, 3, seed=4)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.2)
    generator, expected = torch.Generator().manual_seed(4), []
    for _ in range(3):
        for chosen in torch.randperm(23, generator=generator).split(batch_size):
            loss = F.cross_entropy(other(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            expected.append(loss.item())
    assert losses == pytest.approx(expected, abs=1e-12)
    for mine, right in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(mine, right, atol=1e-12)


def test_each_epoch_has_its_own_order_and_each_seed_another(problem):
    model, images, labels = problem
    firsts = [
        minibatch_descent(copy.deepcopy(model), images, labels, 0.0, 1, 2, seed)
        for seed in (0, 0, 1)
    ]
    assert firsts[0] == firsts[1] != firsts[2]
    assert firsts[0][:23] != firsts[0][23:]
    assert sorted(firsts[0][:23]) == pytest.approx(sorted(firsts[0][23:]))


@pytest.mark.parametrize(
    ("name", "number"),
    [("rate", -0.1), ("rate", float("nan")), ("rate", None), ("batch_size", 0),
     ("batch_size", 2.5), ("epochs", -1)],
)  # fmt: skip
def test_impossible_numbers_are_named(problem, name, number):
    settings = {"rate": 0.1, "batch_size": 2, "epochs": 1, name: number}
    with pytest.raises(ValueError, match=f"{name} must be .*got {number}"):
        minibatch_descent(*problem, **settings)


def test_steps_must_be_a_count():
    with pytest.raises(ValueError, match=r"steps must be a whole number.*got 1\.5"):
        descend(lambda theta: theta, torch.ones(2), 0.1, 1.5)
