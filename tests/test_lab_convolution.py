"""Convolution's explorables in JupyterLab: keys, kernel, and the animation."""

import pytest
from shown_widgets import NEXT_FRAME

pytestmark = pytest.mark.browser

CELLS = [
    "from course_utils.explore import ConvolutionGrid, PhotoFilter",
    "grid = ConvolutionGrid()\ngrid",
    'photo = PhotoFilter("blur")\nphoto',
    "from course_utils.animation import backward_frames, show_animation\n"
    "frames = backward_frames([[1, 2], [3, 4]], [[1, 0], [0, -1]], (3, 3))\n"
    'show_animation(frames, caption="It moves.", alt="Two errors.", seconds=0.2)',
    "grid.weight.tolist(), grid.chosen, grid.mode, photo.weights[0]",
]
GRID, PHOTO, MOVING, VALUES = 1, 2, 3, 4


def test_keys_belong_to_the_grid_and_python_knows_the_numbers(notebook):
    page, root = notebook.page, notebook.page.locator(".course-convolution")
    count = page.locator(".jp-Cell").count()
    root.get_by_role("grid", name="output").locator("button").nth(5).click()
    for key in ("ArrowDown", "d", "d", "x", "ArrowRight", "b", "Enter"):
        page.keyboard.press(key)
    root.get_by_label("kernel, row 0, column 1").click()
    page.keyboard.type("-7")
    page.keyboard.press("ArrowDown")
    page.keyboard.type("0.5")
    root.get_by_label("kernel K").focus()
    page.keyboard.press("ArrowLeft")
    photo = page.locator(".course-filters")
    photo.get_by_label("weight, row 0, column 0").fill("9")
    page.evaluate(NEXT_FRAME)
    assert page.locator(".jp-Cell").count() == count
    expected = "([[1.0, -7.0], [0.0, 0.5]], [2, 2], 'forward', 9.0)"
    assert notebook.run(VALUES) == expected


def test_settings_from_python_are_shown(notebook):
    root = notebook.page.locator(".course-convolution")
    notebook.replace(
        VALUES, 'grid.mode, grid.stride, grid.chosen = "backward", 2, [3, 0]'
    )
    notebook.run(VALUES)
    title = root.get_by_text("the same as a full convolution")
    title.wait_for()
    notebook.page.evaluate(NEXT_FRAME)
    said = root.locator(".course-convolution-sum:not([aria-hidden])")
    assert said.inner_text().startswith("∂L/∂x[3, 0]")


def test_the_animation_moves(notebook):
    image = notebook.cell(MOVING).locator(".jp-RenderedImage img")
    image.scroll_into_view_if_needed()
    seen = set()
    for _ in range(40):
        seen.add(image.screenshot())
        if len(seen) == 3:  # the two errors and the finished gradient
            break
        notebook.page.wait_for_timeout(100)
    assert len(seen) == 3
    assert "It moves." in notebook.cell(MOVING).inner_text()
