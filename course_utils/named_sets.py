"""Data sets that have a name: the bundled one, and those that torchvision downloads."""

import gzip
import os
import zlib
from pathlib import Path

import numpy as np
import torch
import torchvision

from course_utils.runtime import REPOSITORY

FASHION_CLASSES = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat"]
FASHION_CLASSES += ["Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
DOWNLOADS = {
    "mnist": torchvision.datasets.MNIST,
    "cifar10": torchvision.datasets.CIFAR10,
    "cifar100": torchvision.datasets.CIFAR100,
}


def read_named(name, split):
    """(images uint8 [N, C, H, W], labels int64 [N], classes) of a set with a name.

    Raises OSError with the name of the offending file, or of the set that could not be
    downloaded.
    """
    if name == "fashion-mnist":
        return _read_fashion_mnist(split)
    return _download(name, split)


def data_folder() -> Path:
    """Where data sets are kept: COURSE_DATA, else the course's own `data` folder."""
    return Path(os.environ.get("COURSE_DATA", REPOSITORY / "data"))


def _read_fashion_mnist(split):
    prefix = {"train": "train", "test": "t10k"}[split]
    folder = data_folder() / "FashionMNIST" / "raw"
    count = {"train": 60_000, "test": 10_000}[split]
    images = _read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", 16, count * 28 * 28)
    labels = _read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", 8, count)
    return images.reshape(count, 1, 28, 28), labels.long(), list(FASHION_CLASSES)


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
    return images.contiguous(), labels, list(source.classes)
