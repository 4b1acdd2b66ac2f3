"""JupyterLab in a real browser: a chapter run, its explorable used, a task done."""

import re

import nbformat
import pytest
from lab import jupyter_lab, open_notebook, trust
from nbclient import NotebookClient

from course_utils.runtime import REPOSITORY

pytestmark = pytest.mark.browser

CHAPTER = REPOSITORY / "notebooks" / "01_the_training_loop.ipynb"
TRUSTED, SMALL = "trusted.ipynb", "small.ipynb"
SMALL_CELLS = [
    "import torch\nfrom course_utils.explore import TrainingLoop, predict",
    'guess = predict("How large is the first loss?", low=0, high=10)\nguess',
    'kind = predict("Which is larger?", choices=["loss", "norm"])\nkind',
    "guess.compare(2.302585)",
    'kind.compare("loss")',
    "images = torch.arange(48 * 64).reshape(48, 8, 8).to(torch.uint8)\n"
    'loop = TrainingLoop(images, torch.arange(48) % 3, ["a", "b", "c"])\nloop',
    "guess.value, kind.value, loop.learning_rate",
]
NUMBER, KIND, LOOP, VALUES = 1, 2, 5, 6
NEXT_FRAMES = """
    () => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))
"""
PICTURES = """
    (root) => [...root.querySelectorAll("canvas")].map((one) => one.toDataURL()).join()
"""


@pytest.fixture(scope="module")
def server(browser, tmp_path_factory):
    folder, scratch = map(tmp_path_factory.mktemp, ("notebooks", "lab"))
    (folder / CHAPTER.name).write_bytes(CHAPTER.read_bytes())
    cells = [nbformat.v4.new_code_cell(source) for source in SMALL_CELLS]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    small = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    NotebookClient(small, store_widget_state=True).execute()
    for name in (SMALL, TRUSTED):
        small.metadata["title"] = name  # trust goes by content
        nbformat.write(small, folder / name)
    with jupyter_lab(folder, scratch) as running:
        trust(folder / TRUSTED, scratch)
        yield running


@pytest.fixture(scope="module")
def chapter(browser, server):
    """The chapter, open, after Run All."""
    with open_notebook(browser, server, CHAPTER.name) as notebook:
        notebook.run_all()
        yield notebook


@pytest.fixture
def small(browser, server):
    """A notebook of explorables, open, after Run All."""
    with open_notebook(browser, server, SMALL) as notebook:
        notebook.run_all()
        yield notebook
        assert notebook.errors == [] and notebook.visit.external == []


def find_cells(path, **course):
    """Places of the cells whose course metadata has all these values."""
    cells = nbformat.read(path, as_version=4).cells
    return [
        index
        for index, cell in enumerate(cells)
        if course.items() <= cell.metadata.get("course", {}).items()
    ]


def solution_of(path, name):
    """The Python in the folded solution of an exercise."""
    (index,) = find_cells(path, exercise=name, role="solution")
    text = nbformat.read(path, as_version=4).cells[index].source
    return re.search(r"```python\n(.*?)```", text, re.DOTALL)[1].strip()


class Loop:
    """The training loop's explorable, as a reader uses it."""

    def __init__(self, notebook):
        self.page = notebook.page
        self.root = notebook.page.locator(".course-loop").first
        self.root.wait_for()
        self.root.scroll_into_view_if_needed()
        self.slider = self.root.locator("input[type=range]")

    def press(self, name):
        self.root.get_by_role("button", name=name, exact=True).click()

    def settle(self):
        """Wait until what was asked for is drawn."""
        self.page.evaluate(NEXT_FRAMES)

    def look(self):
        """Everything it shows: the summary, the marked line, the pictures."""
        self.settle()
        return (self.said(), self.marked(), self.root.evaluate(PICTURES))

    def said(self):
        return self.root.locator(".course-loop-say").inner_text()

    def marked(self):
        return self.root.locator("[aria-current=step]").inner_text()

    def rate(self):
        self.settle()
        return float(self.root.locator(".course-loop-rate").inner_text())


def use(loop):
    """Press, type and drag; every action must change what is seen."""
    loop.press("Reset")
    seen = [loop.look()]
    for expected in ("zero_grad", "model(images)", "cross_entropy", "backward", "step"):
        loop.press("Next line")
        seen.append(loop.look())
        assert expected in loop.marked()
        assert seen[-1][:2] != seen[-2][:2]
    pictures = [pictures for _, _, pictures in seen]
    assert pictures[2] != pictures[1], "the logits were not drawn"
    assert pictures[4] != pictures[3], "the gradient was not drawn"
    assert pictures[5] != pictures[4], "the new weights were not drawn"
    loop.press("One whole batch")
    assert "optimizer.step()" in loop.marked() and loop.look()[2] != pictures[5]


