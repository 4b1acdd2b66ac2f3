"""What is trained: models, images on a device, batches, an optimizer."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from course_utils.data import Batches, ImageSet, load_images
from course_utils.models import resnet20, tiny_cnn
from course_utils.models.resnet import projection_shortcut


def quarter_resnet20():
    """ResNet-20 with a stem of stride 2 and projections, 272,186 parameters."""
    return resnet20(stem_stride=2, shortcut=projection_shortcut)


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
        if self.draw_order is None:
            self.draw_order = lambda: torch.randperm(
                len(self.image_set), device=self.device
            )

    @cached_property
    def images(self):
        """All images as normalised floats, as a loop by hand has them."""
        return self.image_set.normalize(self.image_set.images)

    @property
    def labels(self):
        """The labels of those images."""
        return self.image_set.labels

    @property
    def steps(self) -> int:
        """The number of batches in an epoch."""
        return len(self.batches())

    def parts(self, **options):
        """A model and an optimizer, each time with the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = self.build().to(self.device)
        return model, torch.optim.SGD(model.parameters(), 0.02, momentum=0.9, **options)

    def batches(self):
        """The course's batches: bytes, normalised one batch at a time."""
        return Batches(
            self.image_set, self.batch_size, shuffle=True, device=self.device
        )

    def float_batches(self):
        """Batches of images that were normalised beforehand, as a loop by hand does."""
        return FloatBatches(self.images, self.labels, self.batch_size, self.draw_order)

    def described(self, name) -> str:
        """A line about the model `name` and what it is trained on."""
        parameters = sum(item.numel() for item in self.build().parameters())
        shape = " x ".join(map(str, self.image_set.images.shape[1:]))
        batches = "batch" if self.steps == 1 else "batches"
        return (
            f"{name}, {parameters:,} parameters: {self.steps} {batches} of "
            f"{self.batch_size} images of {shape}"
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


def random_images(count, shape, classes=10):
    """An ImageSet of noise: `count` images of shape (C, H, W)."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, *shape), dtype=torch.uint8, generator=generator)
    labels = torch.randint(classes, (count,), generator=generator)
    names = [f"class {number}" for number in range(classes)]
    return ImageSet(images, labels, names, [0.5] * shape[0], [0.3] * shape[0])


def small_problems(device, batch_size, tiny_batches, resnet_batches) -> dict:
    """The tiny CNN and ResNet-20 on so many batches of Fashion-MNIST, by name."""
    counts = batch_size * tiny_batches, batch_size * resnet_batches
    clothes = load_images(limit=max(counts))
    tiny, deep = (clothes[:count] for count in counts)
    return {
        "tiny CNN": Problem(tiny_cnn, tiny, batch_size, device),
        "ResNet-20": Problem(quarter_resnet20, deep, batch_size, device),
    }


def loop_problem(device, batches) -> Problem:
    """Almost no model on so many batches of 8 images of one pixel."""
    return Problem(almost_nothing, random_images(8 * batches, (1, 1, 1)), 8, device)
