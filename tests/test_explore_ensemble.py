"""The dropout ensemble: JavaScript against NumPy, its words, its use in a browser."""

import json
import re

import numpy as np
import pytest
import test_explore
import torch
from browser import open_page
from deck_faults import accessibility_faults, deck_faults
from shown_widgets import NEXT_FRAME, is_too_wide, widget_deck

from course_utils.explore import DropoutEnsemble

node = test_explore.node  # the fixture
LABELS = ["T-shirt", "Pullover", "Coat", "Shirt"]
RATES = [0.2, 0.5, 0.8]


def passes(rates=3, count=12, classes=4, seed=0):
    """Probabilities [rates, count, classes] that spread more at larger rates."""
    generator = np.random.default_rng(seed)
    spread = np.arange(1, rates + 1)[:, None, None]
    logits = spread * generator.normal(0, 0.8, (rates, count, classes))
    logits += generator.normal(0, 1.5, classes)
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def small(**options):
    arguments = {
        "probabilities": passes(), "whole": passes(1, 1, seed=0)[0, 0],
        "rates": RATES, "labels": LABELS, **options,
    }  # fmt: skip
    return DropoutEnsemble(**arguments)


COMPUTE = """
    const numbers = Uint16Array.from(data.numbers);
    return data.cases.map(([rate, count]) => {
      const rows = m.rowsOf(numbers, data.shape, rate, count);
      const whole = data.whole[rate];
      return {
        rows, mean: m.meanOf(rows), spread: m.spreadOf(rows),
        distances: m.distances(rows, whole), top: m.largest(whole),
        votes: whole.map((_, k) => m.votes(rows, k)),
      };
    });
"""


def compare_with_numpy(node, script):
    probabilities, alone = passes(3, 9), passes(3, 1, seed=5)[:, 0]
    cases = [(rate, count) for rate in range(3) for count in (1, 2, 9)]
    widget = small(probabilities=probabilities, whole=alone)
    numbers = np.frombuffer(widget.passed, "<u2").tolist()
    data = {"numbers": numbers, "shape": widget.shape, "whole": widget.whole,
            "cases": cases}  # fmt: skip
    for (rate, count), found in zip(cases, node(script, COMPUTE, data), strict=True):
        widget.chosen, widget.passes = rate, count
        rows, goal = probabilities[rate, :count], alone[rate]
        assert np.abs(np.array(found["rows"]) - rows).max() < 1e-4
        assert np.abs(np.array(found["mean"]) - rows.mean(axis=0)).max() < 1e-4
        assert np.abs(np.array(found["spread"]) - rows.std(axis=0)).max() < 2e-4
        means = [rows[: m + 1].mean(axis=0) for m in range(count)]
        gaps = [np.abs(mean - goal).sum() / 2 for mean in means]
        assert np.abs(np.array(found["distances"]) - gaps).max() < 4e-4
        assert found["top"] == goal.argmax()
        votes = np.bincount(rows.argmax(axis=1), minlength=4)
        assert found["votes"] == votes.tolist()
        mean, spread, whole, distances = widget.summary()
        for name, own in (("rows", widget.probabilities), ("mean", mean),
                          ("spread", spread), ("distances", distances)):  # fmt: skip
            test_explore.assert_near(np.ravel(found[name]).tolist(), own)
        assert whole.tolist() == widget.whole[rate]


def test_the_browser_computes_what_numpy_computes(node):
    compare_with_numpy(node, DropoutEnsemble._esm)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("rate * passes * classes;", "rate * classes;"),
        ("(value) => value / STEPS", "(value) => value / 9999"),
        ("sum + row[k], 0) / rows.length);", "sum + row[k], 0));"),
        ("(row[k] - middle) ** 2,", "Math.abs(row[k] - middle),"),
        ("Math.abs(value - other[k]), 0) / 2", "(value - other[k]), 0) / 2"),
        ("sum / (m + 1)", "sum / rows.length"),
        ("value > row[best]", "value < row[best]"),
        ("largest(row) === k", "largest(row) !== k"),
    ],
)
def test_the_comparison_catches_a_wrong_line(node, right, wrong):
    assert DropoutEnsemble._esm.count(right) == 1
    with pytest.raises(AssertionError):
        compare_with_numpy(node, DropoutEnsemble._esm.replace(right, wrong))


