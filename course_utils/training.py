"""The training loop. It turns; what one batch teaches is the step's affair (steps.py).

`fit` drives anything that can be called as `step(images, labels)` and returns metric
sums: a classifier, a VAE, a GAN. It reads those sums from the device once per epoch,
and for the progress bar a few times per second, never once per batch.
"""

import math

import torch

from course_utils.checkpoints import as_checkpoint
from course_utils.history import History
from course_utils.progress import Session
from course_utils.steps import classification_sums


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
        self.images, self.batch_losses = 0, []
        self._sums, self._unread, self._sizes = {}, [], []

    def add(self, sums, images):
        """Note the metric sums of one batch of so many images."""
        self._unread.append(sums)
        self._sizes.append(images)

    def read(self):
        """The mean of every metric over the images so far, as {name: float}.

        Raises NonFiniteLoss where one is not finite, ValueError without any image.
        """
        if self._unread:
            for name in self._unread[0]:
                values = torch.stack([sums[name] for sums in self._unread]).tolist()
                self._sums[name] = self._sums.get(name, 0.0) + math.fsum(values)
                if name == "loss":
                    pairs = zip(values, self._sizes, strict=True)
                    self.batch_losses += [total / size for total, size in pairs]
            self.images += sum(self._sizes)
            self._unread, self._sizes = [], []
        if self.images == 0:
            raise ValueError(
                "there was no image in the batches; an iterator can be used only once: "
                "give Batches, a DataLoader or a list"
            )
        if not all(map(math.isfinite, self._sums.values())):
            self._raise_non_finite()
        return {name: total / self.images for name, total in self._sums.items()}

    def _raise_non_finite(self):
        error = NonFiniteLoss()
        bad = [not math.isfinite(loss) for loss in self.batch_losses]
        error.batch = bad.index(True) + 1 if any(bad) else None
        raise error


def train_one_epoch(step, batches, watch=None):
    """Let `step` learn from every batch once; return the mean of each metric per image.

    `watch(totals)`, if given, is called after each batch and stops the epoch by
    returning False. Taught in chapter 01."""
    totals = Totals()
    for images, labels in batches:
        totals.add(step(images, labels), len(labels))
        if watch is not None and not watch(totals):
            break
    return totals.read()


@torch.no_grad()
def evaluate(model, batches, measure=classification_sums):
    """The mean loss and accuracy of `model` per image of `batches`; nothing is learned.

    The model is in evaluation mode meanwhile. Taught in chapter 01."""
    was_training = model.training
    model.eval()
    totals = Totals()
    for images, labels in batches:
        totals.add(measure(model(images), labels), len(labels))
    model.train(was_training)
    return totals.read()


def fit(step, batches, epochs, *, test_batches=None, checkpoint=None, progress=True):
    """Train for `epochs` passes over `batches`; return the History, a row per epoch.

    `checkpoint` is a path: saved after each epoch, resumed from where it exists.
    Interrupting the kernel stops after the current batch. Taught in chapter 01."""
    history = History()
    checkpoint = as_checkpoint(checkpoint)
    checkpoint.resume(step, batches, history)
    with Session(history, epochs, batches, progress) as session:
        for epoch in range(len(history.rows) + 1, epochs + 1):
            row = session.start(epoch)
            for name, mean in train_one_epoch(step, batches, session.watch).items():
                row["train_" + name] = mean
            complete = not session.interrupted
            if test_batches is not None and complete:
                means = evaluate(step.model, test_batches, step.measure)
                for name, mean in means.items():
                    row["test_" + name] = mean
            session.finish(row)
            if complete:
                checkpoint.save(step, batches, history)
            if session.interrupted:
                break
    return history
