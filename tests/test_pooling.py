"""Pooling by hand against torch's: values, ties, gradients, layers and errors."""

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from torch import nn

from course_utils.convolution import (
    AvgPool2d,
    MaxPool2d,
    avg_pool2d_backward,
    avg_pool2d_forward,
    max_pool2d_backward,
    max_pool2d_forward,
)

double = torch.float64
POOLINGS = {
    "max": (max_pool2d_forward, max_pool2d_backward, F.max_pool2d),
    "mean": (avg_pool2d_forward, avg_pool2d_backward, F.avg_pool2d),
}


def random(*size, seed=0, dtype=double):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=generator, dtype=dtype)


def few_values(*size, seed=0, values=3):
    """Pictures of so few values that almost every window has a tie."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(values, size, generator=generator).double()


def assert_equals_torch(x, kernel, stride, padding, names=POOLINGS, **options):
    for name in names:
        forward, backward, reference = POOLINGS[name]
        given = x.detach().clone().requires_grad_()
        theirs = reference(given, kernel, stride, padding, **options)
        ours = forward(x, kernel, stride, padding, **options)
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-12, equal_nan=True)
        error = random(*theirs.shape, seed=9, dtype=x.dtype)
        theirs.backward(error)
        gradient = backward(error, x, kernel, stride, padding, **options)
        assert torch.allclose(gradient, given.grad, rtol=0, atol=1e-12)


small = st.integers(1, 4)
numbers = st.one_of(small, st.tuples(small, small))
problems = st.tuples(
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(1, 9),
              st.integers(1, 9)),
    numbers,
    st.one_of(st.none(), numbers),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.integers(0, 999),
)  # fmt: skip


def drawn(problem):
    """The sizes of a drawn problem; it is dropped if torch has no answer."""
    size, kernel, stride, padding, seed = problem
    try:
        F.max_pool2d(torch.zeros(size), kernel, stride, padding)
    except RuntimeError:
        assume(False)
    return size, (kernel, stride, padding), seed


@given(problems)
def test_it_equals_torch_for_drawn_shapes(problem):
    size, settings, seed = drawn(problem)
    assert_equals_torch(random(*size, seed=seed), *settings)


@given(problems)
def test_the_mean_can_leave_the_border_out(problem):
    size, settings, seed = drawn(problem)
    x = random(*size, seed=seed)
    assert_equals_torch(x, *settings, names=["mean"], count_include_pad=False)


@given(problems)
def test_ties_go_to_the_first_as_in_torch(problem):
    size, settings, seed = drawn(problem)
    assert_equals_torch(few_values(*size, seed=seed), *settings, names=["max"])


def test_of_equal_pixels_the_first_in_reading_order_gets_the_error():
    x = torch.tensor([[1.0, 3.0, 3.0], [3.0, 0.0, 3.0]])[None, None]
    y = max_pool2d_forward(x, 2, 1)
    assert y.tolist() == [[[[3.0, 3.0]]]]
    gradient = max_pool2d_backward(torch.tensor([[[[5.0, 7.0]]]]), x, 2, 1)
    assert gradient.tolist() == [[[[0.0, 12.0, 0.0], [0.0, 0.0, 0.0]]]]  # won twice


@given(problems)
def test_a_nan_spreads_as_in_torch(problem):
    size, settings, seed = drawn(problem)
    x = random(*size, seed=seed)
    x[x > 1] = torch.nan
    for forward, _, reference in POOLINGS.values():
        ours, theirs = forward(x, *settings), reference(x, *settings)
        assert torch.equal(ours.isnan(), theirs.isnan())
        assert torch.equal(ours.nan_to_num(), theirs.nan_to_num()) or torch.allclose(
            ours.nan_to_num(), theirs.nan_to_num(), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("place", [(0, 0), (3, 4), (6, 5)])
def test_the_error_of_a_window_with_a_nan_goes_to_it(place):
    x = random(1, 1, 7, 6)
    x[0, 0][place] = torch.nan
    assert_equals_torch(x, 3, 2, 1, names=["max"])


def test_of_several_nans_one_gets_the_whole_error():
    gradient = max_pool2d_backward(
        torch.full((1, 1, 1, 2), 5.0), torch.full((1, 1, 2, 4), torch.nan), 2
    )
    halves = gradient.view(2, 2, 2).movedim(1, 0).flatten(1)  # the pixels of a window
    assert [sorted(half) for half in halves.tolist()] == [[0.0, 0.0, 0.0, 5.0]] * 2


def test_the_border_never_wins_over_infinity():
    x = torch.full((1, 2, 3, 4), torch.inf, dtype=double)
    assert_equals_torch(x, 3, 2, 1, names=["max"])


def test_infinite_errors_stay_where_they_belong():
    x = random(1, 1, 4, 4)
    error = torch.ones(1, 1, 2, 2, dtype=double)
    error[0, 0, 0, 0] = torch.inf
    gradient = max_pool2d_backward(error, x, 2)
    assert gradient.isinf().sum() == 1 and not gradient.isnan().any()


def test_minus_infinity_is_a_pixel_like_others():
    x = torch.full((1, 1, 4, 4), -torch.inf)
    assert torch.equal(max_pool2d_forward(x, 3, 1, 1), x)


def test_the_error_of_minus_infinity_goes_to_a_pixel_and_not_to_the_border():
    x = torch.full((1, 2, 3, 4), -torch.inf, dtype=torch.float64)
    assert_equals_torch(x, 3, 2, 1, names=["max"])


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_type_is_kept(name, dtype):
    forward, backward, reference = POOLINGS[name]
    x = random(2, 3, 6, 6).to(dtype)
    y = forward(x, 3, 2, 1)
    assert y.dtype == dtype
    assert torch.allclose(y, reference(x, 3, 2, 1), rtol=0.01, atol=0.01)
    assert backward(y, x, 3, 2, 1).dtype == dtype


@pytest.mark.parametrize("change", [
    lambda t: t.to(memory_format=torch.channels_last),
    lambda t: t.mT.contiguous().mT,
    lambda t: F.pad(t, (2, 1))[..., 2:-1],
], ids=["channels last", "transposed", "offset"])  # fmt: skip
def test_the_layout_in_memory_does_not_matter(change):
    assert_equals_torch(change(random(2, 3, 7, 6)), 3, 2, 1)


@pytest.mark.parametrize("kernel", [1, (1, 2)])
def test_arguments_are_left_alone(kernel):
    x = random(2, 3, 4, 4)
    kept = x.clone()
    for forward, backward, _ in POOLINGS.values():
        y = forward(x, kernel, 1)
        gradient = backward(y, x, kernel, 1)
        y.zero_(), gradient.zero_()
    assert torch.equal(x, kept)


LAYERS = [
    (MaxPool2d, nn.MaxPool2d, (2,), {}),
    (MaxPool2d, nn.MaxPool2d, (3, 2, 1), {}),
    (MaxPool2d, nn.MaxPool2d, ((2, 3),), {"stride": (1, 2), "padding": (1, 0)}),
    (AvgPool2d, nn.AvgPool2d, (2,), {}),
    (AvgPool2d, nn.AvgPool2d, (3, 2, 1), {}),
    (AvgPool2d, nn.AvgPool2d, (3, 1), {"padding": 1, "count_include_pad": False}),
]


@pytest.mark.parametrize(("ours", "theirs", "arguments", "options"), LAYERS)
def test_layers_equal_torch_s_and_can_be_differentiated_twice(
    ours, theirs, arguments, options
):
    layer, reference = ours(*arguments, **options), theirs(*arguments, **options)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(2 * 2 * 5 * 6, generator=generator)  # no two pixels equal
    x = (order.double().view(2, 2, 5, 6) / 10).requires_grad_()
    assert torch.allclose(layer(x), reference(x), rtol=0, atol=1e-12)
    assert not list(layer.parameters()) and not layer.state_dict()
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


def test_layers_show_their_settings():
    assert repr(MaxPool2d(3, 2, 1)) == "MaxPool2d(3, stride=2, padding=1)"
    assert repr(AvgPool2d((2, 3))) == "AvgPool2d((2, 3), stride=(2, 3), padding=0)"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", POOLINGS)
def test_cuda_equals_the_processor(name):
    forward, backward, _ = POOLINGS[name]
    x, settings = few_values(2, 3, 7, 6), (3, 2, 1)
    y = forward(x, *settings)
    error = random(*y.shape, seed=9)
    gradient = backward(error, x, *settings)
    assert torch.allclose(forward(x.cuda(), *settings).cpu(), y)
    assert torch.allclose(backward(error.cuda(), x.cuda(), *settings).cpu(), gradient)


def zeros(*size, dtype=torch.float32):
    return torch.zeros(size, dtype=dtype)


BAD = [
    ((zeros(28, 28), 2), r"x must be \[N, C, H, W\], got \[28, 28\]; .*x\[None\]"),
    ((zeros(1, 1, 4, 4), 0), "kernel_size must be a whole number from 1, .*got 0"),
    ((zeros(1, 1, 4, 4), 2, 0), "stride must be a whole number from 1, .*got 0"),
    ((zeros(1, 1, 4, 4), 2, 2, -1), "padding must be a whole number from 0, .*got -1"),
    (
        (zeros(1, 1, 4, 4), 3, 1, 2),
        "at most half of its kernel, .* got 2 x 2 for 3 x 3",
    ),
    ((zeros(1, 1, 4, 4), (2, 1), 1, (1, 1)), "half of its kernel, .* 1 x 1 for 2 x 1"),
    ((zeros(1, 1, 4, 2), 3), "3 x 3 .* does not fit into 4 x 2 pixels"),
    (
        (zeros(1, 1, 4, 4, dtype=torch.int64), 2),
        r"floating-point numbers, got torch.int64; x.float\(\)",
    ),
]


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_wrong_arguments_are_named(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        POOLINGS[name][0](*arguments)


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("size", [(2, 3, 4, 4), (2, 1, 2, 2), (2, 2)])
def test_an_error_of_the_wrong_size_is_named(name, size):
    message = r"grad_output must be \[2, 3, 2, 2\], as the output for x \[2, 3, 4, 4\]"
    with pytest.raises(ValueError, match=message):
        POOLINGS[name][1](zeros(*size), zeros(2, 3, 4, 4), 2)
