"""The polynomial fit: its JavaScript against NumPy, its still, its use in a browser."""

import re

import numpy as np
import pytest
import test_explore
from browser import open_page
from deck_faults import accessibility_faults, deck_faults
from shown_widgets import NEXT_FRAME, is_too_wide, widget_deck

from course_utils.explorables.polynomial import MOST_DEGREE, PLACES, truth
from course_utils.explore import PolynomialFit

node = test_explore.node  # the fixture
CASES = [
    {"points": 15, "noise": 0.3, "seed": 0},
    {"points": 20, "noise": 0.0, "seed": 7},
    {"points": 33, "noise": 1.0, "seed": 999},
    {"points": 200, "noise": 0.55, "seed": 20_999},
]
COMPUTE = """
    return data.map(({ points, noise, seed }) => {
      const sample = m.draw(points, noise, seed);
      const found = m.fits(sample, m.MOST_DEGREE);
      const measured = m.errors(sample, found, noise);
      return {
        places: [...m.PLACES], x: [...sample.x], y: [...sample.y],
        curves: found.map(({ atPlaces }) => [...atPlaces]),
        train: measured.map(({ train }) => train),
        test: measured.map(({ test }) => test),
        best: m.bestDegree(measured),
      };
    });
"""


class Free(PolynomialFit):
    """The widget without its bounds on the seed, for samples beyond the first 1,000."""

    scripts = PolynomialFit.scripts

    def __init__(self, *, seed, **options):
        super().__init__(**options)
        self.seed = seed


def compare_with_numpy(node, script):
    found = node(script, COMPUTE, CASES)
    for case, answer in zip(CASES, found, strict=True):
        widget = Free(**case)
        x, y = widget.sample()
        test_explore.assert_near(answer["places"], PLACES)
        test_explore.assert_near(answer["x"], x)
        test_explore.assert_near(answer["y"], y)
        for degree, curve in enumerate(np.array(answer["curves"], dtype=float)):
            powers = np.vander(x, degree + 1)  # another basis, another solver
            weights = np.linalg.lstsq(powers, y, rcond=None)[0]
            expected = np.vander(PLACES, degree + 1) @ weights
            assert np.allclose(curve, expected, rtol=1e-6, atol=1e-6), (case, degree)
            test_explore.assert_near(curve.tolist(), widget.fitted(degree)(PLACES))
        train, test = widget.errors()
        assert np.allclose(answer["train"], train, rtol=1e-9, atol=1e-12)
        assert np.allclose(answer["test"], test, rtol=1e-9)
        assert answer["best"] == test.argmin()


def test_the_browser_computes_what_numpy_computes(node):
    compare_with_numpy(node, PolynomialFit._esm)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("Math.sin(Math.PI * x)", "Math.sin(3 * x)"),
        ("(i + numbers[i]) / count", "i / count"),
        ("Math.sqrt(-2 *", "Math.sqrt(-1 *"),
        ("(k - 1) * columns[k - 2]", "k * columns[k - 2]"),
        ("far[k] = far[k].map((value, i) => value - share * far[j][i]);", ""),
        ("far[k] = far[k].map((value) => value / length);", ""),
        ("value + weight * far[k][i]", "value + weight * near[k][i]"),
        ("+ noise * noise,", ","),
        ("test < measured[best].test", "test > measured[best].test"),
    ],
)
def test_the_comparison_catches_a_wrong_line(node, right, wrong):
    changed = PolynomialFit._esm.replace(right, wrong)
    assert PolynomialFit._esm.count(right) == 1
    if "columns[k - 2]" in right:  # other polynomials span the same curves
        with pytest.raises(AssertionError):
            compare_legendre(node, changed)
        return
    with pytest.raises(AssertionError):
        compare_with_numpy(node, changed)


def compare_legendre(node, script):
    script += "\nexport { legendre };"
    body = "return m.legendre(Float64Array.from(data), 14).map((c) => [...c]);"
    columns = node(script, body, PLACES.tolist())
    expected = np.polynomial.legendre.legvander(PLACES, MOST_DEGREE)
    test_explore.assert_near(np.transpose(columns).tolist(), expected)


