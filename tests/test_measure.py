"""Statistics of layers: by hand, against autograd, and a model left as it was."""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.measure import (
    activation_statistics,
    evaluating,
    gradient_statistics,
    unchanged,
)

double = torch.float64


def random(*size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=generator, dtype=double)


def net(inplace=False):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(inplace),
        nn.Sequential(nn.Flatten(), nn.Linear(48, 4)), nn.Tanh(),
    ).double()  # fmt: skip


IMAGES, LABELS = random(10, 1, 6, 6), torch.arange(10) % 4
NAMES = ["0", "1", "2", "3.0", "3.1", "4"]


def outputs_of(model, images):
    """The outputs of the net above, layer by layer."""
    outputs = []
    for layer in (*model[:3], *model[3], model[4]):
        images = layer(images)
        outputs.append(images)
    return outputs


def test_every_layer_has_the_statistics_of_its_output():
    model = net().eval()
    rows = activation_statistics(model, IMAGES)
    assert [row.name for row in rows] == NAMES
    assert [row.kind for row in rows[2:]] == ["ReLU", "Flatten", "Linear", "Tanh"]
    for row, output in zip(rows, outputs_of(model, IMAGES), strict=True):
        assert row.mean == pytest.approx(output.mean().item(), abs=1e-12)
        assert row.std == pytest.approx(output.std(correction=0).item())
        assert row.zeros == (output == 0).sum().item() / output.numel()
        assert row.weight_std is row.counts is row.edges is None
    assert 0.2 < rows[2].zeros < 0.8 and rows[0].zeros == 0


def test_by_hand():
    model = nn.Sequential(nn.Identity(), nn.ReLU())
    rows = activation_statistics(model, torch.tensor([[-3.0, -1.0, 0.0, 4.0]]))
    assert rows[0] == ("0", "Identity", 0, math.sqrt(26 / 4), 0.25, None, None, None)
    assert rows[1] == ("1", "ReLU", 1, math.sqrt(3), 0.75, None, None, None)


@pytest.mark.parametrize("statistics", [
    lambda model, kinds=None: activation_statistics(model, IMAGES, kinds),
    lambda model, kinds=None: gradient_statistics(model, IMAGES, LABELS, kinds),
])  # fmt: skip
class TestBoth:
    def test_kinds_choose_the_layers(self, statistics):
        assert [row.name for row in statistics(net(), nn.ReLU)] == ["2"]
        rows = statistics(net(), (nn.Linear, nn.Conv2d))
        assert [row.kind for row in rows] == ["Conv2d", "Linear"]
        rows = statistics(net(), nn.Sequential)
        assert [row.name for row in rows] == ["3", ""]  # ready first, the net last

    def test_a_layer_that_is_used_twice_has_two_rows(self, statistics):
        relu = nn.ReLU()
        model = nn.Sequential(nn.Flatten(), relu, nn.Linear(36, 4), relu).double()
        rows = statistics(model)
        assert [row.name for row in rows] == ["0", "1", "2", "1"]
        assert rows[1].std != rows[3].std

    def test_a_layer_that_works_in_place_changes_nothing_in_the_rows(self, statistics):
        assert statistics(net(inplace=True)) == statistics(net())
        first = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(36, 4))
        kept = IMAGES.clone()
        assert len(statistics(first.double())) == 3
        assert torch.equal(IMAGES, kept)

    @pytest.mark.parametrize("training", [True, False])
    def test_the_model_is_left_as_it_was(self, statistics, training):
        model = net().train(training)
        model[0].requires_grad_(False)
        model[4].train(not training)
        kept = {name: t.clone() for name, t in model.state_dict().items()}
        assert statistics(model)[1].std > 0
        now = model.state_dict()
        assert all(torch.equal(tensor, now[name]) for name, tensor in kept.items())
        assert model.training == training and model[4].training != training
        assert all(p.grad is None for p in model.parameters())
        assert not any(module._forward_hooks for module in model.modules())

    def test_a_graph_that_waits_for_its_backward_is_left_alone(self, statistics):
        model = net().eval()
        loss = F.cross_entropy(model(IMAGES), LABELS)
        statistics(model)
        loss.backward()

    def test_hooks_go_and_statistics_come_back_after_an_error(self, statistics):
        model = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(2, 2, 3)).double()
        with pytest.raises(RuntimeError):
            statistics(model)
        assert not any(module._forward_hooks for module in model.modules())
        assert model[0].num_batches_tracked == 0
        assert model[0].running_mean.item() == 0

    def test_a_kind_that_is_not_there_is_named(self, statistics):
        with pytest.raises(ValueError, match=r"no layer .*GELU.*; it has Batch"):
            statistics(net(), nn.GELU)


