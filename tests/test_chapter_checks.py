"""Every check of chapters can fail: bad_chapters.py has what it must reject."""

import chapter_checks
import output_checks
import pytest
from bad_chapters import (
    CASES,
    FIT,
    caption,
    error,
    find,
    good_chapter,
    picture,
    record,
    shown,
)
from chapter import Chapter
from chapter_checks import ADVICE, CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_good_chapter_passes(check, tmp_path):
    assert check(good_chapter(tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        pytest.param(name, *case, id=f"{name}-{number}")
        for name, cases in CASES.items()
        for number, case in enumerate(cases)
    ],
)
def test_a_bad_chapter_is_rejected(name, change, message, tmp_path):
    chapter = good_chapter(tmp_path)
    change(chapter)
    checks = {check.__name__: check for check in (*CHECKS, *ADVICE)}
    problems = checks[name](chapter)
    assert problems, "nothing was found"
    assert all("chapter 01" in problem for problem in problems)
    with pytest.raises(AssertionError, match=message):
        raise AssertionError("\n".join(problems))


def test_a_definition_has_one_owner(tmp_path):
    chapter = good_chapter(tmp_path)
    other = Chapter(tmp_path / "02_generalization.ipynb", chapter.notebook)
    problems = chapter_checks.mirrors_have_one_owner(chapter, [other])
    assert len(problems) == 2 and f"{FIT} is mirrored in chapter 02 too" in problems[0]


def test_a_large_file_is_advised_against(tmp_path):
    chapter = good_chapter(tmp_path)
    shown("a = 1", picture(size=800_000), caption())(chapter)
    record(chapter)
    assert "the measure is 1,000,000" in output_checks.large_file(chapter)[0]


def test_every_check_is_proven_able_to_fail():
    proven = {*CASES, "mirrors_have_one_owner"}
    assert {check.__name__ for check in (*CHECKS, *ADVICE)} == proven


def test_an_expected_error_and_harmless_words_are_allowed(tmp_path):
    chapter = good_chapter(tmp_path)
    find(chapter, "a = 1").metadata["tags"] = ["raises-exception"]
    shown("a = 1", error())(chapter)
    find(
        chapter, "Then"
    ).source = r"$f:\mathbb{R}\to X$, https://a.org/home/x, and/or, 1/tmp"
    for check in output_checks.OUTPUT_CHECKS:
        assert check(chapter) == []