def test_a_fresh_clone_shows_the_still(browser, server):
    """Until a notebook is run or trusted, JupyterLab runs no script in its outputs."""
    with open_notebook(browser, server, SMALL) as notebook:
        still = notebook.cell(LOOP).locator(".jp-RenderedImage img")
        still.wait_for()
        assert still.evaluate("(image) => image.naturalWidth") > 1000
        assert notebook.page.get_by_text("Error displaying widget").count() == 0
        assert notebook.errors == [] and notebook.visit.external == []


def test_a_trusted_notebook_is_alive_before_anything_is_run(browser, server):
    with open_notebook(browser, server, TRUSTED) as notebook:
        use(Loop(notebook))
        assert notebook.errors == [] and notebook.visit.external == []


def test_the_chapter_runs_and_its_explorable_works(chapter):
    use(Loop(chapter))
    assert chapter.page.locator(".jp-RenderedText[data-mime-type$=stderr]").count() == 0
    assert chapter.errors == [] and chapter.visit.external == []


def test_an_exercise_is_done_by_typing_its_solution(chapter):
    name = "cross_entropy"
    (stub,) = find_cells(CHAPTER, exercise=name, role="stub")
    (check,) = find_cells(CHAPTER, exercise=name, role="check")
    assert "not attempted" in chapter.output(check)
    solution = solution_of(CHAPTER, name)
    chapter.replace(stub, solution.replace("return ", "return 1.5 * ", 1))
    chapter.run(stub)
    assert "not yet" in chapter.run(check)
    chapter.replace(stub, solution)
    chapter.run(stub)
    assert "passed" in chapter.run(check)


def test_guesses_are_kept_compared_and_known_to_python(small):
    number = small.cell(NUMBER).locator("input[type=number]")
    number.fill("12")
    number.press("Enter")
    note = small.cell(NUMBER).locator(".course-prediction-note")
    assert note.inner_text() == "A number from 0 to 10, please."
    compared = small.page.locator(".course-comparison-text")
    assert compared.nth(0).inner_text() == "No guess was written down. Measured: 2.303."
    number.fill("4")
    number.press("Enter")
    small.cell(KIND).locator("input[value=norm]").focus()
    small.page.keyboard.press("Space")
    small.page.keyboard.press("ArrowUp")
    assert "Your guess: 4. Measured: 2.303." in compared.nth(0).inner_text()
    assert compared.nth(1).inner_text() == "Your guess: loss. That is the answer."
    assert small.run(VALUES) == "(4.0, 'loss', 0.01)"


def test_keys_and_mouse_move_the_slider_and_nothing_else(small):
    loop = Loop(small)
    cells = small.page.locator(".jp-Cell").count()
    loop.slider.focus()
    before = loop.rate()
    for key in ("ArrowRight", "ArrowUp", "d", "d", "x", "Enter"):
        small.page.keyboard.press(key)
    after = loop.rate()
    assert after > before and small.page.locator(".jp-Cell").count() == cells
    small.page.keyboard.press("ArrowLeft")
    assert loop.rate() < after
    loop.root.get_by_role("button", name="Next line").focus()
    for key, line in (("Space", "zero_grad"), ("Enter", "model(images)")):
        small.page.keyboard.press(key)
        loop.settle()
        assert line in loop.marked()
    box = loop.slider.bounding_box()
    small.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    small.page.mouse.down()
    small.page.mouse.move(box["x"] + box["width"] + 20, box["y"] + 5, steps=10)
    small.page.mouse.up()
    assert loop.rate() == 10
    assert small.run(VALUES).endswith(", 10.0)")


def test_steps_that_are_too_long_are_called_so(small):
    loop = Loop(small)
    loop.slider.focus()
    small.page.keyboard.press("End")
    for _ in range(6):
        loop.press("One whole batch")
    loop.settle()
    assert "Overshooting" in loop.root.locator(".course-loop-alarm").inner_text()
    assert "NaN" not in loop.root.inner_text()


def test_playing_goes_on_until_it_is_paused(small):
    loop = Loop(small)
    loop.root.get_by_label("speed of playing").select_option("60 batches/s")
    loop.press("Play")
    first = loop.look()
    small.page.wait_for_function(
        "(root) => root.innerText.includes('Epoch 3')", arg=loop.root.element_handle()
    )
    loop.press("Pause")
    last = loop.look()
    assert last != first and loop.look() == last


def test_explorables_come_back_after_a_restart(small):
    small.run_all()
    assert small.page.locator(".course-prediction").count() == 2
    use(Loop(small))
