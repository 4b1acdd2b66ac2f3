"""Plausible wrong answers to the exercise on datasets; each must be rejected."""

ANSWERS = {
    "folder_dataset": {
        "wrong": {
            name: f"""
from pathlib import Path

import numpy as np
from PIL import Image


class FolderDataset(torch.utils.data.Dataset):
    def __init__(self, folder):
        {items}

    def __len__(self):
        return {length}

    def __getitem__(self, i):
        file, label = self.items[i]
        pixels = np.array(Image.open(file).convert("RGB"))
        return {item}
"""
            for name, items, length, item in (
                (
                    "channels last",
                    "self.items = [(f, k) for k, p in enumerate(sorted("
                    "Path(folder).iterdir())) for f in sorted(p.glob('*.png'))]",
                    "len(self.items)",
                    "torch.from_numpy(pixels) / 255, label",
                ),
                (
                    "bytes",
                    "self.items = [(f, k) for k, p in enumerate(sorted("
                    "Path(folder).iterdir())) for f in sorted(p.glob('*.png'))]",
                    "len(self.items)",
                    "torch.from_numpy(pixels).permute(2, 0, 1), label",
                ),
                (
                    "pixels up to 255",
                    "self.items = [(f, k) for k, p in enumerate(sorted("
                    "Path(folder).iterdir())) for f in sorted(p.glob('*.png'))]",
                    "len(self.items)",
                    "torch.from_numpy(pixels).permute(2, 0, 1).float(), label",
                ),
                (
                    "classes in reverse order",
                    "self.items = [(f, k) for k, p in enumerate(sorted("
                    "Path(folder).iterdir(), reverse=True)) "
                    "for f in sorted(p.glob('*.png'))]",
                    "len(self.items)",
                    "torch.from_numpy(pixels).permute(2, 0, 1) / 255, label",
                ),
                (
                    "the number of classes as length",
                    "self.items = [(f, k) for k, p in enumerate(sorted("
                    "Path(folder).iterdir())) for f in sorted(p.glob('*.png'))]",
                    "3",
                    "torch.from_numpy(pixels).permute(2, 0, 1) / 255, label",
                ),
                (
                    "labels from 1",
                    "self.items = [(f, k) for k, p in enumerate(sorted("
                    "Path(folder).iterdir()), 1) for f in sorted(p.glob('*.png'))]",
                    "len(self.items)",
                    "torch.from_numpy(pixels).permute(2, 0, 1) / 255, label",
                ),
                (
                    "64-bit numbers",
                    "self.items = [(f, k) for k, p in enumerate(sorted("
                    "Path(folder).iterdir())) for f in sorted(p.glob('*.png'))]",
                    "len(self.items)",
                    "torch.from_numpy(pixels / 255).permute(2, 0, 1), label",
                ),
                (
                    "reshape instead of permute",
                    "self.items = [(f, k) for k, p in enumerate(sorted("
                    "Path(folder).iterdir())) for f in sorted(p.glob('*.png'))]",
                    "len(self.items)",
                    "torch.from_numpy(pixels).reshape(3, 4, 6) / 255, label",
                ),
                (
                    "the name as label",
                    "self.items = [(f, p.name) for p in sorted("
                    "Path(folder).iterdir()) for f in sorted(p.glob('*.png'))]",
                    "len(self.items)",
                    "torch.from_numpy(pixels).permute(2, 0, 1) / 255, label",
                ),
                (
                    "an array",
                    "self.items = [(f, k) for k, p in enumerate(sorted("
                    "Path(folder).iterdir())) for f in sorted(p.glob('*.png'))]",
                    "len(self.items)",
                    "pixels, label",
                ),
            )
        }
    },
}
