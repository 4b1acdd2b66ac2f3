"""A resumed run equals an uninterrupted one, and no file can do harm."""

import copy
import os
import pickle
import random

import numpy as np
import pytest
import torch

from course_utils import checkpoints
from course_utils.augment import Compose, RandomCrop, RandomFlip
from course_utils.checkpoints import Checkpoint, CheckpointError, as_checkpoint
from course_utils.data import Batches
from course_utils.history import History
from course_utils.steps import ClassifierStep
from course_utils.training import fit


@pytest.fixture
def parts(make_images, make_model):
    """A function that makes a step and batches in which everything has a state."""

    def make(seed=0, optimizer=None, **options):
        model = make_model(dropout=0.3, seed=seed, **options)
        make_optimizer = optimizer or torch.optim.SGD
        extra = {"momentum": 0.9} if optimizer is None else {}
        used = make_optimizer(model.parameters(), lr=0.05, **extra)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(used, 50)
        step = ClassifierStep(model, used, scheduler=scheduler, clip_norm=1.0)
        augment = Compose(RandomCrop(1), RandomFlip(), noise)
        return step, Batches(make_images(40), 9, shuffle=True, augment=augment)

    return make


def noise(images, generator):
    """Randomness from outside the batches: all three global generators."""
    drawn = random.randrange(3) + np.random.randint(3) + int(torch.randint(3, ()))
    return (images // 2 + drawn).to(images.dtype)


def snapshot(step):
    return copy.deepcopy(step.state_dict())


def assert_same(first, second):
    """Two nested states are equal bit for bit."""
    assert type(first) is type(second)
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second)
        for pair in zip(first, second, strict=True):
            assert_same(*pair)
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    else:
        assert first == second


@pytest.mark.parametrize("optimizer", [None, torch.optim.AdamW], ids=["sgd", "adamw"])
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_resumed_equals_uninterrupted(parts, tmp_path, optimizer, stop):
    def seeded(*arguments):
        step, batches = parts(*arguments)
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(11)
        return step, batches

    step, batches = seeded(0, optimizer)
    whole = fit(step, batches, 4)
    path = tmp_path / "run.pt"
    fit(*seeded(0, optimizer), stop, checkpoint=path)
    resumed_step, resumed_batches = parts(5, optimizer)  # another start
    random.random(), np.random.rand(), torch.rand(3)
    resumed = fit(resumed_step, resumed_batches, 4, checkpoint=path)
    assert resumed.batch_losses == whole.batch_losses
    assert_same(resumed_step.state_dict(), step.state_dict())
    for name in ("epoch", "train_loss", "train_accuracy"):
        assert resumed.column(name) == whole.column(name)


def test_a_finished_run_trains_no_further(parts, tmp_path):
    path = tmp_path / "run.pt"
    step, batches = parts()
    first = fit(step, batches, 2, checkpoint=path)
    before = snapshot(step)
    again = fit(step, batches, 2, checkpoint=path)
    assert again.rows == first.rows
    assert_same(step.state_dict(), before)


def test_batches_without_a_state_do_as_well(parts, tmp_path):
    step, batches = parts()
    fit(step, list(batches), 1, checkpoint=tmp_path / "run.pt")
    history = fit(step, list(batches), 2, checkpoint=tmp_path / "run.pt")
    assert len(history.rows) == 2


def test_folders_are_made_and_nothing_else_is_left(parts, tmp_path):
    path = tmp_path / "deep" / "runs" / "run.pt"
    fit(*parts(), 2, checkpoint=str(path))
    assert list(path.parent.iterdir()) == [path]


def test_a_path_a_checkpoint_or_none(tmp_path):
    checkpoint = Checkpoint(tmp_path / "run.pt")
    assert as_checkpoint(checkpoint) is checkpoint
    assert as_checkpoint("run.pt").path.name == "run.pt"
    assert not as_checkpoint(None).resume(None, None, None)
    with pytest.raises(CheckpointError, match="is a folder; give the path of a file"):
        as_checkpoint(tmp_path)


# Files that cannot be used


@pytest.fixture
def saved(parts, tmp_path):
    """The path of a checkpoint, with a step of its kind and what that holds."""
    path = tmp_path / "run.pt"
    fit(*parts(), 1, checkpoint=path)
    return path


