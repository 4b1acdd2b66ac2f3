"""Memory, device, seed, scale, environment, and the text of definitions."""

import ctypes
import random
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from course_utils import runtime
from course_utils.runtime import (
    definition_source,
    environment,
    pick_device,
    scale,
    seed_everything,
    show_source,
)
from course_utils.training import fit

PAGES = """
import resource

import torch

import course_utils

for i in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(10**7)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"),
    reason="the C library has no mallopt",
)
def test_freed_memory_is_used_again():
    """Not handed back to the kernel and fetched anew, 4 kB at a time."""
    command = [sys.executable, "-c", PAGES]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(found.stdout) < 10**7 * 4 / 4096 / 10


def test_the_device_is_the_one_asked_for(monkeypatch):
    assert pick_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert pick_device() == torch.device("cpu")
    monkeypatch.delenv("COURSE_DEVICE")
    assert pick_device().type in ("cuda", "mps", "cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "TPU", "cpu:x"])
def test_an_unusable_device_is_named(name, monkeypatch):
    with pytest.raises(ValueError, match=f"device '{name}' cannot be used here.*cpu"):
        pick_device(name)
    monkeypatch.setenv("COURSE_DEVICE", name)
    with pytest.raises(ValueError, match=f"device '{name}' .* leave COURSE_DEVICE"):
        pick_device()


def test_a_seed_fixes_all_three_generators():
    def draws():
        seed_everything(5)
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    assert draws() == draws()
    seed_everything(6)
    assert random.random() != draws()[0]


@pytest.mark.parametrize("name", runtime.SCALES)
def test_the_scale_picks_its_value(name, monkeypatch):
    monkeypatch.setenv("COURSE_SCALE", name)
    assert scale.name == name
    assert scale.pick(smoke="smoke", laptop="laptop", gpu="gpu") == name
    assert repr(scale) == f"Scale('{name}')"


def test_the_scale_follows_the_device(monkeypatch):
    monkeypatch.delenv("COURSE_SCALE", raising=False)
    assert scale.name == "laptop"
    monkeypatch.setattr(runtime, "pick_device", lambda: torch.device("cuda"))
    assert scale.name == "gpu"


def test_an_unknown_scale_is_an_error(monkeypatch):
    monkeypatch.setenv("COURSE_SCALE", "tiny")
    with pytest.raises(ValueError, match="'tiny', expected one of smoke, laptop, gpu"):
        scale.pick(smoke=1, laptop=2, gpu=3)


def test_all_three_sizes_must_be_given():
    with pytest.raises(TypeError):
        scale.pick(smoke=1, laptop=2)


def test_the_environment_holds_versions_and_nothing_private():
    found = environment()
    assert found.packages["torch"] == torch.__version__.partition("+")[0]
    assert found.threads == torch.get_num_threads()
    assert re.search(r"^torch +\d", repr(found), re.MULTILINE)
    assert str(runtime.REPOSITORY) not in repr(found)


def test_a_missing_package_is_called_missing(monkeypatch):
    def version(name):
        raise runtime.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(runtime.metadata, "version", version)
    assert environment().packages["anywidget"] == "missing"


def test_source_of_function_class_assignment_and_decorator():
    assert definition_source("course_utils.training", "fit").startswith("def fit(")
    totals = definition_source("course_utils.totals", "Totals")
    assert totals.startswith("class Totals:") and totals.endswith(
        "self._unread, self._of_all = [], False"
    )
    evaluate = definition_source("course_utils.training", "evaluate")
    assert evaluate.startswith("@torch.no_grad()\ndef evaluate(")
    assert definition_source("course_utils.runtime", "SCALES") == (
        'SCALES = ("smoke", "laptop", "gpu")'
    )


def test_show_source_shows_the_library_even_after_an_edit():
    original = show_source(fit)
    assert original == show_source("course_utils.training:fit")
    assert repr(original) == str(original)
    assert original._repr_markdown_() == f"```python\n{original}\n```"


def test_show_source_of_other_code():
    assert show_source(random.shuffle).lstrip().startswith("def shuffle")


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (torch.add, "no source can be shown"),
        (3, "no source can be shown"),
        ("fit", "expected 'module:name'"),
        ("course_utils.training:fits", "defines no 'fits'"),
    ],
)
def test_show_source_says_what_it_cannot_show(definition, message):
    with pytest.raises(ValueError, match=message):
        show_source(definition)
