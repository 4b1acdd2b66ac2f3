"""Does everything work? A look at what the course needs, with advice where it fails.

Only the standard library is imported at the top: a package that is missing is then a
line of the report, not the end of it.
"""

import importlib
import platform
import tomllib
from dataclasses import dataclass
from html import escape
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
NAMED = ("torch", "torchvision", "numpy", "matplotlib")  # shown with their versions
INSTALL = '"make lab", or "python -m pip install -r requirements.txt", in the course'


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `advice` is empty where nothing has to be done."""

    what: str
    found: str
    advice: str = ""

    @property
    def sign(self) -> str:
        return "✗" if self.advice else "✓"


@dataclass(frozen=True)
class Checkup:
    """The findings of check_environment() and the verdict they amount to."""

    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """Whether nothing has to be done."""
        return not any(finding.advice for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One sentence: go on, or what to do first."""
        count = sum(bool(finding.advice) for finding in self.findings)
        if count == 0:
            return "Everything works. Go on."
        one = count == 1
        things = "One thing needs" if one else f"{count} things need"
        lines = "the line" if one else "each line"
        return (
            f"{things} your attention: {lines} with ✗ says what to do. "
            "Then choose Restart Kernel in the menu Kernel, and run this again."
        )

    def __repr__(self) -> str:
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.sign} {finding.what:<10} {finding.found}")
            if finding.advice:
                lines.append(f"{'':<13}{finding.advice}")
        return "\n".join([*lines, self.verdict])

    def _repr_html_(self) -> str:
        rows = ""
        for finding in self.findings:
            advice = f"<br><b>{escape(finding.advice)}</b>" if finding.advice else ""
            rows += (
                f"<tr><td>{finding.sign}</td>"
                f"<th scope='row' style='text-align: left'>{finding.what}</th>"
                f"<td style='text-align: left'>{escape(finding.found)}{advice}</td>"
                "</tr>"
            )
        return f"<table>{rows}</table><p><b>{escape(self.verdict)}</b></p>"


def check_environment() -> Checkup:
    """Look at Python, packages, device, threads, scale and data; say what to do.

    What needs torch is looked at only where torch can be imported. Taught in chapter
    00.
    """
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    findings = [
        check_python(platform.python_version(), project["requires-python"]),
        *check_packages(project["dependencies"]),
        check_torch(),
    ]
    if not any(finding.advice for finding in findings):
        findings += [check_device(), check_threads(), check_scale(), check_data()]
    return Checkup(findings)


def check_python(version, supported) -> Finding:
    """Whether this Python is in the range of pyproject.toml."""
    from packaging.specifiers import SpecifierSet

    if SpecifierSet(supported).contains(version, prereleases=True):
        return Finding("Python", version)
    return Finding(
        "Python",
        f"{version}, the course is tested with {supported}",
        "make the environment anew with such a Python: remove the folder .venv, then "
        '"make lab PYTHON=python3.12"',
    )


def check_packages(requirements) -> list[Finding]:
    """A finding for every package that is missing or out of range; else one for all."""
    from packaging.requirements import Requirement

    problems, shown = [], []
    for requirement in map(Requirement, requirements):
        name, supported = requirement.name, requirement.specifier
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            problems.append(Finding(name, "is not installed", f"run {INSTALL} folder"))
            continue
        if not supported.contains(version, prereleases=True):
            problems.append(
                Finding(
                    name,
                    f"{version}, the course is tested with {supported}",
                    f"run {INSTALL} folder; to keep your own {name}, give the course "
                    "an environment of its own",
                )
            )
        elif name in NAMED:
            shown.append(f"{name} {version}")
    others = len(requirements) - len(shown)
    whole = Finding("packages", f"{', '.join(shown)} and {others} others, as tested")
    return problems or [whole]


def check_torch() -> Finding:
    """Whether torch and torchvision can be imported and fit each other."""
    try:
        importlib.import_module("torch")
        importlib.import_module("torchvision")
    except Exception as error:  # a broken installation raises anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Finding(
            "imports",
            f"torch and torchvision cannot be imported together ({reason})",
            "both must come from the same place: python -m pip install "
            "--force-reinstall -r requirements.txt",
        )
    return Finding("imports", "torch and torchvision work together")


def check_device() -> Finding:
    """Whether the device computes, and computes rightly."""
    import torch

    from course_utils.runtime import environment, pick_device

    try:
        device = pick_device()
        ones = torch.ones(8, 8, device=device)
        total = (ones @ ones).sum().item()
    except (ValueError, RuntimeError) as error:
        return Finding("device", "unusable", str(error).splitlines()[0])
    if total != 512:
        return Finding(
            "device",
            f"{device} computes 8 * 8 * 8 = {total:g}",
            "use another one: set COURSE_DEVICE=cpu before you start JupyterLab",
        )
    # Where the scale is not valid, environment() cannot be asked.
    described = environment().device if check_scale().advice == "" else str(device)
    return Finding("device", described)


def check_threads() -> Finding:
    """How many processor threads torch computes with."""
    import torch

    count = torch.get_num_threads()
    return Finding("threads", f"{count}, for what the processor computes")


def check_scale() -> Finding:
    """Whether COURSE_SCALE, where it is set, names a scale."""
    from course_utils.runtime import scale

    try:
        return Finding("scale", scale.name)
    except ValueError as error:
        advice = "set it to one of these, or leave it unset to let the course choose"
        return Finding("scale", str(error), advice)


def check_data() -> Finding:
    """Whether the bundled images are there and undamaged."""
    from course_utils.data import SPLITS, load_images

    try:
        counts = [len(load_images(split=split)) for split in SPLITS]
    except OSError as error:
        return Finding("data", "Fashion-MNIST cannot be read", str(error))
    train, test = (f"{count:,}" for count in counts)
    return Finding(
        "data", f"Fashion-MNIST: {train} images to learn from, {test} to test"
    )
