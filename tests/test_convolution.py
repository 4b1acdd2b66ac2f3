"""Convolution by hand against torch's: forward, gradients, layers and errors."""

import copy
import itertools

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from torch import nn

from course_utils import convolution, layouts
from course_utils.convolution import (
    AvgPool2d,
    Conv2d,
    Conv2dFunction,
    MaxPool2d,
    conv2d_backward,
    conv2d_forward,
    conv2d_input_gradient,
    conv2d_weight_gradient,
    conv2d_windows,
    conv_transpose2d,
    window_matrices,
)
from course_utils.windows import kernel_grid, output_size, windows

# torch says that it copies for an even kernel.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even")
FORWARDS = (conv2d_forward, conv2d_windows)
double = torch.float64


@pytest.fixture(scope="module", params=[1, 10**9], autouse=True)
def narrow(request):
    """All is computed with channels last in memory, and then with places last.

    But for groups, where places are always last."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layouts, "NARROW", request.param)
        yield request.param


def random(*size, seed=0, dtype=double):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=generator, dtype=dtype)


def example(x_size, out_channels, kernel, groups=1, dtype=double, seed=0):
    """x, weight and bias, all random and wanting gradients."""
    weight_size = (out_channels, x_size[1] // groups, *kernel)
    given = (x_size, weight_size, (out_channels,))
    return [
        random(*size, seed=seed + i, dtype=dtype).requires_grad_()
        for i, size in enumerate(given)
    ]


def assert_near(ours, theirs, tolerance):
    """Equal up to `tolerance` times the largest number, and of the same shape."""
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    scale = max(1.0, theirs.detach().abs().max().item()) if theirs.numel() else 1.0
    assert torch.allclose(ours, theirs, rtol=0, atol=tolerance * scale)


def assert_equals_torch(x, weight, bias, settings, tolerance=1e-10):
    """Both forwards, and all gradients, against torch's own."""
    theirs = F.conv2d(x, weight, bias, *settings)
    for forward in FORWARDS:
        assert_near(forward(x, weight, bias, *settings), theirs, tolerance)
    error = random(*theirs.shape, seed=9, dtype=x.dtype)
    expected = torch.autograd.grad(theirs, (x, weight, bias), error)
    with torch.no_grad():
        gradients = conv2d_backward(error, x, weight, *settings)
    for ours, grad in zip(gradients, expected, strict=True):
        assert_near(ours, grad, tolerance)


# Against torch

STRIDES, PADDINGS, DILATIONS = (1, 2, (3, 1)), (0, 1, (2, 0), "same"), (1, (2, 1))
KERNELS = ((3, 3), (2, 2), (1, 1), (1, 4), (5, 2))
GRID = [
    settings
    for settings in itertools.product(KERNELS, STRIDES, PADDINGS, DILATIONS, (1, 2))
    if settings[2] != "same" or settings[1] == 1
]


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation", "groups"), GRID)
def test_it_equals_torch_over_a_grid(kernel, stride, padding, dilation, groups):
    x, weight, bias = example((2, 4, 9, 7), 6, kernel, groups)
    assert_equals_torch(x, weight, bias, (stride, padding, dilation, groups))


small, tiny = st.integers(1, 4), st.integers(1, 3)
pairs = st.one_of(tiny, st.tuples(small, small))
paddings = st.one_of(st.integers(0, 4), st.tuples(st.integers(0, 5), st.integers(0, 5)))
problems = st.fixed_dictionaries(
    {
        "pictures": st.integers(0, 3),
        "groups": tiny,
        "channels": tiny,
        "out_channels": tiny,
        "size": st.tuples(st.integers(1, 10), st.integers(1, 10)),
        "kernel": st.tuples(small, small),
        "stride": pairs,
        "padding": st.one_of(paddings, st.sampled_from(["same", "valid"])),
        "dilation": pairs,
        "seed": st.integers(0, 999),
    }
)


def drawn(problem, dtype):
    """The tensors and settings of a drawn problem; it is dropped if it has none."""
    groups, stride = problem["groups"], problem["stride"]
    assume(problem["padding"] != "same" or stride in (1, (1, 1)))
    settings = (stride, problem["padding"], problem["dilation"], groups)
    x_size = (problem["pictures"], groups * problem["channels"], *problem["size"])
    try:
        kernel_grid(x_size, problem["kernel"], *settings[:3])
    except ValueError:
        assume(False)
    out_channels = groups * problem["out_channels"]
    kernel, seed = problem["kernel"], problem["seed"]
    return *example(x_size, out_channels, kernel, groups, dtype, seed), settings


