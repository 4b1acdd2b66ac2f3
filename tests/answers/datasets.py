"""Plausible wrong answers to the exercise on datasets; each must be rejected."""


def answer(
    classes="sorted(Path(folder).iterdir())",
    first_label=0,
    label="k",
    length="len(self.items)",
    item="torch.from_numpy(pixels).permute(2, 0, 1) / 255",
):
    """The right answer with some of its parts replaced."""
    return f"""
from pathlib import Path

import numpy as np
from PIL import Image


class FolderDataset(torch.utils.data.Dataset):
    def __init__(self, folder):
        self.items = []
        for k, class_folder in enumerate({classes}, {first_label}):
            files = sorted(class_folder.glob("*.png"))
            self.items += [(file, {label}) for file in files]

    def __len__(self):
        return {length}

    def __getitem__(self, i):
        file, label = self.items[i]
        pixels = np.array(Image.open(file).convert("RGB"))
        return {item}, label
"""


ANSWERS = {
    "folder_dataset": {
        "wrong": {
            "channels last": answer(item="torch.from_numpy(pixels) / 255"),
            "bytes": answer(item="torch.from_numpy(pixels).permute(2, 0, 1)"),
            "pixels up to 255": answer(
                item="torch.from_numpy(pixels).permute(2, 0, 1).float()"
            ),
            "classes in reverse order": answer(
                classes="sorted(Path(folder).iterdir(), reverse=True)"
            ),
            "the number of classes as length": answer(length="3"),
            "labels from 1": answer(first_label=1),
            "64-bit numbers": answer(
                item="torch.from_numpy(pixels / 255).permute(2, 0, 1)"
            ),
            "reshape instead of permute": answer(
                item="torch.from_numpy(pixels).reshape(3, 4, 6) / 255"
            ),
            "the name as label": answer(label="class_folder.name"),
            "an array": answer(item="pixels"),
        }
    },
}
