"""Windows: the places of a kernel, the views of what it sees, and errors for sizes."""

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given

from course_utils.windows import cells, dilate, kernel_grid, output_size, pad, windows

sizes, steps = st.integers(1, 9), st.integers(1, 4)


def numbered(n, c, h, w):
    """Pictures whose pixels are all different."""
    return torch.arange(n * c * h * w, dtype=torch.float64).view(n, c, h, w)


@given(sizes, steps, steps, st.integers(0, 5), steps)
def test_output_size_is_that_of_torch(size, kernel, stride, padding, dilation):
    places = output_size(size, kernel, stride, padding, dilation)
    x, weight = torch.zeros(1, 1, size), torch.zeros(1, 1, kernel)
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        assert places < 1
    else:
        assert places == F.conv1d(x, weight, None, stride, padding, dilation).shape[2]


@given(sizes, sizes, st.tuples(steps, steps), st.tuples(steps, steps),
       st.tuples(steps, steps))  # fmt: skip
def test_windows_are_the_pixels_that_the_formula_names(h, w, kernel, stride, dilation):
    x = numbered(2, 2, h, w)
    places = [output_size(size, k, s, 0, d) for size, k, s, d in
              zip((h, w), kernel, stride, dilation, strict=True)]  # fmt: skip
    assume(min(places) > 0)
    seen = windows(x, kernel, stride, dilation)
    assert seen.shape == (2, 2, *places, *kernel)
    for i in range(places[0]):
        for j in range(places[1]):
            rows = torch.arange(kernel[0]) * dilation[0] + i * stride[0]
            columns = torch.arange(kernel[1]) * dilation[1] + j * stride[1]
            assert torch.equal(seen[:, :, i, j], x[:, :, rows][:, :, :, columns])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_windows_are_views(layout):
    x = numbered(2, 3, 5, 6).to(memory_format=layout)
    seen = windows(x, 2)
    assert seen.data_ptr() == x.data_ptr()
    x[1, 2, 3, 4] = -1
    assert (seen[1, 2] == -1).sum() == 4  # the pixel is in four windows


@given(sizes, sizes, st.tuples(steps, steps), st.tuples(steps, steps),
       st.tuples(steps, steps))  # fmt: skip
def test_cells_are_the_windows_cell_by_cell(h, w, kernel, stride, dilation):
    assume(h > dilation[0] * (kernel[0] - 1) and w > dilation[1] * (kernel[1] - 1))
    x = numbered(1, 2, h, w)
    grid = kernel_grid(x.shape, kernel, stride, 0, dilation)
    seen = windows(x, kernel, stride, dilation).flatten(-2)
    views = list(cells(x, grid))
    assert len(views) == kernel[0] * kernel[1]
    for place, view in enumerate(views):
        assert torch.equal(view, seen[..., place])
        assert view.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()


def test_dilate_puts_zeros_between():
    x = numbered(1, 1, 2, 3) + 1
    wide = dilate(x, (3, 2))
    expected = torch.tensor([[1, 0, 2, 0, 3], [0] * 5, [0] * 5, [4, 0, 5, 0, 6]])
    assert torch.equal(wide[0, 0], expected.double())
    assert dilate(x, (1, 1)) is x


def test_pad_without_a_border_is_the_picture_itself():
    x = numbered(1, 1, 2, 2)
    assert pad(x, (0, 0, 0, 0)) is x
    assert pad(x, (1, 0, 0, 2), 7).shape == (1, 1, 4, 3)


@pytest.mark.parametrize(
    ("kernel", "dilation"), [(3, 1), (2, 1), ((4, 3), (1, 2)), ((1, 2), 3)]
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even")
def test_same_is_the_border_of_torch(kernel, dilation):
    x = numbered(1, 1, 7, 9)
    grid = kernel_grid(x.shape, kernel, padding="same", dilation=dilation)
    assert grid.output_size == (7, 9)
    weight = torch.zeros(1, 1, *grid.kernel_size, dtype=x.dtype)
    weight[0, 0, 0, 0] = 1  # y is the first cell: shows how far x has moved
    expected = F.conv2d(x, weight, padding="same", dilation=dilation)
    first = next(cells(pad(x, grid.pads), grid))
    assert torch.equal(first, expected)


X = (2, 3, 5, 6)
BAD = [
    (((5, 6), 3), r"x must be \[N, C, H, W\], got \[5, 6\]; .*x\[None\]"),
    ((X, 0), "kernel_size must be a whole number from 1, .*got 0"),
    ((X, 2.0), "kernel_size must be a whole number from 1, .*got 2.0"),
    ((X, (3, 3, 3)), r"kernel_size must be .* pair .*got \(3, 3, 3\)"),
    ((X, 3, 0), "stride must be a whole number from 1, .*got 0"),
    ((X, 3, (1, -1)), r"stride must be .*\(vertical, horizontal\), got \(1, -1\)"),
    ((X, 3, True), "stride must be a whole number from 1, .*got True"),
    ((X, 3, 1, -1), "padding must be a whole number from 0, .*got -1"),
    ((X, 3, 1, "full"), "padding is numbers, 'same' or 'valid', got 'full'"),
    ((X, 3, 2, "same"), "'same' needs stride 1, got stride 2 x 2; .*kernel_size // 2"),
    ((X, 3, 1, 0, 0), "dilation must be a whole number from 1, .*got 0"),
    (
        (X, 6),
        r"a kernel of 6 x 6 with dilation 1 x 1 does not fit into 5 x 6 pixels "
        r"\(x \[2, 3, 5, 6\] with padding 0\); try more padding or a smaller kernel",
    ),
    ((X, (1, 3), 1, 1, 4), r"1 x 3 with dilation 4 x 4 does not fit into 7 x 8"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_errors_name_what_was_given_and_the_rule(arguments, message):
    with pytest.raises(ValueError, match=message):
        kernel_grid(*arguments)


def test_windows_refuse_a_kernel_that_does_not_fit():
    with pytest.raises(ValueError, match=r"4 x 4 .* does not fit into 3 x 9 pixels"):
        windows(torch.zeros(1, 1, 3, 9), 4)
