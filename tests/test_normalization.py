"""Normalisation by hand against torch's: values, gradients, statistics, training."""

import copy

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import nn

from course_utils.normalization import (
    BatchNorm,
    BatchNorm1d,
    BatchNorm2d,
    BatchNormFunction,
    GroupNorm,
    LayerNorm,
    batch_norm_backward,
    batch_norm_evaluation_backward,
    batch_norm_forward,
    channel_statistics,
    normalize,
    standardize,
)

double = torch.float64
SIZES = [(6, 3), (2, 1), (5, 3, 4), (4, 3, 5, 2), (2, 3, 1, 1), (1, 2, 3, 3)]


def random(*size, seed=0, dtype=double):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=generator, dtype=dtype)


def example(size, seed=0):
    """x with means and deviations of its own, weight, bias and an error for y."""
    channels = size[1]
    shape = (channels, *[1] * (len(size) - 2))
    x = 3 * random(*size, seed=seed) * random(*shape, seed=seed + 1)
    x = x + 5 * random(*shape, seed=seed + 2)
    weight, bias = (random(channels, seed=seed + n) for n in (3, 4))
    return x, weight, bias, random(*size, seed=seed + 5)


def assert_near(ours, theirs, tolerance=1e-10):
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    assert torch.allclose(ours, theirs, rtol=tolerance, atol=tolerance)


sizes = st.one_of(
    st.tuples(st.integers(2, 6), st.integers(1, 4)),
    st.tuples(*[st.integers(1, 4)] * 2, st.integers(2, 5), st.integers(1, 5)),
)

# Functions


@given(sizes, st.integers(0, 99), st.sampled_from([1e-5, 0.1]))
def test_a_batch_equals_torch_s_forward_and_backward(size, seed, eps):
    x, weight, bias, error = example(size, seed)
    given = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
    theirs = F.batch_norm(given[0], None, None, *given[1:], training=True, eps=eps)
    y, mean, variance = batch_norm_forward(x, weight, bias, eps)
    assert_near(y, theirs)
    axes = (0, *range(2, x.ndim))
    assert_near(mean, x.mean(axes))
    assert_near(variance, x.var(axes, unbiased=False))
    gradients = batch_norm_backward(error, x, weight, mean, variance, eps)
    expected = torch.autograd.grad(theirs, given, error)
    for ours, grad in zip(gradients, expected, strict=True):
        assert_near(ours, grad, 1e-8)  # x of one value, M times: divided by eps


@pytest.mark.parametrize("size", SIZES)
def test_evaluation_equals_torch_s_forward_and_backward(size):
    x, weight, bias, error = example(size)
    mean, variance = random(size[1], seed=7), random(size[1], seed=8).square()
    given = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
    theirs = F.batch_norm(given[0], mean, variance, *given[1:], eps=1e-3)
    assert_near(normalize(x, mean, variance, weight, bias, 1e-3), theirs)
    gradients = batch_norm_evaluation_backward(error, x, weight, mean, variance, 1e-3)
    expected = torch.autograd.grad(theirs, given, error)
    for ours, grad in zip(gradients, expected, strict=True):
        assert_near(ours, grad)


def test_by_hand():
    x = torch.tensor([[1.0, 0.0], [3.0, 8.0]])  # means 2, 4; deviations 1, 4
    weight, bias = torch.tensor([1.0, 10.0]), torch.tensor([0.0, 1.0])
    y, mean, variance = batch_norm_forward(x, weight, bias, eps=0)
    assert y.tolist() == [[-1, -9], [1, 11]]
    assert mean.tolist() == [2, 4] and variance.tolist() == [1, 16]
    error = torch.tensor([[1.0, 0.0], [2.0, 3.0]])
    grad_x, grad_weight, grad_bias = batch_norm_backward(
        error, x, weight, mean, variance, eps=0
    )
    assert grad_weight.tolist() == [1, 3] and grad_bias.tolist() == [3, 3]
    assert grad_x.tolist() == [[0, 0], [0, 0]]  # of two values nothing is left to move


