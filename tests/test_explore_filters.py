"""The photograph under a kernel: arithmetic against course_utils, still, keys."""

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
from shown_widgets import NEXT_FRAME, WIDEN, is_too_wide, widget_deck
from torch.nn import functional as F

from course_utils.convolution import conv2d_forward
from course_utils.explorables import filters
from course_utils.explorables.filters import PRESETS, SOURCE, ninety_ninth
from course_utils.explore import PhotoFilter, photograph

node = test_explore.node  # the fixture
PADDINGS = {"zeros": "constant", "replicate": "replicate", "reflect": "reflect"}
UNEVEN = ((1, -2, 3), (0.5, 4, -1), (-3, 0, 2))


def small_image(height=21, width=26, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width), dtype=np.uint8)


def course_filtered(image, kernel, padding, times, flip):
    """The result as course_utils computes it."""
    result = torch.tensor(image.astype(float))[None, None]
    kernel = torch.tensor(kernel, dtype=torch.float64)[None, None]
    kernel = kernel.flip(2, 3) if flip else kernel
    for _ in range(times):
        if padding != "none":
            result = F.pad(result, (1, 1, 1, 1), mode=PADDINGS[padding])
        result = conv2d_forward(result, kernel)
    return result[0, 0]


APPLY = """
    return data.map(({ pixels, weights, divisor, padding, times, flip, ...shape }) => {
      const photo = { values: Uint8Array.from(pixels), ...shape };
      const kernel = m.effective(weights, divisor, flip);
      const result = m.applyKernel(photo, kernel, { padding, times });
      const { low, high, rim } = m.measure(result);
      const most = m.ninetyNinth(result);
      return { ...result, values: [...result.values], low, high, rim, most };
    });
"""
CASES = [
    {"padding": padding, "times": times, "flip": flip, "divisor": divisor}
    for padding, times, flip, divisor in itertools.product(
        [*PADDINGS, "none"], (1, 3), (False, True), (1, -7)
    )
]


def compare_with_course(node, script):
    image = small_image()
    shape = {"height": image.shape[0], "width": image.shape[1]}
    fixed = {
        "pixels": image.ravel().tolist(),
        "weights": list(np.ravel(UNEVEN)),
        **shape,
    }
    found = node(script, APPLY, [fixed | case for case in CASES])
    for case, answer in zip(CASES, found, strict=True):
        options = dict(case)
        kernel = np.array(UNEVEN) / options.pop("divisor")
        expected = course_filtered(image, kernel, **options)
        assert [answer["height"], answer["width"]] == list(expected.shape)
        test_explore.assert_near(answer["values"], expected)
    return found


def test_the_browser_computes_what_course_utils_computes(node):
    for case, answer in zip(
        CASES, compare_with_course(node, PhotoFilter._esm), strict=True
    ):
        values = np.reshape(answer["values"], (answer["height"], answer["width"]))
        assert (answer["low"], answer["high"]) == (values.min(), values.max()), case
        inner = values[1:-1, 1:-1]
        rim = (values.sum() - inner.sum()) / (values.size - inner.size)
        assert answer["rim"] == pytest.approx(rim)
        assert answer["most"] == ninety_ninth(values)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("c * values[top + 2]", "c * values[top + 1]"),
        ("h * values[low + 1]", "h * values[middle + 1]"),
        ("flip ? divided.reverse()", "!flip ? divided.reverse()"),
        ("weight / divisor", "weight * divisor"),
        ("place < 0 ? -place :", "place < 0 ? 0 :"),
        ("2 * (size - 1) - place", "size - 1"),
        ("turn < times", "turn < 1"),
        ("padded[start + width] = line[right]", "padded[start + width] = line[left]"),
    ],
)
def test_the_comparison_catches_a_wrong_line(node, right, wrong):
    assert PhotoFilter._esm.count(right) == 1
    with pytest.raises(AssertionError):
        compare_with_course(node, PhotoFilter._esm.replace(right, wrong))


@given(
    st.sampled_from([*PADDINGS, "none"]),
    st.integers(1, 8),
    st.booleans(),
    st.sampled_from([*PRESETS, UNEVEN]),
)
def test_the_still_computes_what_course_utils_computes(padding, times, flip, kernel):
    image = small_image()
    widget = PhotoFilter(kernel, image, padding=padding, times=times, flip=flip)
    numbers = (
        np.array(kernel) if kernel is UNEVEN else np.reshape(PRESETS[kernel][0], (3, 3))
    )
    divisor = 1 if kernel is UNEVEN else PRESETS[kernel][1]
    expected = course_filtered(image, numbers / divisor, padding, times, flip).numpy()
    assert np.abs(widget.filtered() - expected).max() <= 1e-9 * np.abs(expected).max()
    assert widget.filtered().shape == expected.shape


