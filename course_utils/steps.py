"""What happens with one batch: a step learns from it. The loop is in training.py.

A step is called as `step(images, labels)`, changes its model, and returns a dictionary
of metric *sums* over the batch: tensors that stay on the device, so that the processor
can prepare the next batch while the device still computes this one. It has a `model`,
a `measure(outputs, labels)` that gives the same sums without learning, and a
state_dict() and load_state_dict() for checkpoints.
"""

import random
from contextlib import nullcontext

import torch
import torch.nn.functional as F

from course_utils.distributed import (
    least_of_processes,
    mean_over_processes,
    unwrap,
    without_sync,
)
from course_utils.precision import LossScaler, autocast_for, choose_precision


def classification_sums(logits, labels):
    """logits [n, classes], labels int64 [n] -> sums over the batch, on its device.

    "loss" is the cross-entropy summed over images, in nats; "accuracy" the number of
    images whose largest logit is at their label. Taught in chapter 01.
    """
    return {
        "loss": F.cross_entropy(logits, labels, reduction="sum"),
        "accuracy": (logits.argmax(1) == labels).sum(),
    }


class Nothing:
    """Stands for a scheduler or an average that is not wanted."""

    def step(self):
        pass


class Step:
    """The parts that steps put together, and their state for checkpoints.

    model       also one that is wrapped for several processes
    optimizer   of the parameters of that model
    scheduler   moves the learning rate on with every batch (schedules.py)
    precision   "auto", "fp32", "bf16" or "fp16" (precision.py)
    clip_norm   gradients that are longer are shortened to it
    accumulate  compute a batch in so many pieces, one after the other, where its
                activations would not fit at once; the gradient is that of the whole
                batch, but batch norm sees the pieces
    average     a MovingAverage of the model, which is tested in its place

    Subclasses define backward(images, labels): forward, loss, self.scaler.scale(loss)
    .backward(), and the metric sums as result. Taught in chapter 19.
    """

    def __init__(self, model, optimizer, *, scheduler=None, precision="auto",
                 clip_norm=None, accumulate=1, average=None):  # fmt: skip
        _check_parts(model, optimizer, clip_norm, accumulate)
        self.model, self.optimizer = model, optimizer
        self.scheduler = Nothing() if scheduler is None else scheduler
        self.average = Nothing() if average is None else average
        self.clip_norm, self.accumulate = clip_norm, accumulate
        self.compute_in(precision)

    def compute_in(self, precision):
        """Compute in "auto", "fp32", "bf16" or "fp16" from now on."""
        device = next(self.model.parameters()).device
        self.precision = choose_precision(precision, device)
        self.autocast = autocast_for(self.precision, device)
        self.scaler = LossScaler(device, enabled=self.precision == "fp16")

    @property
    def tested(self):
        """The model to test and to keep: the average, where there is one."""
        return getattr(self.average, "model", unwrap(self.model))

    def in_pieces(self, backward, images, labels):
        """Call backward on all pieces of the batch; returns their metric sums, added.

        With one piece and one process that is backward(images, labels). Otherwise each
        loss is weighted, so that the gradients add up to that of the mean over all
        images, also where pieces or the batches of processes are not of one size.
        """
        count = mean_over_processes(len(labels), labels.device)
        pieces = self.accumulate  # of all processes alike
        if pieces > 1:
            pieces = least_of_processes(min(pieces, len(labels)))
        if pieces == 1:
            self.scaler.share = None if isinstance(count, int) else len(labels) / count
            return backward(images, labels)
        sums, last = {}, pieces - 1
        split = images.tensor_split(pieces), labels.tensor_split(pieces)
        for index, (some_images, some_labels) in enumerate(zip(*split, strict=True)):
            self.scaler.share = len(some_labels) / count
            alone = nullcontext() if index == last else without_sync(self.model)
            with alone:
                found = backward(some_images, some_labels)
            sums = {name: sums.get(name, 0) + found[name] for name in found}
        return sums

    def clip_gradients(self):
        """Shorten the gradient of all parameters to clip_norm, if there is one."""
        if self.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)

    def report(self) -> dict:
        """Further columns for the row of an epoch; asked for once in an epoch."""
        return (
            {"skipped_steps": self.scaler.skipped} if self.precision == "fp16" else {}
        )

    def parts(self) -> dict:
        """The parts of this step that have a state, by name."""
        return {
            name: unwrap(value)
            for name, value in vars(self).items()
            if hasattr(value, "state_dict")
        }

    def state_dict(self) -> dict:
        """The states of all parts, by name."""
        return {name: part.state_dict() for name, part in self.parts().items()}

    def load_state_dict(self, state: dict) -> None:
        """Put back what state_dict() gave; ValueError where the parts differ."""
        parts = self.parts()
        if parts.keys() != state.keys():
            raise ValueError(
                f"the state holds {sorted(state)}, this step has {sorted(parts)}; "
                "build the step as it was when the state was saved"
            )
        for name, part in parts.items():
            _check_settings(part, state[name])
            part.load_state_dict(state[name])