def test_many_passes_of_one_layer_come_near_the_pass_without():
    """A linear layer before a softmax: the mean over masks is near the one pass."""
    torch.manual_seed(0)
    hidden, weight = torch.rand(200), 0.05 * torch.randn(4, 200)
    rows = torch.stack([
        (torch.nn.functional.dropout(hidden, 0.5) @ weight.T).softmax(0)
        for _ in range(150)
    ])  # fmt: skip
    whole = (hidden @ weight.T).softmax(0)
    widget = DropoutEnsemble(rows[None], whole, [0.5], LABELS)
    *_, distances = widget.summary()
    assert distances[-1] < 0.05 and distances[-1] < distances[:10].max()


TELL = """
    const rows = [[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]];
    const scene = {
      rows, mean: m.meanOf(rows), spread: m.spreadOf(rows), gap: 0.4123, rate: 0.5,
      whole: [0.25, 0.75], labels: ["bag", "coat"], truth: 1,
    };
    const one = { ...scene, rows: rows.slice(0, 1), mean: rows[0], truth: -1 };
    return [m.tell(scene), m.tell(one)];
"""


def test_what_is_said(node):
    assert node(DropoutEnsemble._esm, TELL) == [
        "Mean of 3 passes with p = 0.5: bag 0.67 ± 0.21; 2 of the 3 passes put bag "
        "first. One pass without dropout: coat 0.75. Distance: 0.41. The label is "
        "coat.",
        "One pass with p = 0.5: bag 0.70. One pass without dropout: coat 0.75. "
        "Distance: 0.41.",
    ]


def test_tensors_one_whole_or_one_for_each_rate():
    tensors = torch.from_numpy(passes()).float()
    one = small(probabilities=tensors, whole=tensors[0, 0], rate=0.2, passes=5)
    assert one.whole[0] == one.whole[2] and one.chosen == 0
    assert one.probabilities.shape == (5, 4)
    assert np.abs(one.probabilities - tensors[0, :5].numpy()).max() < 1e-4
    each = small(whole=tensors[:, 0])
    assert each.whole[0] != each.whole[2] and each.chosen == 1 and each.passes == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"probabilities": passes()[0]},
            "must be [rates, passes, classes], got [12, 4]",
        ),
        (
            {"probabilities": np.ones((3, 2, 4))},
            "add up to 1 over the classes; take the",
        ),
        (
            {"probabilities": np.full((3, 2, 4), np.nan)},
            "must be from 0 to 1 and add up",
        ),
        (
            {"probabilities": passes(3, 2000)},
            "[3, 2000, 4] are too many for a notebook",
        ),
        ({"probabilities": passes(3, 2, 21)}, "15000 numbers and 20 classes"),
        ({"whole": passes(1, 1, 3)[0, 0]}, "whole must be [4] or [3, 4], got [3, 3]"),
        ({"whole": passes(2)[:, 0]}, "whole must be [4] or [3, 4], got [2, 4]"),
        ({"whole": [2, 0, 0, -1]}, "whole must be from 0 to 1"),
        (
            {"whole": passes()},
            "whole must be [classes] or [rates, classes], got [3, 12",
        ),
        (
            {"rates": [0.1, 0.2]},
            "rates must be 3, one for each of probabilities, got 2",
        ),
        (
            {"rates": [0.1, 0.2, 1]},
            "rates must be from 0 to below 1, got [0.1, 0.2, 1.0]",
        ),
        ({"rates": [0.1, 0.5, 0.2]}, "rates must be increasing"),
        ({"labels": ["a"]}, "labels must be 4 names, got 1"),
        ({"truth": 4}, "truth must be a whole number from 0 to 3, got 4"),
        ({"rate": 0.3}, "rate must be one of [0.2, 0.5, 0.8], got 0.3"),
        ({"passes": 0}, "passes must be a whole number from 1 to 12, got 0"),
        (
            {"image": np.zeros((4, 4))},
            "image must be uint8 [1 or 3, H, W] or [H, W], got",
        ),
        (
            {"image": np.zeros((3, 99, 99), np.uint8)},
            "has 29403 bytes, at most 12288 go",
        ),
    ],
)
def test_wrong_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        small(**change)


