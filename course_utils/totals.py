"""Adds up what steps report, without waiting for the device, and notices bad losses."""

import math

import torch

from course_utils.distributed import is_first, sum_over_processes


class NonFiniteLoss(ArithmeticError):
    """Training stopped at a loss that is infinite or no number.

    `epoch` and `batch` count from 1; `history` holds what was recorded before. They are
    None where the loop that raised it does not know them.
    """

    epoch = batch = history = None

    def __str__(self):
        named = (("epoch", self.epoch), ("batch", self.batch))
        places = [f"{name} {number}" for name, number in named if number is not None]
        kept = "" if self.history is None else "; the error's .history has the rest"
        return (
            f"the loss is not finite, first in {', '.join(places) or 'this epoch'}; "
            "try a learning rate 10 times smaller, clip_norm=1.0, or look for "
            f"infinities in the inputs{kept}"
        )


class Totals:
    """Adds up the metric sums of batches without waiting for the device.

    add() only keeps the tensors, read() fetches all that are new at once.
    `batch_losses` is the mean loss of each batch read so far.
    """

    def __init__(self):
        self._values, self._sizes = {}, []  # {metric: sum of each batch}, and images
        self._unread = []
        self._of_all = False  # whether the values are sums over all processes

    def add(self, sums, images):
        """Note the metric sums of one batch of so many images."""
        self._unread.append(sums)
        self._sizes.append(images)

    @property
    def images(self):
        """The number of images so far."""
        return sum(self._sizes)

    @property
    def batches(self):
        """The number of batches so far."""
        return len(self._sizes)

    @property
    def batch_losses(self):
        """The mean loss of every batch that was read; empty where none is reported."""
        pairs = zip(self._values.get("loss", []), self._sizes, strict=False)
        return [total / size for total, size in pairs]

    def read(self):
        """The mean of every metric over the images so far, as {name: float}.

        It does not depend on how often was read before. Raises NonFiniteLoss where a
        value is not finite, ValueError without any image.
        """
        self._fetch()
        if not self._sizes:
            raise ValueError(
                "there was no image in the batches; an iterator can be used only once: "
                "give Batches, a DataLoader or a list"
            )
        if not all(all(map(math.isfinite, item)) for item in self._values.values()):
            self._raise_non_finite()
        images = self.images
        return {name: math.fsum(item) / images for name, item in self._values.items()}

    def read_all(self):
        """The same over the images of all processes, once, when the last batch is in.

        All processes have to call it, after equally many batches.
        """
        state = self.state_dict()
        self._values, self._sizes, self._of_all = state["values"], state["sizes"], True
        return self.read()

    def _fetch(self):
        """Take the values of what was added since the last time from the device."""
        if not self._unread:
            return
        for name in self._unread[0]:
            values = torch.stack([sums[name] for sums in self._unread]).tolist()
            self._values.setdefault(name, []).extend(values)
        self._unread = []

    def _raise_non_finite(self):
        error = NonFiniteLoss()
        bad = [not math.isfinite(loss) for loss in self._values.get("loss", [])]
        error.batch = bad.index(True) + 1 if any(bad) else None
        raise error

    def state_dict(self) -> dict:
        """What all processes counted so far, for the checkpoint inside an epoch.

        All processes have to call it.
        """
        self._fetch()
        summed = list if self._of_all else sum_over_processes
        values = {name: summed(item) for name, item in self._values.items()}
        return {"values": values, "sizes": [int(size) for size in summed(self._sizes)]}

    def load_state_dict(self, state: dict) -> None:
        """Go on from there; the first process counts for all that was before."""
        share = 1 if is_first() else 0
        values = state["values"].items()
        self._values = {name: [share * x for x in item] for name, item in values}
        self._sizes = [share * size for size in state["sizes"]]
        self._unread, self._of_all = [], False
