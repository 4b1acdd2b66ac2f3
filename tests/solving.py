"""Hands answers to the exercises of a chapter in, as a reader would.

An exercise needs a few of the chapter's cells only: those that bind a name that its
stub or its check takes, and those that these need in turn. They run once, at the smoke
scale; then every answer runs in a copy of their names, followed by the check's cell.
"""

import ast
import builtins
import functools
import importlib.util
import linecache
import re
from pathlib import Path

from chapter import course
from chapter_checks import exercise_cells, solution_code
from taught_names import assigned, free_names

ANSWERS = Path(__file__).with_name("answers")


def stub_of(chapter, name):
    return part(chapter, name, "stub").source


def solution_of(chapter, name):
    (code,) = solution_code(exercise_cells(chapter, name))
    return code


def part(chapter, name, role):
    """The one cell of an exercise with this role."""
    cells = exercise_cells(chapter, name)
    (cell,) = [cell for cell in cells if course(cell, "role") == role]
    return cell


def topic_of(chapter, name):
    """The module of course_utils.exercises that checks an exercise."""
    check = part(chapter, name, "check").source
    found = re.search(r"course_utils\.exercises\.(\w+)", check)
    if not found:
        raise ValueError(
            f"{chapter.place(part(chapter, name, 'check'))} imports no check from "
            "course_utils.exercises"
        )
    return found[1]


@functools.cache
def wrong_answers(topic):
    """{exercise: {what is wrong: code}} of tests/answers/TOPIC.py."""
    path = ANSWERS / f"{topic}.py"
    if not path.exists():
        return {}
    spec = importlib.util.spec_from_file_location(f"answers_{topic}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: answers["wrong"] for name, answers in module.ANSWERS.items()}


def needed_cells(chapter, name):
    """The cells before an exercise that its stub and its check rest on, in order."""
    stub, check = (part(chapter, name, role) for role in ("stub", "check"))
    before = chapter.code_cells[: chapter.code_cells.index(stub)]
    before = [cell for cell in before if not course(cell, "exercise")]
    wanted = taken(stub.source) | taken(solution_of(chapter, name))
    wanted |= taken(check.source) - bound(stub.source)
    chosen = []
    while True:  # functions look names up late: every cell that binds one belongs
        found = [cell for cell in before if bound(cell.source) & wanted]
        if len(found) == len(chosen):
            return found
        chosen = found
        wanted |= {name for cell in found for name in taken(cell.source)}


def bound(source):
    """The names that a cell binds."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.asname or alias.name for alias in node.names]
            found |= {name.partition(".")[0] for name in names}
        else:
            found |= assigned(node)
    return found


def taken(source):
    """The names that a cell takes from the cells before it."""
    found, own = set(), set()
    for node in ast.parse(source).body:
        found |= free_names(node, frozenset()) - own
        own |= bound(ast.unparse(node))
    return found - set(dir(builtins))


def prepare(chapter, name):
    """The names that an exercise's cells find when a reader comes to it."""
    names = {"__name__": "__main__"}
    for cell in needed_cells(chapter, name):
        exec(compiled(cell.source, f"<{chapter.place(cell)}>"), names)
    return names


def hand_in(chapter, name, code, names):
    """The Verdict of the exercise's check on an answer."""
    names = dict(names)
    exec(compiled(code, "<answer>"), names)
    *before, last = ast.parse(part(chapter, name, "check").source).body
    exec(compile(ast.Module(before, []), "<check>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<check>", "eval"), names)


def compiled(source, name):
    """Code whose lines tracebacks can show, as those of a cell."""
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    return compile(source, name, "exec")
