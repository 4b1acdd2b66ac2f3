"""The check of the exercise on datasets (chapter 01)."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from course_utils.exercises import Wrong, describe, exercise


@exercise
def check_folder_dataset(dataset_class):
    """A Dataset: FolderDataset(folder)[i] -> (float image [3, H, W] in 0..1, label)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for c, (kind, count) in enumerate((("cat", 3), ("dog", 2), ("owl", 4))):
            (folder / kind).mkdir()
            for i in range(count):
                pixels = np.zeros((4, 6, 3), np.uint8)
                pixels[0, 1] = [255, 51 * c, 51 * i]
                Image.fromarray(pixels).save(folder / kind / f"{kind}_{i}.png")
        dataset = dataset_class(folder)
        if len(dataset) != 9:
            raise Wrong(
                f"the folder holds 9 images in 3 classes, len() says {len(dataset)}"
            )
        items = [dataset[i] for i in range(9)]
        _check_item(items[0])
        labels = [label for _, label in items]
        if sorted(labels) != [0, 0, 0, 1, 1, 2, 2, 2, 2]:
            raise Wrong(
                "3 cats, 2 dogs and 4 owls should be labelled 0, 1 and 2 in the order "
                f"of the sorted names; your labels are {labels}"
            )
        for image, label in items:
            if round(float(image[1, 0, 1]) * 5) != int(label):
                raise Wrong(
                    "an image has the label of another class; take the label from the "
                    "image's own folder, with the class names sorted"
                )
        if len({round(float(image[2, 0, 1]), 3) for image, _ in items}) != 4:
            raise Wrong("some images are missing and others come twice")
        images, labels = next(iter(DataLoader(dataset, batch_size=9)))
        if images.shape != (9, 3, 4, 6) or labels.dtype != torch.int64:
            raise Wrong(
                f"a DataLoader makes images {list(images.shape)} and labels "
                f"{labels.dtype} of it, expected [9, 3, 4, 6] and torch.int64"
            )
    return "9 images, right labels, and a DataLoader can batch it"


def _check_item(item):
    if not (isinstance(item, tuple | list) and len(item) == 2):
        raise Wrong(f"dataset[0] should be (image, label), got {describe(item)}")
    image, label = item
    if isinstance(label, str) or not hasattr(label, "__index__"):
        raise Wrong(f"the label should be the number of the class, got {label!r}")
    if not isinstance(image, torch.Tensor):
        raise Wrong(f"the image should be a tensor, got {type(image).__name__}")
    if image.shape == (4, 6, 3):
        raise Wrong("the image is [H, W, C]; torch wants [C, H, W]: permute(2, 0, 1)")
    if image.shape != (3, 4, 6):
        raise Wrong(
            "a colour image 6 pixels wide and 4 high should be [3, 4, 6], "
            f"yours is {list(image.shape)}"
        )
    if image.dtype != torch.float32:
        raise Wrong(
            f"the image should be float32 from 0 to 1, got {image.dtype}; a model of "
            "32-bit weights refuses others"
        )
    if image.max() > 1:
        raise Wrong(f"pixels run up to {image.max():g}; divide by 255")
    if image[0, 0, 1] < 0.9:
        raise Wrong(
            "the pixels are not where they were: bring the channels to the front with "
            "permute(2, 0, 1); reshape or view would mix them up"
        )
