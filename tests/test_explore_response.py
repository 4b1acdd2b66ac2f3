"""The response surface: interpolation, searches, words, and use in a browser."""

import json
import logging
import re
import subprocess
import sys

import numpy as np
import optuna
import pytest
import test_explore
from browser import open_page
from deck_faults import accessibility_faults, deck_faults
from scipy.interpolate import RegularGridInterpolator
from shown_widgets import NEXT_FRAME, is_too_wide, widget_deck

from course_utils.explorables import response_search
from course_utils.explorables.response_still import BAND, heights
from course_utils.explore import ResponseSurface

node = test_explore.node  # the fixture
RATES = [0.001, 0.01, 0.03, 0.1, 1.0]  # at uneven distances
DECAYS = [1e-6, 1e-4, 1e-3]


def measured(seed=0):
    """Scores [3, 5] with one best place, and a little noise."""
    x, y = np.meshgrid(np.log10(RATES), np.log10(DECAYS))
    noise = np.random.default_rng(seed).normal(0, 0.02, x.shape)
    return 0.4 + 0.3 * (x + 1.5) ** 2 + 0.05 * (y + 4) ** 2 + noise


def small(**options):
    arguments = {"budget": 8, "seeds": 5, **options}
    values = arguments.pop("values", measured())
    x = arguments.pop("x", ("learning rate", RATES))
    y = arguments.pop("y", ("weight decay", DECAYS))
    return ResponseSurface(values, x, y, **arguments)


COMPUTE = """
    const [across, up] = [m.knotsOf(data.x), m.knotsOf(data.y)];
    const surface = { values: data.values, across, up };
    return {
      values: data.places.map((place) => m.valueAt(surface, place)),
      positions: data.places.map(([u]) => m.positionAt(data.x, u)),
      best: ["lower", "higher"].map((better) => m.bestSoFar(data.curves[0], better)),
      band: m.bandOf(data.curves),
      beaten: ["lower", "higher"].map((better) =>
        [1, 2, 3, 4, 5, 6].map((count) => m.beaten(data.curves, count, 0.5, better))),
      heights: data.curves[0].map((value) => m.heightOf(value, data.range)),
    };
"""


def places_to_compare():
    """Random places, the corners, and the measured points themselves."""
    generator = np.random.default_rng(2)
    across, up = response_search.knots(RATES), response_search.knots(DECAYS)
    grid = [(u, v) for u in across for v in up]
    return [*generator.random((40, 2)).tolist(), *grid]


def compare_with_python(node, script):
    surface, places = small(), places_to_compare()
    curves = np.random.default_rng(3).random((7, 6))
    data = {"values": surface.values, "x": RATES, "y": DECAYS, "places": places,
            "curves": curves.tolist(), "range": [0.9, 0.2]}  # fmt: skip
    found = node(script, COMPUTE, data)
    logs = np.log(RATES), np.log(DECAYS)
    rule = RegularGridInterpolator(logs, np.transpose(surface.values))
    low, high = (np.array([log[end] for log in logs]) for end in (0, -1))
    expected = rule(np.clip(low + np.array(places) * (high - low), low, high))
    test_explore.assert_near(found["values"], expected)
    u, v = np.transpose(places)
    own = response_search.interpolate(surface.values, *surface._knots(), u, v)
    test_explore.assert_near(own.tolist(), expected)
    test_explore.assert_near(found["positions"], 0.001 * 1000**u)
    for better, curve in zip(("lower", "higher"), found["best"], strict=True):
        assert curve == response_search.best_so_far(curves[0], better).tolist()
    low, high = np.percentile(curves, BAND, axis=0)
    for name, values in (
        ("low", low), ("middle", np.median(curves, axis=0)), ("high", high)
    ):  # fmt: skip
        test_explore.assert_near(found["band"][name], values)
    worse = [(curves > 0.5).sum(axis=0).tolist(), (curves < 0.5).sum(axis=0).tolist()]
    assert found["beaten"] == worse and len(set(worse[0])) > 2
    parts = ((0.9 - curves[0]) / 0.7).clip(0, 1)
    test_explore.assert_near(found["heights"], parts**0.5)


