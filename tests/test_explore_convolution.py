"""The convolution grid: its arithmetic against course_utils, its still, its keys."""

import base64
import io
import itertools
import json
import re

import numpy as np
import pytest
import test_explore
import torch
from browser import open_page
from deck_faults import accessibility_faults, deck_faults
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from shown_widgets import NEXT_FRAME, is_too_wide, widget_deck
from torch.nn import functional as F

from course_utils.convolution import conv2d_backward, conv2d_forward
from course_utils.explorables.convolution import ERROR, WEIGHT, X
from course_utils.explorables.convolution_numbers import MODES, Numbers, Setting
from course_utils.explore import ConvolutionGrid
from course_utils.grids import number_text
from course_utils.plots import to_png

node = test_explore.node  # the fixture
SIZES = [(6, 6), (5, 7), (3, 2)]
SETTINGS = [
    Setting(*size, *rest)
    for size in SIZES
    for rest in itertools.product((1, 2, 3, 4), (1, 2, 3), (0, 1, 2, 3), (1, 2, 3))
]
POSSIBLE = [setting for setting in SETTINGS if setting.output_shape != (0, 0)]
SOME = POSSIBLE[::7]


def numbers_for(setting, seed=0):
    """Whole numbers for a setting; whole, so that every sum is exact."""
    generator = np.random.default_rng(seed)
    shapes = [
        (setting.height, setting.width), (setting.kernel,) * 2, setting.output_shape
    ]  # fmt: skip
    arrays = [generator.integers(-9, 10, shape).astype(float) for shape in shapes]
    return Numbers(setting, *arrays)


def as_tensors(numbers):
    """x, weight and grad_output as [1, 1, ...], and the settings of the convolution."""
    setting = numbers.setting
    tensors = [
        torch.tensor(values)[None, None]
        for values in (numbers.x, numbers.weight, numbers.grad_output)
    ]
    return tensors, (setting.stride, setting.padding, setting.dilation)


def course_grids(numbers):
    """Output and the gradients of input and weight, as course_utils computes them."""
    (x, weight, error), settings = as_tensors(numbers)
    output = conv2d_forward(x, weight, None, *settings)
    grad_x, grad_weight, _ = conv2d_backward(error, x, weight, *settings)
    grids = {"forward": output, "backward": grad_x, "weights": grad_weight}
    return {mode: grid[0, 0].numpy() for mode, grid in grids.items()}


def as_script_data(numbers):
    """A setting and its numbers as the browser keeps them."""
    table = {
        "input": numbers.x, "kernel": numbers.weight, "error": numbers.grad_output
    }  # fmt: skip
    tables = {
        name: {"values": values.ravel().tolist(), "width": values.shape[1]}
        for name, values in table.items()
    }
    return {"setting": vars(numbers.setting), "tables": tables}


GATHER = """
    return data.map(({ setting, tables }) => {
      const flat = (mode) => [...m.gather(setting, tables, mode).values];
      const { cells, ...shape } = m.stretch(setting, tables.error);
      return {
        forward: flat("forward"), backward: flat("backward"), weights: flat("weights"),
        shape, stretched: cells.map(({ value }) => value),
        real: cells.map(({ real }) => real),
        unread: [...m.unread(setting, m.triples(setting))],
      };
    });
"""


def compare_with_course(node, script, settings):
    cases = [numbers_for(setting, seed) for seed, setting in enumerate(settings)]
    found = node(script, GATHER, [as_script_data(case) for case in cases])
    for case, answer in zip(cases, found, strict=True):
        for mode, grid in course_grids(case).items():
            assert answer[mode] == grid.ravel().tolist(), (case.setting, mode)
    return cases, found


def test_the_yardstick_is_right():
    for setting in SOME:
        numbers = numbers_for(setting)
        (x, weight, error), settings = as_tensors(numbers)
        x.requires_grad_(), weight.requires_grad_()
        output = F.conv2d(x, weight, None, *settings)
        output.backward(error)
        expected = (output.detach(), x.grad, weight.grad)
        for grid, other in zip(course_grids(numbers).values(), expected, strict=True):
            assert (grid == other[0, 0].numpy()).all(), setting


def test_forward_and_both_gradients_equal_course_utils(node):
    cases, found = compare_with_course(node, ConvolutionGrid._esm, POSSIBLE)
    assert len(cases) > 300 and {len(answer["forward"]) for answer in found} >= {1, 16}


