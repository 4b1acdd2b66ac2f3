"""A chapter that passes every check, and changes each of which one check must find.

CASES maps the name of a check to pairs: what is changed, and a pattern that the message
must match. Used by test_chapter_checks.py.
"""

import base64
import copy
from pathlib import Path

import chapter_checks
import nbformat
import output_checks
from chapter import Chapter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils.mirror import library_text
from course_utils.notebooks import code_hash
from course_utils.runtime import REPOSITORY

WIDGET = output_checks.WIDGET
STATE = "application/vnd.jupyter.widget-state+json"
FIT, EVALUATE = "course_utils.training:fit", "course_utils.training:evaluate"
TITLE = """# 01 · The training loop

**Question.** What happens between data and a trained model?

**You will have built** the loop. About 60 minutes to read, 3 minutes to run."""


def markdown(text, slide="notes", /, **course):
    metadata = {"slideshow": {"slide_type": slide}}
    metadata |= {"course": course} if course else {}
    return new_markdown_cell(text, metadata=metadata)


def code(text, /, *outputs, tags=(), **course):
    metadata = {"slideshow": {"slide_type": "-"}}
    metadata |= {"course": course} if course else {}
    metadata |= {"tags": list(tags)} if tags else {}
    return new_code_cell(text, metadata=metadata, outputs=list(outputs))


def mirror(source):
    return code(library_text(source), source=source)


def picture(alt="Two falling curves.", size=100):
    data = {"image/png": base64.b64encode(bytes(size)).decode(), "text/plain": alt}
    return new_output("display_data", data, metadata={"image/png": {"alt": alt}})


def caption(text="The loss falls."):
    data = {"text/markdown": f"*{text}*", "text/plain": text}
    return new_output("display_data", data, metadata={"course": {"caption": True}})


def result(text, **data):
    return new_output("execute_result", {"text/plain": text, **data})


def widget():
    view = {"model_id": "Loop-1", "version_major": 2, "version_minor": 1}
    output = picture("Images and a curve.")
    output.data[WIDGET] = view
    return output


def exercise(name):
    """The five parts of an exercise."""
    solution = f"<details>\n\n```python\n{name} = 1\n```\n\n</details>"
    return [
        markdown(f"### {name}", exercise=name, role="task"),
        code(f"{name} = None", exercise=name, role="stub"),
        code(f"check({name})", result("○ not attempted: fill in"), exercise=name,
             role="check"),
        markdown("<details>Think.</details>", exercise=name, role="hint"),
        markdown(solution, exercise=name, role="solution"),
    ]  # fmt: skip


def good_cells():
    return [
        markdown(TITLE, "slide"),
        code("import torch\nfrom course_utils.explore import predict\nfrom "
             "course_utils.data import load_images"),
        markdown("See [chapter zero](00_start_here.ipynb) and [the end](#Summary)."),
        mirror(FIT),
        markdown("Then"),
        mirror(EVALUATE),
        markdown("Look.", cut=50),
        code("a = 1\nb = 2\nshow(a)", picture(), caption()),
        markdown("It falls."),
        code("guess = predict(1)\nguess\n# .", widget(), tags=["nbval-check-output"]),
        *(cell for name in ("one", "two", "three") for cell in exercise(name)),
        markdown("## 3 Often told wrong", "slide"),
        markdown("## Summary\n\n- All is well.", "slide", summary=True),
        markdown("## Questions"),
        markdown("## Sources"),
    ]  # fmt: skip


def good_chapter(folder):
    """A chapter that passes every check, in a folder beside a chapter 00."""
    notebook = new_notebook(cells=good_cells())
    (folder / "00_start_here.ipynb").write_text("{}", encoding="utf-8")
    notebook.metadata["kernelspec"] = dict(chapter_checks.KERNEL)
    notebook.metadata["widgets"] = {STATE: {"state": {"Loop-1": {}}}}
    chapter = Chapter(folder / "01_the_training_loop.ipynb", notebook)
    record(chapter)
    return chapter


