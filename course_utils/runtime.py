"""Where the course runs and how big its experiments are: device, seed, scale.

Three environment variables override what is found:

COURSE_DEVICE   a torch device name: "cpu", "cuda", "cuda:1", "mps"
COURSE_SCALE    "smoke", "laptop" or "gpu"
COURSE_DATA     the folder that holds the data sets
"""

import ast
import importlib
import inspect
import os
import platform
import random
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

SCALES = ("smoke", "laptop", "gpu")
REPOSITORY = Path(__file__).resolve().parent.parent


def pick_device(name: str | None = None) -> torch.device:
    """The device to compute on: `name`, else COURSE_DEVICE, else cuda, mps or cpu.

    Raises ValueError where the name is not a device or this machine has no such one.
    Taught in chapter 00.
    """
    name = name or os.environ.get("COURSE_DEVICE")
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device {name!r} cannot be used here ({str(error).splitlines()[0]}); "
            'try "cpu", or leave COURSE_DEVICE unset to let the course choose'
        ) from error
    return device


def seed_everything(seed):
    """Seed the random number generators of Python, NumPy and torch (all devices).

    The same seed gives the same numbers on the same machine and versions; another
    processor or torch version may round differently. Taught in chapter 00.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class Scale:
    """How big experiments are: "smoke" (does it run?), "laptop" (two cores), "gpu".

    `scale.name` is COURSE_SCALE where that is set; otherwise "gpu" on a machine with
    CUDA and "laptop" elsewhere. It is read anew each time, so it can be changed in a
    running notebook. Taught in chapter 00.
    """

    @property
    def name(self) -> str:
        name = os.environ.get("COURSE_SCALE")
        if name is None:
            return "gpu" if pick_device().type == "cuda" else "laptop"
        if name not in SCALES:
            raise ValueError(
                f"COURSE_SCALE is {name!r}, expected one of {', '.join(SCALES)}"
            )
        return name

    def pick(self, *, smoke, laptop, gpu):
        """The one of the three values that belongs to the current scale."""
        return {"smoke": smoke, "laptop": laptop, "gpu": gpu}[self.name]

    def __repr__(self) -> str:
        return f"Scale({self.name!r})"


scale = Scale()


@dataclass(frozen=True)
class Environment:
    """What a result depends on: versions, device, threads and scale."""

    python: str
    packages: dict[str, str]
    device: str
    threads: int
    scale: str

    def __repr__(self) -> str:
        rows = [("python", self.python), *self.packages.items()]
        rows += [("device", self.device), ("threads", str(self.threads))]
        rows += [("scale", self.scale)]
        return "\n".join(f"{name:<12} {value}" for name, value in rows)


def device_name(device) -> str:
    """The device, with the name of the card."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def environment(device=None) -> Environment:
    """Versions, device, threads and scale of this process; nothing private.

    `device` is what is computed on, if not the one that pick_device() finds.
    """
    names = ("torch", "torchvision", "numpy", "matplotlib", "jupyterlab", "anywidget")
    packages = {}
    for name in names:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = "missing"
    return Environment(
        python=platform.python_version(),
        packages=packages,
        device=device_name(device or pick_device()),
        threads=torch.get_num_threads(),
        scale=scale.name,
    )


def definition_source(module_name: str, name: str) -> str:
    """The text of one top-level function, class or assignment, decorators included.

    Raises ValueError where the module has no such definition.
    """
    path = Path(inspect.getsourcefile(importlib.import_module(module_name)))
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        names = [getattr(node, "name", None)]
        if isinstance(node, ast.Assign):
            names = [getattr(target, "id", None) for target in node.targets]
        if name in names:
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(item.lineno for item in decorators)])
            return "\n".join(lines[first - 1 : node.end_lineno])
    raise ValueError(f"module {module_name} defines no {name!r} at its top level")


class Source(str):
    """Program text that Jupyter shows with colours and print() shows as it is."""

    def _repr_markdown_(self) -> str:
        return f"```python\n{self}\n```"

    def __repr__(self) -> str:
        return str(self)


def show_source(definition) -> Source:
    """The library's own text of a function or class, as an earlier chapter built it.

    It always shows the original, also after a notebook cell has redefined the name:
    `show_source("course_utils.training:fit")`. Taught in chapter 00.
    """
    if isinstance(definition, str):
        module_name, _, name = definition.partition(":")
        if not name:
            raise ValueError(
                f"expected 'module:name', such as 'course_utils.training:fit', "
                f"got {definition!r}"
            )
        return Source(definition_source(module_name, name))
    if getattr(definition, "__module__", "").startswith("course_utils"):
        return Source(definition_source(definition.__module__, definition.__name__))
    try:
        return Source(inspect.getsource(definition).rstrip())
    except (TypeError, OSError) as error:
        raise ValueError(
            f"no source can be shown for {definition!r}; give a function or class of "
            "course_utils, or its address as 'course_utils.training:fit'"
        ) from error
