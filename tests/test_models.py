"""The models: the papers' parameter counts and shapes, and all of them can learn."""

import functools
import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import models
from course_utils.models import lenet, linear, resnet20, tiny_cnn
from course_utils.models.resnet import (
    BasicBlock,
    PadChannels,
    ResNet,
    padding_shortcut,
    projection_shortcut,
    small_resnet,
    small_stem,
)

BUILDERS = [getattr(models, name) for name in models.__all__]
SMALL = [linear, tiny_cnn, lenet, resnet20]
SHORTCUTS = [padding_shortcut, projection_shortcut]
narrow = functools.partial(resnet20, width=4, stem_stride=2)


def count(model):
    return sum(item.numel() for item in model.parameters())


def images(*shape):
    """Noise, from another seed than weights: from the same one they would correlate."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(99))


# Parameters


@pytest.mark.parametrize(
    ("builder", "channels", "parameters"),
    [
        (linear, 1, 7_850),
        (linear, 3, 23_530),
        (tiny_cnn, 1, 25_866),
        (lenet, 1, 61_706),
        (models.resnet20, 3, 269_722),
        (models.resnet32, 3, 464_154),
        (models.resnet44, 3, 658_586),
        (models.resnet56, 3, 853_018),
        (models.resnet110, 3, 1_727_962),
        (models.resnet20, 1, 269_434),
    ],
)
def test_parameters(builder, channels, parameters):
    assert count(builder(channels=channels)) == parameters


def test_projections_add_two_convolutions_with_batch_norm():
    projected = resnet20(3, shortcut=projection_shortcut)
    assert count(projected) - count(resnet20(3)) == 16 * 32 + 64 + 32 * 64 + 128


def test_lenet_layer_by_layer():
    sizes = [count(layer) for layer in lenet() if count(layer)]
    assert sizes == [156, 2_416, 48_120, 10_164, 850]
    paper = 156 + 12 + 1_516 + 32 + 48_120 + 10_164
    assert paper == 60_000
    assert sum(sizes) == paper - 12 - 32 + 900 + 850


@pytest.mark.parametrize("size", range(1, 33))
def test_lenet_sees_the_field_of_the_paper(size):
    assert count(lenet(size=size)) == 61_706


def test_lenet_of_larger_images_has_more_to_read():
    assert lenet(size=48).c5.in_features == 16 * 9 * 9


# Shapes


@pytest.mark.parametrize("builder", BUILDERS, ids=models.__all__)
def test_builders_are_called_alike(builder):
    names = list(inspect.signature(builder).parameters)
    assert names[:3] == ["channels", "size", "classes"]
    with torch.device("meta"):
        model = builder(channels=2, size=20, classes=7)
        assert model(torch.zeros(3, 2, 20, 20)).shape == (3, 7)


@pytest.mark.parametrize("builder", SMALL)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 32, 48, 8, 33])
def test_images_of_many_shapes(builder, channels, size):
    model = builder(channels, size, classes=4).eval()
    logits = model(images(2, channels, size, size))
    assert logits.shape == (2, 4) and logits.isfinite().all()


def test_shapes_inside_lenet():
    shapes, x = {}, images(1, 1, 28, 28)
    for name, layer in lenet().named_children():
        x = layer(x)
        shapes[name] = list(x.shape[1:])
    assert [shapes[name] for name in ("c1", "s2", "c3", "s4", "c5", "f6")] == [
        [6, 28, 28], [6, 14, 14], [16, 10, 10], [16, 5, 5], [120], [84],
    ]  # fmt: skip


@pytest.mark.parametrize(("stem_stride", "sides"), [(1, [32, 16, 8]), (2, [16, 8, 4])])
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_shapes_of_a_resnets_stages(stem_stride, sides, shortcut):
    model = resnet20(3, 32, stem_stride=stem_stride, shortcut=shortcut)
    x = model.stem(images(2, 3, 32, 32))
    assert x.shape == (2, 16, sides[0], sides[0])
    assert x.min() == 0  # behind a ReLU
    for stage, width, side in zip(model.stages, (16, 32, 64), sides, strict=True):
        assert len(stage) == 3
        x = stage(x)
        assert x.shape == (2, width, side, side)
    model.eval()
    averaged = model.stages(model.stem(images(2, 3, 32, 32))).mean((2, 3))
    torch.testing.assert_close(model(images(2, 3, 32, 32)), model.head(averaged))


@pytest.mark.parametrize(
    ("n", "depth"), [(3, 20), (5, 32), (7, 44), (9, 56), (18, 110)]
)
def test_depth_counts_the_layers_with_weights(n, depth):
    model = getattr(models, f"resnet{depth}")()
    kinds = (nn.Conv2d, nn.Linear)
    assert sum(isinstance(layer, kinds) for layer in model.modules()) == depth
    assert [len(stage) for stage in model.stages] == [n] * 3


def test_width_and_stride_of_a_small_resnet():
    model = resnet20(width=8, stem_stride=2)
    assert [stage[-1].conv2.out_channels for stage in model.stages] == [8, 16, 32]
    strides = [[block.conv1.stride[0] for block in stage] for stage in model.stages]
    assert model.stem[0].stride == (2, 2)
    assert strides == [[1, 1, 1], [2, 1, 1], [2, 1, 1]]


# Residual blocks


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [7, 8])
def test_padding_is_the_identity_and_zeros(stride, size):
    x = images(2, 3, size, size)
    padded = padding_shortcut(3, 5, stride)(x)
    assert torch.equal(padded[:, :3], x[:, :, ::stride, ::stride])
    assert padded.shape[1] == 5 and not padded[:, 3:].any()
    assert count(padding_shortcut(3, 5, stride)) == 0
    assert repr(PadChannels(3, 5, 2)) == "PadChannels(extra=2, stride=2)"


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_a_shortcut_of_equal_shapes_is_the_input_itself(shortcut):
    x = images(2, 4, 6, 6)
    assert shortcut(4, 4, 1)(x) is x
    assert shortcut(4, 4, 2)(x).shape == (2, 4, 3, 3)


def test_the_projection_is_a_matrix_at_every_other_pixel():
    shortcut = projection_shortcut(4, 6, 2).eval()
    x, weight = images(2, 4, 6, 6), shortcut[0].weight[:, :, 0, 0]
    expected = torch.einsum("nchw,dc->ndhw", x[:, :, ::2, ::2], weight)
    torch.testing.assert_close(shortcut(x), expected / (1 + 1e-5) ** 0.5)


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_a_block_without_a_correction_is_its_shortcut(shortcut):
    block = BasicBlock(4, 8, 2, shortcut).eval()
    nn.init.zeros_(block.bn2.weight)
    x = images(2, 4, 6, 6)
    assert torch.equal(block(x), block.shortcut(x).relu())


def test_a_block_is_the_formula():
    block = BasicBlock(4, 4).double()
    x = images(5, 4, 6, 6).double()

    def normalized(maps):
        centred = maps - maps.mean((0, 2, 3), keepdim=True)
        return centred / (centred.pow(2).mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()

    inner = normalized(F.conv2d(x, block.conv1.weight, padding=1)).clamp(min=0)
    inner = normalized(F.conv2d(inner, block.conv2.weight, padding=1))
    torch.testing.assert_close(block(x), (inner + x).clamp(min=0))


def test_parts_of_a_resnet_are_arguments():
    class Plain(nn.Module):
        """A block that is one wide convolution, and notes its shortcut."""

        expansion = 3

        def __init__(self, c_in, width, stride, shortcut):
            super().__init__()
            self.given = shortcut
            self.conv = nn.Conv2d(c_in, 3 * width, 3, stride, padding=1)

        def forward(self, x):
            return self.conv(x)

    stem = small_stem(2, 5)
    parts = {"widths": (5, 7), "shortcut": projection_shortcut, "classes": 4}
    model = ResNet(Plain, (2, 1), stem, **parts)
    assert model.stem is stem
    assert [len(stage) for stage in model.stages] == [2, 1]
    shapes = [block.conv.weight.shape[:2] for stage in model.stages for block in stage]
    assert shapes == [(15, 5), (15, 15), (21, 15)]
    assert model.stages[0][1].given is projection_shortcut
    assert model(images(2, 2, 8, 8)).shape == (2, 4)


# Weights


def test_convolutions_begin_as_he_et_al_drew_them():
    torch.manual_seed(0)
    model = resnet20(width=32)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 5000:
            weight, fan_in = layer.weight.detach(), layer.weight[0].numel()
            assert weight.std() == pytest.approx((2 / fan_in) ** 0.5, rel=0.05)
            assert abs(weight.mean()) < 0.05 * weight.std()
            # normal, not uniform: kurtosis 3, not 1.8
            assert (weight / weight.std()).pow(4).mean() == pytest.approx(3, abs=0.3)


def test_the_linear_layer_keeps_torchs_default():
    torch.manual_seed(0)
    weight = resnet20(classes=50).head.weight.detach()
    assert weight.abs().max() <= 1 / 64**0.5  # uniform up to there
    assert weight.std() == pytest.approx((1 / (3 * 64)) ** 0.5, rel=0.05)


@pytest.mark.parametrize("builder", SMALL)
def test_the_first_loss_is_near_that_of_guessing(builder):
    torch.manual_seed(0)
    labels = torch.arange(100) % 10
    with torch.no_grad():
        loss = F.cross_entropy(builder()(images(100, 1, 28, 28)), labels)
    assert 2.0 < loss < 3.2  # ln 10 = 2.30


@pytest.mark.parametrize("builder", BUILDERS, ids=models.__all__)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_parameter_gets_a_gradient(builder, channels):
    torch.manual_seed(0)
    model = builder(channels, 16)
    F.cross_entropy(model(images(8, channels, 16, 16)), torch.arange(8)).backward()
    for name, item in model.named_parameters():
        assert item.grad is not None and item.grad.any(), name


@pytest.mark.parametrize("builder", [*SMALL[:3], narrow])
def test_a_batch_can_be_learned_by_heart(builder):
    torch.manual_seed(0)
    model = builder(channels=1, size=16, classes=4)
    x, labels = images(16, 1, 16, 16), torch.arange(16) % 4
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
    assert loss < 0.05
    assert (model(x).argmax(1) == labels).all()


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_channels_last_runs_through_and_changes_nothing(shortcut):
    model = resnet20(3, shortcut=shortcut).eval()
    x = images(2, 3, 28, 28)
    expected = model(x)
    model.to(memory_format=torch.channels_last)
    maps = model.stages(model.stem(x.to(memory_format=torch.channels_last)))
    assert maps.is_contiguous(memory_format=torch.channels_last)
    assert not maps.is_contiguous()
    torch.testing.assert_close(model.head(maps.mean((2, 3))), expected)


def test_lenet_is_built_of_the_given_layers():
    class Convolution(nn.Conv2d):
        """Another class than torch's."""

    class Linear(nn.Linear):
        """Another class than torch's."""

    parts = {"pool": nn.AvgPool2d, "activation": nn.Tanh, "linear": Linear}
    kinds = [type(layer) for layer in lenet(conv=Convolution, **parts)]
    assert kinds.count(Linear) == 3 and nn.Linear not in kinds
    assert kinds.count(Convolution) == 2 and nn.Conv2d not in kinds
    assert kinds.count(nn.AvgPool2d) == 2 and nn.MaxPool2d not in kinds
    assert kinds.count(nn.Tanh) == 4 and nn.ReLU not in kinds