def test_the_gradient_has_no_part_along_a_shift_or_a_stretch():
    x, weight, bias, error = example((8, 3, 4, 4))
    _, mean, variance = batch_norm_forward(x, weight, bias, eps=0)
    grad_x, *_ = batch_norm_backward(error, x, weight, mean, variance, eps=0)
    assert grad_x.abs().max() > 0.01
    assert_near(grad_x.sum((0, 2, 3)), torch.zeros(3, dtype=double))
    assert_near((grad_x * x).sum((0, 2, 3)), torch.zeros(3, dtype=double))
    evaluated, *_ = batch_norm_evaluation_backward(error, x, weight, mean, variance)
    assert evaluated.sum((0, 2, 3)).abs().min() > 0.01


@pytest.mark.parametrize("size", [(5, 2), (3, 2, 2, 3)])
def test_gradients_and_their_gradients_are_right(size):
    x, weight, bias, _ = example(size)
    inputs = [tensor.requires_grad_() for tensor in (x, weight, bias)]

    def function(*inputs):
        return BatchNormFunction.apply(*inputs, 1e-3)[0]

    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)
    _, mean, variance = BatchNormFunction.apply(*inputs, 1e-3)
    assert not mean.requires_grad and not variance.requires_grad


# Layers of batch norm

GRID = [
    {},
    {"momentum": 0.5, "eps": 1e-2},
    {"momentum": None},
    {"momentum": 1.0},
    {"affine": False},
    {"track_running_stats": False},
    {"affine": False, "track_running_stats": False, "momentum": None},
]


def twins(size, **options):
    """A layer of ours and torch's of the same weights, for x of this size."""
    ours = {2: BatchNorm1d, 3: BatchNorm1d, 4: BatchNorm2d}[len(size)]
    theirs = getattr(nn, ours.__name__)
    pair = [kind(size[1], dtype=double, **options) for kind in (ours, theirs)]
    if pair[0].weight is not None:
        for layer in pair:
            nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(1))
            nn.init.normal_(layer.bias, generator=torch.Generator().manual_seed(2))
    return pair


def results(layer, x, error):
    """The output of a layer, then the gradients of x and of its parameters."""
    x = x.clone().requires_grad_()
    y = layer(x)
    return y.detach(), *torch.autograd.grad(y, [x, *layer.parameters()], error)


def assert_same_state(ours, theirs, tolerance=1e-10):
    ours, theirs = ours.state_dict(), theirs.state_dict()
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        assert_near(ours[name], tensor, tolerance)


@pytest.mark.parametrize("options", GRID, ids=str)
@pytest.mark.parametrize("size", [size for size in SIZES if size != (2, 3, 1, 1)])
def test_layers_equal_torch_s_over_batches_and_modes(size, options):
    ours, theirs = twins(size, **options)
    for number in range(5):
        evaluates = number in (2, 4)
        x, *_, error = example((size[0] + number, *size[1:]), seed=10 * number)
        for layer in (ours, theirs):
            layer.train(not evaluates)
        pairs = zip(results(ours, x, error), results(theirs, x, error), strict=True)
        for mine, other in pairs:
            assert_near(mine, other)
        assert_same_state(ours, theirs)
    if ours.running_mean is not None:
        assert ours.num_batches_tracked == 3
        assert (ours.running_mean != 0).all()


def test_the_running_variance_is_unbiased_and_the_output_s_is_not():
    layer = BatchNorm(1, momentum=1.0, affine=False, eps=0)
    x = torch.tensor([[1.0], [3.0]])
    assert layer(x).tolist() == [[-1], [1]]  # variance 1
    assert layer.running_var.item() == 2 and layer.running_mean.item() == 2
    layer.eval()
    assert layer(x)[1].item() == pytest.approx(2**-0.5)


def test_two_pictures_of_one_pixel():
    ours, theirs = twins((2, 3, 1, 1))
    x, *_, error = example((2, 3, 1, 1))
    for mine, other in zip(
        results(ours, x, error), results(theirs, x, error), strict=True
    ):
        assert_near(mine, other, 1e-8)