def test_what_the_presets_promise():
    image = photograph(64)
    flat = np.full((20, 20), 100, np.uint8)

    def result(name, pixels=image, **options):
        return PhotoFilter(name, pixels, **options).filtered()

    assert (result("identity") == image).all()
    for name in ("blur", "sharpen", "emboss"):
        assert result(name, flat, padding="none") == pytest.approx(100)
    for name in PRESETS:
        if "(" in name:
            assert np.abs(result(name, flat, padding="none")).max() == 0
    step = np.zeros((20, 20), np.uint8)
    step[:, 10:] = 200
    assert np.abs(result("vertical edges (Sobel)", step, padding="none")).max() == 800
    assert not result("horizontal edges (Sobel)", step, padding="none").any()
    assert result("horizontal edges (Sobel)", step.T, padding="none").max() == 800
    assert result("blur").std() < image.std() < result("sharpen").std()


def test_zero_padding_darkens_the_rim_and_only_the_rim():
    flat = np.full((20, 20), 90, np.uint8)
    dark = PhotoFilter("blur", flat, padding="zeros").filtered()
    assert dark[0, 0] == pytest.approx(40) and dark[0, 5] == pytest.approx(60)
    assert dark[1:-1, 1:-1] == pytest.approx(90)
    for padding in ("replicate", "reflect", "none"):
        assert PhotoFilter("blur", flat, padding=padding).filtered() == pytest.approx(
            90
        )


def test_words_about_the_weights(node):
    body = """
        return data.map(([weights, flip]) =>
          [m.sumSentence(weights), m.flipSentence(weights, flip)]);
    """
    kernels = [PRESETS["blur"][0], PRESETS["vertical edges (Sobel)"][0], [1, 2, 0] * 3]
    kernels[0] = [weight / 9 for weight in kernels[0]]
    found = node(PhotoFilter._esm, body, [[list(k), k is kernels[2]] for k in kernels])
    sums, flips = zip(*found, strict=True)
    assert [text.split(":")[0].split()[-1] for text in sums] == ["1", "0", "9"]
    assert flips[0].endswith("Flipping does not change this kernel.")
    assert flips[1].startswith("Not flipped") and "changes the sign" in flips[1]
    assert flips[2].startswith("Flipped") and "another kernel" in flips[2]


# The class


def test_the_photograph_is_grey_square_and_says_where_it_is_from():
    image = photograph()
    assert image.shape == (192, 192) and image.dtype == np.uint8
    assert image.min() < 10 and image.max() > 245
    assert (image == photograph()).all() and photograph(100).shape == (100, 100)
    widget = PhotoFilter()
    assert widget.source == SOURCE and "public domain" in SOURCE
    assert "Grace Hopper" in widget.alt
    assert PhotoFilter(image=small_image(), source="Ours.").source == "Ours."
    assert PhotoFilter(image=small_image()).source == ""


def test_a_matplotlib_without_its_samples_is_explained(monkeypatch):
    def missing(name, asfileobj):
        raise FileNotFoundError(name)

    monkeypatch.setattr(filters.matplotlib.cbook, "get_sample_data", missing)
    with pytest.raises(FileNotFoundError, match="--force-reinstall matplotlib"):
        photograph()


def test_the_still_is_small_described_and_stable():
    for name in PRESETS:
        widgets = [PhotoFilter(name) for _ in range(2)]
        (data, metadata), (again, _) = map(test_explore.bundle_of, widgets)
        assert data["image/png"] == again["image/png"]
        assert data["text/plain"] == metadata["image/png"]["alt"] == widgets[0].alt
        content = base64.b64decode(data["image/png"])
        assert Image.open(io.BytesIO(content)).width > 1000 and len(content) < 60_000


