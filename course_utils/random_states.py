"""The states of random number generators, for a run that goes on where it stopped."""

import random

import numpy as np
import torch


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


class Generators:
    """The generators that a DataLoader was given: they order its next epochs.

    `given` is {"loader": or "sampler": generator}. The state is one between epochs.
    """

    def __init__(self, loader):
        places = {"loader": loader, "sampler": getattr(loader, "sampler", None)}
        found = {name: getattr(at, "generator", None) for name, at in places.items()}
        self.given = {
            name: generator
            for name, generator in found.items()
            if isinstance(generator, torch.Generator)
        }

    def state_dict(self) -> dict:
        return {name: generator.get_state() for name, generator in self.given.items()}

    def load_state_dict(self, state: dict) -> None:
        if state.keys() != self.given.keys():
            names = (", ".join(found) or "none" for found in (state, self.given))
            raise ValueError("the run had generators of its {}, here {}".format(*names))
        for name, generator in self.given.items():
            generator.set_state(state[name])
