"""Images and labels as tensors: load a data set once, then draw batches from it.

A small data set is kept whole on the device as bytes (60,000 Fashion-MNIST images are
47 MB) and turned into normalised floats one batch at a time. Nothing is decoded twice,
and no worker process is needed. Augmentations are in augment.py.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from course_utils.distributed import process_count, process_index
from course_utils.image_folder import SPLITS, choose, read_folder
from course_utils.loading import Copier
from course_utils.named_sets import DOWNLOADS, read_named
from course_utils.runtime import pick_device

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

    The set is moved to the device once; where it would take more than half of the free
    memory there, it stays where it is and travels batch by batch, in pinned memory.
    Every pass over the batches is one epoch; with shuffle=True each has its own order,
    which depends on `seed` and the number of the epoch alone. The last batch is smaller
    where batch_size does not divide the set. `augment(images, generator)` changes the
    bytes of a batch before it is normalised.

    Under torchrun each process gets its part of every batch, batch_size being that of
    all together; `shard=(index, count)` says which part, (0, 1) all of it.
    Taught in chapter 01.
    """

    def __init__(self, image_set, batch_size, *, shuffle=False, augment=None,
                 device=None, seed=0, shard=None):  # fmt: skip
        self.shard = shard or (process_index(), process_count())
        _check_batches(image_set, batch_size, self.shard)
        self.device = pick_device() if device is None else torch.device(device)
        self.resident = _fits(image_set, self.device)
        self.image_set = image_set.to(self.device if self.resident else "cpu")
        self.batch_size, self.shuffle, self.augment = batch_size, shuffle, augment
        self.seed, self.epoch, self.position = seed, 0, 0
        self._first = 0  # where the next epoch begins: 0, but after a resume inside one

    def __len__(self) -> int:
        """Batches in an epoch. A rest too small for all processes joins the last."""
        whole, rest = divmod(len(self.image_set), self.batch_size)
        return whole + (rest >= self.shard[1])

    def __iter__(self):
        order, seeds = self._start_epoch()
        index, count = self.shard
        starts = range(0, len(self) * self.batch_size, self.batch_size)
        ends = [*starts[1:], len(order)]
        copy = None if self.resident else Copier(self.device)
        generator = torch.Generator(self.device)
        first, self._first = self._first, 0
        for position in range(first, len(self)):
            chosen = order[starts[position] : ends[position]]
            if count > 1:
                chosen = chosen.tensor_split(count)[index]
            images = self.image_set.images.index_select(0, chosen)
            labels = self.image_set.labels.index_select(0, chosen)
            if copy is not None:
                images, labels = copy(images.pin_memory(), labels.pin_memory())
            if self.augment is not None:
                generator.manual_seed(seeds + position * count + index)
                images = self.augment(images, generator)
            self.position = position + 1
            yield self.image_set.normalize(images), labels
        self.position = 0

    def _start_epoch(self):
        """The order of the images in the next epoch, and a seed for its batches."""
        words = np.random.SeedSequence([self.seed, self.epoch]).generate_state(2)
        self.epoch += 1
        order = torch.arange(len(self.image_set))
        if self.shuffle:
            shuffler = torch.Generator().manual_seed(int(words[1]))
            order = torch.randperm(len(self.image_set), generator=shuffler)
        return order.to(self.image_set.images.device), int(words[0])

    def state_dict(self) -> dict:
        """The epochs begun, the batches drawn in the last, and what decides on both."""
        return {
            "seed": self.seed,
            "epoch": self.epoch + (self._first > 0),
            "position": self._first or self.position,
            "drawn": self._drawn(),
        }

    def load_state_dict(self, state: dict) -> None:
        """The next pass goes on where the state was taken, also inside an epoch.

        Raises ValueError where other batches would follow there.
        """
        if state["position"] > 0 and state["drawn"] != self._drawn():
            raise ValueError(
                f"the run was stopped inside an epoch of {state['drawn']}, these are "
                f"{self._drawn()}; finish that epoch with batches as they were"
            )
        self.seed, self._first = state["seed"], state["position"]
        self.epoch = state["epoch"] - (self._first > 0)
        self.position = 0

    def _drawn(self):
        order = "shuffled" if self.shuffle else "in order"
        return f"{len(self.image_set)} images, {self.batch_size} a batch, {order}"


def _check_batches(image_set, batch_size, shard):
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
    index, count = shard
    if not 0 <= index < count:
        raise ValueError(f"shard is (index, count) with index < count, got {shard}")
    if min(batch_size, len(image_set)) < count:
        raise ValueError(
            f"{count} processes need batches of at least {count} images, got batches "
            f"of {batch_size} from {len(image_set)} images"
        )


def _fits(image_set, device):
    """Whether the bytes of the set may stay on the device for good."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return image_set.images.nbytes < free / 2


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
    if name == "fashion-mnist" or name in DOWNLOADS:
        image_set = ImageSet(*read_named(name, split), *STATISTICS[name])
        return _resized(_limited(image_set, limit), size)
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