def test_the_browser_computes_what_scipy_and_numpy_compute(node):
    compare_with_python(node, ResponseSurface._esm)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(Math.log(position) - low) / (high - low)", "(position - 1) / (high - low)"),
        ("(1 - s) * row[i] + s * row[i + 1]", "s * row[i] + (1 - s) * row[i + 1]"),
        ("(1 - t) * along(values[j])", "along(values[j])"),
        ("marks[number + 1] <= within", "marks[number] <= within"),
        ('better === "lower" ? one < other : one > other', "one < other"),
        ("(best = isBetter(value, best, better) ? value : best)", "value"),
        ("(place - low) * (sorted[high]", "(sorted[high]"),
        ("low: at(0.1)", "low: at(0)"),
        ("curve[count - 1]", "curve[count]"),
        ("Math.sqrt(Math.min(1,", "(Math.min(1,"),
    ],
)
def test_the_comparison_catches_a_wrong_line(node, right, wrong):
    assert ResponseSurface._esm.count(right) == 1
    with pytest.raises(AssertionError):
        compare_with_python(node, ResponseSurface._esm.replace(right, wrong))


def test_the_surface_is_that_of_the_measured_points():
    surface = small()
    x, y = np.meshgrid(RATES, DECAYS)
    np.testing.assert_allclose(surface.value(x, y), measured(), rtol=1e-4)
    middle = surface.value((0.001 * 0.01) ** 0.5, 1e-6)
    assert middle == pytest.approx(measured()[0, :2].mean(), rel=1e-4)
    with pytest.raises(ValueError, match=r"learning rate must be from 0.001 to 1, got"):
        surface.value(2, 1e-4)
    with pytest.raises(ValueError, match=r"weight decay must be from .* got nan"):
        surface.value(0.1, float("nan"))


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_the_searches_are_as_described(better):
    surface = small(better=better, budget=12, seeds=6, seed=3)
    values = np.array(surface.values)
    best = values.min() if better == "lower" else values.max()
    sign = 1 if better == "lower" else -1
    for name, run in surface.rivals.items():
        curves, places = np.array(run["curves"]), np.array(run["places"])
        assert curves.shape == (6, 12) and places.shape == (12, 2)
        assert places.min() >= 0 and places.max() <= 1
        assert (np.diff(sign * curves, axis=1) <= 0).all()
        assert (sign * (curves - best) >= -1e-4).all()
        tried = response_search.interpolate(values, *surface._knots(), *places.T)
        own = response_search.best_so_far(tried, better)
        assert np.abs(curves - own).max(axis=1).min() < 1e-4, name  # one of its runs
        assert np.sort(curves[:, -1])[2] == pytest.approx(own[-1], rel=1e-4)
    first, other = (
        np.array(surface.rivals[name]["curves"]) for name in ("random", "TPE")
    )
    assert (first[:, :3] == other[:, :3]).all() and (first != other).any()


def test_tpe_is_optuna_s_own_and_silent(capfd):
    seen = []

    def value(u, v):
        seen.append((u, v))
        return (u - 0.3) ** 2 + (v - 0.8) ** 2

    optuna.logging.set_verbosity(logging.INFO)
    places = response_search.tpe_places(value, 40, 5, "lower")
    assert optuna.logging.get_verbosity() == logging.INFO
    assert capfd.readouterr() == ("", "")
    assert places.tolist() == [list(one) for one in seen]
    assert (places[:10] == response_search.random_places(40, 5)[:10]).all()
    distances = np.hypot(places[:, 0] - 0.3, places[:, 1] - 0.8)
    assert np.median(distances[-15:]) < 0.6 * np.median(distances[:10])
    again = response_search.tpe_places(value, 40, 5, "lower")
    assert (places == again).all()


def test_optuna_is_imported_when_it_is_needed():
    source = "import sys, course_utils.explore; assert 'optuna' not in sys.modules"
    subprocess.run([sys.executable, "-c", source], check=True)


def test_heights_go_from_the_best_to_the_worst():
    assert heights([0.2, 0.9, 0.375], "lower").tolist() == pytest.approx([0, 1, 0.5])
    assert heights([0.2, 0.9], "higher").tolist() == [1, 0]


def test_trials_are_what_the_reader_picked():
    surface = small()
    assert surface.trials == []
    surface.picked = [[0, 0], [0.5, 1]]
    (x, y, value), last = surface.trials
    assert (x, y, value) == pytest.approx((0.001, 1e-6, surface.values[0][0]))
    assert last[:2] == pytest.approx((0.001 * 1000**0.5, 1e-3))


TELL = """
    const random = { curves: [[4, 4], [2, 2]] };
    const rivals = { TPE: { curves: [[3, 1], [3, 2]] }, random };
    const best = { score: 1.5, number: 2, at: "rate 1" };
    const trial = { score: 2.5, at: "rate 3" };
    const common = { budget: 3, best, what: "loss" };
    return [
      m.tellTrials({ ...common, count: 0, trial: null, best: null }),
      m.tellTrials({ ...common, count: 2, trial }),
      m.tellTrials({ ...common, count: 3, trial }),
      m.tellOutcome({ count: 2, best, rivals, better: "lower", top: 0.5 }),
      m.tellOutcome({ count: 1, best, rivals, better: "higher", top: 9 }),
      m.tellOutcome({ count: 0, best: null, rivals, better: "lower", top: 0.5 }),
    ];
"""


