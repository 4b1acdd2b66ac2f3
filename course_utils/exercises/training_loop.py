"""The checks of the exercises on the training loop (chapter 01)."""

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.exercises import Wrong, describe, exercise
from course_utils.exercises.watching import Watch


def _scalar(value, what):
    """A Python float from a number or a tensor of one element."""
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return float(value.detach())
    if isinstance(value, int | float | np.number):
        return float(value)
    raise Wrong(f"{what} must be one number, got {describe(value)}")


@exercise
def check_cross_entropy(cross_entropy):
    """A stable cross_entropy(logits [N, classes], labels [N]) -> mean loss."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64) * 2
    labels = torch.tensor([0, 3, 1, 1, 2, 0])
    given = logits.clone()
    with Watch() as watch:
        loss = cross_entropy(given.requires_grad_() * 1, labels)
    got = _scalar(loss, "the loss")
    if not getattr(loss, "requires_grad", False):
        raise Wrong(
            "the loss is a number without a record, so backward() could not start from "
            "it; return the tensor, without item() or detach()"
        )
    own = {"cross_entropy", "log_softmax", "logsumexp", "nll_loss"} & watch.names
    if own:
        raise Wrong(
            f"this calls torch's {own.pop()}, which is what you are writing; "
            "use exp, log, sum, amax and indexing"
        )
    _compare_losses(got, logits, labels)
    for sign, word in ((1, "1000"), (-1, "-1000")):
        big = logits + sign * 1000
        loss = _scalar(cross_entropy(big, labels), "the loss")
        if not math.isfinite(loss):
            raise Wrong(
                f"logits near {word} give {loss}: exp overflows or underflows; first "
                "subtract the largest logit of each row, it changes no probability"
            )
        if abs(loss - float(F.cross_entropy(big, labels))) > 1e-6:
            raise Wrong(
                f"adding {word} to every logit changes no probability, but your loss "
                f"went from {got:.6f} to {loss:.6f}"
            )
    _check_extreme_rows(cross_entropy)
    return "right for small logits and for logits of 1000, where exp alone overflows"


def _compare_losses(got, logits, labels):
    losses = F.cross_entropy(logits, labels, reduction="none")
    mean = float(losses.mean())
    if abs(got - mean) < 1e-9:
        return
    by_column = -torch.log_softmax(logits, 0)[torch.arange(6), labels].mean()
    mistakes = {
        float(losses.sum()): "this is the sum over the images; divide by their number",
        -mean: "the sign is wrong: a loss is positive, log of a probability is not",
        mean / math.log(2): "this is in bits; the natural logarithm gives nats",
        mean - float(logits.amax(1).mean()): "the largest logit was taken from the "
        "exponentials, but not from the logit of the label",
        float(F.cross_entropy(logits - logits.amax(0), labels)): "the largest logit of "
        "each image is that of its row, amax(1, keepdim=True); this takes it by column",
        float(by_column): "the probabilities must add up to 1 over the classes of one "
        "image, that is along the last axis",
        -float(
            logits[torch.arange(6), labels].mean()
        ): "only the label's logit is used; "
        "the logarithm of the sum of exponentials is missing",
    }
    for value, message in mistakes.items():
        if abs(got - value) < 1e-9:
            raise Wrong(message)
    if abs(got - mean) < 1e-5:
        raise Wrong(
            f"this is {abs(got - mean):.1e} off: a small number is added somewhere. "
            "With log of the sum of exponentials no such rescue is needed"
        )
    raise Wrong(f"on a batch of 6 images your loss is {got:.6f}, expected {mean:.6f}")


def _check_extreme_rows(cross_entropy):
    extreme = torch.tensor([[1000.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    labels = torch.tensor([1, 0])
    loss = _scalar(cross_entropy(extreme, labels), "the loss")
    expected = float(F.cross_entropy(extreme, labels))
    if not math.isfinite(loss):
        raise Wrong(
            f"one row with a logit of 1000 and one with logits below 1 give {loss}: "
            "take the largest logit of each row, not of the whole batch, and work with "
            "log of the sum rather than log of a probability that became 0"
        )
    if abs(loss - expected) > 1e-6:
        raise Wrong(
            f"an image that is wrong by 1000 should push the loss to {expected:.3f}, "
            f"yours is {loss:.3f}: clamping or adding a small number hides the mistake"
        )


@exercise
def check_repaired_step(repaired_step):
    """repaired_step(model, optimizer, images, labels) -> loss, a float."""
    generator = torch.Generator().manual_seed(0)
    batches = [
        (torch.randn(n, 5, generator=generator), torch.arange(n) % 3) for n in (8, 8, 5)
    ]
    model = nn.Linear(5, 3)
    runs = {name: copy.deepcopy(model) for name in ("right", *_WRONG_STEPS)}
    expected = {name: _run_step(name, runs[name], batches) for name in runs}
    yours, losses = copy.deepcopy(model), []
    optimizer = torch.optim.SGD(yours.parameters(), lr=0.5)
    for images, labels in batches:
        loss = repaired_step(yours, optimizer, images, labels)
        if isinstance(loss, torch.Tensor) and loss.requires_grad:
            raise Wrong(
                "the returned loss still holds the graph of its batch, so memory grows "
                "with every step that keeps it; return loss.item()"
            )
        losses.append(_scalar(loss, "the returned loss"))
    if not yours.training:
        raise Wrong("the model was left in evaluation mode; a step trains")
    if torch.equal(yours.weight, model.weight):
        raise Wrong(
            "the weights did not change: optimizer.step() was not called, or it was "
            "called when the gradients had just been cleared"
        )
    for name, message in _WRONG_STEPS.items():
        if torch.allclose(yours.weight, runs[name].weight, atol=1e-6):
            raise Wrong(message)
    if not torch.allclose(yours.weight, runs["right"].weight, atol=1e-6):
        raise Wrong(
            "after three batches the weights differ from those of a right loop by "
            f"{(yours.weight - runs['right'].weight).abs().max():.3g}; go through the "
            "lines clear, logits, loss, backward, step one by one"
        )
    if not np.allclose(losses, expected["right"], atol=1e-5):
        raise Wrong(
            f"the weights are right, the returned losses are {np.round(losses, 4)}; "
            f"expected {np.round(expected['right'], 4)}, the loss of each batch before "
            "the step changed the model"
        )
    return "three batches, the same weights and losses as the reference"


_WRONG_STEPS = {
    "no zero_grad": "the gradients of earlier batches are still in .grad when backward "
    "adds to them; where should they be cleared?",
    "step first": "the optimizer steps with the gradients of the batch before; the "
    "order is backward, then step",
    "softmax": "cross_entropy already applies softmax to the logits; applied twice it "
    "makes the gradient small",
    "no zero_grad, softmax": "two faults are left: cleared gradients, and one softmax "
    "too many",
    "no zero_grad, step first": "two faults are left: cleared gradients, and the order "
    "of backward and step",
    "step first, softmax": "two faults are left: the order of backward and step, and "
    "one softmax too many",
}


def _run_step(faults, model, batches):
    """Train `model` on the batches with the named faults; returns the losses."""
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=0.5), []
    for images, labels in batches:
        if "no zero_grad" not in faults and "step first" not in faults:
            optimizer.zero_grad()
        logits = model(images)
        if "softmax" in faults:
            logits = logits.softmax(1)
        loss = F.cross_entropy(logits, labels)
        if "step first" in faults:
            optimizer.step()
            if "no zero_grad" not in faults:
                optimizer.zero_grad()
        loss.backward()
        if "step first" not in faults:
            optimizer.step()
        losses.append(loss.item())
    return losses


class _Spy(nn.Module):
    """A model that is wrong on purpose in a known way, and notes how it was called."""

    def __init__(self):
        super().__init__()
        self.dropout, self.modes, self.gradients = nn.Dropout(0.5), [], []

    def forward(self, images):
        self.modes.append(self.training)
        self.gradients.append(torch.is_grad_enabled())
        return self.dropout(images.flatten(1))


@exercise
def check_accuracy(accuracy):
    """accuracy(model, batches) -> the share of right answers over all images."""
    # Images are their own logits: batches of 4, 4 and 1 with 4, 2 and 1 right answers.
    labels = torch.arange(9) % 3
    said = torch.tensor([0, 1, 2, 0, 1, 2, 1, 2, 2])
    images = F.one_hot(said, 3).float()[:, None, None] + 1
    batches = list(zip(images.split(4), labels.split(4), strict=True))
    model = _Spy().train()
    with torch.enable_grad():
        got = _scalar(accuracy(model, batches), "the accuracy")
        is_recording = torch.is_grad_enabled()
    _check_call(model)
    _check_share(got)
    if not is_recording:
        raise Wrong(
            "autograd is still switched off after the call, so that nothing could be "
            "trained any more; torch.no_grad() switches it back on by itself"
        )
    if not model.training:
        raise Wrong(
            "the model was training before the call and evaluates after it; put the "
            "mode back, or the next epoch trains without dropout"
        )
    accuracy(model.eval(), batches)
    if model.training:
        raise Wrong("a model that was in evaluation mode before should be so after it")
    return "7 of 9, in evaluation mode, without a graph, and the mode put back"


def _check_call(model):
    if not model.modes:
        raise Wrong("the model was never called")
    if any(model.modes):
        raise Wrong(
            "the model was in training mode, so dropout removed logits at random; "
            "call model.eval() first"
        )
    if any(model.gradients):
        raise Wrong(
            "every forward pass kept what backward would need, and no backward comes; "
            "use @torch.no_grad() or `with torch.no_grad():`"
        )


def _check_share(got):
    mistakes = {
        (4 / 4 + 2 / 4 + 1 / 1)
        / 3: "this is the mean of the batch means 1, 0.5 and 1; "
        "the last batch has one image, which counts as much as four others. Add up "
        "right answers and images, and divide once",
        7: "this is the number of right answers; divide by the images seen",
        7 / 12: "divide by the images seen, 9, not by batches times the batch size",
    }
    for value, message in mistakes.items():
        if abs(got - value) < 1e-6:
            raise Wrong(message)
    if abs(got - 7 / 9) > 1e-6:
        raise Wrong(f"7 of 9 answers are right, your accuracy is {got:.4f}")
