"""The landscape in JupyterLab: its keys stay in it, and the kernel knows its state."""

import pytest
from shown_widgets import NEXT_FRAME

from course_utils.explorables.landscape_numbers import Surface

pytestmark = pytest.mark.browser

CELLS = [
    "from course_utils.explore import Landscape\n"
    'shown = Landscape("bowl", ["SGD", "Momentum"], eta=0.1, steps=2)\nshown',
    "shown.start, shown.steps, shown.optimizers[1]['mu'], shown.surface",
]
VALUES = 1


def test_keys_belong_to_the_landscape_and_python_knows_the_state(notebook):
    page, root = notebook.page, notebook.page.locator(".course-landscape")
    count = page.locator(".jp-Cell").count()
    root.get_by_role("button", name="the start of the path").focus()
    for key in ("ArrowDown", "d", "d", "x", "ArrowRight", "b"):
        page.keyboard.press(key)
    second = root.get_by_role("group", name="second optimizer")
    second.get_by_label("momentum μ").focus()
    page.keyboard.press("ArrowLeft")
    root.get_by_role("button", name="Step").click()
    page.evaluate(NEXT_FRAME)
    assert page.locator(".jp-Cell").count() == count
    assert notebook.run(VALUES) == "([-2.34, 0.86], 3, 0.85, 'bowl')"


def test_a_drag_reaches_the_kernel_once_it_ends(notebook):
    page = notebook.page
    pick = page.get_by_role("button", name="the start of the path")
    pick.scroll_into_view_if_needed()
    box = pick.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 2, box["y"] + box["height"] * 2)
    page.mouse.up()
    assert notebook.run(VALUES).startswith("([3.0, -2.0], 3")


def test_settings_from_python_are_drawn(notebook):
    root = notebook.page.locator(".course-landscape")
    notebook.replace(
        VALUES, 'shown.surface, shown.start, shown.steps = "steep", [2, 1], 0'
    )
    notebook.run(VALUES)
    loss = Surface("steep", 10).loss(2, 1)
    root.get_by_text(f"SGD after 0 steps: loss {loss:.3g}").wait_for(timeout=5000)
    assert root.get_by_label("landscape").input_value() == "steep"