def test_the_still_computes_what_course_utils_computes():
    for seed, setting in enumerate(POSSIBLE):
        numbers = numbers_for(setting, seed)
        for mode, grid in course_grids(numbers).items():
            assert (numbers.gather(mode) == grid).all(), (setting, mode)


@given(st.sampled_from(POSSIBLE), st.integers(0, 99))
def test_the_gradient_is_a_full_convolution_with_the_turned_kernel(setting, seed):
    numbers = numbers_for(setting, seed)
    stretched, real = numbers.stretched()
    kernel = torch.tensor(numbers.weight[::-1, ::-1].copy())[None, None]
    errors = torch.tensor(stretched)[None, None]
    full = conv2d_forward(errors, kernel, dilation=setting.dilation)[0, 0].numpy()
    assert (full == course_grids(numbers)["backward"]).all()
    assert (stretched[~real] == 0).all()


def test_the_browser_stretches_the_errors_in_the_same_way(node):
    cases, found = compare_with_course(node, ConvolutionGrid._esm, SOME)
    for case, answer in zip(cases, found, strict=True):
        stretched, real = case.stretched()
        rows, columns = answer["shape"]["rows"], answer["shape"]["columns"]
        assert (rows, columns) == stretched.shape
        assert answer["stretched"] == stretched.ravel().tolist()
        assert answer["real"] == real.ravel().tolist()


def test_input_cells_that_no_output_reads_are_known(node):
    cases, found = compare_with_course(node, ConvolutionGrid._esm, SOME)
    for case, answer in zip(cases, found, strict=True):
        ones = Numbers(
            case.setting, case.x, np.ones_like(case.weight),
            np.ones_like(case.grad_output),
        )  # fmt: skip
        gradient = course_grids(ones)["backward"]
        expected = set(zip(*np.nonzero(gradient == 0), strict=True))
        assert case.unread() == expected
        assert {tuple(map(int, at.split(","))) for at in answer["unread"]} == expected
    assert any(case.unread() for case in cases)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("i * stride + a * dilation - padding", "i * stride + a * dilation"),
        ("j * stride + b * dilation - padding", "j + b * dilation - padding"),
        ("dilation * (kernel - 1) + 1", "dilation * kernel"),
        ("Math.floor(room / setting.stride)", "Math.ceil(room / setting.stride)"),
        ("backward: ({ r, c }) => [r, c]", "backward: ({ r, c }) => [c, r]"),
        ('"backward" ? at(kernel, a, b)', '"backward" ? at(kernel, b, a)'),
    ],
)  # fmt: skip
def test_the_comparison_catches_a_wrong_line(node, right, wrong):
    assert ConvolutionGrid._esm.count(right) == 1
    script = ConvolutionGrid._esm.replace(right, wrong)
    with pytest.raises((AssertionError, TypeError)):
        compare_with_course(node, script, SOME)


SUMS = """
    return data.map(({ setting, tables, mode, place }) => {
      const products = m.productsOf(m.triples(setting), mode, place);
      const sum = m.writeSum(tables, mode, products, 999);
      return [sum.terms, sum.total, m.describe(setting, mode, place, products, 0)];
    });
"""


def test_sums_written_out_add_up_and_are_the_same_in_both_languages(node):
    data, expected = [], []
    for setting in SOME[::4]:
        numbers = numbers_for(setting)
        for mode in MODES:
            grid = course_grids(numbers)[mode]
            for place in np.ndindex(grid.shape):
                case = {"mode": mode, "place": list(place)}
                data.append(as_script_data(numbers) | case)
                expected.append(numbers.sum_text(mode, place))
                terms = " + ".join(expected[-1][0]).replace("×", "*")
                assert eval(terms.replace("−", "-") or "0") == grid[place]
                assert float(expected[-1][1].replace("−", "-")) == grid[place]
    found = node(ConvolutionGrid._esm, SUMS, data)
    assert [tuple(answer[:2]) for answer in found] == expected
    assert len(found) > 300
    assert any("No output read" in answer[2] for answer in found)


