"""Images and labels as tensors: load a data set once, then draw batches from it.

A small data set is kept whole on the device as bytes (60,000 Fashion-MNIST images are
47 MB) and turned into normalised floats one batch at a time. Nothing is decoded twice,
and no worker process is needed. Augmentations are in augment.py.
"""

import gzip
import os
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

from course_utils.image_folder import SPLITS, choose, read_folder
from course_utils.runtime import REPOSITORY, pick_device

FASHION_CLASSES = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat"]
FASHION_CLASSES += ["Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]

# Mean and standard deviation per channel of the training pixels in [0, 1].
STATISTICS = {
    "fashion-mnist": ([0.2860], [0.3530]),
    "mnist": ([0.1307], [0.3081]),
    "cifar10": ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
    "cifar100": ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]),
    # For own images: those of ImageNet, which do not depend on a split.
    "grey": ([0.449], [0.226]),
    "colour": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
}
DOWNLOADS = {
    "mnist": torchvision.datasets.MNIST,
    "cifar10": torchvision.datasets.CIFAR10,
    "cifar100": torchvision.datasets.CIFAR100,
}


@dataclass
class ImageSet:
    """Labelled images in memory.

    images uint8 [N, C, H, W] with values 0 to 255, labels int64 [N], classes the names
    of the labels, mean and std per channel of pixels in [0, 1]. `image_set[i]` is one
    (image, label); `image_set[:100]` or `image_set[mask]` is an ImageSet again.
    """

    images: torch.Tensor
    labels: torch.Tensor
    classes: list[str]
    mean: list[float]
    std: list[float]

    def __post_init__(self):
        if self.images.ndim != 4 or self.images.dtype != torch.uint8:
            raise ValueError(
                "images must be uint8 [N, C, H, W], "
                f"got {self.images.dtype} {list(self.images.shape)}"
            )
        if self.labels.shape != (len(self.images),):
            raise ValueError(
                f"{len(self.images)} images need as many labels, "
                f"got labels of shape {list(self.labels.shape)}"
            )
        channels = self.images.shape[1]
        if not len(self.mean) == len(self.std) == channels:
            raise ValueError(
                f"images of {channels} channels need {channels} means and stds, "
                f"got {len(self.mean)} and {len(self.std)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index):
        if isinstance(index, int):
            return self.images[index], self.labels[index]
        return replace(self, images=self.images[index], labels=self.labels[index])

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.images.shape[1:]))
        return f"ImageSet of {len(self):,} images, {size}, {len(self.classes)} classes"

    def to(self, device) -> "ImageSet":
        """The same set with its tensors on `device`."""
        return replace(
            self, images=self.images.to(device), labels=self.labels.to(device)
        )

    def normalize(self, images):
        """uint8 [n, C, H, W] -> float32 of mean 0 and std 1 over the training set."""
        mean = _per_channel(tuple(self.mean), images.device)
        std = _per_channel(tuple(self.std), images.device)
        return torch.sub(images, mean).div_(std)


@lru_cache
def _per_channel(values, device):
    """Statistics of pixels in [0, 1] as float32 [1, C, 1, 1] for bytes, on a device."""
    return torch.tensor(values, device=device).view(1, -1, 1, 1) * 255


