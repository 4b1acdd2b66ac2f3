"""A notebook as the checks of chapters see it."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

from course_utils.notebooks import chapter_paths


@dataclass
class Chapter:
    """One notebook, with its path."""

    path: Path
    notebook: nbformat.NotebookNode

    @property
    def number(self):
        """The first two letters of the file name."""
        return self.path.name[:2]

    @property
    def cells(self):
        """All cells; cell.number counts from 1."""
        return self.notebook.cells

    @property
    def code_cells(self):
        return [cell for cell in self.cells if cell.cell_type == "code"]

    @property
    def text(self):
        """All Markdown of the chapter."""
        texts = [cell.source for cell in self.cells if cell.cell_type == "markdown"]
        return "\n\n".join(texts)

    @property
    def metadata(self):
        """What the chapter's execution recorded."""
        return self.notebook.metadata.get("course", {})

    def place(self, cell):
        """Where a cell is, for a message: chapter, number of the cell, first words."""
        number = next(i for i, other in enumerate(self.cells, 1) if other is cell)
        words = next((line for line in cell.source.splitlines() if line.strip()), "")
        return f"chapter {self.number}, cell {number} ({words.strip()[:40]!r})"


def read_chapter(path):
    """The chapter in a file."""
    return Chapter(path, nbformat.read(path, as_version=4))


@functools.cache
def all_chapters():
    """Every chapter of the course, in order."""
    return [read_chapter(path) for path in chapter_paths()]


def course(cell, key):
    """What the course's own metadata of a cell says, or None."""
    return cell.metadata.get("course", {}).get(key)


def tags(cell):
    return cell.metadata.get("tags", [])


def outputs(cell):
    """The outputs of a code cell; none for text."""
    return cell.get("outputs", [])


def prose(text):
    """Markdown without code blocks, HTML tags and formulas."""
    text = re.sub(r"```.*?```", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", " x ", text, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", text)
