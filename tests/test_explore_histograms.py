"""The layers' histograms: torch's tables, their choice in JavaScript, a browser."""

import re

import numpy as np
import pytest
import test_explore
import torch
from browser import open_page
from deck_faults import accessibility_faults, deck_faults
from shown_widgets import NEXT_FRAME, is_too_wide, widget_deck
from torch import nn

from course_utils.explorables import histograms
from course_utils.explorables.histograms import (
    BINS,
    DEPTHS,
    GAINS,
    HIGHEST,
    LOWEST,
    MOST_LAYERS,
    WIDTH,
    layers_shown,
    shares,
    signals,
    some_weights,
)
from course_utils.explore import LayerHistograms
from course_utils.measure import activation_statistics

node = test_explore.node  # the fixture
SETTINGS = [
    {"activation": "tanh", "norm": False, "depth": 50, "gain": 1.0},
    {"activation": "ReLU", "norm": False, "depth": 20, "gain": GAINS[6]},
    {"activation": "ReLU", "norm": True, "depth": 10, "gain": 10.0},
    {"activation": "tanh", "norm": True, "depth": 3, "gain": 0.1},
]


@pytest.fixture(scope="module")
def made():
    return LayerHistograms()


@pytest.fixture
def widget(made):
    """A function that sets the one widget, whose tables take seconds to compute."""

    def set_to(**settings):
        for name, value in settings.items():
            setattr(made, name, value)
        return made

    return set_to


def inputs_of(rows=40, features=7):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(rows, features, generator=generator, dtype=torch.float64)


def network(weights, gain, kind, norm):
    """The same layers as a Sequential of torch's."""
    layers = []
    for weight in weights:
        layer = nn.Linear(weight.shape[1], WIDTH, bias=False, dtype=torch.float64)
        layer.weight.data = weight * gain / weight.shape[1] ** 0.5
        norms = [nn.BatchNorm1d(WIDTH, affine=False, dtype=torch.float64)] * norm
        layers += [layer, *norms, kind()]
    return nn.Sequential(*layers)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("kind", [nn.Tanh, nn.ReLU])
def test_signals_are_those_of_a_sequential(kind, norm):
    inputs, weights = inputs_of(), some_weights(7)[:4]
    activate = {nn.Tanh: torch.tanh, nn.ReLU: torch.relu}[kind]
    outputs, gradients = signals(inputs, weights, 1.7, activate, norm)
    model = network(weights, 1.7, kind, norm)
    rows = activation_statistics(model, inputs, kinds=kind)
    stds = [output.std(correction=0).item() for output in outputs]
    assert stds == pytest.approx([row.std for row in rows], rel=1e-6)
    kept, signal = [], inputs.clone()
    for layer in model:
        signal = layer(signal)
        if isinstance(layer, kind):
            signal.requires_grad_() if not signal.requires_grad else None
            signal.retain_grad()
            kept.append(signal)
    kept[-1].backward(gradients[-1])
    for mine, torchs in zip(gradients, kept, strict=True):
        assert torch.allclose(mine, torchs.grad, rtol=1e-9, atol=1e-12)
    assert 0.9 < gradients[-1].std() < 1.1
    assert not inputs.requires_grad


def test_shares_are_a_histogram_of_sizes():
    numbers = torch.tensor([0.0, 0.0, 1e-20, -0.02, 0.5, 0.5, 5e7, -1.0])
    found = shares(numbers)
    edges = np.linspace(LOWEST, HIGHEST, BINS + 1)
    sizes = np.log10(np.abs(numbers[numbers != 0].numpy())).clip(LOWEST, HIGHEST)
    expected = np.append(np.histogram(sizes, edges)[0], 2) / 8
    assert found == pytest.approx(expected) and found.sum() == pytest.approx(1)
    assert found[0] == found[BINS - 1] == 1 / 8  # what lies outside, at the rims


@pytest.mark.parametrize("settings", SETTINGS)
def test_what_is_chosen_is_what_was_measured(widget, settings):
    found, stds = widget(**settings).chosen()
    inputs = histograms._checked(None)
    activate = histograms.ACTIVATIONS[settings["activation"]]
    weights = some_weights(WIDTH)[: settings["depth"]]
    both = signals(inputs, weights, settings["gain"], activate, settings["norm"])
    layers = layers_shown(settings["depth"])
    for side, tensors in enumerate(both):
        for k, layer in enumerate(layers):
            numbers = tensors[layer - 1]
            assert found[side, k] == pytest.approx(shares(numbers), abs=1 / 500)
            assert stds[side, k] == pytest.approx(numbers.std().item(), rel=1e-6)
    assert len(stds[0]) == len(layers)


def test_theory_is_seen(widget):
    still = {"norm": False, "depth": 50, "activation": "ReLU"}
    _, he = widget(**still, gain=GAINS[6]).chosen()
    _, small = widget(**still, gain=1.0).chosen()
    _, large = widget(**still, gain=2.0).chosen()
    assert 0.02 < he[0, -1] / he[0, 0] < 2
    assert small[0, -1] / small[0, 0] < 1e-6  # by 1/√2 a layer
    assert large[0, -1] / large[0, 0] > 1e6
    assert small[1, 0] < 1e-6 < 1e6 < large[1, 0]
    normed = [widget(**still | {"norm": True}, gain=one).chosen()[1] for one in GAINS]
    assert np.allclose(normed, normed[0], rtol=0.5)  # the size of the weights is gone
    assert (
        normed[0][1, 0] > 1000 * normed[0][1, -1]
    )  # but gradients grow on the way down


CHOOSE = """
    const shares = Uint8Array.from(data.shares), spreads = Float64Array.from(data.spreads);
    return data.places.map(({ place, depth }) => {
      const layers = m.layersShown(depth);
      return { layers, found: m.choose({ shares, spreads }, place, data.counts, layers.length) };
    });
"""  # noqa: E501


