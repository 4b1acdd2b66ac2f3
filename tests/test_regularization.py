"""Dropout, label smoothing and early stopping: equal to torch, and as promised."""

import math

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import nn

from course_utils.data import Batches, ImageSet
from course_utils.regularization import (
    Dropout,
    EarlyStopping,
    dropout,
    smoothed_cross_entropy,
)
from course_utils.steps import ClassifierStep
from course_utils.training import evaluate, train_one_epoch

double = torch.float64


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=double)


# Dropout

shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)
shares = st.floats(0, 0.95)


@given(shapes, shares, st.integers(0, 99))
def test_dropout_is_a_mask_over_one_minus_p(shape, p, seed):
    x = normal(*shape, seed=seed) if shape else torch.tensor(1.5, dtype=double)
    before = x.clone()
    y = dropout(x, p, training=True, generator=seeded(seed))
    kept = torch.rand(shape, generator=seeded(seed)) >= p
    assert torch.allclose(y, torch.where(kept, x / (1 - p), 0.0), rtol=1e-12)
    assert y.shape == x.shape and y.dtype == x.dtype and torch.equal(x, before)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_is_distributed_as_torch_s(p):
    x = torch.full((200, 500), 3.0)
    torch.manual_seed(0)
    for y in (dropout(x, p, training=True), F.dropout(x, p, training=True)):
        values = y.unique()
        assert torch.allclose(values, torch.tensor([0, 3 / (1 - p)]))
        dropped = (y == 0).double()
        # 100,000 draws: the share has a standard deviation of at most 0.0016
        assert abs(dropped.mean() - p) < 0.008
        assert abs(dropped.mean(0) - p).max() < 0.17  # every column has its own
        assert abs(dropped.mean(1) - p).max() < 0.12  # and every row
        assert abs(y.mean() - 3) < 0.08 * 3 * math.sqrt(p / (1 - p))


def test_the_variance_of_a_number_under_dropout():
    p, x = 0.3, torch.full((100_000,), 2.0, dtype=double)
    y = dropout(x, p, training=True, generator=seeded())
    assert y.mean().item() == pytest.approx(2, abs=0.02)
    assert y.var().item() == pytest.approx(4 * p / (1 - p), abs=0.04)


@pytest.mark.parametrize("p", [0, 0.5])
def test_nothing_happens_outside_training_nor_with_p_0(p):
    x, generator = normal(4, 3), seeded()
    before = generator.get_state()
    assert torch.equal(dropout(x, p, training=False, generator=generator), x)
    assert torch.equal(dropout(x, 0, training=True, generator=generator), x)
    assert torch.equal(generator.get_state(), before)  # and nothing is drawn


def test_the_gradient_passes_through_the_same_mask():
    x = normal(40, 30).requires_grad_()
    y = dropout(x, 0.4, training=True, generator=seeded(5))
    grad_output = normal(40, 30, seed=1)
    y.backward(grad_output)
    kept = y.detach() != 0
    assert torch.allclose(x.grad, torch.where(kept, grad_output / 0.6, 0.0))
    assert 0.5 < kept.double().mean() < 0.7


@pytest.mark.parametrize("p", [0, 0.3, 0.8])
def test_gradcheck_of_dropout(p):
    x = normal(3, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: dropout(x, p, True, seeded(2)), x)
    assert torch.autograd.gradgradcheck(lambda x: dropout(x, p, True, seeded(2)), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_dropout_keeps_the_kind_of_number(dtype):
    x = torch.ones(1_000, dtype=dtype)
    y = dropout(x, 0.25, training=True, generator=seeded())
    assert y.dtype == dtype
    scale = torch.tensor(1 / 0.75, dtype=dtype)
    assert set(y.tolist()) == {0.0, scale.item()}


def test_the_layer_is_off_in_evaluation_mode_and_has_torch_s_face():
    layer, twin, x = Dropout(0.4), nn.Dropout(0.4), normal(50, 50)
    torch.manual_seed(0)
    first, second = layer(x), layer(x)
    assert not torch.equal(first, second)  # a new mask each time
    torch.manual_seed(0)
    assert torch.equal(layer(x), first)
    assert torch.equal(layer.eval()(x), twin.eval()(x))
    assert repr(layer.train()) == "Dropout(p=0.4)" and Dropout().p == 0.5
    assert not list(layer.parameters()) and layer.state_dict() == twin.state_dict()


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, math.nan])
def test_p_is_from_0_to_below_1(p):
    message = f"from 0 to below 1, got {p}; try 0.5"
    with pytest.raises(ValueError, match=message):
        dropout(torch.ones(3), p, training=False)
    with pytest.raises(ValueError, match=message):
        Dropout(p)


