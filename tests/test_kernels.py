"""Notebooks under nbval: what must fail does fail, and for the reason given."""

import re
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from course_utils.runtime import REPOSITORY

DEPRECATED = """
import warnings
warnings.warn("old", DeprecationWarning, stacklevel=1)
"""
NETWORK = """
import socket
socket.create_connection(("192.0.2.1", 80), timeout=1)
"""
LOOPBACK = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
"""
WRITE = """
import course_utils.runtime
(course_utils.runtime.REPOSITORY / "notebooks" / "left_behind.txt").write_text("x")
"""


def verdict(source, committed):
    """A verdict cell with its committed value."""
    output = new_output("execute_result", {"text/plain": committed}, execution_count=1)
    tags = {"tags": ["nbval-check-output"]}
    return new_code_cell(source, metadata=tags, outputs=[output], execution_count=1)


CHECKED = {"tags": ["nbval-check-output"]}
NOTEBOOKS = {
    "good": [
        verdict("1 + 1", "2"),
        new_code_cell("3;", metadata=CHECKED, execution_count=1),
        new_code_cell(LOOPBACK),
        verdict("from course_utils.runtime import scale\nscale", "Scale('smoke')"),
        verdict("{'fence', 'os', 'Path', 'runpy'} & set(dir())", "set()"),
    ],
    "verdict": [verdict("1 + 1", "3")],
    "network": [new_code_cell(NETWORK), new_code_cell("1"), new_code_cell("2")],
    "write": [new_code_cell(WRITE)],
    "deprecated": [new_code_cell(DEPRECATED)],
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What pytest prints about the notebooks above."""
    folder = tmp_path_factory.mktemp("chapters")
    for name, cells in NOTEBOOKS.items():
        nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")
    command = [sys.executable, "-m", "pytest", "-c", REPOSITORY / "pyproject.toml"]
    command += ["-n0", "-rA", "--color=no"]
    command += ["-p", "no:cacheprovider", folder]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", cwd=REPOSITORY, timeout=300
    )
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


def outcomes(report, name):
    """The outcomes of one notebook's cells, in order."""
    return re.findall(rf"^(PASSED|FAILED|ERROR) .*\b{name}\.ipynb", report, re.M)


def test_a_good_notebook_passes(report):
    assert outcomes(report, "good") == ["PASSED"] * 5, report


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("verdict", "mismatch 'text/plain'"),
        ("network", "the tests have no network; 192.0.2.1 was asked for"),
        ("write", "a notebook wrote notebooks"),
        ("deprecated", "DeprecationWarning: old"),
    ],
)
def test_bad_notebooks_fail(report, name, reason):
    assert outcomes(report, name) == ["FAILED"], report
    assert reason in report
    assert not (REPOSITORY / "notebooks" / "left_behind.txt").exists()


def test_one_mistake_is_reported_once(report):
    assert "SKIPPED [2]" in report
    assert "Cell 0 of this notebook failed" in report
