"""What happens with one batch: a step learns from it. The loop is in training.py.

A step is called as `step(images, labels)`, changes its model, and returns a dictionary
of metric *sums* over the batch: tensors that stay on the device, so that the processor
can prepare the next batch while the device still computes this one. It has a `model`,
a `measure(outputs, labels)` that gives the same sums without learning, and a
state_dict() and load_state_dict() for checkpoints.
"""

from contextlib import nullcontext

import torch
import torch.nn.functional as F

PRECISIONS = ("auto", "fp32", "bf16")


def classification_sums(logits, labels):
    """logits [n, classes], labels int64 [n] -> sums over the batch, on its device.

    "loss" is the cross-entropy summed over images, in nats; "accuracy" the number of
    images whose largest logit is at their label. Taught in chapter 01.
    """
    return {
        "loss": F.cross_entropy(logits, labels, reduction="sum"),
        "accuracy": (logits.argmax(1) == labels).sum(),
    }


class Step:
    """What every step shares: the state of its parts, for checkpoints.

    A part is an attribute with a state_dict: model, optimizer, scheduler, ...
    """

    def parts(self) -> dict:
        """The parts of this step that have a state, by name."""
        return {
            name: value
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

    `loss(logits, labels)` is a mean over the batch; the learning-rate `scheduler` moves
    on with every batch; gradients longer than `clip_norm` are shortened to it.
    Returns sums over the batch. Taught in chapter 01."""

    measure = staticmethod(classification_sums)  # for test images: no learning

    def __init__(self, model, optimizer, *, loss=F.cross_entropy, scheduler=None,
                 precision="auto", clip_norm=None):  # fmt: skip
        self.model, self.optimizer, self.scheduler = model, optimizer, scheduler
        self.loss, self.clip_norm = loss, clip_norm
        self.autocast = autocast_for(model, optimizer, precision)

    def __call__(self, images, labels):
        if not self.model.training:
            self.model.train()
        self.optimizer.zero_grad()
        with self.autocast:
            logits = self.model(images)
            loss = self.loss(logits, labels)
        loss.backward()
        if self.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        right = (logits.argmax(1) == labels).sum()
        return {"loss": loss.detach() * len(labels), "accuracy": right}


def autocast_for(model, optimizer, precision):
    """The context in which `model` computes its forward pass.

    precision "fp32" computes as the weights are; "bf16" lets torch choose bfloat16
    where it is safe; "auto" is "bf16" on CUDA cards that have it and "fp32" elsewhere,
    since on processors it was measured to be about twice as slow.
    Raises ValueError for another precision, or an optimizer of another model.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}"
        )
    own = {id(parameter) for parameter in model.parameters()}
    groups = optimizer.param_groups
    if not any(id(item) in own for group in groups for item in group["params"]):
        raise ValueError(
            "the optimizer holds no parameter of this model, so the model would never "
            "learn; make it anew from model.parameters()"
        )
    device = next(model.parameters()).device
    if precision == "auto":
        has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
        precision = "bf16" if has_bf16 else "fp32"
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