def test_numbers_are_written_in_the_same_way(node):
    values = [0, -0.0, 1, -1, 2.5, -2.25, 99, 1.005, -0.001, 156816, -98.99]
    found = node(ConvolutionGrid._esm, "return data.map(m.short);", values)
    assert found == [number_text(value) for value in values]
    assert found[:6] == ["0", "0", "1", "−1", "2.5", "−2.25"]


def test_a_long_sum_is_cut_and_says_so(node):
    numbers = numbers_for(Setting(6, 6, 1, 1, 3, 1))
    case = as_script_data(numbers) | {"mode": "weights", "place": [0, 0]}
    body = SUMS.replace(", 999", "").replace("[sum.terms", "[sum.left, sum.terms")
    ((left, terms, total, _),) = node(ConvolutionGrid._esm, body, [case])
    assert (left, len(terms)) == (144 - 48, 48)
    assert float(total.replace("−", "-")) == numbers.gather("weights")[0, 0]


def test_typed_text_becomes_a_number_or_nothing(node):
    typed = [
        "3",
        " -2 ",
        "−2",
        "1,5",
        "1.239",
        "0.001",
        "",
        "-",
        "a",
        "100",
        "-99",
        "1e1",
    ]
    found = node(ConvolutionGrid._esm, "return data.map(m.typedNumber);", typed)
    assert found == [3, -2, -2, 1.5, 1.24, 0, None, None, None, None, -99, 10]


def test_sizes_are_explained_and_impossible_ones_too(node):
    settings = [
        Setting(6, 6, 3, 2, 1, 1), Setting(5, 7, 3, 1, 0, 1), Setting(6, 6, 4, 1, 1, 3),
        Setting(2, 6, 3, 1, 0, 1),
    ]  # fmt: skip
    body = "return data.map(m.sizeText);"
    found = node(ConvolutionGrid._esm, body, [vars(setting) for setting in settings])
    assert found[0].endswith("= ⌊(6 + 2·1 − 1·(3 − 1) − 1) / 2⌋ + 1 = 3")
    assert "H′ =" in found[1] and found[1].endswith("= 5") and "W′ =" in found[1]
    assert "spans 10 cells" in found[2] and "the input has 8 even with 1" in found[2]
    assert "spans 3 cells and the input has 2." in found[3]


# The class


def test_numbers_given_are_the_numbers_kept():
    grid = ConvolutionGrid()
    assert grid.x.tolist() == [list(row) for row in X]
    assert grid.weight.tolist() == [list(row[:3]) for row in WEIGHT[:3]]
    assert grid.grad_output.tolist() == [list(row) for row in ERROR]
    x, weight = torch.arange(12.0).reshape(3, 4), torch.tensor([[1.234, -1], [0, 2]])
    given = ConvolutionGrid(x, weight, torch.ones(2, 3), stride=1)
    assert given.x.tolist() == x.tolist()
    assert given.weight.tolist() == [[1.23, -1], [0, 2]]
    assert given.grad_output.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_every_mode_computes_what_course_utils_computes():
    grid = ConvolutionGrid(stride=2, padding=1, mode="backward")
    numbers = Numbers(grid.setting, grid.x, grid.weight, grid.grad_output)
    for mode, expected in course_grids(numbers).items():
        assert (grid.compute(mode) == expected).all()


def test_a_reader_who_changes_the_settings_changes_the_properties():
    grid = ConvolutionGrid()
    grid.kernel_size, grid.padding = 4, 2
    assert grid.weight.tolist() == [list(row) for row in WEIGHT]
    assert grid.grad_output.shape == (7, 7)
    assert (grid.grad_output[:4, :4] == ERROR).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"padding": 2, "dilation": 2}])
def test_the_still_is_small_described_and_stable(mode, options):
    grids = [ConvolutionGrid(mode=mode, **options) for _ in range(2)]
    (data, metadata), (again, _) = map(test_explore.bundle_of, grids)
    assert data["image/png"] == again["image/png"]
    assert data["text/plain"] == metadata["image/png"]["alt"] == grids[0].alt
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.width > 1000 and len(data["image/png"]) < 80_000


def test_the_still_shows_the_sum_of_the_chosen_cell():
    grid = ConvolutionGrid(mode="forward", chosen=(3, 0))
    terms, total = Numbers(grid.setting, grid.x, grid.weight, None).sum_text(
        "forward", (3, 0)
    )
    text = "".join(text.get_text() for text in grid.picture().texts)
    assert text.replace("\u00a0", " ") == f"y[3, 0] = {' + '.join(terms)} = {total}"