# What cannot be built


@pytest.mark.parametrize("builder", BUILDERS, ids=models.__all__)
@pytest.mark.parametrize("name", ["channels", "size", "classes"])
@pytest.mark.parametrize("number", [0, -1, 2.5, None])
def test_impossible_numbers_are_named(builder, name, number):
    with pytest.raises(ValueError, match=f"{name} is a whole number.*got {number}; "):
        builder(**{name: number})


@pytest.mark.parametrize(
    ("builder", "smallest"),
    [(tiny_cnn, 8), (resnet20, 4), (narrow, 8), (linear, 1), (lenet, 1)],
    ids=["tiny_cnn", "resnet20", "stem_stride 2", "linear", "lenet"],
)
def test_the_smallest_image_works_and_the_next_is_refused(builder, smallest):
    model = builder(size=smallest).eval()
    assert model(images(1, 1, smallest, smallest)).shape == (1, 10)
    if smallest > 1:
        message = f"{smallest - 1} x {smallest - 1} pixels.*size={smallest}"
        with pytest.raises(ValueError, match=message):
            builder(size=smallest - 1)


@pytest.mark.parametrize("part", ["width", "stem_stride"])
def test_parts_of_a_small_resnet_are_counted(part):
    with pytest.raises(ValueError, match="are 1 or more, got 3, "):
        resnet20(**{part: 0})
    with pytest.raises(ValueError, match="are 1 or more, got 0, 16, 1"):
        small_resnet(0)


@pytest.mark.parametrize(
    ("layers", "widths"), [((2, 2), (4,)), ((), ()), ((2, 0), (4, 8))]
)
def test_stages_need_layers_and_widths(layers, widths):
    with pytest.raises(ValueError, match=r"one number a stage.*try layers=\(3, 3, 3\)"):
        ResNet(BasicBlock, layers, small_stem(1, 4), widths=widths)


def test_padding_cannot_take_channels_away():
    with pytest.raises(ValueError, match=r"make 4 of 8; try shortcut=projection_short"):
        padding_shortcut(8, 4, 1)
