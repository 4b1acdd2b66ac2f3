"""Fixtures of the unit tests. How notebooks run is in kernels.py."""

import os
from contextlib import ExitStack

import hypothesis
import matplotlib
import pytest
import torch
from browser import chromium
from lab import run_cells
from matplotlib import pyplot as plt
from shown_widgets import show_widget
from torch import nn

from course_utils.data import ImageSet

matplotlib.use("agg")
torch.set_num_threads(1)  # as many processes as cores
# No example depends on the one before, the time it takes, or what the last run found.
hypothesis.settings.register_profile(
    "course", deadline=None, derandomize=True, database=None, max_examples=40
)
hypothesis.settings.load_profile("course")


@pytest.fixture(autouse=True)
def quiet_surroundings(monkeypatch):
    """On the processor, whatever the machine has; and no test leaves a figure open."""
    monkeypatch.setenv("COURSE_DEVICE", os.environ.get("COURSE_DEVICE", "cpu"))
    yield
    assert not plt.get_fignums(), "a figure was left open"


@pytest.fixture
def make_images():
    """A function that makes a small ImageSet whose classes can be told apart."""

    def make(count=50, channels=1, side=8, classes=3, seed=0):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randint(classes, (count,), generator=generator)
        noise = torch.randint(
            60, (count, channels, side, side), generator=generator, dtype=torch.uint8
        )
        images = noise + (labels * 60).to(torch.uint8)[:, None, None, None]
        names = [f"class {label}" for label in range(classes)]
        return ImageSet(images, labels, names, [0.3] * channels, [0.2] * channels)

    return make


@pytest.fixture
def make_model():
    """A function that makes a small seeded convolutional net for those images."""

    def make(channels=1, classes=3, dropout=0.0, seed=0):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(channels, 4, 3, stride=2),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(16, classes),
        )

    return make


@pytest.fixture(scope="module")
def browser():
    """Chromium, one for all tests of a module."""
    with chromium() as running:
        yield running


@pytest.fixture
def shown(browser, tmp_path):
    """A function that shows one widget on a slide; returns the page and its root."""
    with ExitStack() as opened:
        yield lambda widget: opened.enter_context(
            show_widget(browser, widget, tmp_path)
        )


@pytest.fixture(scope="module")
def notebook(request, browser, tmp_path_factory):
    """A notebook of the module's CELLS in JupyterLab, open, after Run All."""
    folder, scratch = map(tmp_path_factory.mktemp, ("notebooks", "lab"))
    with run_cells(browser, request.module.CELLS, folder, scratch) as opened:
        yield opened
