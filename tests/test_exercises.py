"""Every exercise: the stub is not attempted, the solution passes, wrong ones do not."""

import pytest
import solving
from bad_chapters import code, markdown
from chapter import Chapter, all_chapters
from chapter_checks import exercise_names

from course_utils.exercises import Verdict, Wrong, describe, exercise

EXERCISES = [
    pytest.param(chapter, name, id=f"{chapter.number}-{name}")
    for chapter in all_chapters()
    for name in exercise_names(chapter)
]


@pytest.fixture(scope="module")
def prepared():
    """{(chapter number, exercise): the names its cells find}, filled as needed."""
    return {}


@pytest.fixture
def hand_in(prepared, monkeypatch):
    """A function that gives the verdict on one answer to an exercise."""
    monkeypatch.setenv("COURSE_SCALE", "smoke")

    def verdict(chapter, name, answer):
        key = chapter.number, name
        if key not in prepared:
            prepared[key] = solving.prepare(chapter, name)
        return solving.hand_in(chapter, name, answer, prepared[key])

    return verdict


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_the_stub_is_not_attempted(chapter, name, hand_in):
    verdict = hand_in(chapter, name, solving.stub_of(chapter, name))
    assert verdict.status == "not attempted", verdict


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_the_folded_solution_passes(chapter, name, hand_in):
    verdict = hand_in(chapter, name, solving.solution_of(chapter, name))
    assert verdict.status == "passed", verdict
    assert verdict.message.strip()


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_wrong_answers_are_rejected_each_with_its_reason(chapter, name, hand_in):
    topic = solving.topic_of(chapter, name)
    wrong = solving.wrong_answers(topic).get(name, {})
    assert len(wrong) >= 3, f"tests/answers/{topic}.py needs three wrong {name!r}"
    messages = {}
    for mistake, answer in wrong.items():
        verdict = hand_in(chapter, name, answer)
        assert verdict.status == "not yet", f"{mistake}: {verdict}"
        same = messages.get(verdict.message)
        assert same is None, f"{same!r} and {mistake!r} both get: {verdict.message}"
        messages[verdict.message] = mistake


def test_no_answers_without_an_exercise():
    known = {(solving.topic_of(*e.values), e.values[1]) for e in EXERCISES}
    for path in solving.ANSWERS.glob("*.py"):
        for name in solving.wrong_answers(path.stem):
            assert (path.stem, name) in known, f"{path.name} answers {name!r}"


# The machinery: an exercise whose outcome is known

CELLS = [
    code("import math\nlimit = 3"),
    code("raise RuntimeError('this cell is not needed')"),
    code("def half(x):\n    return limit / 2 + math.floor(x)"),
    code("limit = 5"),
    markdown("Write f.", exercise="f", role="task"),
    code("def f(x):\n    raise NotImplementedError", exercise="f", role="stub"),
    code("from course_utils.exercises.small import check\ncheck(f, half(0))",
         exercise="f", role="check"),
    markdown("```python\ndef f(x):\n    return half(x)\n```", exercise="f",
             role="solution"),
]  # fmt: skip


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A chapter with one exercise: f(0) must be 2.5."""
    import sys
    import types

    @exercise
    def check(f, expected):
        found = f(0)
        if found != expected:
            raise Wrong(f"f(0) is {found}, expected {expected}")
        return "f(0) is right"

    module = types.ModuleType("course_utils.exercises.small")
    module.check = check
    monkeypatch.setitem(sys.modules, module.__name__, module)
    from nbformat.v4 import new_notebook

    return Chapter(tmp_path / "01_small.ipynb", new_notebook(cells=list(CELLS)))


def test_only_the_cells_that_are_needed_run(small):
    assert solving.needed_cells(small, "f") == [CELLS[0], CELLS[2], CELLS[3]]
    names = solving.prepare(small, "f")
    assert names["half"](0) == 2.5
    assert solving.topic_of(small, "f") == "small"


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("def f(x): return 2.5", Verdict("passed", "f(0) is right")),
        ("def f(x): return 1", Verdict("not yet", "f(0) is 1, expected 2.5")),
        (CELLS[5].source, "not attempted"),
        ("f = None", "not attempted"),
        ("f = ...", "not attempted"),
    ],
)
def test_an_answer_gets_its_verdict(small, answer, verdict):
    found = solving.hand_in(small, "f", answer, solving.prepare(small, "f"))
    assert verdict in (found, found.status)


def test_an_error_is_shown_with_the_reader_s_line(small):
    answer = "def f(x):\n    y = x\n    return 1 / y\n"
    found = solving.hand_in(small, "f", answer, solving.prepare(small, "f"))
    assert found.status == "not yet"
    assert found.message == (
        "ZeroDivisionError: division by zero\nin your line 3: return 1 / y"
    )


def test_a_verdict_in_text_and_html():
    verdict = Verdict("not yet", "x < 3\nand y")
    assert repr(verdict) == "✗ not yet: x < 3\nand y"
    html = verdict._repr_html_()
    assert "<b>✗ not yet</b>: x &lt; 3<br>and y" in html


def test_a_check_keeps_its_name_and_lets_interrupts_through():
    @exercise
    def check_it(answer):
        """What it checks."""
        raise KeyboardInterrupt

    assert (check_it.__name__, check_it.__doc__) == ("check_it", "What it checks.")
    with pytest.raises(KeyboardInterrupt):
        check_it(1)


def test_values_are_described_by_kind_shape_or_number():
    import torch

    assert describe(torch.zeros(2, 3)) == "Tensor of shape [2, 3]"
    assert describe(torch.tensor(1.5)) == "1.5"
    assert describe(1 / 3) == "0.333333"
    assert describe([1]) == "[1]" and describe(None) == "None"
