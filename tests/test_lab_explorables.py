"""Explorables of chapters 06 and 07 in JupyterLab: keys, and what the kernel knows."""

import re

import pytest
from shown_widgets import NEXT_FRAME

pytestmark = pytest.mark.browser

CELLS = [
    "import numpy as np\n"
    "from course_utils.explore import *\n"
    "scores = [[3, 2, 4], [2.5, 1, 5]]\n"
    'axes = ("rate", [0.01, 0.1, 1]), ("decay", [0.001, 0.1])\n'
    "surface = ResponseSurface(scores, *axes, budget=3, seeds=3)\nsurface",
    "pictures = np.arange(128, dtype=np.uint8).reshape(2, 1, 8, 8)\n"
    "augmented = Augmentations(pictures)\naugmented",
    "rows = np.array([[[0.5, 0.5], [0.25, 0.75]], [[0.9, 0.1], [0.1, 0.9]]])\n"
    'ensemble = DropoutEnsemble(rows, [0.5, 0.5], [0.2, 0.5], ["a", "b"])\nensemble',
    "surface.trials, surface.revealed, augmented.padding, augmented.seed, "
    "ensemble.rates[ensemble.chosen], ensemble.passes",
]
VALUES = 3


def test_keys_belong_to_them_and_python_knows_their_state(notebook):
    page = notebook.page
    count = page.locator(".jp-Cell").count()
    page.locator(".course-response-pick").focus()
    for key in ("Enter", "d", "d", "x", "ArrowRight", "b", "Space"):
        page.keyboard.press(key)
    pages = page.locator(".course-augmentations")
    pages.get_by_label("crop: padding").focus()
    page.keyboard.press("ArrowUp")
    pages.get_by_role("button", name="Draw again").press("Enter")
    ensemble = page.locator(".course-ensemble")
    for name in ("dropout rate", "passes averaged"):
        ensemble.get_by_label(name).focus()
        page.keyboard.press("ArrowLeft")
    page.evaluate(NEXT_FRAME)
    assert page.locator(".jp-Cell").count() == count
    values = notebook.run(VALUES)
    assert values.endswith("False, 3, 1, 0.2, 1)")
    trials = [float(number) for number in re.findall(r"\d+\.\d+", values)][:6]
    assert trials[:3] == pytest.approx([0.1, 0.01, 1.5])
    assert trials[3:] == pytest.approx(
        [0.1 * 100**0.02, 0.01, 1.5 + 6 * 0.02], rel=1e-3
    )


def test_settings_from_python_are_drawn(notebook):
    notebook.replace(
        VALUES,
        "surface.picked, surface.revealed = [[0, 0]], True\n"
        "augmented.padding, augmented.flip = 0, 0\n"
        "ensemble.chosen, ensemble.passes = 1, 2",
    )
    notebook.run(VALUES)
    page = notebook.page
    for text in (
        "Your best after 1 point, 3 at rate 0.01, decay 0.001",
        "All strengths are 0: each draw is the original.",
        "Mean of 2 passes with p = 0.5: a 0.50 ± 0.40; 1 of the 2 passes put a first.",
    ):
        page.get_by_text(text).first.wait_for(timeout=5000)