def test_training_mode_shows_batch_statistics():
    model = net()
    with torch.no_grad():
        model[0].bias += 3
    trained = activation_statistics(model.train(), IMAGES, nn.BatchNorm2d)[0]
    assert trained.mean == pytest.approx(0, abs=1e-9)
    assert activation_statistics(model.eval(), IMAGES, nn.BatchNorm2d)[0].mean > 1


def test_every_layer_has_the_gradient_by_its_output_and_weight():
    model = net().train()
    rows = gradient_statistics(model, IMAGES, LABELS)
    assert [row.name for row in rows] == NAMES
    outputs = outputs_of(model, IMAGES)
    loss = F.cross_entropy(outputs[-1], LABELS)
    weights = [model[0].weight, model[1].weight, model[3][1].weight]
    gradients = torch.autograd.grad(loss, [*outputs, *weights])
    for row, gradient in zip(rows, gradients, strict=False):
        assert row.mean == pytest.approx(gradient.mean().item(), abs=1e-12)
        assert row.std == pytest.approx(gradient.std(correction=0).item())
        assert row.zeros == (gradient == 0).sum().item() / gradient.numel()
    stds = [gradient.std(correction=0).item() for gradient in gradients[6:]]
    assert [row.weight_std for row in rows if row.weight_std] == pytest.approx(stds)
    assert [bool(row.weight_std) for row in rows] == [1, 1, 0, 0, 1, 0]


def test_gradients_of_another_loss_and_of_frozen_and_dead_layers():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.dead, self.frozen = nn.Linear(36, 2), nn.Linear(36, 1)
            self.frozen.requires_grad_(False)

        def forward(self, images):
            self.dead(images.flatten(1))
            return self.frozen(images.flatten(1))

    with torch.no_grad():  # whatever surrounds it
        (row,) = gradient_statistics(
            Branches().double(), IMAGES, LABELS, loss=lambda y, _: (3 * y).mean()
        )
    assert row.name == "frozen" and row.weight_std is None
    assert row.mean == pytest.approx(0.3) and row.std == pytest.approx(0, abs=1e-12)


def test_a_vanishing_gradient_is_not_rounded_to_nothing():
    model = nn.Sequential(*[nn.Linear(8, 8, bias=False) for _ in range(10)])
    for layer in model:
        nn.init.normal_(layer.weight, std=3e-4)
    images = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    rows = gradient_statistics(model, images, LABELS.repeat(2)[:16])
    assert 0 < rows[0].std < 1e-24  # its square is 0 in 32 bits
    ratios = [a.std / b.std for a, b in pairwise(rows)]
    assert all(1e-4 < ratio < 1e-2 for ratio in ratios)


@pytest.mark.parametrize("of", ["activations", "gradients"])
def test_histograms(of):
    def statistics(**options):
        if of == "activations":
            return activation_statistics(net(), IMAGES, **options)
        return gradient_statistics(net(), IMAGES, LABELS, **options)

    for row in statistics(bins=7):
        assert len(row.counts) == 7 and len(row.edges) == 8
        assert row.counts.sum() % 10 == 0 and row.counts.sum() > 0
        assert row.edges[0] < row.edges[-1]
    (row,) = statistics(bins=4, limits=(-1, 1), kinds=nn.Tanh)
    assert row.edges.tolist() == [-1, -0.5, 0, 0.5, 1] and row.counts.sum() == 40


def test_a_histogram_by_hand_and_of_what_is_not_finite():
    given = torch.tensor([[0.1, 0.6, 0.7, 5.0, torch.inf, torch.nan]])
    (row,) = activation_statistics(nn.Identity(), given, bins=2, limits=(0, 1))
    assert row.counts.tolist() == [1, 2] and math.isnan(row.mean)
    (row,) = activation_statistics(nn.Identity(), given, bins=7)
    assert row.edges[-1] == 5 and row.counts.sum() == 4
    (row,) = activation_statistics(nn.Identity(), torch.full((3,), 2.0), bins=1)
    assert row.edges.tolist() == [1.5, 2.5] and row.counts.tolist() == [3]
    (row,) = activation_statistics(nn.Identity(), torch.full((3,), torch.inf), bins=1)
    assert row.counts.tolist() == [0]


def test_evaluating_and_unchanged_put_all_back_after_an_error():
    model = net()
    model[1].eval()
    before = [module.training for module in model.modules()]
    kept = {name: t.clone() for name, t in model.state_dict().items()}
    with pytest.raises(KeyError), evaluating(model), unchanged(model) as copies:
        assert not any(module.training for module in model.modules())
        with torch.no_grad():
            model[0].weight += 1
        model[1].running_mean = torch.ones(3).double()  # a new tensor in its place
        assert torch.equal(copies["0.weight"], kept["0.weight"])
        raise KeyError
    assert [module.training for module in model.modules()] == before
    now = model.state_dict()
    assert all(torch.equal(tensor, now[name]) for name, tensor in kept.items())
    assert model[0].weight.requires_grad