def _check_parts(model, optimizer, clip_norm, accumulate):
    own = {id(parameter) for parameter in model.parameters()}
    groups = optimizer.param_groups
    if not any(id(item) in own for group in groups for item in group["params"]):
        raise ValueError(
            "the optimizer holds no parameter of this model, so the model would never "
            "learn; make it anew from model.parameters()"
        )
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm must be a length above 0 or None, got {clip_norm}")
    if not isinstance(accumulate, int) or accumulate < 1:
        raise ValueError(f"accumulate must be a whole number from 1, got {accumulate}")


def _check_settings(part, state):
    """An optimizer would take the state of another kind, and fail in its next step."""
    if not hasattr(part, "param_groups") or not state["param_groups"]:
        return
    own, saved = ({*groups[0]} for groups in (part.param_groups, state["param_groups"]))
    if own != saved:
        raise ValueError(
            f"the state is of another optimizer: it has {sorted(saved - own)}, "
            f"{type(part).__name__} has {sorted(own - saved)}"
        )


class ClassifierStep(Step):
    """Learn from one batch of images [n, C, H, W] and labels int64 [n].

    `loss(logits, labels)` is a mean over the batch. The further parts are those of
    Step: scheduler, precision, clip_norm, accumulate, average.
    Returns sums over the batch. Taught in chapter 01."""

    measure = staticmethod(classification_sums)  # for test images: no learning

    def __init__(self, model, optimizer, *, loss=F.cross_entropy, **parts):
        super().__init__(model, optimizer, **parts)
        self.loss = loss

    def __call__(self, images, labels):
        if not self.model.training:
            self.model.train()
        self.optimizer.zero_grad()
        sums = self.in_pieces(self.backward, images, labels)
        self.clip_gradients()
        self.scaler.step(self.optimizer)
        self.scheduler.step()
        self.average.step()
        return sums

    def backward(self, images, labels):
        with self.autocast:
            logits = self.model(images)
            loss = self.loss(logits, labels)
        self.scaler.scale(loss).backward()
        right = (logits.argmax(1) == labels).sum()
        return {"loss": loss.detach() * len(labels), "accuracy": right}


class MixupStep(ClassifierStep):
    """ClassifierStep on blends of two images each, with their labels blended alike.

    Image i becomes b * image i + (1 - b) * image j, its loss b * loss(label i) +
    (1 - b) * loss(label j); j is a random partner in the batch and b one number per
    batch, drawn from the Beta(alpha, alpha) distribution. "accuracy" counts the label
    of larger weight. Source: Zhang et al. 2018, "mixup: Beyond Empirical Risk
    Minimization", section 2. Taught in chapter 06."""

    def __init__(self, model, optimizer, *, alpha=0.2, **parts):
        super().__init__(model, optimizer, **parts)
        if not alpha > 0:
            raise ValueError(
                f"alpha must be above 0 (0.1 to 0.4 are usual), got {alpha}"
            )
        self.alpha = alpha

    def backward(self, images, labels):
        b = random.betavariate(self.alpha, self.alpha)
        b = max(b, 1 - b)  # the same distribution of pairs, and `labels` weigh more
        partner = torch.randperm(len(labels), device=labels.device)
        blended = torch.lerp(images[partner], images, b)
        with self.autocast:
            logits = self.model(blended)
            own, other = (self.loss(logits, y) for y in (labels, labels[partner]))
            loss = b * own + (1 - b) * other
        self.scaler.scale(loss).backward()
        right = (logits.argmax(1) == labels).sum()
        return {"loss": loss.detach() * len(labels), "accuracy": right}
