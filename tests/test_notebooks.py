"""Every committed chapter keeps to what chapter_checks.py asks for."""

import ast
import re
import warnings

import pytest
from chapter import all_chapters
from chapter_checks import ADVICE, CHECKS
from output_checks import large_file

from course_utils.runtime import REPOSITORY

CHAPTERS = all_chapters()


class ChapterAdvice(UserWarning):
    """A chapter is outside the measure of the course, which may have its reasons."""


def test_the_course_begins_at_the_beginning():
    numbers = [chapter.number for chapter in CHAPTERS]
    assert numbers[:2] == ["00", "01"] and len({*numbers}) == len(numbers)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_chapter(chapter, check):
    problems = check(chapter)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
@pytest.mark.filterwarnings("default::test_notebooks.ChapterAdvice")
def test_measure(chapter):
    for advise in (*ADVICE, large_file):
        for advice in advise(chapter):
            warnings.warn(advice, ChapterAdvice, stacklevel=1)


def documented():
    """(module, name, docstring) of every definition of the package with a docstring."""
    for path in sorted((REPOSITORY / "course_utils").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                docstring = ast.get_docstring(node)
                if docstring and "node_modules" not in path.parts:
                    yield path.stem, node.name, " ".join(docstring.split())


def test_owners_are_named_at_the_end_of_docstrings():
    for module, name, docstring in documented():
        if re.search("[Tt]aught in chapter", docstring):
            owner = re.search(r"Taught in chapter (\d\d)\.$", docstring)
            assert owner and int(owner[1]) < 20, f"{module}:{name}"


def test_what_is_taught_in_a_chapter_is_found_there():
    chapters = {chapter.number: chapter for chapter in CHAPTERS}
    missing = []
    for module, name, docstring in documented():
        owner = re.search(r"Taught in chapter (\d\d)\.$", docstring)
        if owner and owner[1] in chapters:
            cells = chapters[owner[1]].cells
            text = " ".join(cell.source for cell in cells).lower()
            if name.lower() not in re.split(r"\W+", text):  # Scale is seen as scale
                missing.append(f"{module}:{name} is not in chapter {owner[1]}")
    assert not missing, "\n".join(missing)