def test_evaluation_moves_nothing():
    layer, _ = twins((4, 3))
    layer(example((4, 3))[0])
    kept = copy.deepcopy(layer.state_dict())
    layer.eval()(example((4, 3), seed=9)[0])
    layer(example((1, 3), seed=9)[0])  # one value is enough here
    assert all(torch.equal(kept[name], t) for name, t in layer.state_dict().items())


def test_statistics_stay_the_same_tensors_and_out_of_autograd():
    layer, _ = twins((4, 3))
    mean, variance = layer.running_mean, layer.running_var
    x = example((4, 3))[0].requires_grad_()
    layer(x).sum().backward()
    layer(x).sum().backward()
    assert layer.running_mean is mean and layer.running_var is variance
    assert not mean.requires_grad and mean.any()


def test_one_class_takes_all_sizes():
    for size in (*SIZES, (3, 2, 2, 2, 2)):
        layer, x = BatchNorm(size[1], dtype=double), example(size)[0]
        expected = F.batch_norm(x, None, None, training=True)
        assert_near(layer(x), expected, 1e-8)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("change", [
    lambda t: t.to(memory_format=torch.channels_last),
    lambda t: t.mT.contiguous().mT,
    lambda t: F.pad(t, (2, 1))[..., 2:-1],
], ids=["channels last", "transposed", "offset"])  # fmt: skip
def test_the_layout_in_memory_does_not_matter(change, training):
    ours, theirs = twins((4, 3, 5, 2))
    x, *_, error = example((4, 3, 5, 2))
    for layer in (ours, theirs):
        layer.train(training)
    expected = results(theirs, x, error)
    changed = change(x)
    for mine, other in zip(
        results(ours, changed, change(error)), expected, strict=True
    ):
        assert_near(mine, other)
    if x.is_contiguous() and changed.is_contiguous(memory_format=torch.channels_last):
        y = ours(changed)
        assert y.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("whole", [True, False], ids=["weights too", "x alone"])
def test_sixteen_bits(dtype, whole):
    ours, theirs = (layer.float() for layer in twins((8, 3, 5, 5)))
    x, *_, error = (t.float() for t in example((8, 3, 5, 5)))
    expected = results(theirs, x, error)
    layer = ours.to(dtype) if whole else ours
    found = results(layer, x.to(dtype), error.to(dtype))
    types = [dtype, dtype, *[dtype if whole else torch.float32] * 2]
    assert [tensor.dtype for tensor in found] == types
    for mine, other in zip(found, expected, strict=True):
        assert_near(mine.float(), other, 0.15)
    assert_near(layer.running_mean.float(), theirs.running_mean, 0.02)
    assert layer.eval()(x.to(dtype)).dtype == dtype


def test_large_numbers_of_sixteen_bits_do_not_overflow():
    x = 200 * random(64, 2, 8, 8).half()  # the sum of their squares is over 65504
    y = BatchNorm2d(2)(x)
    assert y.float().std(correction=0).item() == pytest.approx(1, abs=0.01)


def test_under_autocast_the_type_of_x_is_kept():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), BatchNorm2d(2))
    with torch.autocast("cpu", torch.bfloat16):
        y = net(random(4, 1, 6, 6, dtype=torch.float32))
    assert y.dtype == torch.bfloat16 and net[1].running_mean.dtype == torch.float32
    y.float().square().sum().backward()
    assert net[0].weight.grad.dtype == net[1].weight.grad.dtype == torch.float32


# In a net


def small_net(norm_2d, norm_1d, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), norm_2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(16, 8), norm_1d(8), nn.ReLU(), nn.Linear(8, 3),
    ).double()  # fmt: skip