def test_what_is_said(node):
    assert node(ResponseSurface._esm, TELL) == [
        "3 points to try. Where is the best loss?",
        "Point 2 of 3, rate 3: 2.5. Best so far: 1.5, point 2.",
        "Point 3 of 3, rate 3: 2.5. Best so far: 1.5, point 2. That was the last.",
        "Your best after 2 points, 1.5 at rate 1, is better than 2 of 2 runs of random "
        "search and 1 of 2 runs of TPE with as many points. The best of the whole map "
        "(+) is 0.5.",
        "Your best after 1 point, 1.5 at rate 1, is better than 0 of 2 runs of random "
        "search and 0 of 2 runs of TPE with as many points. The best of the whole map "
        "(+) is 9.",
        "Revealed before the first point. The best of the whole map (+) is 0.5.",
    ]


def test_axes_have_few_round_marks(node):
    ends = [[1e-4, 1], [1e-8, 1e4], [0.02, 0.9], [0.1, 0.3], [3.1, 3.4]]
    found = node(
        ResponseSurface._esm, "return data.map((e) => m.logTicks(...e));", ends
    )
    assert found[0] == [1e-4, 1e-3, 1e-2, 0.1, 1]
    for (low, high), marks in zip(ends, found, strict=True):
        assert 2 <= len(marks) <= 7 and marks == sorted(marks)
        assert low * 0.99 <= marks[0] and marks[-1] <= high * 1.01


SHOW = """
    const bands = [{ low: [5, 4, 3, 2], middle: [9, 6, 5, 5], high: [9, 9, 8, 7] }];
    const all = [m.heightsToShow([8, 4], bands, 4), m.heightsToShow([8], bands, 4)];
    return [...all, m.heightsToShow([8, 4], [], 4), m.heightsToShow([], [], 4)];
"""


def test_the_first_points_do_not_squeeze_the_curves(node):
    found = node(ResponseSurface._esm, SHOW)
    assert found == [[4, 4, 2, 7, 6], [8, 2, 7, 6], [8, 4, 4], []]
    figure = small(budget=20, seeds=20).picture()
    curves = [
        np.median(run["curves"], 0)
        for run in small(budget=20, seeds=20).rivals.values()
    ]
    low, high = figure.axes[1].get_ylim()
    assert low < min(curve[-1] for curve in curves)
    assert max(curve[5] for curve in curves) < high < max(curve[0] for curve in curves)