class Batches:
    """Draw batches (images float32 [n, C, H, W], labels int64 [n]) from an ImageSet.

    The set is moved to the device once. Every pass over the batches is one epoch; with
    shuffle=True each has its own order, which depends on `seed` and the number of the
    epoch alone. The last batch is smaller where batch_size does not divide the set.
    `augment(images, generator)` changes the bytes of a batch before it is normalised.
    Taught in chapter 01.
    """

    def __init__(
        self, image_set, batch_size, *, shuffle=False, augment=None, device=None, seed=0
    ):
        if not isinstance(image_set, ImageSet):
            raise TypeError(
                f"expected an ImageSet, got {type(image_set).__name__}; "
                "load one with load_images()"
            )
        if len(image_set) == 0:
            raise ValueError("the image set is empty")
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(
                f"batch_size must be a whole number from 1, got {batch_size!r}"
            )
        self.device = pick_device() if device is None else torch.device(device)
        self.image_set = image_set.to(self.device)
        self.batch_size, self.shuffle, self.augment = batch_size, shuffle, augment
        self.seed, self.epoch = seed, 0

    def __len__(self) -> int:
        return -(-len(self.image_set) // self.batch_size)

    def __iter__(self):
        order, generator = self._start_epoch()
        for chosen in order.split(self.batch_size):
            images = self.image_set.images.index_select(0, chosen)
            if self.augment is not None:
                images = self.augment(images, generator)
            labels = self.image_set.labels.index_select(0, chosen)
            yield self.image_set.normalize(images), labels

    def _start_epoch(self):
        """The order of the images in the next epoch, and its random generator."""
        words = np.random.SeedSequence([self.seed, self.epoch]).generate_state(2)
        self.epoch += 1
        generator = torch.Generator(self.device).manual_seed(int(words[0]))
        order = torch.arange(len(self.image_set))
        if self.shuffle:
            shuffler = torch.Generator().manual_seed(int(words[1]))
            order = torch.randperm(len(self.image_set), generator=shuffler)
        return order.to(self.device), generator

    def state_dict(self) -> dict:
        """What the order of the coming epochs depends on."""
        return {"seed": self.seed, "epoch": self.epoch}

    def load_state_dict(self, state: dict) -> None:
        self.seed, self.epoch = state["seed"], state["epoch"]


def load_images(name="fashion-mnist", split="train", *, limit=None, size=None):
    """Load a data set as an ImageSet.

    name   "fashion-mnist" comes with the course; "mnist", "cifar10" and "cifar100" are
           downloaded by torchvision at first use; anything else is the path of a folder
           with one folder of images per class. Where that folder holds `train` and
           `test` folders, these are the splits; otherwise one image in five of each
           class, always the same ones, is the test set.
    split  "train" or "test".
    limit  keep only so many images, chosen at random, the same ones each time; all
           where there are no more.
    size   resize the shorter side to `size` pixels and cut out the middle square.

    Raises ValueError or OSError with the name of the offending file.
    """
    if split not in SPLITS:
        raise ValueError(f'split must be "train" or "test", got {split!r}')
    for argument, value in (("limit", limit), ("size", size)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{argument} must be a whole number from 1, got {value!r}")
    if name == "fashion-mnist":
        return _resized(_limited(_load_fashion_mnist(split), limit), size)
    if name in DOWNLOADS:
        return _resized(_limited(_download(name, split), limit), size)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ValueError(
            f"no data set and no folder is called {str(name)!r} "
            f"(looked for {folder.absolute()}); "
            f"the named sets are fashion-mnist, {', '.join(DOWNLOADS)}"
        )
    images, labels, classes = read_folder(folder, split, limit, size)
    kind = "grey" if images.shape[1] == 1 else "colour"
    return ImageSet(images, labels, classes, *STATISTICS[kind])


def data_folder() -> Path:
    """Where data sets are kept: COURSE_DATA, else the course's own `data` folder."""
    return Path(os.environ.get("COURSE_DATA", REPOSITORY / "data"))


def _load_fashion_mnist(split):
    prefix = {"train": "train", "test": "t10k"}[split]
    folder = data_folder() / "FashionMNIST" / "raw"
    count = {"train": 60_000, "test": 10_000}[split]
    images = _read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", 16, count * 28 * 28)
    labels = _read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", 8, count)
    return ImageSet(
        images.reshape(count, 1, 28, 28),
        labels.long(),
        list(FASHION_CLASSES),
        *STATISTICS["fashion-mnist"],
    )


def _read_idx(path, header, expected):
    """The bytes after the header of a packed file in MNIST's format."""
    try:
        with gzip.open(path) as file:
            content = file.read()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path} is missing; it belongs to the course: get it back with "
            '"git checkout -- data", or point COURSE_DATA to the folder that holds '
            "FashionMNIST"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise OSError(
            f'{path} is damaged ({error}); get it back with "git checkout -- data"'
        ) from error
    if len(content) != header + expected:
        raise OSError(
            f"{path} holds {len(content):,} bytes, expected {header + expected:,}; "
            'get it back with "git checkout -- data"'
        )
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).copy())


def _download(name, split):
    try:
        source = DOWNLOADS[name](
            str(data_folder()), train=split == "train", download=True
        )
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"{name} is not in {data_folder()} and could not be downloaded ({error}); "
            'without a network use the bundled set: load_images("fashion-mnist")'
        ) from error
    images = torch.as_tensor(source.data)
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
    labels = torch.as_tensor(source.targets, dtype=torch.int64)
    return ImageSet(
        images.contiguous(), labels, list(source.classes), *STATISTICS[name]
    )


def _limited(image_set, limit):
    return image_set if limit is None else image_set[choose(len(image_set), limit)]


def _resized(image_set, size):
    if size is None:
        return image_set
    h, w = image_set.images.shape[2:]
    height, width = (round(side * size / min(h, w)) for side in (h, w))
    images = F.interpolate(
        image_set.images, (height, width), mode="bilinear", antialias=True
    )
    top, left = (height - size) // 2, (width - size) // 2
    images = images[:, :, top : top + size, left : left + size]
    return replace(image_set, images=images.contiguous())
