"""The environment check: each way in which a machine can fail is named, with advice."""

import importlib
import shutil
from importlib import metadata

import pytest

from course_utils import checkup
from course_utils.checkup import check_environment
from course_utils.runtime import REPOSITORY

RAW = REPOSITORY / "data" / "FashionMNIST" / "raw"


def problems(report):
    """{what: found and advice} of the findings that ask for something."""
    return {
        finding.what: f"{finding.found} {finding.advice}"
        for finding in report.findings
        if finding.advice
    }


def installed(monkeypatch, name, version):
    """Pretend that `name` is installed as `version`, or missing for None."""
    real = metadata.version

    def pretended(asked):
        if asked != name:
            return real(asked)
        if version is None:
            raise metadata.PackageNotFoundError(asked)
        return version

    monkeypatch.setattr(metadata, "version", pretended)


def test_a_working_machine_passes():
    report = check_environment()
    assert report.ok, report
    assert report.verdict in repr(report) and report.verdict in report._repr_html_()
    assert {finding.what for finding in report.findings} == {
        "Python", "packages", "imports", "device", "threads", "scale", "data",
    }  # fmt: skip


def test_an_unsupported_python_is_named():
    finding = checkup.check_python("3.9.1", ">=3.11,<3.14")
    assert "3.9.1" in finding.found and ">=3.11" in finding.found
    assert "PYTHON=" in finding.advice
    assert checkup.check_python("3.13.2", ">=3.11,<3.14").advice == ""


@pytest.mark.parametrize("version", ["1.13.1", "99.0"])
def test_a_torch_outside_the_tested_range_is_named(monkeypatch, version):
    installed(monkeypatch, "torch", version)
    report = check_environment()
    assert not report.ok
    assert version in problems(report)["torch"]
    assert "requirements.txt" in problems(report)["torch"]


def test_a_cpu_build_in_the_range_is_fine(monkeypatch):
    installed(monkeypatch, "torch", "2.9.1+cpu")
    assert check_environment().ok


def test_a_missing_package_is_named(monkeypatch):
    installed(monkeypatch, "anywidget", None)
    report = check_environment()
    assert list(problems(report)) == ["anywidget"]
    assert "requirements.txt" in problems(report)["anywidget"]
    assert report.verdict.startswith("One thing needs")


def test_two_builds_that_do_not_fit_are_told_apart(monkeypatch):
    real = importlib.import_module

    def broken(name, *rest):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", broken)
    report = check_environment()
    assert "nms" in problems(report)["imports"]
    assert "data" not in {finding.what for finding in report.findings}


def test_missing_data_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    advice = problems(check_environment())["data"]
    assert "missing" in advice and "git checkout" in advice


def cut_off(content):
    return content[: len(content) // 2]


def changed(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut_off, changed])
def test_damaged_data_is_named(monkeypatch, tmp_path, damage):
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for file in RAW.glob("*.gz"):
        shutil.copy(file, folder)
    labels = folder / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(damage(labels.read_bytes()))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    advice = problems(check_environment())["data"]
    assert labels.name in advice and "damaged" in advice


def test_a_scale_and_a_device_that_do_not_exist_are_named(monkeypatch):
    monkeypatch.setenv("COURSE_SCALE", "huge")
    monkeypatch.setenv("COURSE_DEVICE", "warp")
    report = check_environment()
    assert "huge" in problems(report)["scale"]
    assert "warp" in problems(report)["device"]
    assert report.verdict.startswith("2 things need")
    monkeypatch.delenv("COURSE_DEVICE")
    assert list(problems(check_environment())) == ["scale"]


def test_findings_are_escaped_in_html():
    report = checkup.Checkup([checkup.Finding("data", "<b>", "a & b")])
    assert "&lt;b&gt;" in report._repr_html_() and "a &amp; b" in report._repr_html_()