def test_the_still_is_described_and_the_state_is_small():
    image = np.random.default_rng(0).integers(0, 256, (1, 28, 28), dtype=np.uint8)
    pictures = []
    for options in ({}, {"image": image, "truth": 1}, {"image": image[0], "passes": 1}):
        data, metadata = test_explore.bundle_of(small(**options))
        assert data["text/plain"] == metadata["image/png"]["alt"]
        pictures.append(data["image/png"])
    assert len(set(pictures)) == 3
    mean = passes()[1].mean(axis=0)
    described = small().alt
    assert f"gives {LABELS[mean.argmax()]} {mean.max():.2f}; the" in described
    assert "the mean of 12 passes with dropout of rate 0.5, each" in described
    big = small(probabilities=passes(5, 100, 10), whole=passes(1, 1, 10)[0, 0],
                rates=[0.1, 0.2, 0.3, 0.4, 0.5], labels=range(10))  # fmt: skip
    state = big.get_state()
    del state["layout"]
    size = len(state.pop("passed")) * 4 / 3 + len(state.pop("image")) * 4 / 3
    assert size + len(json.dumps(state)) < 60_000


# In the browser


def look(page, root):
    """Both drawings and the sentence below them."""
    page.evaluate(NEXT_FRAME)
    said = root.locator(".course-ensemble-say:not([aria-hidden])").inner_text()
    draw = "(c) => c.toDataURL()"
    parts = [".course-ensemble-bars", ".course-ensemble-distances"]
    return *(root.locator(part).evaluate(draw) for part in parts), said


@pytest.mark.browser
def test_a_slide_with_the_ensemble_has_no_fault(browser, tmp_path):
    image = np.zeros((28, 28), np.uint8)
    labels = [f"class {k}" for k in range(10)]
    widget = small(probabilities=passes(3, 20, 10), whole=passes(1, 1, 10)[0, 0],
                   labels=labels, truth=2, image=image)  # fmt: skip
    with open_page(browser) as visit:
        assert deck_faults(visit, widget_deck(widget, tmp_path), math=False) == []


@pytest.mark.browser
def test_sliders_change_the_bars_and_the_words(shown):
    page, root = shown(small(truth=3, passes=4))
    assert accessibility_faults(page) == []
    seen, before = [look(page, root)], root.bounding_box()
    copy = small(truth=3, passes=4)
    for name, key in (("dropout rate", "ArrowRight"), ("passes averaged", "ArrowLeft")):
        root.get_by_label(name).focus()
        page.keyboard.press(key)
        seen.append(look(page, root))
    assert all(len({one[k] for one in seen}) == 3 for k in (0, 1, 2))
    copy.chosen, copy.passes = 2, 3
    mean, spread, whole, distances = copy.summary()
    top = mean.argmax()
    said = seen[-1][2]
    assert said.startswith(
        f"Mean of 3 passes with p = 0.8: {LABELS[top]} {mean[top]:.2f} ± "
        f"{spread[top]:.2f}; "
    )
    assert f"dropout: {LABELS[whole.argmax()]} {whole.max():.2f}. Distance: " in said
    gap = float(re.search(r"Distance: ([\d.]+)\. The label is Shirt", said)[1])
    assert gap == pytest.approx(distances[-1], rel=0.06)
    root.get_by_label("passes averaged").press("Home")
    assert look(page, root)[2].startswith("One pass with p = 0.8: ")
    assert root.bounding_box() == before


@pytest.mark.browser
def test_the_image_is_shown_with_its_label_or_left_out(shown):
    image = np.random.default_rng(1).integers(0, 256, (3, 6, 5), dtype=np.uint8)
    page, root = shown(small(image=image, truth=1))
    pixels = root.locator(".course-ensemble-image").evaluate(
        "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    found = np.reshape(pixels, (6, 5, 4))[:, :, :3].transpose(2, 0, 1)
    assert np.array_equal(found, image)
    assert root.get_by_text("label: Pullover").is_visible()
    assert accessibility_faults(page) == []


@pytest.mark.browser
def test_a_single_rate_and_pass_cannot_be_moved(shown):
    widget = small(probabilities=passes(1, 1), rates=[0.5])
    page, root = shown(widget)
    assert root.locator("canvas").count() == 2
    for name in ("dropout rate", "passes averaged"):
        assert root.get_by_label(name).is_disabled()
    assert look(page, root)[2].startswith("One pass with p = 0.5: ")


@pytest.mark.browser
@pytest.mark.parametrize("width", [380, 600, 860, 1120])
def test_nothing_is_wider_than_its_place(shown, width):
    image = np.zeros((28, 28), np.uint8)
    _, root = shown(small(image=image, truth=0, labels=["a very long name"] * 4))
    assert not is_too_wide(root, width)