def test_dropout_of_whole_numbers_is_refused():
    with pytest.raises(ValueError, match=r"got torch.uint8.*try x.float\(\)"):
        dropout(torch.ones(3, dtype=torch.uint8), 0.5, training=True)


# Label smoothing


@given(st.integers(1, 9), st.integers(1, 12), st.floats(0, 1), st.integers(0, 99))
def test_smoothed_cross_entropy_equals_torch_s(n, k, smoothing, seed):
    logits = (5 * normal(n, k, seed=seed)).requires_grad_()
    labels = torch.randint(k, (n,), generator=seeded(seed))
    loss = smoothed_cross_entropy(logits, labels, smoothing)
    expected = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    assert torch.allclose(loss, expected, rtol=1e-10, atol=1e-12)
    (grad,) = torch.autograd.grad(loss, logits)
    (right,) = torch.autograd.grad(expected, logits)
    assert torch.allclose(grad, right, atol=1e-12)


def test_gradcheck_of_smoothed_cross_entropy():
    labels = torch.tensor([0, 3, 1])
    logits = normal(3, 4).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda logits: smoothed_cross_entropy(logits, labels, 0.2), logits
    )


def test_huge_logits_do_not_overflow():
    logits = torch.tensor([[1e4, -1e4, 0.0]])
    loss = smoothed_cross_entropy(logits, torch.tensor([0]), 0.3)
    assert loss.item() == pytest.approx(0.1 * (0 + 2e4 + 1e4))


@pytest.mark.parametrize(("classes", "smoothing"), [(10, 0.1), (3, 0.4), (2, 0.9)])
def test_the_minimum_is_at_the_gap_found_by_hand(classes, smoothing):
    low = smoothing / classes
    gap = math.log((1 - smoothing + low) / low)
    logits = torch.zeros(1, classes, dtype=double)
    logits[0, 1] = gap
    logits.requires_grad_()
    smoothed_cross_entropy(logits, torch.tensor([1]), smoothing).backward()
    assert logits.grad.abs().max() < 1e-12


LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize(("logits", "labels", "smoothing", "message"), [
    (torch.zeros(3), LABELS, 0.1, r"logits must be \[N, K\].*got \[3\]"),
    (torch.zeros(0, 3), LABELS[:0], 0.1, r"got \[0, 3\]"),
    (torch.zeros(2, 3), LABELS[:1], 0.1, r"labels must be int64 \[2\].*\[1\]"),
    (torch.zeros(2, 3), LABELS.float(), 0.1, r"got torch.float32 \[2\]"),
    (torch.zeros(2, 3), LABELS, -0.1, "from 0 to 1, got -0.1; try 0.1"),
    (torch.zeros(2, 3), LABELS, 1.1, "from 0 to 1, got 1.1"),
    (torch.zeros(2, 3), LABELS, math.nan, "from 0 to 1, got nan"),
])  # fmt: skip
def test_wrong_arguments_of_the_loss_are_named(logits, labels, smoothing, message):
    with pytest.raises(ValueError, match=message):
        smoothed_cross_entropy(logits, labels, smoothing)


# Early stopping


