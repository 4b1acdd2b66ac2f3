"""The augmentations: JavaScript and still against course_utils.augment; their use."""

import json
import re

import numpy as np
import pytest
import test_explore
import torch
from browser import open_page
from deck_faults import accessibility_faults, deck_faults
from shown_widgets import NEXT_FRAME, is_too_wide, widget_deck

from course_utils import augment
from course_utils.explorables import augmentations_numbers
from course_utils.explore import Augmentations

node = test_explore.node  # the fixture
OFF = {"padding": 0, "flip": 0.0, "erase": 0, "noise": 0.0, "mixup": 0.0}
KINDS = {
    "padding": augment.RandomCrop, "flip": augment.RandomFlip,
    "erase": augment.RandomErase, "noise": augment.RandomNoise,
}  # fmt: skip
STRENGTHS = {
    "padding": (0, 1, 3, 8), "flip": (0.0, 0.4, 1.0), "erase": (0, 1, 4, 7),
    "noise": (0.0, 12.0, 100.0),
}  # fmt: skip


def pictures(count=3, channels=1, height=9, width=7, seed=0):
    generator = np.random.default_rng(seed)
    shape = count, channels, height, width
    return generator.integers(1, 256, shape, dtype=np.uint8)


def given_luck(name, strength, image, seed):
    """The random numbers that course_utils.augment takes from this seed, as a luck."""
    generator = torch.Generator().manual_seed(seed)
    luck = {"partner": 0.0, "flip": 0.5, "shift": [0.5, 0.5], "erase": [0.5, 0.5],
            "noise": np.zeros(image.size).tolist()}  # fmt: skip
    if name == "padding":
        places = 2 * strength + 1
        drawn = torch.randint(0, places, (2, 1), generator=generator).flatten()
        luck["shift"] = [(place + 0.5) / places for place in drawn.tolist()]
    if name == "flip":
        luck["flip"] = torch.rand(1, generator=generator).item()
    if name == "erase":
        sides = image.shape[1:]
        drawn = [torch.randint(0, n, (1, 1), generator=generator).item() for n in sides]
        luck["erase"] = [(k + 0.5) / n for k, n in zip(drawn, sides, strict=True)]
    if name == "noise":
        drawn = torch.randn((1, *image.shape), generator=generator)
        luck["noise"] = drawn.flatten().tolist()
    return luck


def single_cases():
    """One augmentation at a time: the luck, the settings and what the course makes."""
    for channels in (1, 3):
        (image,) = pictures(1, channels)
        for name, strengths in STRENGTHS.items():
            for strength in strengths:
                for seed in range(6):
                    generator = torch.Generator().manual_seed(seed)
                    change = KINDS[name](strength)
                    expected = change(torch.from_numpy(image)[None], generator)[0]
                    luck = given_luck(name, strength, image, seed)
                    settings = {**OFF, name: strength}
                    yield image, luck, settings, expected.numpy()


AUGMENT = """
    return data.map(({ image, luck, settings }) => {
      const [channels, height, width] = image.shape;
      const picture = { values: image.values, channels, height, width };
      return [...m.augmented(picture, luck, settings)];
    });
"""


def in_browser(node, script, cases):
    data = [
        {"image": {"values": image.ravel().tolist(), "shape": image.shape},
         "luck": {k: np.asarray(v).tolist() for k, v in luck.items()},
         "settings": settings}
        for image, luck, settings, _ in cases
    ]  # fmt: skip
    return node(script, AUGMENT, data)


def compare_singly(node, script):
    cases = list(single_cases())
    found = in_browser(node, script, cases)
    for (image, luck, settings, expected), one in zip(cases, found, strict=True):
        own = augmentations_numbers.augmented(image, luck, settings)
        assert np.array_equal(own, expected), settings
        assert np.array_equal(np.reshape(one, image.shape), expected), settings


def test_each_augmentation_is_that_of_the_course(node):
    compare_singly(node, Augmentations._esm)