def record(chapter):
    """As if the notebook had just been executed and written."""
    for number, cell in enumerate(chapter.code_cells, 1):
        cell.execution_count = number
    chapter.notebook.metadata["course"] = {
        "chapter": "01", "code_hash": code_hash(chapter.notebook), "device": "cpu",
        "date": "2026-01-01", "minutes": 2.5, "scale": "laptop", "python": "3.11.7",
    }  # fmt: skip
    nbformat.write(chapter.notebook, chapter.path)


def find(chapter, words):
    """The first cell whose text holds these words."""
    return next(cell for cell in chapter.cells if words in cell.source)


def replace(words, new):
    """A change: these words of a cell become others; the chapter is run again."""

    def change(chapter):
        cell = find(chapter, words)
        cell.source = cell.source.replace(words, new)
        record(chapter)

    return change


def add(*cells, at=7):
    """A change: more cells; the chapter is run again."""

    def change(chapter):
        chapter.cells[at:at] = [copy.deepcopy(cell) for cell in cells]
        record(chapter)

    return change


def remove(words):
    """A change: the first cell with these words goes; the chapter is run again."""

    def change(chapter):
        chapter.cells.remove(find(chapter, words))
        record(chapter)

    return change


def recorded(**values):
    """A change of what the execution recorded."""
    return lambda chapter: chapter.notebook.metadata["course"].update(values)


def cell_metadata(words, **values):
    """A change of a cell's metadata."""
    return lambda chapter: find(chapter, words).metadata.update(values)


def cell_course(words, **values):
    """A change of a cell's course metadata."""
    return lambda chapter: find(chapter, words).metadata["course"].update(values)


def shown(words, *outputs):
    """A change of a cell's outputs."""

    def change(chapter):
        find(chapter, words).outputs = list(outputs)

    return change


def output_of(words, index, **values):
    """A change of one output's data."""
    return lambda chapter: find(chapter, words).outputs[index].data.update(values)


def imports(line):
    return add(code(line))


def forget(key):
    return lambda chapter: chapter.notebook.metadata["course"].pop(key)


def error():
    return new_output("error", ename="ValueError", evalue="no", traceback=[])


def stderr():
    return new_output("stream", name="stderr", text="UserWarning: careful")


home = str(Path.home() / "course")
long_code = "\n".join(["x = 1"] * 41)
INIT = "course_utils.totals:NonFiniteLoss"
CROP = "course_utils.augment:RandomFlip"
BATCHES = "course_utils.data:Batches"

