"""What the tests of stopped and resumed runs share."""

import random
import signal

import numpy as np
import torch


def seed_all(seed):
    """All generators that a run may draw from without being asked."""
    for start in (random.seed, np.random.seed, torch.manual_seed):
        start(seed)


def noise(images, generator):
    """An augmentation that draws from all of them, and from its own generator."""
    drawn = random.randrange(3) + np.random.randint(3) + int(torch.randint(3, ()))
    own = torch.randint(3, (len(images), 1, 1, 1), generator=generator)
    return (images // 2 + drawn + own).to(images.dtype)


def rows_of(history):
    """What a history recorded, without the clock."""
    return [{**row, "seconds": None} for row in history.rows]


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
        assert first.dtype == second.dtype and torch.equal(first, second)
    else:
        assert first == second


def interrupt():
    """What Ctrl-C and the stop button of a notebook do."""
    signal.raise_signal(signal.SIGINT)


class Disturbed:
    """A step that calls `event()` in its batch number `at`, counted from 1.

    Before the batch, or after it; with `tested`, at that batch of the evaluations.
    """

    def __init__(self, step, at, event=interrupt, after=True, tested=False):
        self.step, self.at, self.event = step, at, event
        self.after, self.tested_too, self.count = after, tested, 0

    def __getattr__(self, name):
        return getattr(self.step, name)

    def __call__(self, images, labels):
        return self._counted(self.step, images, labels, not self.tested_too)

    def measure(self, outputs, labels):
        return self._counted(self.step.measure, outputs, labels, self.tested_too)

    def _counted(self, call, first, second, counts):
        self.count += counts
        now = counts and self.count == self.at
        if now and not self.after:
            self.event()
        result = call(first, second)
        if now and self.after:
            self.event()
        return result


class Stateful:
    """A loader with a place of its own, as torchdata's StatefulDataLoader.

    The order of the batches in each epoch is drawn from a seed.
    """

    def __init__(self, batches, seed=0):
        self.batches, self.seed = list(batches), seed
        self.epoch, self.place = 0, 0

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        chance = random.Random(f"{self.seed} {self.epoch}")
        order = chance.sample(range(len(self)), len(self))
        while self.place < len(self):
            self.place += 1
            yield self.batches[order[self.place - 1]]
        self.epoch, self.place = self.epoch + 1, 0

    def state_dict(self):
        return {"epoch": self.epoch, "place": self.place}

    def load_state_dict(self, state):
        self.epoch, self.place = state["epoch"], state["place"]