class Marked(nn.Module):
    """One weight and one buffer that say in which epoch we are."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.register_buffer("seen", torch.zeros(1))

    def reach(self, epoch):
        with torch.no_grad():
            self.weight.fill_(epoch)
            self.seen.fill_(10 * epoch)


def stop(losses, patience):
    """(the epoch after which to stop, the epoch of the weights put back)."""
    model = Marked()
    stopping, stopped = EarlyStopping(model, patience), None
    for epoch, loss in enumerate(losses, 1):
        model.reach(epoch)
        if stopping(loss):
            stopped = epoch
            break
    stopping.restore()
    assert model.seen.item() == 10 * model.weight[0].item()
    return stopped, int(model.weight[0])


inf, nan = math.inf, math.nan


@pytest.mark.parametrize(("losses", "patience", "expected"), [
    ([3, 2, 1], 0, (None, 3)),
    ([3, 2, 2.5, 1], 0, (3, 2)),
    ([3, 2, 2.5, 1], 1, (None, 4)),
    ([3, 2, 4, 4, 1], 1, (4, 2)),
    ([3, 2, 4, 1, 4, 5, 0], 1, (6, 4)),  # the count starts anew
    ([3, 2, 4, 3.5, 2.5, 0], 2, (5, 2)),  # better than the last is not better
    ([2, 2, 2, 2], 2, (4, 1)),  # a tie is no better, the first is kept
    ([3, nan, nan, 1], 1, (3, 1)),
    ([nan, 3, 2], 1, (None, 3)),
    ([inf, 3], 1, (None, 2)),
    ([-1, -2, -1.5], 0, (3, 2)),  # minus an accuracy
    ([torch.tensor(2.0), torch.tensor(3.0)], 0, (2, 1)),
])  # fmt: skip
def test_when_to_stop_and_what_is_kept(losses, patience, expected):
    assert stop(losses, patience) == expected


@given(st.lists(st.integers(0, 6), min_size=1, max_size=20), st.integers(0, 5))
def test_stopping_equals_a_plain_search(losses, patience):
    stopped, kept = stop(losses, patience)
    seen = losses[:stopped]
    assert kept == 1 + seen.index(min(seen))
    if stopped is not None:
        assert stopped - kept == patience + 1
    longest = max_wait(losses[: stopped - 1] if stopped else losses)
    assert longest <= patience


def max_wait(losses):
    """The most epochs in a row that are no better than the best before them."""
    best, wait, longest = inf, 0, 0
    for loss in losses:
        best, wait = (loss, 0) if loss < best else (best, wait + 1)
        longest = max(longest, wait)
    return longest


def test_the_weights_kept_are_a_copy():
    model = Marked()
    stopping = EarlyStopping(model, 3)
    model.reach(1)
    stopping(1.0)
    model.reach(2)
    assert (stopping.weights["weight"] == 1).all()
    stopping.restore()
    assert (model.weight == 1).all() and model.weight.requires_grad
    model.reach(3)
    stopping.restore()  # what was put back is not shared either
    assert (model.weight == 1).all() and stopping.best == 1.0


def test_in_a_loop_of_the_course():
    generator = seeded()
    images = torch.randint(0, 256, (60, 1, 4, 4), generator=generator).byte()
    labels = torch.randint(3, (60,), generator=generator)  # nothing to find
    everything = ImageSet(images, labels, ["a", "b", "c"], [0.5], [0.3])
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.BatchNorm1d(3))
    step = ClassifierStep(model, torch.optim.Adam(model.parameters(), lr=0.05))
    batches = Batches(everything[:30], 10, shuffle=True, device="cpu")
    others = Batches(everything[30:], 30, device="cpu")
    stopping, losses = EarlyStopping(model, 2), []
    for _ in range(200):
        train_one_epoch(step, batches)
        losses.append(evaluate(model, others)["loss"])
        if stopping(losses[-1]):
            break
    assert len(losses) < 200
    stopping.restore()
    assert evaluate(model, others)["loss"] == pytest.approx(min(losses), abs=1e-9)
    assert losses[-1] > min(losses)


@pytest.mark.parametrize("patience", [-1, 1.5, None])
def test_patience_is_a_whole_number(patience):
    with pytest.raises(ValueError, match=r"patience must be a whole number.*from 0"):
        EarlyStopping(nn.Linear(1, 1), patience)


def test_a_model_is_asked_for():
    with pytest.raises(TypeError, match=r"expected the model .*, got dict"):
        EarlyStopping({}, 3)


@pytest.mark.parametrize("losses", [[], [nan, nan, inf]])
def test_nothing_kept_is_said(losses):
    stopping = EarlyStopping(nn.Linear(1, 1), 5)
    for loss in losses:
        stopping(loss)
    with pytest.raises(ValueError, match=r"no weights were kept.*never a finite"):
        stopping.restore()