def train(net, steps=20):
    """The losses of some steps, then those in evaluation mode."""
    images, labels = random(24, 1, 6, 6), torch.arange(24) % 3
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for step in range(steps):
        some = slice(8 * (step % 3), 8 * (step % 3) + 8)
        loss = F.cross_entropy(net(images[some]), labels[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    net.eval()
    return torch.stack([*losses, F.cross_entropy(net(images), labels).detach()])


def test_a_net_learns_as_with_torch_s():
    ours = small_net(BatchNorm2d, BatchNorm1d)
    theirs = small_net(nn.BatchNorm2d, nn.BatchNorm1d)
    losses, expected = train(ours), train(theirs)
    assert_near(losses, expected, 1e-9)
    assert losses[19] < losses[0] / 2
    assert_same_state(ours, theirs, 1e-9)


def test_states_go_both_ways():
    ours = small_net(BatchNorm2d, BatchNorm1d)
    theirs = small_net(nn.BatchNorm2d, nn.BatchNorm1d, seed=1)
    train(theirs, steps=4)
    x = random(6, 1, 6, 6)
    ours.load_state_dict(theirs.state_dict())
    assert_near(ours.eval()(x), theirs.eval()(x))
    train(ours.train(), steps=4)
    theirs.load_state_dict(ours.state_dict())
    assert_near(theirs.eval()(x), ours.eval()(x))
    assert theirs[1].num_batches_tracked == 8


def test_layers_show_their_settings():
    assert repr(BatchNorm2d(3, momentum=None)) == (
        "BatchNorm2d(3, eps=1e-05, momentum=None)"
    )


# Relatives


def with_weights(*layers):
    for layer in layers:
        layer.double()
        for seed, parameter in enumerate(layer.parameters()):
            nn.init.normal_(parameter, generator=torch.Generator().manual_seed(seed))
    return layers


@pytest.mark.parametrize(("size", "shape"), [
    ((4, 6), 6), ((4, 6), (6,)), ((2, 3, 4, 5), (3, 4, 5)), ((2, 3, 4, 5), (4, 5)),
    ((2, 5, 7), [7]), ((7,), 7),
])  # fmt: skip
def test_layer_norm_equals_torch_s(size, shape):
    ours, theirs = with_weights(LayerNorm(shape, 1e-3), nn.LayerNorm(shape, 1e-3))
    x, error = 3 * random(*size) + 1, random(*size, seed=1)
    for mine, other in zip(
        results(ours, x, error), results(theirs, x, error), strict=True
    ):
        assert_near(mine, other)
    assert_same_state(ours, theirs)


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("size", [(3, 6, 4, 5), (1, 6, 3), (2, 6, 2, 2, 2)])
def test_group_norm_equals_torch_s(size, groups):
    ours, theirs = with_weights(
        GroupNorm(groups, 6, 1e-3), nn.GroupNorm(groups, 6, 1e-3)
    )
    x, error = 3 * random(*size) + 1, random(*size, seed=1)
    for mine, other in zip(
        results(ours, x, error), results(theirs, x, error), strict=True
    ):
        assert_near(mine, other)
    assert_same_state(ours, theirs)


def test_group_norm_takes_channels_last():
    x = random(2, 6, 4, 5).to(memory_format=torch.channels_last)
    for layer in with_weights(GroupNorm(2, 6), GroupNorm(3, 6)):
        expected = F.group_norm(x, layer.num_groups, layer.weight, layer.bias)
        assert_near(layer(x), expected)


def test_relatives_do_not_care_about_the_batch_and_batch_norm_does():
    x = random(4, 6, 3, 3)
    for layer in with_weights(LayerNorm((6, 3, 3)), GroupNorm(2, 6)):
        assert_near(layer(x)[:1], layer(x[:1]))
        assert layer.float()(x.half()).dtype == torch.half
    layer = BatchNorm(6, dtype=double)
    assert not torch.allclose(layer(x)[:1], layer(x[:1]))


def test_they_differ_in_the_axes_alone():
    x = random(4, 6, 3, 3)
    assert_near(standardize(x, (0, 2, 3)), F.batch_norm(x, None, None, training=True))
    assert_near(standardize(x, (1, 2, 3)), F.group_norm(x, 1))
    assert_near(standardize(x, (2, 3)), F.instance_norm(x))
    mean, variance = channel_statistics(x)
    ones, zeros = torch.ones(6, dtype=double), torch.zeros(6, dtype=double)
    assert_near(standardize(x, (0, 2, 3)), normalize(x, mean, variance, ones, zeros))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(double, 1e-10), (torch.float32, 1e-3)]
)
def test_cuda_equals_the_processor(training, dtype, tolerance):
    _, theirs = twins((8, 3, 5, 5))
    x, *_, error = example((8, 3, 5, 5))
    layer = BatchNorm2d(3, device="cuda", dtype=dtype)
    layer.load_state_dict(theirs.state_dict())
    layer.train(training), theirs.train(training)
    found = results(layer, x.to("cuda", dtype), error.to("cuda", dtype))
    for mine, other in zip(found, results(theirs, x, error), strict=True):
        assert_near(mine.cpu().double(), other, tolerance)
    assert_near(layer.running_var.cpu().double(), theirs.running_var, tolerance)


