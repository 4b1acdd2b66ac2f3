"""The progress bar: in a terminal, in a notebook, and nowhere on standard output."""

import os
import sys

import pytest
import torch
from resuming import Disturbed
from torch import nn

from course_utils import progress
from course_utils.data import Batches
from course_utils.training import NonFiniteLoss, fit


class Step:
    """A step that learns nothing, with one loss."""

    model = nn.Identity()

    def __init__(self, loss=2.5):
        self.loss = loss

    def __call__(self, images, labels):
        return {"loss": torch.tensor(self.loss * len(labels))}


class Handle:
    """What display(..., display_id=True) returns, with all that was shown."""

    def __init__(self, bundle):
        self.bundles = [bundle]

    def update(self, bundle, raw, metadata):
        assert raw and metadata == progress.METADATA
        self.bundles.append(bundle)


@pytest.fixture
def notebook(monkeypatch):
    """As in a notebook; the displays that were made."""
    displays = []

    class Shell:
        kernel = True

    def display(bundle, raw, display_id, metadata):
        assert metadata == progress.METADATA  # the slides leave such outputs out
        displays.append(Handle(bundle))
        return displays[-1]

    monkeypatch.setattr(progress, "get_ipython", Shell)
    monkeypatch.setattr(progress, "display", display)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_READINGS", 0)
    return displays


def test_nothing_is_printed_where_nobody_looks(make_images, capfd):
    fit(Step(), Batches(make_images(), 5), 2)
    assert capfd.readouterr() == ("", "")


def test_a_notebook_shows_one_bar_that_ends_as_text(make_images, notebook, capfd):
    fit(Step(), Batches(make_images(50), 5), 2)
    (handle,) = notebook
    running = handle.bundles[len(handle.bundles) // 2]
    assert 'max="20"' in running["text/html"] and "left" in running["text/plain"]
    assert "epoch 1/2" in running["text/plain"] or "epoch 2/2" in running["text/plain"]
    last = handle.bundles[-1]
    assert "<progress" not in last["text/html"] and "left" not in last["text/plain"]
    assert last["text/plain"].startswith("epoch 2/2 · loss 2.500 · ")
    assert capfd.readouterr() == ("", "")


def test_without_a_length_there_is_no_estimate(make_images, notebook):
    class Endless:
        def __init__(self, batches):
            self.batches = batches

        def __iter__(self):
            return iter(self.batches)

    fit(Step(), Endless(Batches(make_images(50), 5)), 1)
    running = notebook[0].bundles[5]
    assert "left" not in running["text/plain"] and "elapsed" in running["text/plain"]


def test_the_bar_is_closed_when_training_fails(make_images, notebook):
    with pytest.raises(NonFiniteLoss):
        fit(Step(float("nan")), Batches(make_images(50), 5), 2)
    assert "<progress" not in notebook[0].bundles[-1]["text/html"]


def test_no_progress_means_no_bar(make_images, notebook):
    fit(Step(), Batches(make_images(), 5), 1, progress=False)
    assert notebook == []


class Learner(Step):
    """One that can be saved."""

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def test_a_finished_run_shows_no_bar(make_images, notebook, tmp_path):
    batches, path = Batches(make_images(), 5), tmp_path / "run.pt"
    fit(Learner(), batches, 1, checkpoint=path)
    fit(Learner(), batches, 1, checkpoint=path)
    assert len(notebook) == 1


def test_a_run_that_goes_on_shows_what_is_left(make_images, notebook, tmp_path):
    def run(epochs, stop=None):
        step = Learner() if stop is None else Disturbed(Learner(), stop)
        batches = Batches(make_images(50), 5)
        fit(step, batches, epochs, checkpoint=tmp_path / "run.pt")

    run(3, stop=14)
    assert 'max="30"' in notebook[0].bundles[-2]["text/html"]
    run(1)  # less than what was done
    assert len(notebook) == 1
    run(3)
    running = [bundle["text/html"] for bundle in notebook[1].bundles]
    assert 'value="16" max="16"' in running[-2] and "epoch 3/3" in running[-2]
    assert "epoch 2/3" in running[1]


def everything_written(outside):
    """What came out of a pseudo-terminal until its other side was closed."""
    written = b""
    while True:
        try:
            part = os.read(outside, 10_000)
        except OSError:  # how Linux says that the other side is closed
            part = b""
        if not part:
            return written.decode()
        written += part


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminal")
def test_a_terminal_shows_a_bar_on_standard_error(make_images, monkeypatch, capfd):
    import fcntl
    import pty
    import struct
    import termios

    outside, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with os.fdopen(inside, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        fit(Step(), Batches(make_images(40), 4), 2)
    shown = everything_written(outside)
    os.close(outside)
    assert "epoch 2/2" in shown and "loss 2.500" in shown and "20/20" in shown
    assert capfd.readouterr() == ("", "")
