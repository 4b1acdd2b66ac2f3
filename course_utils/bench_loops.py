"""What `bench` compares: models, the loop written by hand, and `fit`.

A contender is called as `contender(problem, clock)`. It makes a fresh model, starts the
clock, trains for one epoch, stops the clock and returns the model, so that it can be
checked that all of them did the same work.
"""

import io
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from course_utils.data import Batches, ImageSet, load_images
from course_utils.steps import ClassifierStep
from course_utils.training import fit

BATCH_SIZE = 128


def tiny_cnn():
    """Three convolutions and a linear layer, 25,866 parameters; [n, 1, 28, 28]."""
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 2 * 2, 10))


class Residual(nn.Module):
    """Two 3x3 convolutions with batch norm, and a shortcut around them."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
            nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.shortcut = nn.Identity()
        if stride > 1:
            projection = nn.Conv2d(c_in, c_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(c_out))

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def resnet20():
    """ResNet-20, 16 channels wide, a stem of stride 2, 272,186 parameters."""
    widths = [16] * 4 + [32] * 3 + [64] * 3
    blocks = [Residual(a, b, 1 if a == b else 2) for a, b in pairwise(widths)]
    stem = [nn.Conv2d(1, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*stem, *blocks, *head)


def almost_nothing():
    """One pixel in, ten scores out, 20 parameters: what is left is the loop."""
    return nn.Sequential(nn.Flatten(), nn.Linear(1, 10))


@dataclass
class Problem:
    """One epoch to train: a model, images on a device, the size of a batch.

    `draw_order()` gives the permutation of an epoch to loops that draw it themselves.
    """

    build: Callable
    image_set: ImageSet
    batch_size: int
    device: torch.device
    draw_order: Callable = None

    def __post_init__(self):
        self.image_set = self.image_set.to(self.device)
        self.images = self.image_set.normalize(self.image_set.images)
        self.labels = self.image_set.labels
        if self.draw_order is None:
            self.draw_order = lambda: torch.randperm(
                len(self.image_set), device=self.device
            )

    def parts(self):
        """A model and an optimizer, each time with the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = self.build().to(self.device)
        return model, torch.optim.SGD(model.parameters(), 0.02, momentum=0.9)

    def batches(self):
        """The course's batches: bytes, normalised one batch at a time."""
        return Batches(
            self.image_set, self.batch_size, shuffle=True, device=self.device
        )

    def float_batches(self):
        """Batches of images that were normalised beforehand, as a loop by hand does."""
        return FloatBatches(self.images, self.labels, self.batch_size, self.draw_order)


def problems(settings, device) -> dict:
    """The three models to train, by the line that describes them."""
    sizes = [settings.tiny_batches, settings.resnet_batches]
    clothes = load_images(limit=BATCH_SIZE * max(sizes))
    pixels = torch.randint(0, 256, (8 * settings.nothing_batches, 1, 1, 1))
    pixels = pixels.to(torch.uint8)
    dots = ImageSet(pixels, pixels.flatten().long() % 10, ["dot"] * 10, [0.5], [0.3])
    tiny, deep = (clothes[: BATCH_SIZE * size] for size in sizes)
    found = {
        "tiny CNN": Problem(tiny_cnn, tiny, BATCH_SIZE, device),
        "ResNet-20": Problem(resnet20, deep, BATCH_SIZE, device),
        "almost no model (the loop's own cost)": Problem(
            almost_nothing, dots, 8, device
        ),
    }
    return {_describe(name, problem): problem for name, problem in found.items()}


def _describe(name, problem):
    parameters = sum(item.numel() for item in problem.build().parameters())
    shape = " x ".join(map(str, problem.image_set.images.shape[1:]))
    return (
        f"{name}, {parameters:,} parameters: {len(problem.batches())} batches of "
        f"{problem.batch_size} images of {shape}"
    )


class FloatBatches:
    """Cut batches from float images in memory: the least a data loader can do."""

    def __init__(self, images, labels, batch_size, draw_order):
        self.images, self.labels = images, labels
        self.batch_size, self.draw_order = batch_size, draw_order

    def __len__(self):
        return -(-len(self.images) // self.batch_size)

    def __iter__(self):
        for chosen in self.draw_order().split(self.batch_size):
            yield self.images[chosen], self.labels[chosen]


def train_by_hand(model, optimizer, images, labels, batch_size, order, read):
    """One epoch in plain PyTorch; returns the mean loss and the accuracy.

    `read` is torch.Tensor.item to fetch loss and count of every batch, or
    torch.Tensor.detach to leave them on the device until the end.
    """
    model.train()
    loss_sum = correct = 0
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        inputs, targets = images[chosen], labels[chosen]
        optimizer.zero_grad(set_to_none=True)
        logits = model(inputs)
        loss = F.cross_entropy(logits, targets)
        loss.backward()
        optimizer.step()
        loss_sum += read(loss) * len(targets)
        correct += read((logits.argmax(1) == targets).sum())
    return float(loss_sum) / len(order), float(correct) / len(order)


def _by_hand(problem, clock, read):
    model, optimizer = problem.parts()
    images, labels, size = problem.images, problem.labels, problem.batch_size
    clock.start()
    order = problem.draw_order()
    train_by_hand(model, optimizer, images, labels, size, order, read)
    clock.stop()
    return model


def raw(problem, clock):
    """The loop by hand that asks for the loss after every step, as most do."""
    return _by_hand(problem, clock, torch.Tensor.item)


def raw_unread(problem, clock):
    """The loop by hand that asks for the loss once per epoch."""
    return _by_hand(problem, clock, torch.Tensor.detach)


def _fit(problem, clock, batches, progress):
    model, optimizer = problem.parts()
    step = ClassifierStep(model, optimizer, precision="fp32")
    clock.start()
    fit(step, batches, 1, progress=progress)
    clock.stop()
    return model


def course(problem, clock):
    """`fit` as the course uses it, on bytes."""
    return _fit(problem, clock, problem.batches(), progress=False)


def course_float(problem, clock):
    """`fit` on the float images that the loop by hand gets."""
    return _fit(problem, clock, problem.float_batches(), progress=False)


def course_progress(problem, clock):
    """`fit` on bytes, drawing its bar into a terminal that nobody sees."""
    with redirect_stderr(Terminal()):
        return _fit(problem, clock, problem.batches(), progress=True)


class Terminal(io.StringIO):
    """Memory that says it is a terminal, so that the progress bar is really drawn."""

    def isatty(self):
        return True


CONTENDERS = {
    "raw loop, .item() each step": raw,
    "raw loop again (A/A control)": raw,
    "raw loop, read once per epoch": raw_unread,
    "fit": course,
    "fit, drawing a progress bar": course_progress,
    "fit, on float images as raw": course_float,
}
