"""Write checkpoints so that a crash cannot harm them, and read them with distrust.

A file is written under a temporary name, flushed to the disk and renamed: whatever
happens, there is the old one or the new one, never half of one. It is read only if its
contents agree with their checksums, and with weights_only=True, so that a foreign file
cannot run code.
"""

import contextlib
import os
import shutil
import zipfile

import torch

VERSION = 2  # 1 could not resume inside an epoch
KIND = "course_utils checkpoint"


class CheckpointError(Exception):
    """A checkpoint cannot be used; the message says which file, why, and what to do."""


class DamagedCheckpoint(CheckpointError):
    """The file cannot be read: cut off, overwritten, or something else altogether."""


def read_checkpoint(path) -> dict:
    """The state in the file; CheckpointError where it is not one of ours."""
    try:
        _check_sums(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # a dozen kinds for damaged files
        reason = str(error).split(". ")[0] or type(error).__name__
        raise DamagedCheckpoint(
            f"{path} is damaged or no checkpoint ({reason}); remove it to start anew"
        ) from error
    if not (
        isinstance(state, dict) and state.get("kind") == KIND and "version" in state
    ):
        raise CheckpointError(
            f"{path} was not written by this course; give this run another path"
        )
    if state["version"] > VERSION:
        raise CheckpointError(
            f"{path} has format {state['version']}, this course_utils reads up to "
            f"{VERSION}; update the course, or give this run another path"
        )
    if state["version"] < VERSION:
        raise CheckpointError(
            f"{path} has format {state['version']} of an older course_utils, this one "
            f"reads {VERSION}; start anew with another path"
        )
    return state


def _check_sums(path):
    """Compare what the file holds with its checksums, which torch.load does not do."""
    with zipfile.ZipFile(path) as archive:
        bad = archive.testzip()
        marked = [entry.filename for entry in archive.infolist() if entry.external_attr]
    if bad or marked:  # marked as a folder, torch would take a tensor for empty
        raise ValueError(f"{bad or marked[0]} in it is not what was written")


def write_atomically(state, path, previous=None, check=False) -> None:
    """torch.save to `path` in one step: temporary file, flush to the disk, rename.

    What was in `path` is kept as `previous`. With `check` it is made sure before that
    read_checkpoint could load the new file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        if check:
            _check_types(temporary)
        if previous is not None and path.exists():
            _keep(path, previous)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def _check_types(path):
    if kinds := torch.serialization.get_unsafe_globals_in_checkpoint(path):
        raise CheckpointError(
            f"this run cannot be saved: a state_dict() holds {', '.join(kinds)}, which "
            "could not be loaded again; let it hold tensors, numbers, texts, lists and "
            "dictionaries alone"
        )


def _keep(path, previous):
    """Give the file a second name; `path` itself is there all the time."""
    spare = previous.with_name(previous.name + ".tmp")
    spare.unlink(missing_ok=True)
    try:
        try:
            os.link(path, spare)
        except OSError:  # a file system without links
            shutil.copyfile(path, spare)
        os.replace(spare, previous)
    finally:
        spare.unlink(missing_ok=True)  # there still if it is the same file as previous


def flush_folder(folder):
    """Bring the new names to the disk too, where the system can do that."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # not on every file system
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
