"""Executing chapters anew: what is recorded, and what is never kept."""

import json
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_utils import notebooks


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of chapters of its own."""
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    monkeypatch.setenv("COURSE_SCALE", "laptop")
    return tmp_path


def write(folder, name, *sources):
    cells = [new_code_cell(source) for source in sources]
    nbformat.write(new_notebook(cells=cells), folder / name)
    return folder / name


def test_outputs_and_what_they_depend_on_are_recorded(folder, capsys):
    sources = ["import sys", "print(1)", "print(2, file=sys.stdout)\n6 * 7", "3;"]
    path = write(folder, "07_small.ipynb", *sources)
    assert notebooks.main(["7"]) == 0
    assert capsys.readouterr().out.startswith("07_small.ipynb ... 0.")
    notebook = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3, 4]
    assert notebook.cells[2].outputs[1].data["text/plain"] == "42"
    assert notebook.cells[3].outputs == []
    recorded = notebook.metadata["course"]
    assert recorded["chapter"] == "07" and recorded["scale"] == "laptop"
    assert recorded["code_hash"] == notebooks.code_hash(notebook)
    assert recorded["python"] == sys.version.split()[0]
    assert "torch" in recorded["packages"] and recorded["minutes"] < 1
    assert all("execution" not in cell.metadata for cell in notebook.cells)
    text = json.dumps(notebook)
    assert str(folder) not in text and sys.prefix not in text
    assert sorted(item.name for item in folder.iterdir()) == ["07_small.ipynb"]


def test_a_chapter_that_fails_is_not_written(folder):
    path = write(folder, "07_small.ipynb", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(Exception, match="ZeroDivisionError"):
        notebooks.execute(path)
    assert path.read_bytes() == before


def test_outputs_of_the_smoke_scale_are_not_kept(folder, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_SCALE", "smoke")
    with pytest.raises(SystemExit):
        notebooks.main([])
    assert "laptop or gpu scale; unset COURSE_SCALE" in capsys.readouterr().err
