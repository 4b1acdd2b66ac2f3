"""The course map agrees with the notebooks that are there."""

import json

import pytest

from course_utils import chapters
from course_utils.chapters import course_map, draw_course_map
from course_utils.notebooks import chapter_paths


@pytest.fixture
def two_notebooks(monkeypatch, tmp_path):
    """A course of two notebooks: one that was executed, one that was not."""
    paths = [tmp_path / "00_start_here.ipynb", tmp_path / "03_gradient_descent.ipynb"]
    recorded = {"course": {"minutes": 1.25}}
    for path, metadata in zip(paths, (recorded, {}), strict=True):
        text = json.dumps({"cells": [], "metadata": metadata})
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(chapters, "chapter_paths", lambda: paths)


def test_there_are_twenty_chapters_each_with_a_question():
    found = chapters.chapters()
    assert [chapter.number for chapter in found] == [f"{i:02}" for i in range(20)]
    assert all(chapter.title and chapter.question.endswith("?") for chapter in found)


def test_every_notebook_is_the_one_its_title_says():
    for chapter in chapters.chapters():
        if chapter.path is not None:
            name = chapter.path.stem[3:].replace("_", " ")
            assert name == chapter.title.lower()
    assert {chapter.path for chapter in chapters.chapters()} >= set(chapter_paths())


def test_the_map_shows_minutes_where_they_were_measured(two_notebooks):
    lines = course_map().splitlines()
    assert len(lines) == 22
    assert "| 00 | [Start here](00_start_here.ipynb) |" in lines[2]
    assert lines[2].endswith("| 1.2 |")
    assert lines[3].endswith("| coming |") and "](" not in lines[3]
    assert lines[5].endswith("| not measured yet |")
    assert course_map()._repr_markdown_() == repr(course_map()) == course_map()


def test_the_drawn_map_names_every_chapter(two_notebooks):
    figure = draw_course_map()
    words = " ".join(
        text.get_text().replace("\n", " ") for text in figure.axes[0].texts
    )
    for chapter in chapters.chapters():
        assert f"{chapter.number} {chapter.title}" in words
