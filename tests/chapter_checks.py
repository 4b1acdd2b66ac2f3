"""What every chapter keeps to, as functions from a chapter to a list of problems.

CHECKS must find nothing. ADVICE is the measure of the course: what it finds is shown as
a warning, since a chapter may have its reasons. What is committed as outputs is checked
in output_checks.py. That each of these can fail is proven in test_chapter_checks.py.
"""

import ast
import re
from statistics import median

from chapter import all_chapters, course, prose, tags
from output_checks import OUTPUT_CHECKS
from taught_names import bypasses

from course_utils.mirror import library_text

START = "00"  # the chapter before the first topic has a shape of its own
SLIDE_TYPES = {"slide", "subslide", "fragment", "-", "notes", "skip"}
CELL_KEYS = {"course", "slideshow", "tags"}
NOTEBOOK_KEYS = {"course", "kernelspec", "language_info", "widgets"}
COURSE_KEYS = {"source", "slide", "cut", "summary", "exercise", "role", "cover"}
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python"}
KERNEL |= {"name": "python3"}
SECTIONS = ("Often told wrong", "Summary", "Questions", "Sources")
ROLES = ("task", "stub", "check", "hint", "solution")
MOST_LINES, MANY_LINES, MIRROR_LINES = 40, 20, 35
MIRRORS = range(2, 7)
EXERCISES = range(3, 6)
WORDS = range(2_500, 4_501)


def mirrors_equal_the_library(chapter):
    problems = []
    for cell, source in mirrored(chapter):
        try:
            text = library_text(source)
        except ValueError as error:
            problems.append(f"{chapter.place(cell)}: {error}")
            continue
        if cell.source != text:
            problems.append(
                f"{chapter.place(cell)} differs from the library's {source}; "
                f"python -m course_utils.mirror {chapter.number}"
            )
    return problems


def mirrors_are_few_short_and_taught_here(chapter):
    problems, found = [], mirrored(chapter)
    if len(found) not in MIRRORS and chapter.number != START:
        problems.append(f"chapter {chapter.number} mirrors {len(found)} definitions, "
                        f"expected {MIRRORS[0]} to {MIRRORS[-1]}")  # fmt: skip
    for cell, source in found:
        count = len(cell.source.splitlines())
        if count > MIRROR_LINES:
            problems.append(
                f"{chapter.place(cell)} mirrors {count} lines, at most {MIRROR_LINES}"
            )
        owner = f"Taught in chapter {chapter.number}."
        docstring = docstring_of(cell.source)
        if docstring is not None and not " ".join(docstring.split()).endswith(owner):
            problems.append(
                f"{chapter.place(cell)}: the docstring of {source} must end in "
                f"{owner!r}"
            )
    return problems


def mirrors_have_one_owner(chapter, others=None):
    problems = []
    for other in all_chapters() if others is None else others:
        if other.number == chapter.number:
            continue
        elsewhere = {source for _, source in mirrored(other)}
        problems += [
            f"{chapter.place(cell)}: {source} is mirrored in chapter {other.number} too"
            for cell, source in mirrored(chapter)
            if source in elsewhere
        ]
    return problems


def code_is_plain_python(chapter):
    problems = []
    for cell in chapter.code_cells:
        try:
            tree = ast.parse(cell.source)
        except SyntaxError as error:
            problems.append(
                f"{chapter.place(cell)} is not plain Python ({error.msg} in line "
                f"{error.lineno}); no ! and no % commands"
            )
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                problems.append(f"{chapter.place(cell)} imports * from {node.module}")
            if isinstance(node, ast.Name) and node.id == "get_ipython":
                problems.append(f"{chapter.place(cell)} calls get_ipython")
            if isinstance(node, ast.Constant) and is_absolute(node.value):
                problems.append(
                    f"{chapter.place(cell)} names an absolute path: {node.value!r}"
                )
    return problems


def cells_are_not_too_long(chapter):
    return [
        f"{chapter.place(cell)} has {count} lines, at most {MOST_LINES}"
        for cell in chapter.code_cells
        if (count := len(cell.source.splitlines())) > MOST_LINES
    ]


def every_cell_has_a_slide_role(chapter):
    problems = []
    for cell in chapter.cells:
        role = cell.metadata.get("slideshow", {}).get("slide_type")
        if role not in SLIDE_TYPES:
            problems.append(f"{chapter.place(cell)} has the slide role {role!r}")
    first = chapter.cells[0].metadata.get("slideshow", {}).get("slide_type")
    if first != "slide":
        problems.append(f"{chapter.place(chapter.cells[0])} must open a slide")
    return problems


