"""Save a training run so that it can go on as if it had never stopped.

A checkpoint holds the states of all parts of a run: the step (model, optimizer,
scheduler, loss scale, average), the place in the order of the batches, the history,
what the epoch in progress has counted, and all random number generators.

A crash leaves the old file or the new one, never half of one (checkpoint_files.py). The
one before is kept beside it.
"""

import copy
import warnings
from pathlib import Path

import numpy as np
import torch

from course_utils.checkpoint_files import (
    KIND,
    VERSION,
    CheckpointError,
    DamagedCheckpoint,
    read_checkpoint,
    write_atomically,
)
from course_utils.distributed import (
    first_decides,
    gather_from_processes,
    is_first,
    process_index,
)
from course_utils.random_states import random_state, set_random_state


class Checkpoint:
    """A file in which `fit` saves a run after each epoch and from which it resumes.

    `every` saves it after so many batches too. `previous` is the path of the file
    before, from which a run resumes if the last one is damaged. With Batches or a
    DataLoader a resumed run equals an uninterrupted one: on a CPU bit for bit. Of
    several processes the first one writes. Taught in chapter 19.
    """

    def __init__(self, path, every=None):
        self.path, self.every = Path(path).expanduser(), every
        self.previous = self.path.with_name(
            f"{self.path.stem}.previous{self.path.suffix}"
        )
        self._saved = self._damaged = False
        self._check_path()
        if every is not None and (not isinstance(every, int) or every < 1):
            raise ValueError(f"every must be a number of batches from 1, got {every!r}")

    def _check_path(self):
        if self.path.is_dir():
            raise CheckpointError(f"{self.path} is a folder; give the path of a file")

    def is_due(self, batches) -> bool:
        """Whether to save after so many batches of an epoch."""
        return self.every is not None and batches % self.every == 0

    def save(self, parts) -> None:
        """Write the states of {name: part}, replacing the file at once.

        All processes have to call it. Raises CheckpointError where a state holds
        something that could not be loaded again.
        """
        self._write(_state(parts, gather_from_processes(random_state())))

    def _write(self, state):
        if is_first():
            previous = None if self._damaged else self.previous
            write_atomically(state, self.path, previous, check=not self._saved)
            self._saved, self._damaged = True, False

    def resume(self, parts) -> bool:
        """Put the saved states back into {name: part}; False where there is no file.

        Raises CheckpointError for a damaged, foreign or newer file, and for one of
        another model or optimizer. Nothing is changed then.
        """
        if not first_decides(self._exists()):
            return False
        path, state = self._read()
        # Copied, since loading overwrites the very tensors that the parts are made of.
        touched, before = {}, copy.deepcopy(_state(parts, [random_state()]))
        try:
            _check_names(state["parts"], parts)
            for name, part in parts.items():
                touched[name] = part
                part.load_state_dict(state["parts"][name])
            if process_index() < len(state["random"]):
                set_random_state(state["random"][process_index()])
        except Exception as error:
            for name, part in touched.items():
                part.load_state_dict(before["parts"][name])
            set_random_state(before["random"][0])
            raise CheckpointError(
                f"{path} does not fit this run, it is of another model, optimizer or "
                f"kind of batches ({error}); "
                "give this run a new path, or build the step as it was"
            ) from error
        return True

    def _exists(self):
        return self.path.exists()

    def _load(self, path):
        return read_checkpoint(path)

    def _read(self):
        """(path, state) of the last file, or of the one before if that is damaged."""
        try:
            return self.path, self._load(self.path)
        except FileNotFoundError as error:  # the first process has seen it
            raise CheckpointError(
                f"process {process_index()} cannot see {self.path}; processes on "
                "several machines need a folder that all of them share"
            ) from error
        except DamagedCheckpoint as error:
            try:
                state = self._load(self.previous)
            except (FileNotFoundError, CheckpointError):
                raise error from None
            self._damaged = True  # so the next save must not keep it as `previous`
            warnings.warn(f"{error}. Going on from {self.previous}", stacklevel=2)
            return self.previous, state


class NoCheckpoint:
    """Stands for checkpoint=None: nothing is saved, nothing resumed."""

    every = None

    def is_due(self, batches):
        return False

    def save(self, parts):
        pass

    def resume(self, parts):
        return False


def _state(parts, random_states):
    states = {name: part.state_dict() for name, part in parts.items()}
    return {
        "kind": KIND,
        "version": VERSION,
        "torch": str(torch.__version__),
        "parts": _plain(states),
        "random": random_states,
    }


def _plain(state):
    """NumPy's numbers as Python's: a learning rate, say, from np.logspace.

    They could be written, but not be loaded with weights_only=True.
    """
    if isinstance(state, np.generic):
        return state.item()
    if type(state) is dict:
        return {name: _plain(item) for name, item in state.items()}
    if type(state) in (list, tuple):
        return type(state)(map(_plain, state))
    return state


def _check_names(saved, parts):
    if saved.keys() != parts.keys():
        names = (", ".join(sorted(found)) for found in (saved, parts))
        raise ValueError("the file holds {}, this run has {}".format(*names))


def as_checkpoint(checkpoint):
    """A path, a Checkpoint or None -> an object with save() and resume()."""
    if checkpoint is None:
        return NoCheckpoint()
    return checkpoint if hasattr(checkpoint, "resume") else Checkpoint(checkpoint)


def has_state(thing) -> bool:
    """Whether a thing can be saved and resumed."""
    return hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")
