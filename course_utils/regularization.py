"""Ways to keep a model from learning its training images by heart.

Three that need code of their own: dropout, label smoothing and early stopping. Others
live where they act: augmentations and noise in augment.py, mixup in steps.py, weight
decay in optimizers.py, batch norm in normalization.py.

Sources: Srivastava et al. 2014, "Dropout", section 4, where p is the probability of
keeping and the factor at test time; here p is the share that is dropped, and the
rest is divided by 1 - p during training; Szegedy et al. 2016, "Rethinking the Inception
Architecture", section 7 (label smoothing); Prechelt 1998, "Early Stopping - but when?".
"""

import copy
import math

import torch
from torch import nn

# Dropout: chapter 06


def dropout(x, p, training, generator=None):
    """x of any shape -> the same, each number set to 0 with probability p in training.

    Those that stay are divided by 1 - p, so that the mean over masks is x. Outside
    training x comes back as it is. p is from 0 to below 1. Taught in chapter 06."""
    _check_dropout(x, p)
    if not training or p == 0:
        return x
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / (1 - p)


class Dropout(nn.Module):
    """dropout(x, p) as a layer: off in evaluation mode. Taught in chapter 06."""

    def __init__(self, p=0.5):
        super().__init__()
        _check_probability(p)
        self.p = p

    def forward(self, x):
        return dropout(x, self.p, self.training)

    def extra_repr(self):
        return f"p={self.p}"


# Label smoothing: chapter 06


def smoothed_cross_entropy(logits, labels, smoothing):
    """logits [N, K], labels int64 [N] -> mean cross-entropy with smoothed targets.

    The target is 1 - smoothing for the label and smoothing / K more for each of the K
    classes, the label among them. Taught in chapter 06."""
    _check_smoothing(logits, labels, smoothing)
    surprise = -logits.log_softmax(dim=1)  # [N, K]
    of_label = surprise.gather(1, labels[:, None]).mean()
    of_all = surprise.mean()  # over images and classes
    return (1 - smoothing) * of_label + smoothing * of_all


# Early stopping: chapter 06


class EarlyStopping:
    """Keeps the best weights of a model and says when to stop.

    Call it with the validation loss after each epoch: True means stop. It endures
    `patience` epochs in a row that are no better than the best; the next one is too
    many. A tie or NaN is no better. Taught in chapter 06."""

    def __init__(self, model, patience):
        _check_patience(model, patience)
        self.model, self.patience = model, patience
        self.best, self.waited, self.weights = math.inf, 0, None

    def __call__(self, loss):
        if loss < self.best:
            self.best, self.waited = loss, 0
            self.weights = copy.deepcopy(self.model.state_dict())
        else:
            self.waited += 1
        return self.waited > self.patience

    def restore(self):
        """Put the best weights back into the model."""
        _check_kept(self.weights)
        self.model.load_state_dict(self.weights)


# What is refused


def _check_probability(p):
    if not 0 <= p < 1:
        raise ValueError(f"p is the share to drop, from 0 to below 1, got {p}; try 0.5")


def _check_dropout(x, p):
    _check_probability(p)
    if not x.is_floating_point():
        raise ValueError(
            f"x must hold fractional numbers, got {x.dtype}; numbers that stay are "
            "divided by 1 - p, so try x.float()"
        )


def _check_smoothing(logits, labels, smoothing):
    if logits.ndim != 2 or 0 in logits.shape:
        raise ValueError(
            f"logits must be [N, K], a row for each image, got {list(logits.shape)}"
        )
    if labels.shape != logits.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"labels must be int64 [{len(logits)}], one for each row of logits, got "
            f"{labels.dtype} {list(labels.shape)}"
        )
    if not 0 <= smoothing <= 1:
        raise ValueError(
            f"smoothing is the share given to all classes alike, from 0 to 1, got "
            f"{smoothing}; try 0.1"
        )


def _check_patience(model, patience):
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"expected the model whose weights to keep, got {type(model).__name__}"
        )
    if not isinstance(patience, int) or patience < 0:
        raise ValueError(
            f"patience must be a whole number of epochs from 0, got {patience!r}"
        )


def _check_kept(weights):
    if weights is None:
        raise ValueError(
            "no weights were kept: the validation loss was never a finite number; was "
            "the object called after each epoch, and did the training diverge?"
        )
