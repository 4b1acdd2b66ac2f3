"""No file can do harm, and no crash while one is written."""

import copy
import os
import pickle
import random
import shutil
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from resuming import assert_same
from torch import nn

from course_utils import checkpoint_files
from course_utils.checkpoint_files import VERSION, CheckpointError, read_checkpoint
from course_utils.checkpoints import Checkpoint
from course_utils.history import History


@pytest.fixture
def parts():
    """Parts of a run, with a state of tensors and one of lists."""
    torch.manual_seed(0)
    history = History([{"epoch": 1, "train_loss": 0.25}], [0.5, 0.25])
    return {"model": nn.Linear(5, 3), "history": history}


@pytest.fixture
def checkpoint(parts, tmp_path):
    """A checkpoint with a file and the one before; each knows its number."""
    made = Checkpoint(tmp_path / "run.pt")
    for number in (1, 2):
        parts["history"].rows[-1]["number"] = number
        made.save(parts)
    return made


NAMES = {"run.pt", "run.previous.pt"}


def names_in(checkpoint):
    """The files in its folder, by name."""
    return {path.name for path in checkpoint.path.parent.iterdir()}


def number_in(path):
    """Which of the files that were saved it is."""
    return read_checkpoint(path)["parts"]["history"]["rows"][-1]["number"]


def damage(path, content=b"no more"):
    path.write_bytes(content)


# Reading


def test_what_was_saved_comes_back(checkpoint, parts):
    saved = copy.deepcopy(parts["model"].state_dict())
    nn.init.zeros_(parts["model"].weight)
    parts["history"].rows = []
    assert Checkpoint(checkpoint.path).resume(parts)
    assert_same(parts["model"].state_dict(), saved)
    assert parts["history"].last["number"] == 2
    assert parts["history"].batch_losses == [0.5, 0.25]


def test_a_truncated_file_is_refused_at_any_length(checkpoint, parts):
    checkpoint.previous.unlink()
    content = checkpoint.path.read_bytes()
    lengths = {*range(100), *range(len(content) - 100, len(content))}
    lengths |= set(range(0, len(content), len(content) // 50))
    for length in sorted(lengths):
        damage(checkpoint.path, content[:length])
        refused(checkpoint.path, parts, "is damaged or no checkpoint.*remove it")


def test_damage_is_refused_or_harmless(checkpoint):
    """Wherever a byte is wrong: either that is noticed, or it holds what it held."""
    path, chance = checkpoint.path, random.Random(0)
    content, before = path.read_bytes(), read_checkpoint(path)
    with zipfile.ZipFile(path) as archive:
        directory = archive.start_dir
    bits = [(place, chance.randrange(8)) for place in range(0, len(content), 43)]
    bits += [(place, 4) for place in range(directory, len(content))]
    noticed = 0
    for place, bit in bits:
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        damage(path, damaged)
        try:
            assert_same(read_checkpoint(path), before)
        except CheckpointError as error:
            noticed += 1
            assert str(path) in str(error)
    assert noticed > len(bits) / 3


def test_many_wrong_bytes_are_refused(checkpoint, parts):
    checkpoint.previous.unlink()
    content, chance = checkpoint.path.read_bytes(), random.Random(0)
    for _ in range(30):
        damaged = bytearray(content)
        start = chance.randrange(len(content) - 500)
        damaged[start : start + 500] = chance.randbytes(500)
        damage(checkpoint.path, damaged)
        refused(checkpoint.path, parts, "is damaged or no checkpoint")


def refused(path, parts, match):
    """The file is refused with this message, and nothing has changed."""
    states = {name: part.state_dict() for name, part in parts.items()}
    before = copy.deepcopy(states)
    with pytest.raises(CheckpointError, match=match) as error:
        Checkpoint(path).resume(parts)
    assert str(path) in str(error.value)
    assert_same({name: part.state_dict() for name, part in parts.items()}, before)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged or no checkpoint"),
        (b"epoch,loss\n1,0.5\n", "is damaged or no checkpoint"),
        (b"PK\x03\x04 not really", "is damaged or no checkpoint"),
        ({"weight": torch.zeros(3)}, "was not written by this course"),
        (torch.zeros(3), "was not written by this course"),
        (
            {"kind": checkpoint_files.KIND, "version": 99},
            "format 99.*reads up to 2; up",
        ),
        (
            {"kind": checkpoint_files.KIND, "version": 1},
            "1 of an older.*start anew with",
        ),
        ({"kind": checkpoint_files.KIND}, "was not written by this course"),
    ],
    ids=["empty", "text", "zip", "weights", "tensor", "newer", "older", "no version"],
)
@pytest.mark.parametrize("before", [False, True])
def test_other_files_are_refused(checkpoint, parts, content, message, before):
    """With a file before, only a damaged one is passed over."""
    path = checkpoint.path
    if isinstance(content, bytes):
        damage(path, content)
    else:
        torch.save(content, path)
    if not before:
        checkpoint.previous.unlink()
    if before and isinstance(content, bytes):
        with pytest.warns(UserWarning, match=message):
            assert Checkpoint(path).resume(parts)
    else:
        refused(path, parts, message)