def test_together_they_come_in_the_order_of_the_bar(node):
    for channels in (1, 3):
        (image,) = pictures(1, channels, seed=4)
        luck, settings = {}, {"padding": 2, "flip": 0.7, "erase": 3, "noise": 15.0}
        expected = torch.from_numpy(image)[None]
        for seed, (name, kind) in enumerate(KINDS.items()):
            part = given_luck(name, settings[name], image, seed)
            luck[{"padding": "shift"}.get(name, name)] = part[
                {"padding": "shift"}.get(name, name)
            ]
            generator = torch.Generator().manual_seed(seed)
            expected = kind(settings[name])(expected, generator)
        case = image, luck, {**OFF, **settings}, expected[0].numpy()
        own = augmentations_numbers.augmented(*case[:3])
        assert np.array_equal(own, case[3])
        (found,) = in_browser(node, Augmentations._esm, [case])
        assert np.array_equal(np.reshape(found, image.shape), case[3])


DRAW = """
    return data.cases.map(({ chosen, seed, k, settings }) => {
      const [, channels, height, width] = data.shape;
      const images = data.images.map((values) => ({ values, channels, height, width }));
      const luck = (stream) => m.luckOf(stream, images[0].values.length);
      const { values, flipped, partner } = m.drawOf(images, chosen, seed, k, settings, luck);
      return { values: [...values], flipped, partner };
    });
"""  # noqa: E501


def compare_draws(node, script):
    images = pictures(4, 3, 5, 5)
    full = {"padding": 2, "flip": 0.5, "erase": 2, "noise": 20.0, "mixup": 0.3}
    cases = [
        {"chosen": chosen, "seed": seed, "k": k, "settings": settings}
        for chosen in (0, 3)
        for seed in (0, 9999)
        for k in range(8)
        for settings in (full, {**full, "mixup": 0.0})
    ]
    data = {"cases": cases, "shape": images.shape,
            "images": [image.ravel().tolist() for image in images]}  # fmt: skip
    partners = set()
    for case, found in zip(cases, node(script, DRAW, data), strict=True):
        own, partner = augmentations_numbers.drawn(images, *case.values())
        assert found["partner"] == partner != case["chosen"]
        assert np.array_equal(np.reshape(found["values"], own.shape), own), case
        luck = augmentations_numbers.luck_of(64 * case["seed"] + case["k"], own.size)
        assert found["flipped"] == (luck["flip"] < 0.5)
        partners.add(partner)
    assert partners == {None, 0, 1, 2, 3}


def test_draws_and_blends_are_the_same_in_both_languages(node):
    compare_draws(node, Augmentations._esm)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("part * (2 * padding + 1)) - padding", "part * 2 * padding) - padding"),
        ("luck.flip < flip", "luck.flip > flip"),
        ("mirrored ? width - 1 - k : k", "mirrored ? width - k : k"),
        ("const top = Math.floor(luck.erase[0] * height) - Math.floor(erase / 2);",
         "const top = Math.floor(luck.erase[0] * height);"),
        ("k < left + erase", "k <= left + erase"),
        ("inside && !erased", "inside"),
        ("noise * luck.noise[n]", "noise * luck.noise[0]"),
        ("near % 2 ? near - 1", "near % 2 ? near"),
        ("weight * (other[i] - value)", "weight * other[i]"),
        ("seed + k + PARTNERS", "seed + k"),
        ("chosen + 1 + Math", "chosen + Math"),
        ("i % 2 ? Math.sin(turn) : Math.cos(turn)", "Math.cos(turn)"),
    ],
)  # fmt: skip
def test_the_comparison_catches_a_wrong_line(node, right, wrong):
    assert Augmentations._esm.count(right) == 1
    script = Augmentations._esm.replace(right, wrong)
    with pytest.raises(AssertionError):
        compare_singly(node, script)
        compare_draws(node, script)
        compare_rounding(node, script)


def compare_rounding(node, script):
    values = [0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6, 7, 254.5, 0.49999999999999994]
    found = node(script, "return data.map((value) => m.roundEven(value));", values)
    assert found == np.round(values).tolist()


def test_halves_are_rounded_as_torch_rounds_them(node):
    compare_rounding(node, Augmentations._esm)