@given(problems)
def test_it_equals_torch_for_drawn_shapes(problem):
    assert_equals_torch(*drawn(problem, double))


@given(problems)
def test_it_equals_torch_in_single_precision(problem):
    assert_equals_torch(*drawn(problem, torch.float32), tolerance=1e-4)


@given(problems)
def test_what_torch_refuses_is_refused(problem):
    groups, padding = problem["groups"], problem["padding"]
    x = random(1, groups, *problem["size"])
    weight = random(groups, 1, *problem["kernel"])
    settings = (problem["stride"], padding, problem["dilation"], groups)
    try:
        F.conv2d(x, weight, None, *settings)
    except RuntimeError:
        for forward in FORWARDS:
            with pytest.raises(ValueError, match=r"does not fit|needs stride 1"):
                forward(x, weight, None, *settings)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("at_once", [1, 1000, 10**9])
def test_the_number_of_pictures_at_once_changes_nothing(
    at_once, threads, groups, monkeypatch
):
    monkeypatch.setattr(layouts, "AT_ONCE", at_once)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    x, weight, bias = example((5, 4, 6, 7), 6, (3, 2), groups)
    assert_equals_torch(x, weight, bias, ((2, 1), 1, (1, 2), groups))
    grid = kernel_grid(x.shape, (3, 2), (2, 1), 1, (1, 2))
    each = layouts.pictures_at_once(x, grid) / threads  # rows of 8 x 7 x 2 x 4 numbers
    assert each == {1: {1: 1, 1000: 2, 10**9: 5}, 2: {1: 1, 1000: 2, 10**9: 3},
                    4: {1: 1, 1000: 2, 10**9: 2}}[threads][at_once]  # fmt: skip


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("settings", [((2, 1), 0, (1, 2)), (1, (1, 2), (2, 1))])
def test_matrices_are_what_the_rows_of_the_kernel_see(settings, groups, monkeypatch):
    monkeypatch.setattr(layouts, "AT_ONCE", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    x = random(5, 4, 6, 7)
    grid = kernel_grid(x.shape, (3, 2), *settings)
    seen = windows(F.pad(x, grid.pads), grid.kernel_size, grid.stride, grid.dilation)
    seen = seen.unflatten(1, (groups, -1))  # [N, G, C/G, H', W', K, K]
    for mode, last in itertools.product((torch.no_grad, torch.enable_grad), (0, 1)):
        with mode():
            pairs = window_matrices(x, grid, groups, last)
            batches, found = zip(*((b, torch.stack(m)) for b, m in pairs), strict=True)
        assert len(found) > 1  # parts of the batch
        everything = torch.arange(5)
        assert torch.equal(torch.cat([everything[b] for b in batches]), everything)
        assert sum(len(m[0]) for m in found) == 5 * groups
        for i, matrices in enumerate(torch.cat(found, 1)):
            row = seen[..., i, :].permute(0, 1, 3, 4, 5, 2)  # [N, G, H', W', K, C/G]
            assert torch.equal(matrices, row.reshape(5 * groups, -1, 2 * 4 // groups))


# Layouts

LAYOUTS = {
    "channels last": lambda t: t.to(memory_format=torch.channels_last),
    "transposed": lambda t: t.mT.contiguous().mT,
    "every second": lambda t: t.repeat_interleave(2, 3)[..., ::2],
    "offset": lambda t: F.pad(t, (2, 1, 1, 0))[:, :, 1:, 2:-1],
    "batch last": lambda t: t.movedim(0, 3).contiguous().movedim(3, 0),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("kernel", [(3, 3), (1, 1), (2, 1)])
def test_the_layout_in_memory_does_not_matter(layout, kernel):
    x, weight, bias = example((3, 4, 6, 7), 6, kernel, groups=2)
    settings = (2, 1, 1, 2)
    y = conv2d_forward(x, weight, bias, *settings)
    error = random(*y.shape, seed=9)
    expected = conv2d_backward(error, x, weight, *settings)
    x, weight, error = (layout(t.detach()) for t in (x, weight, error))
    for forward in FORWARDS:
        assert_near(forward(x, weight, bias, *settings), y, 1e-12)
    for ours, grad in zip(conv2d_backward(error, x, weight, *settings), expected,
                          strict=True):  # fmt: skip
        assert_near(ours, grad, 1e-12)


def test_expanded_tensors_are_read_only():
    x, weight = random(1, 2, 5, 5).expand(3, -1, -1, -1), random(1, 2, 3, 3)
    weight, error = weight.expand(4, -1, -1, -1), random(1, 1, 3, 3).expand(3, 4, 3, 3)
    kept = [t.clone() for t in (x, weight, error)]
    assert_near(conv2d_forward(x, weight), F.conv2d(x, weight), 1e-12)
    conv2d_backward(error, x, weight)
    assert all(map(torch.equal, (x, weight, error), kept))


def test_no_result_shares_memory_with_an_argument():
    x, weight = random(2, 3, 4, 4), torch.eye(3, dtype=double)[:, :, None, None]
    y = conv2d_forward(x, weight)
    grad_x, *_ = conv2d_backward(y, x, weight)
    assert torch.equal(x, y)
    y.zero_(), grad_x.zero_()
    assert x.all()


@pytest.mark.parametrize("groups", [1, 2])
def test_an_empty_batch_has_an_empty_output_and_gradients_of_zero(groups):
    x, weight, bias = example((0, 4, 5, 5), 6, (3, 3), groups)
    assert conv2d_forward(x, weight, bias, padding=1, groups=groups).numel() == 0
    error = torch.zeros(0, 6, 5, 5, dtype=double)
    grad_x, *others = conv2d_backward(error, x, weight, padding=1, groups=groups)
    assert grad_x.shape == x.shape
    assert [t.shape for t in others] == [weight.shape, bias.shape]
    assert not any(t.any() for t in others)


# What the chapters say of the gradients


@given(problems)
def test_the_weight_gradient_is_a_convolution_of_input_with_error(problem):
    x, weight, _, settings = drawn({**problem, "groups": 1}, double)
    stride, padding, dilation, _ = settings
    assume(not isinstance(padding, str) and len(x))
    error = random(*conv2d_forward(x, weight, None, *settings).shape)
    gradient = conv2d_weight_gradient(error, x, weight.shape, *settings)
    # Stride and dilation change places, pictures become channels and channels pictures.
    swapped = (dilation, padding, stride)
    found = conv2d_forward(x.transpose(0, 1), error.transpose(0, 1), None, *swapped)
    kh, kw = weight.shape[2:]
    assert_near(found.transpose(0, 1)[:, :, :kh, :kw], gradient, 1e-10)


def test_the_input_gradient_is_the_transposed_matrix():
    x, weight, _ = example((1, 2, 5, 4), 3, (3, 2))
    settings = ((2, 1), 1, 1, 1)
    matrix = torch.autograd.functional.jacobian(
        lambda x: conv2d_windows(x, weight, None, *settings), x
    )  # [1, O, H', W', 1, C, H, W]
    error = random(*matrix.shape[:4])
    gradient = conv2d_input_gradient(error, weight, x.shape, *settings)
    assert_near(gradient.flatten(), error.flatten() @ matrix.flatten(4).flatten(0, 3),
                1e-12)  # fmt: skip


# Second derivatives, and no work for nothing

CHECKED = [
    (1, 0, 1, 1),
    (1, 1, 1, 2),
    (2, 1, 1, 1),
    ((3, 2), (2, 1), (1, 2), 2),
    (1, "same", (2, 1), 1),
    (4, 3, 1, 1),
]


@pytest.mark.parametrize("settings", CHECKED, ids=str)
@pytest.mark.parametrize("with_bias", [True, False])
def test_first_and_second_derivatives_by_finite_differences(settings, with_bias):
    x, weight, bias = example((2, 2, 4, 3), 2, (2, 3), settings[3])

    def apply(*tensors):
        x, weight, *bias = tensors
        bias = bias[0] if bias else None
        return Conv2dFunction.apply(x, weight, bias, *settings)

    tensors = (x, weight, bias) if with_bias else (x, weight)
    assert torch.autograd.gradcheck(apply, tensors)
    assert torch.autograd.gradgradcheck(apply, tensors)


@pytest.mark.parametrize("wanted", list(itertools.product([True, False], repeat=3)))
def test_gradients_that_nobody_wants_are_not_computed(wanted, monkeypatch):
    called = []
    for name in ("conv2d_input_gradient", "conv2d_weight_gradient"):
        original = getattr(convolution, name)

        def noted(*arguments, name=name, original=original):
            called.append(name)
            return original(*arguments)

        monkeypatch.setattr(convolution, name, noted)
    tensors = example((2, 2, 5, 5), 3, (3, 3))
    for tensor, needed in zip(tensors, wanted, strict=True):
        tensor.requires_grad_(needed)
    y = Conv2dFunction.apply(*tensors, 1, 1, 1, 1)
    assert y.requires_grad == any(wanted)
    if any(wanted):
        y.sum().backward()
    assert ("conv2d_input_gradient" in called) == wanted[0]
    assert ("conv2d_weight_gradient" in called) == wanted[1]
    assert [t.grad is not None for t in tensors] == list(wanted)


# Layers


@pytest.mark.parametrize("options", [
    {}, {"bias": False}, {"groups": 2}, {"stride": 2, "padding": 1},
    {"padding": "same", "dilation": 2}, {"stride": (1, 2), "padding": (0, 1)},
], ids=str)  # fmt: skip
def test_the_layer_starts_as_torch_s_and_computes_the_same(options):
    torch.manual_seed(3)
    theirs = nn.Conv2d(4, 6, (3, 2), **options)
    torch.manual_seed(3)
    ours = Conv2d(4, 6, (3, 2), **options)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, parameter in theirs.named_parameters():
        assert torch.equal(getattr(ours, name), parameter)
    x = random(3, 4, 8, 9, dtype=torch.float32)
    assert_near(ours(x), theirs(x), 1e-4)
    nn.init.normal_(theirs.weight)
    ours.load_state_dict(theirs.state_dict())
    assert_near(copy.deepcopy(ours)(x), theirs(x), 1e-4)
    theirs.load_state_dict(ours.state_dict())


def test_the_layer_shows_its_settings_and_takes_a_type():
    layer = Conv2d(3, 8, 5, stride=2, padding="valid", dtype=double)
    assert repr(layer) == "Conv2d(3, 8, (5, 5), stride=(2, 2), padding=valid)"
    assert layer.weight.dtype == layer.bias.dtype == double
    assert layer(random(1, 3, 9, 9)).shape == (1, 8, 3, 3)


def test_layers_that_work_in_place_can_follow():
    x = random(2, 3, 8, 8).requires_grad_()
    grads = []
    for inplace in (False, True):
        torch.manual_seed(0)
        layers = Conv2d(3, 4, 3, dtype=double), nn.ReLU(inplace), MaxPool2d(1)
        net = nn.Sequential(*layers, nn.ReLU(inplace), AvgPool2d(1), nn.ReLU(inplace))
        grads.append(torch.autograd.grad(net(x).square().sum(), x)[0])
    assert torch.equal(*grads)


def lenet(conv, max_pool, avg_pool, dtype):
    """LeNet with the one or the other layers; both poolings, so that both are tried."""
    torch.manual_seed(1)
    return nn.Sequential(
        conv(1, 6, 5, padding=2), nn.ReLU(), max_pool(2),
        conv(6, 16, 5), nn.ReLU(), avg_pool(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    ).to(dtype)  # fmt: skip


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(double, 1e-11), (torch.float32, 1e-4)]
)
def test_lenet_learns_the_same_in_20_steps(dtype, tolerance):
    ours = lenet(Conv2d, MaxPool2d, AvgPool2d, dtype)
    theirs = lenet(nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, dtype)
    start = copy.deepcopy(ours)
    labels = torch.arange(16) % 10
    images = random(16, 1, 28, 28, dtype=dtype) + labels[:, None, None, None] / 5
    losses = []
    for net in (ours, theirs):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        for _ in range(20):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images), labels)
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    nets = [net.state_dict().values() for net in (ours, theirs, start)]
    for mine, other, before in zip(*nets, strict=True):
        assert (mine - other).abs().max() < tolerance
        assert (mine - before).abs().max() > 100 * tolerance  # it has moved
    assert losses[0] < 2 and abs(losses[0] - losses[1]) < tolerance


# Transposed convolution


@given(problems, st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_the_transposed_convolution_equals_torch(problem, extra):
    groups, stride = problem["groups"], problem["stride"]
    padding, dilation = problem["padding"], problem["dilation"]
    steps = stride if isinstance(stride, tuple) else (stride, stride)
    assume(not isinstance(padding, str))
    extra = tuple(e % s for e, s in zip(extra, steps, strict=True))
    x = random(problem["pictures"], groups * problem["channels"], *problem["size"])
    weight = random(x.shape[1], problem["out_channels"], *problem["kernel"], seed=1)
    bias = random(groups * problem["out_channels"], seed=2)
    settings = (stride, padding, extra, groups, dilation)
    tensors = [t.requires_grad_() for t in (x, weight, bias)]
    try:
        theirs = F.conv_transpose2d(*tensors, *settings)
    except RuntimeError:
        assume(False)
    assume(min(theirs.shape[2:]) > 0)  # torch lets that pass where there is no picture
    ours = conv_transpose2d(*tensors, *settings)
    assert_near(ours, theirs, 1e-10)
    assert_near(conv_transpose2d(x, weight, None, *settings) + bias[:, None, None],
                theirs, 1e-10)  # fmt: skip
    error = random(*theirs.shape, seed=3)
    expected = torch.autograd.grad(theirs, tensors, error)
    # With no picture there is nothing that the gradients could come from.
    found = torch.autograd.grad(ours, tensors, error, materialize_grads=True)
    for mine, grad in zip(found, expected, strict=True):
        assert_near(mine, grad, 1e-10)


# Types and devices


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_near(dtype):
    tensors = [t.detach() for t in example((2, 4, 8, 8), 6, (3, 3), 2)]
    x, weight, bias = (t.to(dtype) for t in tensors)
    rounded = [t.double() for t in (x, weight, bias)]
    y = conv2d_forward(x, weight, bias, 1, 1, 1, 2)
    assert y.dtype == dtype
    assert_near(y.double(), F.conv2d(*rounded, 1, 1, 1, 2), 0.02)
    gradients = conv2d_backward(y, x, weight, 1, 1, 1, 2)
    expected = conv2d_backward(y.double(), *rounded[:2], 1, 1, 1, 2)
    for ours, grad in zip(gradients, expected, strict=True):
        assert_near(ours.double(), grad, 0.02)


def test_autocast_is_followed_as_torch_s_layer_does():
    torch.manual_seed(0)
    ours, theirs = Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    theirs.load_state_dict(ours.state_dict())
    x = random(2, 3, 8, 8, dtype=torch.float32)
    for net in (ours, theirs):
        with torch.autocast("cpu", torch.bfloat16):
            y = net(net(x)[:, :3])  # the second time x is bfloat16 already
        assert y.dtype == torch.bfloat16
        y.float().square().sum().backward()
        assert net.weight.grad.dtype == torch.float32
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_near(mine.grad, other.grad, 0.05)
    double_layer = Conv2d(3, 4, 3, dtype=double)
    with torch.autocast("cpu", torch.bfloat16):
        assert double_layer(x.double()).dtype == double


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(double, 1e-10), (torch.float32, 1e-4)]
)
def test_cuda_equals_the_processor(groups, dtype, tolerance):
    x, weight, bias = example((3, 4, 9, 8), 6, (3, 2), groups)
    settings = ((2, 1), 1, (1, 2), groups)
    y = F.conv2d(x, weight, bias, *settings)
    error = random(*y.shape, seed=9)
    expected = torch.autograd.grad(y, (x, weight, bias), error)
    x, weight, bias, error = (
        t.detach().to("cuda", dtype) for t in (x, weight, bias, error)
    )
    for forward in FORWARDS:
        ours = forward(x, weight, bias, *settings)
        assert_near(ours.cpu().double(), y, tolerance)
    for ours, grad in zip(conv2d_backward(error, x, weight, *settings), expected,
                          strict=True):  # fmt: skip
        assert_near(ours.cpu().double(), grad, tolerance)


