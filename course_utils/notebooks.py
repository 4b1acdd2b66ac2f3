"""The chapters as files: find them, execute them, record how they were executed.

python -m course_utils.notebooks         execute every chapter, keep the outputs
python -m course_utils.notebooks 01 04   those chapters only

Each chapter runs top to bottom in a fresh kernel. What its outputs depend on (versions,
device, scale, threads) is recorded in its metadata, with the date, the minutes and a
hash of its code: a test fails when the code no longer matches the outputs.
"""

import argparse
import base64
import datetime
import hashlib
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

import nbformat

from course_utils.runtime import REPOSITORY, environment, scale

FOLDER = REPOSITORY / "notebooks"
SECONDS_PER_CELL = 600


def chapter_paths(numbers=()) -> list[Path]:
    """The notebooks of these chapters ("01" or "1"), in order; all without numbers."""
    paths = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
    if not numbers:
        return paths
    found = {path.name[:2]: path for path in paths}
    for number in numbers:
        if number.zfill(2) not in found:
            raise SystemExit(
                f"there is no chapter {number!r}; the chapters are {', '.join(found)}"
            )
    return [found[number.zfill(2)] for number in numbers]


def code_hash(notebook) -> str:
    """A hash of the text of a notebook's code cells, in order."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:16]


def write_notebook(notebook, path) -> None:
    """Write a notebook in one step, with the same bytes for the same content."""
    nbformat.validate(notebook)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        nbformat.write(notebook, file)
    os.replace(temporary, path)


def execute(path) -> float:
    """Execute one notebook in a fresh kernel and write it back; returns its minutes."""
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    started = time.perf_counter()
    NotebookClient(
        notebook,
        extra_arguments=["--log-level=ERROR"],
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=True,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    minutes = (time.perf_counter() - started) / 60
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    notebook.metadata["language_info"] = {"name": "python", "file_extension": ".py"}
    notebook.metadata["course"] = {
        "chapter": path.name[:2],
        "code_hash": code_hash(notebook),
        "date": datetime.date.today().isoformat(),
        "minutes": round(minutes, 1),
        **asdict(environment()),
    }
    write_notebook(notebook, path)
    write_cover(notebook)
    return minutes


def write_cover(notebook) -> None:
    """Keep the picture of the cell with {"course": {"cover": true}} for the README."""
    for cell in notebook.cells:
        if cell.metadata.get("course", {}).get("cover"):
            pictures = [
                output.data["image/png"]
                for output in cell.outputs
                if "image/png" in output.get("data", {})
            ]
            (FOLDER / "cover.png").write_bytes(base64.b64decode(pictures[0]))


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.notebooks",
        description="Execute chapters in a fresh kernel and keep their outputs.",
    )
    parser.add_argument("chapters", nargs="*", help="chapter numbers; all if none")
    options = parser.parse_args(arguments)
    if scale.name == "smoke":
        parser.error("outputs are kept at laptop or gpu scale; unset COURSE_SCALE")
    for path in chapter_paths(options.chapters):
        print(f"{path.name} ...", end=" ", flush=True)
        print(f"{execute(path):.1f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