def test_blends_are_those_of_mixup():
    images = pictures(2)
    settings = {**OFF, "mixup": 0.25}
    own, partner = augmentations_numbers.drawn(images, 0, 0, 0, settings)
    assert partner == 1
    first, second = (torch.from_numpy(image).double() for image in images)
    blended = torch.lerp(second, first, 0.75)  # as MixupStep blends
    assert np.abs(own - blended.numpy()).max() <= 0.5 + 1e-9


def test_chance_is_normal_and_fixed_by_the_seed():
    luck = augmentations_numbers.luck_of(7, 20_001)
    assert abs(luck["noise"].mean()) < 0.03 and abs(luck["noise"].std() - 1) < 0.03
    assert abs(np.corrcoef(luck["noise"][1:], luck["noise"][:-1])[0, 1]) < 0.03
    flips = [augmentations_numbers.luck_of(k, 2)["flip"] for k in range(4000)]
    assert abs(np.mean(flips) - 0.5) < 0.02


def test_a_larger_strength_keeps_the_luck():
    images = pictures()
    draws = {p: Augmentations(images, flip=p).draws[0] for p in (0.3, 0.8)}
    plain = Augmentations(images, flip=0.0).draws[0]
    mirrored = {
        p: [k for k in range(8) if not np.array_equal(draws[p][k], plain[k])]
        for p in draws
    }
    assert set(mirrored[0.3]) < set(mirrored[0.8])


def test_nothing_is_changed_with_all_strengths_at_zero():
    images = pictures()
    draws, partners = Augmentations(images, chosen=1, **OFF).draws
    assert (draws == images[1]).all() and partners == [None] * 8


TELL = """
    const none = { padding: 0, flip: 0, erase: 0, noise: 0, mixup: 0 };
    return [
      m.tell(none, 0, 8),
      m.tell({ ...none, padding: 1, flip: 0.5 }, 3, 8),
      m.tell({ padding: 4, flip: 0, erase: 6, noise: 20, mixup: 0.3 }, 0, 8),
      m.labelOf(["a", "b", "a"], 0, null, 0), m.labelOf(["a", "b", "a"], 0, 1, 0.3),
      m.labelOf(["a", "b", "a"], 0, 2, 0.3), m.labelOf([], 0, 1, 0.3),
    ];
"""