def test_labels_are_moved_apart(node):
    body = "return data.map((heights) => m.apart(heights, 15));"
    found = node(ResponseSurface._esm, body, [[5, 100], [50, 50, 40], []])
    assert found == [[5, 100], [55, 70, 40], []]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"x": [0.1, 1]},
            'x must be a pair of a name and its positions, such as ("lea',
        ),
        ({"y": ("decay", ["a", "b"])}, "y must be a pair of a name and its positions"),
        ({"x": ("rate", [0.1])}, "rate must have from 2 to 40 positions, got 1"),
        (
            {"x": ("rate", [0, 1, 2, 3, 4])},
            "positions of rate must be positive and inc",
        ),
        ({"y": ("decay", [3, 2, 1])}, "positions of decay must be positive and incr"),
        ({"y": ("decay", [1, 2, float("inf")])}, "positions of decay must be finite"),
        (
            {"values": measured().T},
            "values must be [3, 5], a row for each weight decay",
        ),
        ({"values": np.full((3, 5), np.nan)}, "15 of the values are not finite; give"),
        ({"values": np.ones((3, 5))}, "all values are 1: there is nothing to find"),
        ({"values": [1, 2]}, "values must be [3, 5]"),
        ({"budget": 1}, "budget must be a whole number from 2 to 60, got 1"),
        ({"budget": 2.5}, "budget must be a whole number"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"seeds": 1}, "seeds must be a whole number from 2 to 50, got 1"),
        ({"better": "best"}, "better must be 'lower' or 'higher', got 'best'"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        small(**change)


def test_the_still_shows_searches_and_trials_and_the_state_is_small():
    surface = small()
    data, metadata = test_explore.bundle_of(surface)
    assert data["text/plain"] == metadata["image/png"]["alt"]
    median = np.median(np.array(surface.rivals["TPE"]["curves"])[:, -1])
    assert f"{median:.3g} for TPE" in data["text/plain"]
    surface.picked = [[0.2, 0.2], [0.6, 0.7]]
    assert test_explore.bundle_of(surface)[0]["image/png"] != data["image/png"]
    sides = np.logspace(-4, 0, 40)
    big = ResponseSurface(
        np.random.default_rng(0).random((40, 40)), ("a", sides), ("b", sides),
        budget=60, seeds=2,
    )  # fmt: skip
    state = big.get_state()
    del state["layout"]
    assert len(json.dumps(state)) < 100_000
    usual = small(budget=20, seeds=20).get_state()
    del usual["layout"]
    assert len(json.dumps(usual)) < 60_000


# In the browser


def said(page, root):
    """The two sentences: of the last point, and of the comparison."""
    page.evaluate(NEXT_FRAME)
    found = root.locator(".course-response-said:not([aria-hidden])")
    return found.nth(0).inner_text(), found.nth(1).inner_text()


def click(page, root, u, v):
    box = root.locator(".course-response-pick").bounding_box()
    page.mouse.click(box["x"] + u * box["width"], box["y"] + (1 - v) * box["height"])


@pytest.mark.browser
def test_a_slide_with_the_surface_has_no_fault(browser, tmp_path):
    deck = widget_deck(small(), tmp_path)
    with open_page(browser) as visit:
        assert deck_faults(visit, deck, math=False) == []


@pytest.mark.browser
def test_points_are_tried_by_pointer_and_the_last_reveals(shown):
    surface = small(budget=3)
    page, root = shown(surface)
    picture = root.locator("canvas").first
    drawn = [picture.evaluate("(c) => c.toDataURL()")]
    before = root.bounding_box()
    assert said(page, root) == (
        "3 points to try. Where is the best validation loss?",
        "",
    )
    assert root.get_by_role("checkbox", name="TPE").is_disabled()
    for k, (u, v) in enumerate([(0.1, 0.2), (0.5, 0.5), (0.9, 0.8)], start=1):
        click(page, root, u, v)
        tried = surface.value(0.001 * 1000**u, 1e-6 * 1000**v)
        score = re.match(rf"Point {k} of 3, .*?: ([\d.]+)\. Best", said(page, root)[0])
        assert float(score[1]) == pytest.approx(tried, rel=0.03)
        drawn.append(picture.evaluate("(c) => c.toDataURL()"))
    assert len(set(drawn)) == 4
    ending = said(page, root)
    assert ending[0].endswith("That was the last.")
    assert ending[1].startswith("Your best after 3 points, ")
    assert root.bounding_box() == before
    click(page, root, 0.3, 0.3)
    assert said(page, root) == ending
    for name in ("random search", "TPE"):
        root.get_by_role("checkbox", name=name).uncheck()
        page.evaluate(NEXT_FRAME)
        drawn.append(picture.evaluate("(c) => c.toDataURL()"))
    assert len(set(drawn)) == 6
    assert accessibility_faults(page) == []
    root.get_by_role("button", name="Start again").click()
    assert said(page, root)[0].startswith("3 points to try.")
    page.evaluate(NEXT_FRAME)
    assert root.get_by_role("checkbox", name="TPE").is_disabled()


@pytest.mark.browser
def test_points_are_tried_by_keys(shown):
    surface = small()
    page, root = shown(surface)
    assert accessibility_faults(page) == []
    root.locator(".course-response-pick").focus()
    for key in ("Shift+ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    rate, decay = 0.001 * 1000**0.4, 1e-6 * 1000**0.52
    assert said(page, root)[0] == (
        f"Cursor: learning rate {rate:.2g}, weight decay {decay:.6f}. Enter tries it."
    ).replace("0.000036", "3.6e−5")
    page.keyboard.press("Enter")
    value = surface.value(rate, decay)
    assert f": {value:.3g}. Best so far" in said(page, root)[0]
    page.keyboard.press("Space")
    assert said(page, root)[0].startswith("You have tried learning rate 0.016, ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert said(page, root)[0].startswith("Point 2 of 8, ")
    root.get_by_role("button", name="Reveal").click()
    assert said(page, root)[1].startswith("Your best after 2 points, ")


@pytest.mark.browser
@pytest.mark.parametrize("width", [380, 600, 860, 1120])
def test_nothing_is_wider_than_its_place(shown, width):
    _, root = shown(small())
    root.get_by_role("button", name="Reveal").click()
    assert not is_too_wide(root, width)
