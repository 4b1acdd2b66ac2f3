"""The training loop. It turns; what one batch teaches is the step's affair (steps.py).

`fit` drives anything that can be called as `step(images, labels)` and returns metric
sums: a classifier, a VAE, a GAN. It reads those sums from the device once per epoch,
and for the progress bar a few times per second, never once per batch.
"""

import torch

from course_utils.checkpoints import as_checkpoint
from course_utils.history import History
from course_utils.loading import on_device
from course_utils.session import Session
from course_utils.steps import classification_sums
from course_utils.totals import NonFiniteLoss, Totals

__all__ = ["NonFiniteLoss", "Totals", "evaluate", "fit", "train_one_epoch"]


def train_one_epoch(step, batches, watch=None, totals=None):
    """Let `step` learn from every batch once; return the mean of each metric per image.

    `watch(totals)`, if given, is called after each batch and stops the epoch by
    returning False. `totals` go on where an epoch was stopped. Taught in chapter 01."""
    totals = Totals() if totals is None else totals
    for images, labels in batches:
        totals.add(step(images, labels), len(labels))
        if watch is not None and not watch(totals):
            break
    return totals.read_all()


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
    return totals.read_all()


def fit(step, batches, epochs, *, test_batches=None, checkpoint=None, progress=True):
    """Train for `epochs` passes over `batches`; return the History, a row per epoch.

    `checkpoint` is a path: saved after each epoch, resumed from where it exists.
    Interrupting the kernel stops after the current batch. Taught in chapter 01."""
    history, checkpoint = History(), as_checkpoint(checkpoint)
    batches, test_batches = on_device(step.model, batches, test_batches)
    with Session(step, batches, epochs, history, checkpoint, progress) as session:
        for epoch in range(len(history.rows) + 1, epochs + 1):
            row, totals = session.start(epoch)
            means = train_one_epoch(step, batches, session.watch, totals)
            row.update({"train_" + name: mean for name, mean in means.items()})
            if test_batches is not None and not session.stopped:
                means = evaluate(session.tested, test_batches, step.measure)
                row.update({"test_" + name: mean for name, mean in means.items()})
            session.finish(row)
            if session.interrupted:
                break
    return history
