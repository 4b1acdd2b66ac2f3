"""Save a training run so that it can go on as if it had never stopped.

A checkpoint holds the step (model, optimizer, scheduler, ...), the order of the
batches, the history and the states of the random number generators. It is written to a
temporary file, flushed to the disk and renamed: a crash leaves the old one or the new
one, never half of one. It is loaded with weights_only=True, so that a foreign file
cannot run code.
"""

import copy
import os
import random
import tempfile
from pathlib import Path

import numpy as np
import torch

from course_utils.history import History

VERSION = 1
KIND = "course_utils checkpoint"


class CheckpointError(Exception):
    """A checkpoint cannot be used; the message says which file, why, and what to do."""


class Checkpoint:
    """A file in which `fit` saves a run after each epoch and from which it resumes.

    A resumed run equals an uninterrupted one: on a CPU bit for bit.
    Taught in chapter 19.
    """

    def __init__(self, path):
        self.path = Path(path).expanduser()
        if self.path.is_dir():
            raise CheckpointError(f"{self.path} is a folder; give the path of a file")

    def save(self, step, batches, history) -> None:
        """Write the state of the run, replacing the file at once."""
        write_atomically(self._state(step, batches, history), self.path)

    def resume(self, step, batches, history) -> bool:
        """Put the saved state back; False where there is no file yet.

        Raises CheckpointError for a damaged, foreign or newer file, and for one of
        another model or optimizer. Nothing is changed then.
        """
        if not self.path.exists():
            return False
        state = read_checkpoint(self.path)
        before = self._state(step, batches, History())
        before = copy.deepcopy(before)  # the tensors of the step itself are overwritten
        try:
            self._restore(state, step, batches, history)
        except Exception as error:
            self._restore(before, step, batches, History())
            raise CheckpointError(
                f"{self.path} does not fit this run, it is of another model or "
                f"optimizer or damaged ({error}); "
                "give this run a new path, or build the step as it was"
            ) from error
        return True

    def _state(self, step, batches, history):
        return {
            "kind": KIND,
            "version": VERSION,
            "torch": str(torch.__version__),
            "step": step.state_dict(),
            "batches": batches.state_dict() if _has_state(batches) else None,
            "history": history.state_dict(),
            "random": random_state(),
        }

    def _restore(self, state, step, batches, history):
        step.load_state_dict(state["step"])
        if state["batches"] is not None and _has_state(batches):
            batches.load_state_dict(state["batches"])
        set_random_state(state["random"])
        history.load_state_dict(state["history"])


class NoCheckpoint:
    """Stands for checkpoint=None: nothing is saved, nothing resumed."""

    def save(self, step, batches, history):
        pass

    def resume(self, step, batches, history):
        return False


def as_checkpoint(checkpoint):
    """A path, a Checkpoint or None -> an object with save() and resume()."""
    if checkpoint is None:
        return NoCheckpoint()
    return checkpoint if hasattr(checkpoint, "resume") else Checkpoint(checkpoint)


def read_checkpoint(path) -> dict:
    """The state in the file; CheckpointError where it is not one of ours."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch.load raises a dozen kinds for damaged files
        reason = str(error).split(". ")[0] or type(error).__name__
        raise CheckpointError(
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
    return state


def write_atomically(state, path) -> None:
    """torch.save to `path` in one step: temporary file, flush to the disk, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=path.name + ".", suffix=".tmp"
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def random_state() -> dict:
    """The states of the generators of Python, NumPy and torch, as plain data."""
    version, words, gauss = random.getstate()
    numpy_state = np.random.get_state(legacy=False)
    numpy_state["state"] = {
        "key": torch.from_numpy(numpy_state["state"]["key"].astype(np.int64)),
        "pos": int(numpy_state["state"]["pos"]),
    }
    return {
        "python": [version, list(words), gauss],
        "numpy": numpy_state,
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict) -> None:
    """Put back what random_state() gave."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    numpy_state = dict(state["numpy"])
    numpy_state["state"] = {
        "key": state["numpy"]["state"]["key"].numpy().astype(np.uint32),
        "pos": state["numpy"]["state"]["pos"],
    }
    np.random.set_state(numpy_state)
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


def _has_state(thing):
    return hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")