def compare_choice(node, widget, script):
    made = widget(**SETTINGS[0])
    places = [
        {
            "depth": one["depth"],
            "place": {
                "activation": made.activations.index(one["activation"]),
                "norm": int(one["norm"]),
                "depth": DEPTHS.index(one["depth"]),
                "gain": GAINS.index(one["gain"]),
            },
        }
        for one in SETTINGS
    ]
    data = {
        "shares": list(made.shares),
        "spreads": np.frombuffer(made.spreads, "<f8").tolist(),
        "places": places,
        "counts": {"depths": len(DEPTHS), "gains": len(GAINS)},
    }
    for settings, answer in zip(SETTINGS, node(script, CHOOSE, data), strict=True):
        found, stds = widget(**settings).chosen()
        assert answer["layers"] == layers_shown(settings["depth"]).tolist()
        for side in (0, 1):
            rows = answer["found"][side]
            test_explore.assert_near([row["std"] for row in rows], stds[side].copy())
            seen = [[*row["shares"], row["zeros"]] for row in rows]
            test_explore.assert_near(np.ravel(seen).tolist(), found[side])


def test_the_browser_chooses_what_python_chooses(node, widget):
    compare_choice(node, widget, LayerHistograms._esm)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("activation * 2 + norm", "norm * 2 + activation"),
        ("+ depth) * gains", "+ depth) * depths"),
        ("(setting * 2 + side)", "(setting + side)"),
        ("(first + k) * (BINS + 1)", "(first + k) * BINS"),
        ("zeros: shares[at + BINS]", "zeros: shares[at]"),
        ("Math.round(1 + k", "Math.floor(k"),
    ],
)
def test_the_comparison_catches_a_wrong_line(node, widget, right, wrong):
    assert LayerHistograms._esm.count(right) == 1
    with pytest.raises(AssertionError):
        compare_choice(node, widget, LayerHistograms._esm.replace(right, wrong))


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_first_and_the_last_layer_are_shown(depth):
    layers = layers_shown(depth)
    assert layers[0] == 1 and layers[-1] == depth
    assert len(set(layers)) == len(layers) == min(depth, MOST_LAYERS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 7}, "depth must be one of 3, 10, 20, 50, got 7"),
        ({"gain": 1.1}, "gain must be one of 0.1, 0.3, 0.5, 0.8, 1, 1.2, 1.41, "),
        ({"activation": "gelu"}, "activation must be one of tanh, ReLU, got 'gelu'"),
        ({"inputs": torch.ones(3, 1, 28, 28)}, "got [3, 1, 28, 28]; lay images out"),
        ({"inputs": torch.ones(1, 5)}, "inputs must be [N, F] with N of 2 or more"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        LayerHistograms(**options)


def test_own_activations_and_inputs_are_measured():
    gelu = {"GELU": nn.functional.gelu}
    some = LayerHistograms(
        3, 1.41, "GELU", activations=gelu, inputs=inputs_of().float()
    )
    _, stds = some.chosen()
    outputs, _ = signals(
        inputs_of().float().double(), some_weights(7)[:3], GAINS[6], gelu["GELU"], False
    )
    assert stds[0] == pytest.approx([one.std().item() for one in outputs])


def test_the_still_shows_what_is_chosen(widget):
    pictures = set()
    for settings in SETTINGS:
        data, _ = widget(**settings).still()
        pictures.add(data["image/png"])
    assert len(pictures) == len(SETTINGS)


SHEETS = """(root) => [...root.querySelectorAll("canvas")].map((c) => c.toDataURL())"""


def look(page, root):
    """Both drawings and the sentence below them."""
    page.evaluate(NEXT_FRAME)
    said = root.locator(".course-histograms-say:not([aria-hidden])").inner_text()
    return *root.evaluate(SHEETS), said


@pytest.mark.browser
def test_a_slide_with_the_histograms_has_no_fault(browser, tmp_path, widget):
    deck = widget_deck(widget(**SETTINGS[1]), tmp_path)
    with open_page(browser) as visit:
        assert deck_faults(visit, deck, math=False) == []


@pytest.mark.browser
def test_every_control_changes_what_is_shown(shown, widget):
    page, root = shown(widget(**SETTINGS[0]))
    seen = [look(page, root)]
    for name in ("depth", "std of weights"):
        root.get_by_label(re.compile(f"^{name}")).focus()
        page.keyboard.press("ArrowLeft")
        seen.append(look(page, root))
    root.get_by_role("combobox").select_option("ReLU")
    seen.append(look(page, root))
    root.get_by_label("batch norm").check()
    seen.append(look(page, root))
    assert all(len({one[k] for one in seen}) == len(seen) for k in (0, 1, 2))
    assert accessibility_faults(page) == []


@pytest.mark.browser
def test_the_sentence_says_what_torch_computed(shown, widget):
    made = widget(**SETTINGS[1])
    page, root = shown(made)
    found, stds = made.chosen()
    said = look(page, root)[2].replace("\u2212", "-")
    numbers = [float(part) for part in re.findall(r"\d+(?:\.\d+)?(?:e[+-]\d+)?", said)]
    ends = [stds[0, 0], 1, stds[0, -1], 20, stds[1, -1], 20, stds[1, 0], 1, 0, 20]
    expected = [*ends, 100 * found[0, -1, -1]]
    assert numbers == pytest.approx(expected, rel=0.06)


@pytest.mark.browser
@pytest.mark.parametrize("width", [380, 600, 860, 1120])
def test_nothing_is_wider_than_its_place(shown, widget, width):
    _, root = shown(widget(**SETTINGS[0]))
    assert not is_too_wide(root, width)