class Malicious:
    """Would make a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("save", [torch.save, None], ids=["torch", "pickle"])
def test_a_foreign_file_runs_no_code(tmp_path, parts, save):
    path, mark = tmp_path / "run.pt", tmp_path / "executed"
    state = {"kind": checkpoint_files.KIND, "version": VERSION, "step": Malicious(mark)}
    path.write_bytes(pickle.dumps(state))
    if save is not None:
        save(state, path)
    refused(path, parts, "is damaged or no checkpoint")
    assert not mark.exists()


def test_a_file_that_may_not_be_read_is_not_called_damaged(
    checkpoint, parts, monkeypatch
):
    def forbidden(path):
        raise PermissionError(f"Permission denied: {path}")

    monkeypatch.setattr(zipfile, "ZipFile", forbidden)
    with pytest.raises(PermissionError, match=r"run\.pt"):
        Checkpoint(checkpoint.path).resume(parts)


# The file before


def test_the_file_before_is_kept(checkpoint):
    assert checkpoint.previous.name == "run.previous.pt"
    assert number_in(checkpoint.path) == 2 and number_in(checkpoint.previous) == 1
    assert names_in(checkpoint) == NAMES


def test_the_file_before_is_used_where_the_last_is_damaged(checkpoint, parts):
    damage(checkpoint.path)
    with pytest.warns(UserWarning, match=r"run\.pt is damaged.*from .*previous\.pt"):
        assert Checkpoint(checkpoint.path).resume(parts)
    assert parts["history"].last["number"] == 1


def test_a_damaged_file_does_not_replace_the_one_before(checkpoint, parts, monkeypatch):
    """Not even when the save that follows is cut off: that would be the end of it."""
    damage(checkpoint.path)
    resumed = Checkpoint(checkpoint.path)
    with pytest.warns(UserWarning, match="Going on from"):
        resumed.resume(parts)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail_at(os.replace, 1))
        with pytest.raises(OSError, match="disk full"):
            resumed.save(parts)
    assert number_in(checkpoint.previous) == 1
    for number in (3, 4):
        parts["history"].rows[-1]["number"] = number
        resumed.save(parts)
        assert number_in(checkpoint.path) == number
        assert number_in(checkpoint.previous) == {3: 1, 4: 3}[number]


def test_two_damaged_files_are_refused(checkpoint, parts):
    for path in (checkpoint.path, checkpoint.previous):
        damage(path)
    refused(checkpoint.path, parts, r"run\.pt is damaged.*; remove it to start anew")


def test_a_file_before_of_another_run_is_named(checkpoint, parts):
    damage(checkpoint.path)
    parts["model"] = nn.Linear(5, 4)
    with (
        pytest.warns(UserWarning, match="Going on from"),
        pytest.raises(CheckpointError, match=r"previous\.pt does not fit this run"),
    ):
        Checkpoint(checkpoint.path).resume(parts)


def test_without_the_last_file_a_run_starts_anew(checkpoint, parts):
    checkpoint.path.unlink()
    assert not Checkpoint(checkpoint.path).resume(parts)


# Writing


def test_folders_are_made_and_nothing_else_is_left(parts, tmp_path):
    path = tmp_path / "deep" / "runs" / "run.pt"
    Checkpoint(str(path)).save(parts)
    assert list(path.parent.iterdir()) == [path]


def test_the_temporary_file_has_a_fixed_name(checkpoint, parts, monkeypatch):
    """So that one left by a process that was killed is overwritten, not collected."""
    folder, seen = checkpoint.path.parent, []
    (folder / "run.pt.tmp").write_bytes(b"left over" * 10_000)
    (folder / "run.previous.pt.tmp").write_bytes(b"left over")
    sync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (seen.append({*os.listdir(folder)}), sync(file))
    )
    checkpoint.save(parts)
    assert seen[0] == {*NAMES, "run.pt.tmp", "run.previous.pt.tmp"}
    assert names_in(checkpoint) == NAMES
    assert number_in(checkpoint.path) == number_in(checkpoint.previous) == 2


@pytest.mark.parametrize("other", ["run.previous.pt", "run.previous.pt.tmp"])
def test_a_second_name_of_the_last_file_is_no_obstacle(checkpoint, parts, other):
    """As after a kill before or after the first of the two renamings."""
    other = checkpoint.path.with_name(other)
    other.unlink(missing_ok=True)
    os.link(checkpoint.path, other)
    parts["history"].rows[-1]["number"] = 3
    checkpoint.save(parts)
    assert names_in(checkpoint) == NAMES
    assert number_in(checkpoint.path) == 3 and number_in(checkpoint.previous) == 2


def test_without_links_the_file_is_copied(checkpoint, parts, monkeypatch):
    monkeypatch.setattr(os, "link", fail_at(os.link, 1))
    parts["history"].rows[-1]["number"] = 3
    checkpoint.save(parts)
    assert number_in(checkpoint.path) == 3 and number_in(checkpoint.previous) == 2
    assert names_in(checkpoint) == NAMES


def test_a_folder_that_cannot_be_flushed_does_no_harm(checkpoint, parts, monkeypatch):
    monkeypatch.setattr(os, "fsync", fail_at(os.fsync, 2))
    parts["history"].rows[-1]["number"] = 3
    checkpoint.save(parts)
    assert number_in(checkpoint.path) == 3


FULL = OSError("disk full")


def fail_at(call, number, error=FULL):
    """The function, but its call of that number fails."""
    count = 0

    def failing(*arguments, **options):
        nonlocal count
        count += 1
        if count == number:
            raise error
        return call(*arguments, **options)

    return failing


STOP = KeyboardInterrupt()
CRASHES = [
    *((torch, "save", 1, error) for error in (FULL, STOP)),
    *((os, "fsync", 1, error) for error in (FULL, STOP)),
    (os, "link", 1, STOP),  # after an OSError the file is copied
    *((shutil, "copyfile", 1, error) for error in (FULL, STOP)),
    *((os, "replace", 1, error) for error in (FULL, STOP)),
    *((os, "replace", 2, error) for error in (FULL, STOP)),
]


@pytest.mark.parametrize(("module", "name", "call", "error"), CRASHES)
def test_a_crash_keeps_the_old_files(
    checkpoint, parts, monkeypatch, module, name, call, error
):
    if name == "copyfile":
        monkeypatch.setattr(os, "link", fail_at(os.link, 1))
    monkeypatch.setattr(module, name, fail_at(getattr(module, name), call, error))
    parts["history"].rows[-1]["number"] = 3
    with pytest.raises(type(error)):
        checkpoint.save(parts)
    monkeypatch.undo()
    assert names_in(checkpoint) == NAMES
    assert number_in(checkpoint.path) == 2
    assert number_in(checkpoint.previous) in (1, 2)
    checkpoint.save(parts)
    assert number_in(checkpoint.path) == 3 and number_in(checkpoint.previous) == 2


def test_a_write_that_stops_halfway_keeps_the_old_files(checkpoint, parts, monkeypatch):
    def half(state, file):
        file.write(b"half of it")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(parts)
    assert number_in(checkpoint.path) == 2
    assert names_in(checkpoint) == NAMES


class Holder:
    """A part with something in its state that is not plain data."""

    def state_dict(self):
        return {"path": Path("somewhere")}

    def load_state_dict(self, state):
        raise AssertionError


def test_what_could_not_be_loaded_is_not_saved(tmp_path, parts):
    path = tmp_path / "run.pt"
    message = r"cannot be saved: a state_dict\(\) holds pathlib.*could not be load"
    with pytest.raises(CheckpointError, match=message):
        Checkpoint(path).save({**parts, "other": Holder()})
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_read_without_warnings(checkpoint, parts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Checkpoint(checkpoint.path).resume(parts)