def test_the_polynomials_are_legendre_s(node):
    compare_legendre(node, PolynomialFit._esm)


def test_samples_are_spread_and_their_noise_is_normal():
    widget = PolynomialFit(points=200, noise=1.0)
    noise = []
    for seed in range(40):
        x, y = widget.sample(seed)
        assert (np.floor((x + 1) * 100) == np.arange(200)).all()
        noise.append(y - truth(x))
    noise = np.concatenate(noise)
    assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.04
    assert 0.03 < (np.abs(noise) > 1.96).mean() < 0.07


def test_train_error_falls_and_the_points_can_be_met():
    train, test = PolynomialFit(points=15).errors()
    assert (np.diff(train) < 1e-12).all() and train[-1] < 1e-12
    assert test.min() > 0.3**2
    quiet, _ = PolynomialFit(noise=0.0, points=200).errors()
    assert quiet[9] < 1e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degree": 15}, "degree must be a whole number from 0 to 14, got 15"),
        ({"degree": 2.5}, "degree must be a whole number"),
        ({"degree": True}, "degree must be a whole number"),
        ({"points": 14}, "points must be a whole number from 15 to 200, got 14"),
        ({"seed": 1000}, "seed must be a whole number from 0 to 999"),
        ({"noise": -0.1}, "noise must be from 0 to 1, got -0.1"),
        ({"noise": float("nan")}, "noise must be from 0 to 1"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        PolynomialFit(**options)


def test_the_still_shows_what_is_chosen():
    pictures = {
        test_explore.bundle_of(PolynomialFit(**options))[0]["image/png"]
        for options in ({}, {"degree": 3}, {"noise": 0.0}, {"others": True})
    }
    assert len(pictures) == 4
    data, metadata = test_explore.bundle_of(PolynomialFit(3, points=40))
    assert "40 noisy points" in data["text/plain"]
    assert metadata["image/png"]["alt"] == data["text/plain"]


SHEETS = """(root) => [...root.querySelectorAll("canvas")].map((c) => c.toDataURL())"""


def look(page, root):
    """Both drawings and the sentence below them."""
    page.evaluate(NEXT_FRAME)
    said = root.locator(".course-polynomial-say:not([aria-hidden])").inner_text()
    return *root.evaluate(SHEETS), said


@pytest.mark.browser
def test_a_slide_with_the_fit_has_no_fault(browser, tmp_path):
    deck = widget_deck(PolynomialFit(), tmp_path)
    with open_page(browser) as visit:
        assert deck_faults(visit, deck, math=False) == []


@pytest.mark.browser
def test_every_control_changes_what_is_shown(shown):
    page, root = shown(PolynomialFit(9, points=20))
    seen = [look(page, root)]
    for name in ("degree", "noise", "points"):
        root.get_by_label(re.compile(f"^{name}")).focus()
        page.keyboard.press("ArrowLeft")
        seen.append(look(page, root))
    root.get_by_role("button", name="New sample").click()
    seen.append(look(page, root))
    assert all(len({one[k] for one in seen}) == len(seen) for k in (0, 1, 2))
    root.get_by_label("other samples").check()
    alone, together = seen[-1], look(page, root)
    assert together[0] != alone[0] and together[1:] == alone[1:]
    assert accessibility_faults(page) == []


@pytest.mark.browser
def test_the_sentence_says_what_numpy_computes(shown):
    page, root = shown(PolynomialFit(5, noise=0.5, points=30, seed=4))
    train, test = PolynomialFit(5, noise=0.5, points=30, seed=4).errors()
    said = look(page, root)[2]
    numbers = [float(part) for part in re.findall(r"\d+(?:\.\d+)?", said)]
    expected = [5, train[5], test[5], 0.25, test.argmin()]
    assert numbers == pytest.approx(expected, rel=6e-3)


@pytest.mark.browser
@pytest.mark.parametrize("width", [380, 600, 860, 1120])
def test_nothing_is_wider_than_its_place(shown, width):
    _, root = shown(PolynomialFit())
    assert not is_too_wide(root, width)