def metadata_holds_nothing_else(chapter):
    problems = []
    for key in sorted(set(chapter.notebook.metadata) - NOTEBOOK_KEYS):
        problems.append(f"chapter {chapter.number}: unknown notebook metadata {key!r}")
    for cell in chapter.cells:
        for key in sorted(set(cell.metadata) - CELL_KEYS):
            problems.append(f"{chapter.place(cell)} has unknown metadata {key!r}")
        for key in sorted(set(cell.metadata.get("course", {})) - COURSE_KEYS):
            problems.append(
                f"{chapter.place(cell)} has unknown course metadata {key!r}"
            )
    if dict(chapter.notebook.metadata.get("kernelspec", {})) != KERNEL:
        problems.append(f"chapter {chapter.number}: the kernelspec must be {KERNEL}")
    ids = [cell.get("id") for cell in chapter.cells]
    if None in ids or len(set(ids)) < len(ids):
        problems.append(f"chapter {chapter.number}: cell ids are missing or not unique")
    return problems


def it_opens_with_title_question_and_promise(chapter):
    first = chapter.cells[0]
    lines = [line for line in first.source.splitlines() if line.strip()]
    problems = []
    if first.cell_type != "markdown" or not lines:
        return [f"{chapter.place(first)} must hold title, question and promise"]
    if not re.match(rf"# {chapter.number}\b", lines[0]):
        problems.append(
            f"{chapter.place(first)} must begin with the title '# {chapter.number} ...'"
        )
    if not any(re.match(r"\*\*Question\.?\*\*.*\?$", line) for line in lines):
        problems.append(f"{chapter.place(first)} lacks a line '**Question.** ...?'")
    if not any(line.startswith("**You will have") for line in lines):
        problems.append(
            f"{chapter.place(first)} lacks the promise '**You will have ...'"
        )
    opening = "\n".join(cell.source for cell in chapter.cells[:2])
    if len(re.findall(r"minutes?\b", opening)) < 2:
        problems.append(
            f"{chapter.place(first)}: say how many minutes it takes to read and to run"
        )
    return problems


def all_sections_are_there(chapter):
    titles = [re.sub(r"^[\d.]+ ", "", title) for _, title in headings(chapter)]
    missing = [title for title in SECTIONS if title not in titles]
    problems = [
        f"chapter {chapter.number} has no section {title!r}" for title in missing
    ]
    if not any(course(cell, "summary") for cell in chapter.cells):
        problems.append(f"chapter {chapter.number}: no cell has course.summary")
    if not any(course(cell, "cut") for cell in chapter.cells):
        problems.append(f"chapter {chapter.number}: no cell has course.cut")
    return problems


def exercises_are_complete(chapter):
    problems, names = [], exercise_names(chapter)
    if len(names) not in EXERCISES:
        problems.append(f"chapter {chapter.number} has {len(names)} exercises, "
                        f"expected {EXERCISES[0]} to {EXERCISES[-1]}")  # fmt: skip
    for name in names:
        parts = exercise_cells(chapter, name)
        roles = [course(cell, "role") for cell in parts]
        where = f"{chapter.place(parts[0])}, exercise {name!r}"
        once = [role for role in ROLES if role != "hint"]
        if any(roles.count(role) != 1 for role in once) or "hint" not in roles:
            problems.append(f"{where} needs each of {', '.join(ROLES)}; it has {roles}")
            continue
        if roles != sorted(roles, key=ROLES.index):
            problems.append(f"{where} has its parts in the order {roles}")
        for cell, role in zip(parts, roles, strict=True):
            kind = "code" if role in ("stub", "check") else "markdown"
            if cell.cell_type != kind:
                problems.append(f"{where}: the {role} must be a {kind} cell")
            if role in ("hint", "solution") and "<details>" not in cell.source:
                problems.append(f"{where}: fold the {role} away with <details>")
        if len(solution_code(parts)) != 1:
            problems.append(f"{where}: the solution must hold one ```python block")
    return problems


def links_lead_somewhere(chapter):
    problems = []
    anchors = {re.sub(r"\s+", "-", title.strip()) for _, title in headings(chapter)}
    for cell in chapter.cells:
        if cell.cell_type != "markdown":
            continue
        text = re.sub(r"```.*?```|`[^`\n]+`", "", cell.source, flags=re.DOTALL)
        for sign, words, target in re.findall(r"(!?)\[([^\]]*)\]\(([^)\s]+)", text):
            if sign and not words.strip():
                problems.append(f"{chapter.place(cell)}: image {target} needs an alt")
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            if path and not (chapter.path.parent / path).exists():
                problems.append(f"{chapter.place(cell)} links to {path}: no such file")
            if not path and anchor not in anchors:
                problems.append(f"{chapter.place(cell)} links to #{anchor}: no heading")
    return problems