def test_the_saved_state_is_small():
    state = PhotoFilter(image=small_image(224, 224)).get_state()
    del state["layout"]
    pixels = state.pop("pixels")
    assert len(pixels) * 4 / 3 + len(json.dumps(state)) < 150_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": "sharper"}, "no preset 'sharper'; there are identity, blur"),
        ({"kernel": np.zeros((2, 3))}, r"3 by 3 finite numbers .*, got \[2, 3\]"),
        ({"kernel": np.full((3, 3), np.inf)}, "finite numbers"),
        ({"image": np.zeros((30, 30))}, r"uint8 \[H, W\] .*, got float64 \[30, 30\]"),
        ({"image": np.zeros((3, 30, 30), np.uint8)}, r"grey, got uint8 \[3, 30, 30\]"),
        ({"image": np.zeros((30, 10), np.uint8)}, r"20 to 224 pixels, got \[30, 10\]"),
        ({"image": np.zeros((300, 30), np.uint8)}, r"got \[300, 30\]; make it smaller"),
        ({"divisor": 0}, "a number other than 0, got 0"),
        ({"padding": "same"}, "zeros, replicate, reflect or none, got 'same'"),
        ({"display": "grey"}, "clipped, signed, absolute, got 'grey'"),
        ({"times": 9}, "times must be from 1 to 8, got 9"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        PhotoFilter(**change)


def test_tensors_are_taken():
    image = torch.tensor(small_image())
    widget = PhotoFilter(torch.tensor(UNEVEN), image[None])
    assert (widget.image == small_image()).all() and widget.display == "signed"
    assert widget.kernel == pytest.approx(np.array(UNEVEN))


# In the browser


PICTURE = """(root) => root.querySelectorAll("canvas")[1].toDataURL()"""


def look(page, root):
    """The result's pixels as PNG, and the sentence about the chosen pixel."""
    page.evaluate(NEXT_FRAME)
    said = root.locator(".course-filters-say:not([aria-hidden])").inner_text()
    return root.evaluate(PICTURE), said


def pixels_of(address):
    content = base64.b64decode(address.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


@pytest.mark.browser
def test_a_slide_with_the_photograph_has_no_fault(browser, tmp_path):
    deck = widget_deck(PhotoFilter("vertical edges (Sobel)"), tmp_path)
    with open_page(browser) as visit:
        assert deck_faults(visit, deck, math=False) == []


@pytest.mark.browser
@pytest.mark.parametrize("name", PRESETS)
def test_the_picture_shows_the_result(shown, name):
    page, root = shown(PhotoFilter())
    root.get_by_role("button", name=name).click()
    widget = PhotoFilter(name)
    result = widget.filtered()
    if widget.display == "signed":
        picture = pixels_of(look(page, root)[0])
        strong = np.abs(result) > 0.3 * ninety_ninth(result)
        assert ((picture[..., 0] > picture[..., 2]) == (result > 0))[strong].all()
        return
    if widget.display == "absolute":
        result = np.abs(result) / ninety_ninth(result) * 255
    expected = result.clip(0, 255)[..., None]
    assert np.abs(pixels_of(look(page, root)[0]) - expected).max() <= 1


@pytest.mark.browser
def test_typed_weights_options_and_keys_are_used(shown):
    page, root = shown(PhotoFilter())
    seen = [look(page, root)]
    field = root.get_by_label("weight, row 0, column 2")
    field.fill("-3")
    seen.append(look(page, root))
    field.fill("")
    assert look(page, root) == seen[-1]
    assert field.get_attribute("aria-invalid") == "true"
    field.fill("-3")
    root.get_by_label("divided by").fill("4")
    seen.append(look(page, root))
    root.get_by_label("flip the kernel").check()
    seen.append(look(page, root))
    root.get_by_label("padding").select_option("none")
    seen.append(look(page, root))
    root.get_by_label("applied").focus()
    page.keyboard.press("ArrowRight")
    seen.append(look(page, root))
    root.get_by_label("shown").select_option("signed")
    seen.append(look(page, root))
    assert len({picture for picture, _ in seen}) == len(seen)
    assert "5 × 5 pixels" in seen[-1][1] and "188 × 188" in root.inner_text()
    assert accessibility_faults(page) == []


@pytest.mark.browser
def test_a_pixel_is_chosen_with_keys_and_its_sum_is_right(shown):
    page, root = shown(PhotoFilter("emboss"))
    root.get_by_label("choose a pixel of the result").focus()
    for key in ("ArrowDown", "Shift+ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    said = look(page, root)[1]
    row, column = map(int, re.search(r"\[(\d+), (\d+)\]", said).groups())
    assert (row, column) == (81, 93)
    sum_text = re.search(r"\] = (.*) = ([−\d,.]+)\.", said)
    result = PhotoFilter("emboss").filtered()[row, column]
    plain = sum_text[1].replace("×", "*").replace("−", "-")
    assert eval(plain) == result
    assert float(sum_text[2].replace("−", "-").replace(",", "")) == result


@pytest.mark.browser
def test_pointing_at_a_pixel_moves_nothing(shown):
    """Wherever the sentence breaks its lines, its height stays the same."""
    page, root = shown(PhotoFilter("blur"))
    for width in range(560, 1121, 35):
        root.evaluate(WIDEN, width)
        page.evaluate(NEXT_FRAME)
        box = root.get_by_label("choose a pixel of the result").bounding_box()
        heights = set()
        for part in (0.001, 0.2, 0.44, 0.7, 0.95):  # black cap, bright shirt, the rim
            page.mouse.move(box["x"] + part * box["width"],
                            box["y"] + part * box["height"])  # fmt: skip
            page.evaluate(NEXT_FRAME)
            heights.add(root.evaluate("(root) => root.offsetHeight"))
        assert len(heights) == 1, width


@pytest.mark.browser
@pytest.mark.parametrize("width", [380, 600, 860, 1120])
def test_nothing_is_wider_than_its_place(shown, width):
    _, root = shown(PhotoFilter("blur"))
    assert not is_too_wide(root, width)