CASES = {
    "mirrors_equal_the_library": [
        (
            replace("checkpoint = History()", "checkpoint = None"),
            "cell 4 .'def fit.* differs from the library's",
        ),
        (
            cell_course("def fit(", source="course_utils.training:fitt"),
            "defines no 'fitt'",
        ),
        (cell_course("def fit(", source="course_utils.trains:fit"), "No module named"),
    ],
    "mirrors_are_few_short_and_taught_here": [
        (add(mirror(CROP)), "must end in 'Taught in chapter 01.'"),
        (add(mirror(INIT)), "must end in 'Taught in chapter 01.'"),
        (add(mirror(BATCHES)), "lines, at most 35"),
        (remove("def fit("), "mirrors 1 definitions, expected 2 to 6"),
    ],
    "bypasses": [
        (
            imports("from course_utils.training import fit"),
            "cell 8 .* imports fit, which this chapter teaches",
        ),
        (
            imports("import course_utils.training as t\nt.fit"),
            "imports fit, which this chapter teaches",
        ),
        (
            imports("import course_utils.training\ncourse_utils.training.evaluate"),
            "imports evaluate, which this",
        ),
        (
            imports("from course_utils import training\nvars(training)"),
            "this chapter teaches|which uses",
        ),
        (
            imports("from course_utils import training as t\nt.evaluate"),
            "imports evaluate",
        ),
        (
            imports("from course_utils.train import main"),
            "imports main, which uses .* \\(main -> ",
        ),
    ],
    "code_is_plain_python": [
        (imports("!pip install torch"), "cell 8 .* is not plain Python"),
        (imports("%matplotlib inline"), "no ! and no % commands"),
        (
            imports("from course_utils.data import *"),
            "imports \\* from course_utils.data",
        ),
        (imports("get_ipython().run_line_magic('pip', '')"), "calls get_ipython"),
        (imports("open('/data/images')"), "names an absolute path: '/data/images'"),
        (imports("open('C:/data')"), "absolute path: 'C:/data'"),
        (imports("open('~/data')"), "absolute path: '~/data'"),
    ],
    "cells_are_not_too_long": [
        (imports(long_code), "cell 8 .* has 41 lines, at most 40"),
    ],
    "every_cell_has_a_slide_role": [
        (
            cell_metadata("Then", slideshow={}),
            "cell 5 \\('Then'\\) has the slide role None",
        ),
        (cell_metadata("Then", slideshow={"slide_type": "page"}), "slide role 'page'"),
        (cell_metadata("# 01", slideshow={"slide_type": "notes"}), "must open a slide"),
    ],
    "metadata_holds_nothing_else": [
        (cell_metadata("Then", vscode={}), "cell 5 .* unknown metadata 'vscode'"),
        (cell_metadata("Then", execution={}), "unknown metadata 'execution'"),
        (cell_course("def fit(", sauce="x"), "unknown course metadata 'sauce'"),
        (lambda c: c.notebook.metadata.update(colab={}), "notebook metadata 'colab'"),
        (
            lambda c: c.notebook.metadata.update(kernelspec={"name": "mine"}),
            "kernelspec must be",
        ),
        (
            lambda c: c.cells[3].update(id=c.cells[4].id),
            "ids are missing or not unique",
        ),
    ],
    "it_opens_with_title_question_and_promise": [
        (replace("# 01 ·", "# 02 ·"), "must begin with the title '# 01"),
        (replace("**Question.**", "Question"), "lacks a line '\\*\\*Question"),
        (replace("**You will have built**", "This is"), "lacks the promise"),
        (replace("60 minutes", "an hour"), "how many minutes"),
    ],
    "all_sections_are_there": [
        (remove("Often told wrong"), "chapter 01 has no section 'Often told wrong'"),
        (remove("## Sources"), "no section 'Sources'"),
        (remove("## Questions"), "no section 'Questions'"),
        (replace("## Summary", "## In short"), "no section 'Summary'"),
        (cell_metadata("## Summary", course={}), "no cell has course.summary"),
        (cell_metadata("Look.", course={}), "no cell has course.cut"),
    ],
    "exercises_are_complete": [
        (remove("### one"), "exercise 'one' needs each of task, stub"),
        (remove("Think."), "exercise 'one' needs"),
        (
            add(*exercise("four"), *exercise("five"), *exercise("six")),
            "has 6 exercises, expected 3 to 5",
        ),
        (replace("<details>Think", "Think"), "fold the hint away"),
        (replace("```python\none", "```\none"), "must hold one ```python block"),
        (lambda c: c.cells.insert(12, c.cells.pop(10)), "parts in the order"),
    ],
    "links_lead_somewhere": [
        (
            replace("00_start_here.ipynb", "00_begin.ipynb"),
            "cell 3 .* links to 00_begin.ipynb: no such file",
        ),
        (replace("#Summary", "#Conclusion"), "links to #Conclusion: no heading"),
        (replace("Then", "![](00_start_here.ipynb)"), "needs an alt"),
    ],
    "outputs_belong_to_the_code": [
        (
            lambda c: c.cells[7].update(source="a = 2"),
            "the code has changed since it was run; python -m .* 01",
        ),
        (lambda c: c.notebook.metadata.pop("course"), "does not record"),
        (forget("device"), "does not record \\['device'\\]"),
        (recorded(chapter="02"), "records chapter 02"),
        (recorded(scale="smoke"), "was run at scale 'smoke'"),
        (recorded(minutes=3.1), "ran for 3.1 minutes, at most 3"),
    ],
    "cells_ran_in_order_without_error": [
        (
            lambda c: c.cells[7].update(execution_count=9),
            "cell 8 .* ran as \\[9\\], expected \\[4\\]",
        ),
        (lambda c: c.cells[7].update(execution_count=None), "ran as \\[None\\]"),
        (shown("a = 1", error()), "cell 8 .* ended in ValueError: no"),
        (shown("a = 1", stderr()), "wrote to stderr: 'UserWarning: careful'"),
    ],
    "nothing_names_a_machine": [
        (
            shown("a = 1", result("'/home/ann/course/x.py'")),
            "cell 8 .* its output names a place .*/home/ann",
        ),
        (shown("a = 1", result("C:\\Users\\Ann\\x.py")), "its output names"),
        (shown("a = 1", result(str(REPOSITORY / "data"))), "its output names"),
        (shown("a = 1", result(home)), "its output names"),
        (output_of("a = 1", 1, **{"text/html": "<b>/tmp/x</b>"}), "its output names"),
        (shown("a = 1", result("<Net object at 0x7f12ab34>")), "memory address"),
        (replace("Then", "Open /Users/ann/x"), "its source names a place"),
        (cell_course("def fit(", slide="/home/x"), "its metadata names a place"),
        (recorded(device="/home/x"), "chapter 01: its metadata names"),
    ],
    "pictures_have_words": [
        (
            shown("a = 1", picture(alt=""), caption()),
            "cell 8 .* its picture has no alt text",
        ),
        (shown("a = 1", picture()), "no caption follows its picture"),
        (shown("a = 1", caption(), picture()), "no caption follows"),
        (
            shown("a = 1", picture(), caption("Two falling curves.")),
            "caption and alt text are the same",
        ),
        (
            shown("a = 1", result("x", **{"image/svg+xml": "<svg/>"}), caption()),
            "no alt text",
        ),
    ],
    "widgets_have_a_still": [
        (
            lambda c: c.cells[9].outputs[0].data.pop("image/png"),
            "cell 10 .* shows nothing where widgets do not run",
        ),
        (
            lambda c: c.notebook.metadata.pop("widgets"),
            "its widget's state is not saved",
        ),
    ],
    "exercises_are_not_solved": [
        (
            shown("check(one)", result("✓ passed: right")),
            "cell 13 .* must be 'not attempted'",
        ),
        (shown("check(one)"), "must be 'not attempted'"),
    ],
    "files_are_small": [
        (
            lambda c: (
                shown("a = 1", picture(size=2_000_000), caption())(c),
                record(c),
            ),
            "at most 1,500,000",
        ),
        (
            lambda c: (shown("a = 1", picture(size=200_000), caption())(c), record(c)),
            "the median figure has",
        ),
    ],
    "long_cells": [
        (imports("\n".join(["x = 1"] * 25)), "has 25 lines; 20 are many"),
    ],
    "cell_length": [
        (
            lambda c: [imports("\n".join(["x = 1"] * 8))(c) for _ in range(12)],
            "median code cell has 8 lines",
        ),
    ],
    "code_in_a_row": [
        (add(code("x"), code("x"), code("x")), "fourth code cell in a row"),
    ],
    "length": [
        (lambda c: None, "the measure is 2,500 to 4,500"),
    ],
    "something_to_do": [
        (replace("predict(1)", "1"), "no 'predict, then run'"),
        (cell_metadata("guess", tags=[]), "has no verdict cell"),
        (replace("course_utils.explore", "course_utils.other"), "has no explorable"),
    ],
    "short_summary": [
        (replace("- All is well.", "- Well.\n" * 6), "has 6 lines, at most 5"),
    ],
}