def test_what_is_said(node):
    assert node(Augmentations._esm, TELL) == [
        "All strengths are 0: each draw is the original.",
        "Each draw: moved by up to 1 pixel each way (9 places); mirrored with "
        "probability 0.5 (here 3 of 8).",
        "Each draw: moved by up to 4 pixels each way (81 places); a square of 6 × 6 "
        "pixels erased, cut off at the rim; noise of standard deviation 20 grey "
        "levels; a partner with weight 0.3, and its label with the same weight.",
        "a", "0.7 a + 0.3 b", "a", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 1, 4, 4))}, "got float64 [2, 1, 4, 4]"),
        ({"images": pictures()[:, 0]}, "must be uint8 [N, 1 or 3, H, W], got uint8 [3"),
        ({"images": pictures(2, 2)}, "got uint8 [2, 2, 9, 7]"),
        ({"images": pictures(11)}, "got 11; take a few, such as images[:8]"),
        ({"images": pictures(0)}, "from 1 to 10 images to choose from, got 0"),
        (
            {"images": pictures(4, 3, 64, 64)},
            "have 49152 bytes together, at most 32768",
        ),
        ({"labels": ["a"]}, "labels must be 3 names, got 1"),
        ({"chosen": 3}, "chosen must be a whole number from 0 to 2, got 3"),
        ({"seed": -1}, "seed must be a whole number from 0 to 9999"),
        ({"padding": 9}, "padding must be a whole number from 0 to 8, got 9"),
        ({"padding": 1.5}, "padding must be a whole number"),
        ({"erase": 8}, "erase must be a whole number from 0 to 7, got 8"),
        ({"flip": 1.2}, "flip must be from 0 to 1, got 1.2"),
        ({"noise": float("nan")}, "noise must be from 0 to 100, got nan"),
        ({"mixup": 0.6}, "mixup must be from 0 to 0.5, got 0.6"),
        ({"images": pictures(1), "mixup": 0.2}, "mixup needs a second image"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Augmentations(**{"images": pictures(), **change})


def test_tensors_are_taken_and_the_state_is_small():
    images = torch.from_numpy(pictures(8, 3, 32, 32))
    shown = Augmentations(images, [f"class {k}" for k in range(8)], mixup=0.3)
    assert np.array_equal(shown.images, images.numpy())
    state = shown.get_state()
    del state["layout"]
    size = len(state.pop("pixels")) * 4 / 3 + len(json.dumps(state))
    assert size < 75_000
    data, metadata = test_explore.bundle_of(shown)
    assert data["text/plain"] == metadata["image/png"]["alt"]
    assert "image of class 0" in data["text/plain"] and "weight 0.3" in shown.alt
    plain = test_explore.bundle_of(Augmentations(images))[0]
    assert plain["image/png"] != data["image/png"]


# In the browser

PICTURES = """
    (root) => [...root.querySelectorAll("figcaption")].map((caption) => {
      const c = caption.previousSibling;
      const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
      return [...data].filter((_, i) => i % 4 !== 3);
    })
"""


def look(page, root):
    """The original and the draws as shown, uint8 [9, 3, H, W], and the sentence."""
    page.evaluate(NEXT_FRAME)
    said = root.locator(".course-augmentations-say:not([aria-hidden])").inner_text()
    flat = np.array(root.evaluate(PICTURES), dtype=np.uint8)
    return flat, said


def compare_shown(page, root, widget):
    """The canvases show what Python computes."""
    flat, _ = look(page, root)
    original = widget.images[widget.chosen][None]
    expected = np.concatenate([original, widget.draws[0]])
    expected = np.broadcast_to(expected, (9, 3, *expected.shape[2:]))
    assert np.array_equal(flat, expected.transpose(0, 2, 3, 1).reshape(9, -1))


@pytest.mark.browser
def test_a_slide_with_the_augmentations_has_no_fault(browser, tmp_path):
    images = pictures(8, 1, 28, 28)
    widget = Augmentations(images, [f"class {k}" for k in range(8)], mixup=0.3)
    deck = widget_deck(widget, tmp_path)
    with open_page(browser) as visit:
        assert deck_faults(visit, deck, math=False) == []


@pytest.mark.browser
@pytest.mark.parametrize("channels", [1, 3])
def test_every_control_changes_what_is_shown(shown, channels):
    images = pictures(4, channels, 8, 8)
    labels = ["one", "two", "three", "four"]
    page, root = shown(Augmentations(images, labels))
    copy = Augmentations(images, labels)
    compare_shown(page, root, copy)
    seen = [look(page, root)]
    before = root.bounding_box()
    for name, keys, value in (
        ("padding", 2, 4), ("flip", 3, 0.65), ("erase", 3, 3), ("noise", 4, 8),
        ("mixup", 4, 0.2),
    ):  # fmt: skip
        root.get_by_label(name).focus()
        for _ in range(keys):
            page.keyboard.press("ArrowRight")
        setattr(copy, name, value)
        compare_shown(page, root, copy)
        seen.append(look(page, root))
    assert len({said for _, said in seen}) == len(seen)
    assert root.bounding_box() == before
    root.get_by_role("button", name="image 3, three").focus()
    page.keyboard.press("Enter")
    root.get_by_role("button", name="Draw again").click()
    copy.chosen, copy.seed = 2, 1
    compare_shown(page, root, copy)
    captions = root.locator(".course-augmentations-draw figcaption").all_inner_texts()
    assert captions == [f"0.8 three + 0.2 {labels[k]}" for k in copy.draws[1]]
    assert accessibility_faults(page) == []
    root.get_by_role("button", name="Reset").click()
    compare_shown(page, root, Augmentations(images, labels))


@pytest.mark.browser
def test_one_image_has_no_partner(shown):
    _, root = shown(Augmentations(pictures(1)))
    assert root.get_by_label("mixup").is_hidden()


@pytest.mark.browser
@pytest.mark.parametrize("width", [380, 600, 860, 1120])
def test_nothing_is_wider_than_its_place(shown, width):
    images = pictures(8, 1, 28, 28)
    _, root = shown(Augmentations(images, ["T-shirt/top"] * 8, mixup=0.5))
    assert not is_too_wide(root, width)