# Errors


def zeros(*size, dtype=torch.float32):
    return torch.zeros(size, dtype=dtype)


BAD = [
    ((zeros(28, 28), zeros(4, 1, 3, 3)), r"x must be \[N, C, H, W\], got \[28, 28\]"),
    ((zeros(1, 1, 8, 8), zeros(3, 3)), r"weight must be \[output.*got \[3, 3\]"),
    (
        (zeros(2, 3, 8, 8), zeros(4, 2, 3, 3)),
        r"2 is not 3 for x \[2, 3, 8, 8\], weight \[4, 2, 3, 3\] and groups 1; weight "
        r"is \[output channels, input channels / groups, K, K\]",
    ),
    (
        (zeros(2, 4, 8, 8), zeros(4, 4, 3, 3), None, 1, 0, 1, 2),
        r"as many channels as a group of x, 4 is not 2 .* groups 2",
    ),
    (
        (zeros(2, 3, 8, 8), zeros(4, 1, 3, 3), None, 1, 0, 1, 2),
        "groups must divide .* 2 does not divide both 3 input and 4 output channels",
    ),
    (
        (zeros(2, 4, 8, 8), zeros(3, 2, 3, 3), None, 1, 0, 1, 2),
        "2 does not divide both 4 input and 3 output channels; 1 always does",
    ),
    (
        (zeros(2, 4, 8, 8), zeros(4, 4, 3, 3), None, 1, 0, 1, 0),
        "groups must be a whole number from 1, got 0",
    ),
    ((zeros(2, 3, 4, 8), zeros(4, 3, 5, 5)), "5 x 5 .* does not fit into 4 x 8 pixels"),
    ((zeros(2, 3, 8, 8), zeros(4, 3, 3, 3), None, 0), "stride must be .* 1, .*got 0"),
    ((zeros(2, 3, 8, 8), zeros(4, 3, 3, 3), None, 1, -1), "padding must be .*got -1"),
    ((zeros(2, 3, 8, 8), zeros(4, 3, 3, 3), None, 2, "same"), "'same' needs stride 1"),
    (
        (zeros(2, 3, 8, 8, dtype=double), zeros(4, 3, 3, 3)),
        r"x is torch.float64 on cpu, weight is torch.float32 on cpu; .*x.to\(weight\)",
    ),
    (
        (zeros(2, 3, 8, 8), zeros(4, 3, 3, 3), zeros(4, dtype=double)),
        "x is torch.float32 on cpu, bias is torch.float64 on cpu",
    ),
    (
        (zeros(2, 3, 8, 8), zeros(4, 3, 3, 3), zeros(3)),
        r"one number for each output channel of weight \[4, 3, 3, 3\], got \[3\]",
    ),
]


