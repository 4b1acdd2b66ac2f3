"""What the committed outputs of every chapter keep to (see chapter_checks.py)."""

import base64
import re
import tempfile
from itertools import zip_longest
from pathlib import Path
from statistics import median

from chapter import course, outputs, tags

from course_utils.notebooks import code_hash
from course_utils.runtime import REPOSITORY

WIDGET = "application/vnd.jupyter.widget-view+json"
IMAGES = ("image/png", "image/jpeg", "image/svg+xml", "image/gif")
RECORDED = ("chapter", "code_hash", "date", "minutes", "scale", "device", "python")
MOST_MINUTES = {"00": 2}  # all others: 3
MOST_BYTES, MANY_BYTES = 1_500_000, 1_000_000
FIGURE_BYTES = 60_000
PLACES = r"(?<![\w.:/])/(home|Users|root|tmp|var|mnt|media|opt|private|workspace)/"
PLACES += r"|\b[A-Za-z]:\\+(Users|Windows|Program|Temp)"
SCALES = ("laptop", "gpu")


def outputs_belong_to_the_code(chapter):
    recorded = chapter.metadata
    missing = [key for key in RECORDED if key not in recorded]
    again = f"python -m course_utils.notebooks {chapter.number}"
    if missing:
        return [f"chapter {chapter.number} does not record {missing}; {again}"]
    problems = []
    if recorded["code_hash"] != code_hash(chapter.notebook):
        problems.append(
            f"chapter {chapter.number}: the code has changed since it was run; {again}"
        )
    if recorded["chapter"] != chapter.number:
        problems.append(
            f"chapter {chapter.number} records chapter {recorded['chapter']}; {again}"
        )
    if recorded["scale"] not in SCALES:
        problems.append(
            f"chapter {chapter.number} was run at scale {recorded['scale']!r}; {again}"
        )
    most = MOST_MINUTES.get(chapter.number, 3)
    if recorded["scale"] == "laptop" and recorded["minutes"] > most:
        problems.append(
            f"chapter {chapter.number} ran for {recorded['minutes']} minutes, "
            f"at most {most}"
        )
    return problems


def cells_ran_in_order_without_error(chapter):
    problems = []
    for number, cell in enumerate(chapter.code_cells, 1):
        where = chapter.place(cell)
        if cell.execution_count != number:
            problems.append(
                f"{where} ran as [{cell.execution_count}], expected [{number}]; "
                f"python -m course_utils.notebooks {chapter.number}"
            )
        for output in outputs(cell):
            if output.output_type == "error" and "raises-exception" not in tags(cell):
                problems.append(f"{where} ended in {output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                problems.append(
                    f"{where} wrote to stderr: {output.text.strip()[:80]!r}"
                )
    return problems


def nothing_names_a_machine(chapter):
    problems = []
    own = [str(place) for place in (REPOSITORY, Path.home(), tempfile.gettempdir())]
    own = [re.escape(place) for place in own if len(place) > 2]
    pattern = re.compile("|".join([PLACES, *(f"{place}(?=[/\\\\])" for place in own)]))
    for cell in chapter.cells:
        parts = {"source": cell.source, "metadata": cell.metadata}
        parts["output"] = outputs(cell)
        for part, content in parts.items():
            for text in texts(content):
                if found := pattern.search(text):
                    problems.append(
                        f"{chapter.place(cell)}: its {part} names a place on one "
                        f"machine: {text[found.start() :][:60]!r}"
                    )
                if part == "output" and re.search(r"\bat 0x[0-9A-Fa-f]{6,}", text):
                    problems.append(
                        f"{chapter.place(cell)}: its output holds a memory address"
                    )
    for text in texts(chapter.notebook.metadata):
        if found := pattern.search(text):
            problems.append(
                f"chapter {chapter.number}: its metadata names a place on one machine: "
                f"{text[found.start() :][:60]!r}"
            )
    return problems


def pictures_have_words(chapter):
    problems = []
    for cell in chapter.code_cells:
        shown = outputs(cell)
        for output, following in zip_longest(shown, shown[1:]):
            data = output.get("data", {})
            kind = next((kind for kind in IMAGES if kind in data), None)
            if kind is None:
                continue
            where = chapter.place(cell)
            alt = output.metadata.get(kind, {}).get("alt", "").strip()
            if not alt:
                problems.append(f"{where}: its picture has no alt text")
            if WIDGET in data:
                continue
            if not (following and is_caption(following)):
                problems.append(f"{where}: no caption follows its picture")
            elif following.data.get("text/markdown", "").strip("* \n") == alt:
                problems.append(f"{where}: caption and alt text are the same")
    return problems


def widgets_have_a_still(chapter):
    saved = chapter.notebook.metadata.get("widgets", {})
    state = saved.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    problems = []
    for cell in chapter.code_cells:
        for output in outputs(cell):
            view = output.get("data", {}).get(WIDGET)
            if view is None:
                continue
            if not {"image/png", "text/markdown"} & set(output.data):
                problems.append(
                    f"{chapter.place(cell)}: its widget shows nothing where widgets "
                    "do not run; add a picture or text"
                )
            if view["model_id"] not in state:
                problems.append(
                    f"{chapter.place(cell)}: its widget's state is not saved"
                )
    return problems


def exercises_are_not_solved(chapter):
    problems = []
    for cell in chapter.code_cells:
        if course(cell, "role") == "check":
            shown = [output.get("data", {}) for output in outputs(cell)]
            if not any("not attempted" in d.get("text/plain", "") for d in shown):
                problems.append(
                    f"{chapter.place(cell)}: the committed verdict must be "
                    "'not attempted'"
                )
    return problems


def files_are_small(chapter):
    size = chapter.path.stat().st_size
    problems = []
    if size > MOST_BYTES:
        problems.append(f"chapter {chapter.number} has {size:,} bytes, "
                        f"at most {MOST_BYTES:,}")  # fmt: skip
    sizes = figure_sizes(chapter)
    if sizes and median(sizes) > FIGURE_BYTES:
        problems.append(
            f"chapter {chapter.number}: the median figure has {median(sizes):,.0f} "
            f"bytes, at most {FIGURE_BYTES:,}"
        )
    return problems


OUTPUT_CHECKS = (
    outputs_belong_to_the_code,
    cells_ran_in_order_without_error,
    nothing_names_a_machine,
    pictures_have_words,
    widgets_have_a_still,
    exercises_are_not_solved,
    files_are_small,
)


def large_file(chapter):
    size = chapter.path.stat().st_size
    if MANY_BYTES < size <= MOST_BYTES:
        return [f"chapter {chapter.number} has {size:,} bytes, "
                f"the measure is {MANY_BYTES:,}"]  # fmt: skip
    return []


def figure_sizes(chapter):
    """The bytes of every PNG picture."""
    pictures = [
        output.data["image/png"]
        for cell in chapter.code_cells
        for output in outputs(cell)
        if "image/png" in output.get("data", {})
    ]
    return [len(base64.b64decode(picture)) for picture in pictures]


def is_caption(output):
    return bool(output.get("metadata", {}).get("course", {}).get("caption"))


def texts(content):
    """All texts in nested data, pictures left out."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for key, value in content.items():
            if key not in IMAGES:
                yield from texts(value)
    elif isinstance(content, list):
        for value in content:
            yield from texts(value)
