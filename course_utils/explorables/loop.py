"""The training loop of a linear softmax classifier, one line of it at a time.

The browser does all of it: arithmetic (loop_arithmetic.js), drawing (loop_drawing.js),
controls (loop.js). loop_still.py does the same in NumPy for the still.
"""

import numpy as np
import traitlets

from course_utils.explorables.base import Explorable
from course_utils.explorables.loop_still import draw, train

LARGEST = 160 * 28 * 28  # bytes of images that a notebook carries
STILL_BATCHES = 10


class TrainingLoop(Explorable):
    """Step through the training loop one line or one batch at a time.

    images  uint8 [N, H, W] or [N, 1, H, W], about 160 of 28x28; labels [N]
    classes the class names; weights [K, H*W] to start from, zeros where None
    mean, std  of the pixels on the scale from 0 to 1

    Batches are taken in the given order in the first epoch and shuffled in later ones.
    Raises ValueError for images and labels that do not fit together. Taught in
    chapter 01.
    """

    scripts = ("loop_arithmetic", "loop_drawing", "loop")
    images = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    classes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    batch_size = traitlets.Int().tag(sync=True)
    learning_rate = traitlets.Float().tag(sync=True)
    mean = traitlets.Float().tag(sync=True)
    std = traitlets.Float().tag(sync=True)

    def __init__(
        self, images, labels, classes, *, batch_size=16, learning_rate=0.01,
        weights=None, mean=0.2860, std=0.3530,
    ):  # fmt: skip
        images = _checked_images(_array(images))
        labels = _checked_labels(_array(labels), len(images), len(classes))
        if not 1 <= batch_size <= min(32, len(images)):
            raise ValueError(
                f"batch_size must be from 1 to {min(32, len(images))}, got {batch_size}"
            )
        if not 1e-4 <= learning_rate <= 10:
            raise ValueError(
                f"learning_rate must be from 0.0001 to 10, got {learning_rate}"
            )
        height, width = images.shape[1:]
        start = np.zeros((len(classes), height * width), np.float32)
        if weights is not None:
            start = _array(weights).astype(np.float32)
            if start.shape != (len(classes), height * width):
                raise ValueError(
                    f"weights must be [{len(classes)}, {height * width}], "
                    f"got {list(start.shape)}"
                )
            if not np.isfinite(start).all():
                raise ValueError("weights hold values that are not finite numbers")
        super().__init__(
            images=images.tobytes(), labels=labels.tobytes(), classes=list(classes),
            weights=b"" if weights is None else start.tobytes(),
            height=height, width=width, batch_size=batch_size, mean=mean, std=std,
            learning_rate=learning_rate,
            alt=(
                f"The training loop of a linear classifier on {len(images)} images in "
                f"batches of {batch_size}: the six lines of the loop, one batch with "
                "true and predicted classes, logits and probabilities of one image, "
                "the loss and the gradient norm over the batches, and the weights of "
                "one class beside their gradient."
            ),
        )  # fmt: skip

    def run(self, batches):
        """The same arithmetic in NumPy, up to `backward` of the last batch."""
        start = np.frombuffer(self.weights, np.float32)
        if not self.weights:
            start = np.zeros(len(self.classes) * self.height * self.width)
        pixels, labels = self._training_set()
        return train(
            (pixels.reshape(len(pixels), -1) / 255 - self.mean) / self.std,
            labels,
            start.reshape(len(self.classes), -1),
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            batches=batches,
        )

    def picture(self):
        epoch = -(-len(self.labels) // self.batch_size)
        run = self.run(min(STILL_BATCHES, epoch))
        return draw(run, *self._training_set(), self.classes)

    def _training_set(self):
        pixels = np.frombuffer(self.images, np.uint8)
        labels = np.frombuffer(self.labels, np.uint8).astype(np.int64)
        return pixels.reshape(-1, self.height, self.width), labels


def _array(values):
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _checked_images(images):
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim != 3 or images.dtype != np.uint8:
        raise ValueError(
            "images must be uint8 [N, H, W] or [N, 1, H, W], "
            f"got {images.dtype} {list(images.shape)}"
        )
    if not 0 < images.size <= LARGEST:
        raise ValueError(
            f"these images take {images.size} bytes, and a notebook carries up to "
            f"{LARGEST}; take fewer, such as images[:{LARGEST // images[0].size}]"
            if images.size
            else "there are no images"
        )
    return np.ascontiguousarray(images)


def _checked_labels(labels, count, classes):
    if labels.shape != (count,):
        raise ValueError(
            f"labels must be [{count}], one for each image, got {list(labels.shape)}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels must be from 0 to {classes - 1} for {classes} classes, "
            f"got {labels.min()} to {labels.max()}"
        )
    return labels.astype(np.uint8)