@pytest.mark.parametrize("forward", FORWARDS)
@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_wrong_arguments_are_named(forward, arguments, message):
    with pytest.raises(ValueError, match=message):
        forward(*arguments)


def test_an_error_of_the_wrong_size_is_named():
    x, weight = zeros(2, 3, 8, 8), zeros(4, 3, 3, 3)
    message = r"grad_output must be \[2, 4, 6, 6\], as the output for x \[2, 3, 8, 8\]"
    for error in (zeros(2, 4, 8, 8), zeros(2, 3, 6, 6), zeros(1, 4, 6, 6), zeros(6, 6)):
        with pytest.raises(ValueError, match=message):
            conv2d_input_gradient(error, weight, x.shape)
        with pytest.raises(ValueError, match=message):
            conv2d_weight_gradient(error, x, weight.shape)


@pytest.mark.parametrize(("arguments", "message"), [
    ((3, 4, 3, 1, 0, 1, 2), "2 does not divide both 3 input and 4 output channels"),
    ((3, 4, 3, 1, 0, 1, 0), "groups must be a whole number from 1, got 0"),
    ((3, 4, 0), "kernel_size must be a whole number from 1"),
    ((3, 4, 3, 0), "stride must be a whole number from 1"),
    ((3, 4, 3, 1, "half"), "padding is numbers, 'same' or 'valid', got 'half'"),
    ((3, 4, 3, 2, "same"), "'same' needs stride 1"),
    ((3, 4, 3, 1, 0, 0), "dilation must be a whole number from 1"),
])  # fmt: skip
def test_a_layer_refuses_wrong_settings_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        Conv2d(*arguments)


