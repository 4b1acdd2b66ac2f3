"""Recipes that learn quickly: what is chosen for a data set, and three parts of it.

The plan is that of Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU":
Nesterov SGD with a learning rate that rises and falls in straight lines, biases of the
norms that learn faster than the weights, smoothed labels, flips that alternate, and an
average that pulls the weights back. The network is in models/speednet.py; what each
part is worth, and how long it all takes, in speedrun.py.
"""

from dataclasses import dataclass, replace

import torch
from torch import nn

from course_utils.data import Batches
from course_utils.schedules import triangular
from course_utils.steps import ClassifierStep


@dataclass(frozen=True)
class Recipe:
    """What is chosen for a data set.

    learning_rate   at the peak, for the mean loss over a batch
    bias_factor     the biases of the norms learn so many times faster
    floor           the part of the learning rate that is left at the end
    padding         pixels by which a training image may be shifted
    batch_size      divides the training set, so that all batches have one shape
    """

    epochs: int
    widths: tuple[int, ...] = (64, 256, 256)
    patch: int = 2
    batch_size: int = 1000
    learning_rate: float = 1.5
    bias_factor: float = 64.0
    momentum: float = 0.85
    weight_decay: float = 0.0013
    smoothing: float = 0.2
    peak_at: float = 0.23
    floor: float = 0.07
    padding: int = 2


RECIPES = {
    "fashion-mnist": Recipe(epochs=16, patch=3, padding=1),
    "cifar10": Recipe(epochs=10),
}


class AlternatingFlip(Batches):
    """Batches in which every image is mirrored in every other epoch.

    Half of the images, drawn by `seed`, begin mirrored, the others as they are: two
    epochs in a row show both sides of each image, which a coin for every epoch does
    for only half of them. Source: Jordan 2024, section 3.6.
    """

    def __init__(self, image_set, batch_size, *, seed=0, **options):
        coin = torch.Generator().manual_seed(seed)
        first = torch.rand(len(image_set), generator=coin) < 0.5
        images = image_set.images
        first = first.to(images.device)[:, None, None, None]
        images = torch.where(first, images.flip(3), images)
        image_set = replace(image_set, images=images)
        super().__init__(image_set, batch_size, seed=seed, **options)

    def __iter__(self):
        mirrored = self.epoch % 2 == 1
        for images, labels in super().__iter__():
            yield images.flip(3) if mirrored else images, labels


class Lookahead:
    """Every few steps, pull the weights back to a slow average of themselves.

    The average follows the weights the more slowly, the further training is; at the
    end they are set to it. Stands where a step takes an `average`. Source: Zhang et al.
    2019, "Lookahead Optimizer: k steps forward, 1 step back", with the growing decay
    of Jordan 2024, section 3.4.
    """

    def __init__(self, model, steps, every=5, decay=0.95):
        self.steps, self.every, self.decay, self.count = steps, every, decay, 0
        state = model.state_dict().values()
        self.fast = [tensor for tensor in state if tensor.is_floating_point()]
        self.slow = [tensor.clone() for tensor in self.fast]

    @torch.no_grad()
    def step(self):
        """Count a step of the optimizer; average where it is time."""
        self.count += 1
        is_time = self.count % self.every == 0
        if is_time:
            decay = self.decay**self.every * (self.count / self.steps) ** 3
            torch._foreach_lerp_(self.slow, self.fast, 1 - decay)
        if is_time or self.count == self.steps:
            torch._foreach_copy_(self.fast, self.slow)

    def state_dict(self):
        """The slow average and the number of steps."""
        return {"slow": self.slow, "count": self.count}

    def load_state_dict(self, state):
        """Go on from what state_dict() gave."""
        for slow, saved in zip(self.slow, state["slow"], strict=True):
            slow.copy_(saved)
        self.count = state["count"]


def make_step(model, trained, recipe, steps):
    """The course's ClassifierStep with this recipe; `trained` may be compiled."""
    biases = [norm.bias for norm in model.modules() if isinstance(norm, nn.BatchNorm2d)]
    chosen = {id(bias) for bias in biases}
    weights = [p for p in model.parameters() if p.requires_grad and id(p) not in chosen]
    factor, rate, decay = recipe.bias_factor, recipe.learning_rate, recipe.weight_decay
    groups = [
        {"params": weights, "lr": rate, "weight_decay": decay},
        # What decay takes in a step, rate * decay, is the same for both groups.
        {"params": biases, "lr": rate * factor, "weight_decay": decay / factor},
    ]
    on_card = weights[0].device.type == "cuda"
    optimizer = torch.optim.SGD(
        groups, momentum=recipe.momentum, nesterov=True, fused=on_card
    )
    return ClassifierStep(
        trained,
        optimizer,
        loss=nn.CrossEntropyLoss(label_smoothing=recipe.smoothing),
        scheduler=triangular(
            optimizer, steps, peak_at=recipe.peak_at, floor=recipe.floor
        ),
        average=Lookahead(model, steps),
    )
