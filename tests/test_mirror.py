"""Mirrored cells: a library edit turns the check red, a refresh turns it green."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_utils import mirror, notebooks, runtime
from course_utils.mirror import differences, library_text, main, refresh

SOURCE = "course_utils.training:train_one_epoch"


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """A notebook with an ordinary cell and a mirrored one."""
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    mirrored = new_code_cell(library_text(SOURCE), execution_count=2)
    mirrored.metadata["course"] = {"source": SOURCE}
    path = tmp_path / "01_the_training_loop.ipynb"
    cells = [new_code_cell("x = 1", execution_count=1), mirrored]
    notebooks.write_notebook(new_notebook(cells=cells), path)
    return path


@pytest.fixture
def edited(chapter):
    """The notebook after a student's edit of both cells."""
    notebook = nbformat.read(chapter, as_version=4)
    notebook.cells[0].source = "x = 2"
    notebook.cells[1].source += "  # mine"
    notebooks.write_notebook(notebook, chapter)
    return chapter


def sources(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def test_equal_mirrors_are_left_alone(chapter, capsys):
    before = chapter.read_bytes()
    assert differences(chapter) == [] and refresh(chapter) == []
    assert main(["--check"]) == 0
    assert "01_the_training_loop.ipynb: mirrors equal the library" in (
        capsys.readouterr().out
    )
    assert chapter.read_bytes() == before


def test_a_student_s_edit_is_shown_and_undone(edited, capsys):
    (difference,) = differences(edited)
    assert f"--- library {SOURCE}" in difference
    assert "+    return totals.read_all()  # mine" in difference
    assert main(["--check", "01"]) == 1
    assert "  # mine" in capsys.readouterr().out
    assert sources(edited)[1].endswith("# mine")  # a check changes nothing
    assert main(["1"]) == 0
    assert f"{SOURCE} rewritten" in capsys.readouterr().out
    assert sources(edited) == ["x = 2", library_text(SOURCE)]
    assert main(["--check"]) == 0


def test_an_edit_of_the_library_turns_the_check_red(chapter, tmp_path, monkeypatch):
    library = tmp_path / "training.py"
    text = (runtime.REPOSITORY / "course_utils" / "training.py").read_text("utf-8")
    library.write_text(text.replace("else totals\n", "else totals[1]\n"), "utf-8")
    monkeypatch.setattr(runtime.inspect, "getsourcefile", lambda module: str(library))
    (difference,) = differences(chapter)
    assert "totals[1]\n+    totals = " in difference
    assert main(["--check"]) == 1
    assert refresh(chapter) == [SOURCE]
    assert "else totals[1]" in sources(chapter)[1]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("course_utils.training:fitt", "defines no 'fitt'"),
        ("course_utils.trainings:fit", "No module named 'course_utils.trainings'"),
        ("course_utils.training", "defines no ''"),
    ],
)
def test_a_source_that_does_not_exist_is_named(source, message):
    with pytest.raises(ValueError, match=message):
        library_text(source)


def test_chapters_are_found_by_number(chapter):
    assert notebooks.chapter_paths() == [chapter]
    assert (
        notebooks.chapter_paths(["1"]) == notebooks.chapter_paths(["01"]) == [chapter]
    )
    with pytest.raises(SystemExit, match="no chapter '7'; the chapters are 01"):
        mirror.main(["7"])


def test_the_hash_is_of_code_alone(chapter):
    notebook = nbformat.read(chapter, as_version=4)
    before = notebooks.code_hash(notebook)
    notebook.cells.append(nbformat.v4.new_markdown_cell("text"))
    notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text="1")]
    assert notebooks.code_hash(notebook) == before
    notebook.cells[0].source += " "
    assert notebooks.code_hash(notebook) != before


def test_writing_is_the_same_bytes_and_leaves_nothing_else(chapter):
    before = chapter.read_bytes()
    notebooks.write_notebook(nbformat.read(chapter, as_version=4), chapter)
    assert chapter.read_bytes() == before and b"\r\n" not in before
    assert list(chapter.parent.iterdir()) == [chapter]


def test_an_invalid_notebook_is_not_written(chapter):
    before = chapter.read_bytes()
    notebook = nbformat.read(chapter, as_version=4)
    del notebook.cells[0]["source"]
    with pytest.raises(nbformat.ValidationError):
        notebooks.write_notebook(notebook, chapter)
    assert chapter.read_bytes() == before
    assert list(chapter.parent.iterdir()) == [chapter]