@pytest.mark.parametrize(("arguments", "message"), [
    ((zeros(4, 4), zeros(1, 1, 2, 2)), r"takes x \[N, C, H, W\] .*got \[4, 4\]"),
    ((zeros(1, 2, 4, 4), zeros(3, 1, 2, 2)), r"got \[1, 2, 4, 4\] and \[3, 1, 2, 2\]"),
    ((zeros(1, 2, 4, 4), zeros(2, 1, 2, 2), None, 2, 0, 2), "smaller than the stride"),
    ((zeros(1, 2, 1, 1), zeros(2, 1, 2, 2), None, 1, 2), "would be -2 x -2 pixels"),
    ((zeros(1, 2, 4, 4), zeros(2, 1, 2, 2), zeros(2)), r"bias must .*got \[2\]"),
])  # fmt: skip
def test_wrong_arguments_of_a_transposed_convolution_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        conv_transpose2d(*arguments)


def test_sizes_follow_the_formula():
    for size, kernel, stride, padding in ((28, 5, 1, 2), (224, 11, 4, 2), (7, 7, 3, 0)):
        y = conv2d_forward(zeros(1, 1, size, 20), zeros(1, 1, kernel, 1), None,
                           stride, (padding, 0))  # fmt: skip
        assert y.shape[2] == output_size(size, kernel, stride, padding)