CHECKS = (
    mirrors_equal_the_library,
    mirrors_are_few_short_and_taught_here,
    mirrors_have_one_owner,
    bypasses,
    code_is_plain_python,
    cells_are_not_too_long,
    every_cell_has_a_slide_role,
    metadata_holds_nothing_else,
    it_opens_with_title_question_and_promise,
    all_sections_are_there,
    exercises_are_complete,
    links_lead_somewhere,
    *OUTPUT_CHECKS,
)


# Advice


def long_cells(chapter):
    return [
        f"{chapter.place(cell)} has {count} lines; {MANY_LINES} are many"
        for cell in own_code(chapter)
        if MANY_LINES < (count := len(cell.source.splitlines())) <= MOST_LINES
    ]


def cell_length(chapter):
    counts = [len(cell.source.splitlines()) for cell in own_code(chapter)]
    if counts and not 3 <= median(counts) <= 5:
        return [f"chapter {chapter.number}: the median code cell has "
                f"{median(counts):g} lines, the measure is 3 to 5"]  # fmt: skip
    return []


def code_in_a_row(chapter):
    problems, row = [], 0
    for cell in chapter.cells:
        row = row + 1 if cell.cell_type == "code" else 0
        if row == 4:
            problems.append(f"{chapter.place(cell)} is the fourth code cell in a row")
    return problems


def length(chapter):
    words = len(prose(chapter.text).split())
    if words not in WORDS and chapter.number != START:
        return [f"chapter {chapter.number} has {words:,} words, the measure is "
                f"{WORDS[0]:,} to {WORDS[-1]:,}"]  # fmt: skip
    return []


def something_to_do(chapter):
    code = "\n".join(cell.source for cell in chapter.code_cells)
    problems = []
    if "predict(" not in code:
        problems.append(f"chapter {chapter.number} has no 'predict, then run'")
    if not any("nbval-check-output" in tags(cell) for cell in chapter.code_cells):
        problems.append(f"chapter {chapter.number} has no verdict cell")
    if not re.search(r"course_utils\.explor", code):
        problems.append(f"chapter {chapter.number} has no explorable")
    return problems


def short_summary(chapter):
    for cell in chapter.cells:
        if course(cell, "summary"):
            lines = [line for line in cell.source.splitlines() if line.strip()][1:]
            if len(lines) > 5:
                return [f"{chapter.place(cell)} has {len(lines)} lines, at most 5"]
    return []


ADVICE = (
    long_cells,
    cell_length,
    code_in_a_row,
    length,
    something_to_do,
    short_summary,
)


# What the checks share


def mirrored(chapter):
    """The (cell, source) pairs of a chapter's mirrored cells."""
    found = [(cell, course(cell, "source")) for cell in chapter.code_cells]
    return [(cell, source) for cell, source in found if source]


def own_code(chapter):
    """The code cells that are not mirrored."""
    return [cell for cell in chapter.code_cells if not course(cell, "source")]


def docstring_of(source):
    """The docstring of the one definition in a text; None for an assignment."""
    try:
        (node,) = ast.parse(source).body
    except (SyntaxError, ValueError):
        return ""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return ast.get_docstring(node) or ""
    return None


def is_absolute(value):
    """Whether a value is text that names a place on one machine."""
    pattern = r"(~/?|/[A-Za-z]\w*/|[A-Za-z]:[\\/])"
    return isinstance(value, str) and bool(re.match(pattern, value))


def headings(chapter):
    """The (level, title) pairs of a chapter's headings."""
    text = re.sub(r"```.*?```", "", chapter.text, flags=re.DOTALL)
    found = re.findall(r"^(#+) +(.+?) *$", text, re.MULTILINE)
    return [(len(signs), title) for signs, title in found]


def exercise_names(chapter):
    """The names of a chapter's exercises, in order."""
    names = [course(cell, "exercise") for cell in chapter.cells]
    return list(dict.fromkeys(name for name in names if name))


def exercise_cells(chapter, name):
    """The cells of one exercise, in order."""
    return [cell for cell in chapter.cells if course(cell, "exercise") == name]


def solution_code(cells):
    """The ```python blocks of an exercise's solution."""
    texts = [cell.source for cell in cells if course(cell, "role") == "solution"]
    return re.findall(r"^```python\n(.*?)^```", "\n".join(texts), re.M | re.S)