# Errors


def zeros(*size, dtype=torch.float32):
    return torch.zeros(size, dtype=dtype)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: batch_norm_forward(zeros(5), zeros(5), zeros(5)),
     r"x must be \[N, C\] or \[N, C, H, W\].*float32 \[5\]"),
    (lambda: batch_norm_forward(zeros(4, 3).long(), zeros(3), zeros(3)),
     r"floating-point numbers, got torch.int64 \[4, 3\]"),
    (lambda: batch_norm_forward(zeros(4, 3), zeros(1), zeros(3)),
     r"weight must be \[3\], .* x \[4, 3\], got \[1\]"),
    (lambda: batch_norm_forward(zeros(4, 3), zeros(3), zeros(4)),
     r"bias must be \[3\], .*got \[4\]"),
    (lambda: batch_norm_forward(zeros(1, 3), zeros(3), zeros(3)),
     r"more than one value .*\[1, 3\]; .*larger batch .*evaluation mode"),
    (lambda: batch_norm_backward(zeros(4, 1), zeros(4, 3), *[zeros(3)] * 3),
     r"grad_output must be \[4, 3\], .*got \[4, 1\]"),
    (lambda: batch_norm_evaluation_backward(zeros(3), zeros(4, 3), *[zeros(3)] * 3),
     r"grad_output must be \[4, 3\], .*got \[3\]"),
    (lambda: BatchNorm2d(3)(zeros(1, 3, 1, 1)), "more than one value"),
    (lambda: BatchNorm2d(3)(zeros(0, 3, 2, 2)), "more than one value"),
    (lambda: BatchNorm1d(3, track_running_stats=False).eval()(zeros(1, 3)),
     "more than one value"),
    (lambda: BatchNorm2d(3)(zeros(4, 3)), r"takes x of 4 axes \[N, 3.*got \[4, 3\]"),
    (lambda: BatchNorm1d(3)(zeros(2, 3, 2, 2)), "takes x of 2 to 3 axes"),
    (lambda: BatchNorm(1).eval()(zeros(4, 3)),
     r"BatchNorm\(1\).*1 channels, got \[4, 3\]"),
    (lambda: BatchNorm(3)(zeros(4, 3, dtype=double)),
     r"x is torch.float64, the weight of BatchNorm is torch.float32; .*x.to\("),
    (lambda: BatchNorm(0), "num_features must be .*from 1, got 0"),
    (lambda: BatchNorm(3, eps=-1), "eps must be at least 0, got -1"),
    (lambda: BatchNorm(3, momentum=1.5), "from 0 to 1, or None .*got 1.5"),
    (lambda: GroupNorm(4, 6), "divides the 6 channels, got 4; 1 always does"),
    (lambda: GroupNorm(2, 6)(zeros(2, 4, 3)), r"GroupNorm\(6\).*got \[2, 4, 3\]"),
    (lambda: BatchNorm(3)(zeros(4, 3).long()), "numbers, got torch.int64"),
    (lambda: LayerNorm((3, 4))(zeros(2, 3, 1)),
     r"last axes of x must be \[3, 4\], got x \[2, 3, 1\]"),
])  # fmt: skip
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
