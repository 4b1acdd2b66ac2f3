"""Keeps the definitions that a chapter teaches equal to the library's.

A mirrored cell names its source in its metadata,
{"course": {"source": "course_utils.training:fit"}}, and holds that definition's text.

python -m course_utils.mirror            rewrite every mirrored cell from the library
python -m course_utils.mirror 01         those of chapter 01: undoes a student's edits
python -m course_utils.mirror --check    change nothing; exit 1 where a cell differs
"""

import argparse
import difflib
import sys

import nbformat

from course_utils.notebooks import chapter_paths, write_notebook
from course_utils.runtime import definition_source


def mirrored_cells(notebook):
    """The (cell, source name) pairs of a notebook's mirrored cells."""
    for cell in notebook.cells:
        source = cell.metadata.get("course", {}).get("source")
        if source:
            yield cell, source


def library_text(source) -> str:
    """The library's text of "module:name"; ValueError where there is none."""
    module, _, name = source.partition(":")
    try:
        return definition_source(module, name)
    except ModuleNotFoundError as error:
        raise ValueError(f"a mirrored cell names {source!r}: {error}") from error


def refresh(path) -> list[str]:
    """Rewrite the mirrored cells of one notebook; returns the names of the changed."""
    notebook = nbformat.read(path, as_version=4)
    changed = []
    for cell, source in mirrored_cells(notebook):
        text = library_text(source)
        if cell.source != text:
            cell.source = text
            changed.append(source)
    if changed:
        write_notebook(notebook, path)
    return changed


def differences(path) -> list[str]:
    """What differs between the mirrored cells of one notebook and the library."""
    notebook = nbformat.read(path, as_version=4)
    found = []
    for cell, source in mirrored_cells(notebook):
        text = library_text(source)
        if cell.source != text:
            lines = difflib.unified_diff(
                text.splitlines(),
                cell.source.splitlines(),
                f"library {source}",
                f"notebook {path.name}",
                lineterm="",
            )
            found.append("\n".join(lines))
    return found


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.mirror",
        description="Make the cells that show library code equal to the library.",
    )
    parser.add_argument("chapters", nargs="*", help="chapter numbers; all if none")
    parser.add_argument("--check", action="store_true", help="report, change nothing")
    options = parser.parse_args(arguments)
    failed = False
    for path in chapter_paths(options.chapters):
        if options.check:
            found = differences(path)
            failed = failed or bool(found)
            print("\n".join(found) or f"{path.name}: mirrors equal the library")
        else:
            changed = refresh(path)
            print(f"{path.name}: {', '.join(changed) or 'nothing'} rewritten")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