def test_the_still_of_an_impossible_setting_says_so():
    for mode in MODES:
        grid = ConvolutionGrid(mode=mode)
        grid.kernel_size, grid.dilation = 4, 3
        figure = grid.picture()
        assert "there is no output" in figure.texts[0].get_text()
        assert to_png(figure)[1] > 300


def test_the_saved_state_is_small():
    state = ConvolutionGrid(np.zeros((7, 7)), padding=3).get_state()
    del state["layout"]
    assert len(json.dumps(state)) < 100_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((8, 3))}, r"x must be a matrix .* 1 to 7, got \[8, 3\]"),
        ({"x": np.zeros(4)}, r"got \[4\]"),
        ({"x": np.zeros((0, 4))}, r"got \[0, 4\]"),
        ({"x": np.full((3, 3), 100)}, "from -99 to 99, got 100 to 100"),
        ({"x": np.full((3, 3), np.nan)}, "from -99 to 99"),
        ({"weight": np.zeros((5, 5))}, "weight must be a matrix .* from 1 to 4"),
        ({"weight": np.zeros((2, 3))}, r"weight must be square, got \[2, 3\]"),
        ({"grad_output": np.zeros((3, 3))}, r"the output, \[4, 4\], got \[3, 3\]"),
        ({"stride": 0}, "stride must be a whole number from 1 to 3, got 0"),
        ({"padding": 4}, "padding must be a whole number from 0 to 3, got 4"),
        ({"padding": True}, "padding must be a whole number from 0 to 3, got True"),
        ({"dilation": 1.5}, "dilation must be a whole number from 1 to 3, got 1.5"),
        ({"dilation": 3}, "the kernel spans 7 cells and the padded input has 6"),
        ({"mode": "sideways"}, "must be one of forward, backward, weights"),
        ({"chosen": (4, 0)}, r"\(row, column\) of the 4 by 4 grid"),
        ({"chosen": (1,)}, r"got \(1,\)"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        ConvolutionGrid(**change)


# In the browser


def said(page, root, part="sum"):
    page.evaluate(NEXT_FRAME)
    shown = root.locator(f".course-convolution-{part}:not([aria-hidden])")
    text = shown.inner_text() if shown.is_visible() else ""
    return re.sub(r"\s+", " ", text)


def expected_sum(grid, mode, place):
    name = {"forward": "y", "backward": "∂L/∂x", "weights": "∂L/∂w"}[mode]
    numbers = Numbers(grid.setting, grid.x, grid.weight, grid.grad_output)
    terms, total = numbers.sum_text(mode, place)
    return f"{name}[{place[0]}, {place[1]}] = {' + '.join(terms)} = {total}"


@pytest.mark.browser
@pytest.mark.parametrize("mode", MODES)
def test_a_slide_with_the_grid_has_no_fault(browser, tmp_path, mode):
    deck = widget_deck(ConvolutionGrid(stride=2, padding=1, mode=mode), tmp_path)
    with open_page(browser) as visit:
        assert deck_faults(visit, deck, math=False) == []


@pytest.mark.browser
def test_keys_move_through_the_outputs_and_not_through_the_slides(shown):
    grid = ConvolutionGrid()
    page, root = shown(grid)
    cell = root.get_by_role("grid", name="output").locator("button[tabindex='0']")
    cell.focus()
    assert said(page, root) == expected_sum(grid, "forward", (1, 1))
    path = {
        "ArrowRight": (1, 2), "ArrowDown": (2, 2), "End": (2, 3), "ArrowLeft": (2, 2),
        "Home": (2, 0), "ArrowUp": (1, 0),
    }  # fmt: skip
    for key, place in path.items():
        page.keyboard.press(key)
        assert said(page, root) == expected_sum(grid, "forward", place)
    assert (
        page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    )


@pytest.mark.browser
def test_pointing_shows_and_clicking_keeps(shown):
    grid = ConvolutionGrid()
    page, root = shown(grid)
    cells = root.get_by_role("grid", name="output").locator("button")
    cells.nth(0).hover()
    assert said(page, root) == expected_sum(grid, "forward", (0, 0))
    page.mouse.move(2, 2)
    assert said(page, root) == expected_sum(grid, "forward", (1, 1))
    cells.nth(6).click()
    page.mouse.move(2, 2)
    assert said(page, root) == expected_sum(grid, "forward", (1, 2))


@pytest.mark.browser
def test_typed_numbers_change_the_sum_and_letters_do_not(shown):
    page, root = shown(ConvolutionGrid())
    weight = np.array(WEIGHT)[:3, :3].astype(float)
    field = root.get_by_label("kernel, row 0, column 0")
    field.click()
    page.keyboard.type("-2.5")
    weight[0, 0] = -2.5
    expected = expected_sum(ConvolutionGrid(weight=weight), "forward", (1, 1))
    assert said(page, root) == expected
    page.keyboard.type("x")
    assert said(page, root) == expected
    assert field.get_attribute("aria-invalid") == "true"
    page.keyboard.press("ArrowDown")
    page.evaluate(NEXT_FRAME)
    assert field.input_value() == "−2.5"
    assert root.locator("input:focus").get_attribute("aria-label") == (
        "kernel, row 1, column 0"
    )


@pytest.mark.browser
def test_the_other_modes_show_their_sums_and_the_full_convolution(shown):
    grid = ConvolutionGrid(stride=2)
    page, root = shown(grid)
    root.get_by_role("button", name="Backward to x").click()
    root.get_by_role("grid", name="gradient of the input").locator("button").nth(
        7
    ).click()
    assert said(page, root) == expected_sum(grid, "backward", (1, 1))
    zeros = "1 zero between them and 2 zeros around them (1 more below and 1 more on"
    assert zeros in said(page, root, "say")
    turned = root.get_by_role("img").locator(".course-convolution-lit")
    factors = [text.split("×")[1] for text in turned.all_inner_texts()]
    values = [float(text.replace("−", "-")) for text in factors]
    assert values == grid.weight[::-1, ::-1].ravel().tolist()
    root.get_by_role("grid", name="gradient of the input").locator(
        "button"
    ).last.click()
    assert said(page, root) == "∂L/∂x[5, 5] = nothing = 0"
    assert root.locator(".course-convolution-unread").count() == 11
    root.get_by_role("button", name="Backward to w").click()
    assert said(page, root) == expected_sum(grid, "weights", (0, 1))
    assert root.locator(".course-convolution-unread").count() == 11


@pytest.mark.browser
def test_sliders_change_the_shapes_and_impossible_ones_are_explained(shown):
    page, root = shown(ConvolutionGrid())
    cells = root.get_by_role("grid", name="output").locator("button")
    root.get_by_label("padding P").focus()
    page.keyboard.press("End")
    said(page, root)
    assert cells.count() == 100
    page.keyboard.press("Home")
    root.get_by_label("kernel K").focus()
    page.keyboard.press("End")
    root.get_by_label("dilation D").focus()
    page.keyboard.press("End")
    assert "The kernel does not fit: it spans 10 cells" in said(page, root, "size")
    assert cells.count() == 0
    for mode in ("Backward to x", "Backward to w", "Forward"):
        root.get_by_role("button", name=mode).click()
        assert accessibility_faults(page) == []
    root.get_by_role("button", name="Reset").click()
    said(page, root)
    assert cells.count() == 16


@pytest.mark.browser
def test_pointing_at_a_cell_never_moves_it(shown):
    """The deck fits a widget to its slide: another height would shift the cells."""
    for stride, mode in ((1, "backward"), (2, "backward"), (2, "forward")):
        page, root = shown(
            ConvolutionGrid(stride=stride, mode=mode, padding=stride - 1)
        )
        cells = root.locator("[role=grid] button")
        before = cells.first.bounding_box()
        for cell in cells.all():
            cell.hover()
            page.evaluate(NEXT_FRAME)
            assert cells.first.bounding_box() == before


@pytest.mark.browser
@pytest.mark.parametrize("width", [380, 600, 800, 1120])
def test_nothing_is_wider_than_its_place(shown, width):
    wide = np.full((6, 6), -88.25)
    _, root = shown(ConvolutionGrid(wide, wide[:4, :4], padding=3, mode="backward"))
    for mode in ("Forward", "Backward to w", "Backward to x"):
        root.get_by_role("button", name=mode).click()
        assert not is_too_wide(root, width), mode
