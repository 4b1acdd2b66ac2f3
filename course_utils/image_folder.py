"""An own data set: a folder that holds one folder of images per class.

Any size, grey or colour, in any format that Pillow reads and torchvision lists. What is
wrong with a file or folder is said with its name. Used by data.load_images.
"""

from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision.datasets.folder import IMG_EXTENSIONS as EXTENSIONS

SPLITS = ("train", "test")
OTHER_SPLITS = ("training", "testing", "val", "valid", "validation")
TEST_FRACTION = 0.2  # of a folder that has no train and test folders


def read_folder(folder, split, limit=None, size=None):
    """Images uint8 [N, C, H, W], labels int64 [N] and class names of a folder.

    The arguments and errors are those of data.load_images. C is 1 where every image
    of the folder, in both splits, is grey, else 3.
    """
    parts = [folder / part for part in SPLITS]
    has_parts = all(part.is_dir() for part in parts)
    root = folder / split if has_parts else folder
    classes = _class_names(root)
    if has_parts and classes != (expected := _class_names(folder / "train")):
        raise ValueError(
            f"{folder / 'train'} and {root} must hold the same class folders, "
            f"these are in one only: {', '.join(sorted({*expected} ^ {*classes}))}"
        )
    if {*classes} <= {*SPLITS, *OTHER_SPLITS}:
        raise ValueError(
            f"{root} holds the folders {', '.join(classes)}, which look like splits; "
            "call the splits train and test, with one folder per class in each"
        )
    found = []
    for label, name in enumerate(classes):
        files = _image_files(root / name)
        if not has_parts:
            files = _part(files, split)
        found += [(file, label) for file in files]
    if not found:
        raise ValueError(
            f"{folder} holds too few images for a test set; "
            "a class needs at least two images"
        )
    if limit is not None:
        found = [found[i] for i in choose(len(found), limit).tolist()]
    mode = "L" if all(map(_is_grey, _image_files(folder))) else "RGB"
    arrays = [(file, _read_image(file, mode, size)) for file, _ in found]
    labels = torch.tensor([label for _, label in found])
    return _to_batch(arrays), labels, classes


def choose(count, limit):
    """The first `limit` places, int64, of one fixed shuffle of `count` things."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:limit]


def _class_names(root):
    names = sorted(
        entry.name
        for entry in root.iterdir()
        if entry.is_dir() and not entry.name.startswith(".")
    )
    if not names:
        raise ValueError(
            f"{root} holds no folders; expected one folder of images per class, "
            f"such as {root / 'cats'} and {root / 'dogs'}"
        )
    return names


def _image_files(folder):
    entries = sorted(
        entry
        for entry in folder.rglob("*")
        if entry.is_file() and not _is_hidden(entry.relative_to(folder))
    )
    files = [entry for entry in entries if entry.suffix.lower() in EXTENSIONS]
    if not files:
        others = f" (only files such as {entries[0].name})" if entries else ""
        raise ValueError(
            f"class folder {folder} holds no images{others}; "
            f"put files ending in {', '.join(EXTENSIONS)} there, or remove the folder"
        )
    return files


def _is_hidden(path):
    return any(part.startswith(".") for part in path.parts)


def _part(files, split):
    """The files of one split: a fixed fifth of the class is the test set."""
    order = choose(len(files), len(files)).tolist()
    held_out = min(max(1, round(TEST_FRACTION * len(files))), len(files) - 1)
    chosen = order[:held_out] if split == "test" else order[held_out:]
    return [files[i] for i in sorted(chosen)]


def _is_grey(file):
    with _opened(file) as image:
        is_grey = image.mode in ("1", "L", "F") or image.mode.startswith("I")
        return is_grey and not image.has_transparency_data


@contextmanager
def _opened(file):
    """The image in a file; an error that names the file where it cannot be read."""
    try:
        with Image.open(file) as image:
            yield image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{file} cannot be read as an image ({error}); repair or remove the file"
        ) from error


def _read_image(file, mode, size):
    """One file -> uint8 array [H, W] for mode "L", [H, W, 3] for mode "RGB"."""
    with _opened(file) as opened:
        image = ImageOps.exif_transpose(opened)
        image.load()
    if image.mode.startswith("I"):  # 16 bits of grey
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    image = image.convert(mode)
    if size is not None:
        image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _to_batch(named_arrays):
    """Stack arrays of one size as uint8 [N, C, H, W]."""
    first_file, first = named_arrays[0]
    for file, array in named_arrays:
        if array.shape != first.shape:
            raise ValueError(
                f"images differ in size: {first_file} is {first.shape[1]} x "
                f"{first.shape[0]} pixels, {file} is {array.shape[1]} x "
                f"{array.shape[0]}; bring them to one size with "
                "load_images(..., size=64)"
            )
    images = torch.from_numpy(np.stack([array for _, array in named_arrays]))
    if images.ndim == 3:
        return images[:, None]
    return images.permute(0, 3, 1, 2).contiguous()
