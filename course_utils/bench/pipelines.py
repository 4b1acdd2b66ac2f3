"""Images per second of loading and augmentation, beside torchvision's usual way."""

from functools import partial

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from course_utils.augment import Compose, RandomCrop, RandomErase, RandomFlip
from course_utils.bench.timing import Clock, interleave, quartiles, spread
from course_utils.data import Batches, load_images

BATCH_SIZE = 128
OURS = "Batches(augment=...)"


class TransformedImages(Dataset):
    """Images that torchvision's transforms change one at a time, the usual way."""

    def __init__(self, image_set):
        self.images, self.labels = image_set.images, image_set.labels
        size, area = image_set.images.shape[-1], image_set.images[0, 0].numel()
        self.transform = v2.Compose(
            [
                v2.RandomCrop(size, padding=4),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(image_set.mean, image_set.std),
                v2.RandomErasing(1.0, scale=(64 / area, 64 / area), ratio=(1.0, 1.0)),
            ]
        )

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


def pipelines(image_set, batch_size, device) -> dict:
    """Ways to draw batches with the same three augmentations, the course's first."""
    augment = Compose(RandomCrop(4), RandomFlip(), RandomErase(8))
    loader = partial(
        DataLoader,
        TransformedImages(image_set),
        batch_size,
        shuffle=True,
        pin_memory=device.type == "cuda",
    )
    return {
        OURS: Batches(
            image_set, batch_size, shuffle=True, augment=augment, device=device
        ),
        "v2 transforms, DataLoader": loader(),
        "v2 transforms, DataLoader, 2 workers": loader(
            num_workers=2, persistent_workers=True
        ),
    }


def draw_all(pipeline, device, clock):
    """Bring all batches of an epoch to the device."""
    clock.start()
    for images, labels in pipeline:
        images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
    clock.stop()


def pipeline_rows(seconds, images) -> list[dict]:
    """A row for each pipeline: images per second, and how much faster ours is."""
    rows = []
    for name, taken in seconds.items():
        wall = np.array(taken["wall"])
        row = {"name": name, "images_per_second": images / float(np.median(wall))}
        if name != OURS:
            row["ours_faster"] = quartiles(wall / np.array(seconds[OURS]["wall"]))
        rows.append(row)
    return rows


def pipeline_lines(rows) -> list[str]:
    """A table of those rows."""
    lines = [f"{'':38}{'images per second':>18}{'Batches is faster by':>26}"]
    for row in rows:
        text = spread(row["ours_faster"], 1) if "ours_faster" in row else ""
        line = f"{row['name']:38}{row['images_per_second']:18,.0f}  {text:>24}"
        lines.append(line.rstrip())
    return lines


def measure_pipelines(settings, device, report) -> dict:
    """The section of the benchmark: one table, after an epoch of warming up."""
    count = settings.augmented_images
    found = pipelines(load_images(limit=count), BATCH_SIZE, device)
    runs = {
        name: partial(draw_all, pipeline, device) for name, pipeline in found.items()
    }
    for run in runs.values():
        run(Clock(device))
    seconds = interleave(runs, device, settings.repetitions)
    rows = pipeline_rows(seconds, count)
    title = f"crop, flip and erase, {count:,} images of 1 x 28 x 28 per round"
    report(title, *pipeline_lines(rows))
    return {"title": title, "rows": rows, "seconds": seconds}