def refused(path, step, batches, match):
    """The file is refused with this message, and nothing has changed."""
    before, history, order = snapshot(step), History(), batches.state_dict()
    states = checkpoints.random_state()
    with pytest.raises(CheckpointError, match=match) as error:
        Checkpoint(path).resume(step, batches, history)
    assert str(path) in str(error.value)
    assert_same(step.state_dict(), before)
    assert history.rows == [] and batches.state_dict() == order
    assert_same(checkpoints.random_state(), states)


def test_a_truncated_file_is_refused_at_any_length(saved, parts):
    content = saved.read_bytes()
    lengths = {0, 1, 2, 3, 4, 5, 10, 30, 64, 100, len(content) - 1, len(content) - 22}
    lengths |= set(range(0, len(content), len(content) // 25))
    step, batches = parts()
    for length in sorted(lengths):
        saved.write_bytes(content[:length])
        refused(saved, step, batches, "is damaged or no checkpoint.*remove it")


def test_damage_is_refused_or_harmless(saved, parts):
    content, chance = saved.read_bytes(), random.Random(0)
    step, batches = parts()
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 20, 400])):
            damaged[chance.randrange(len(content))] = chance.randrange(256)
        saved.write_bytes(damaged)
        try:
            Checkpoint(saved).resume(step, batches, History())
        except CheckpointError as error:
            assert str(saved) in str(error)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged or no checkpoint"),
        (b"epoch,loss\n1,0.5\n", "is damaged or no checkpoint"),
        (b"PK\x03\x04 not really", "is damaged or no checkpoint"),
        ({"weight": torch.zeros(3)}, "was not written by this course"),
        (torch.zeros(3), "was not written by this course"),
        ({"kind": "course_utils checkpoint", "version": 99}, "format 99.*up to 1"),
        ({"kind": "course_utils checkpoint"}, "was not written by this course"),
    ],
    ids=["empty", "text", "zip", "weights", "tensor", "newer", "no version"],
)
def test_other_files_are_refused(tmp_path, parts, content, message):
    path = tmp_path / "run.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    refused(path, *parts(), message)


class Malicious:
    """Would make a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("save", [torch.save, None], ids=["torch", "pickle"])
def test_a_foreign_file_runs_no_code(tmp_path, parts, save):
    path, mark = tmp_path / "run.pt", tmp_path / "executed"
    state = {"kind": checkpoints.KIND, "version": 1, "step": Malicious(mark)}
    path.write_bytes(pickle.dumps(state))
    if save is not None:
        save(state, path)
    refused(path, *parts(), "is damaged or no checkpoint")
    assert not mark.exists()


@pytest.mark.parametrize(
    "other",
    [
        {"classes": 4},
        {"channels": 3},
        {"optimizer": torch.optim.AdamW},
        {"optimizer": torch.optim.Adagrad},
    ],
    ids=str,
)
def test_a_checkpoint_of_another_run_is_refused(saved, parts, make_images, other):
    step, batches = parts(seed=3, **other)
    refused(saved, step, batches, "(?s)is of another model or optimizer.*give this run")


def test_another_scheduler_is_refused(saved, parts):
    step, batches = parts(seed=3)
    step.scheduler = None
    refused(saved, step, batches, "of another model or optimizer.*scheduler")


# Crashes while writing


@pytest.mark.parametrize("moment", ["torch.save", "os.fsync", "os.replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
def test_a_crash_keeps_the_old_file(saved, parts, monkeypatch, moment, error):
    def crash(*arguments):
        raise error

    step, batches = parts()
    before = saved.read_bytes()
    owner = {"torch": torch, "os": os}[moment.partition(".")[0]]
    monkeypatch.setattr(owner, moment.partition(".")[2], crash)
    with pytest.raises(type(error)):
        Checkpoint(saved).save(step, batches, History())
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_random_states_go_on_where_they_were():
    def draws():
        return random.gauss(0, 1), np.random.randn(), torch.randn(2).tolist()

    draws()
    state = checkpoints.random_state()
    first = draws()
    assert draws() != first
    checkpoints.set_random_state(state)
    assert draws() == first
