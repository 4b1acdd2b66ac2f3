"""Images beside random draws of their augmentations, with a slider for each strength.

The browser computes (augmentations_arithmetic.js) and shows (augmentations.js);
augmentations_numbers.py does the same in NumPy for the still.
"""

import numpy as np
import traitlets

from course_utils.explorables.augmentations_numbers import drawn
from course_utils.explorables.base import Explorable, check_whole
from course_utils.plots import new_figure

DRAWS = 8
MOST_IMAGES, MOST_BYTES = 10, 32_768
MOST_SEED = 9999
RANGES = {"padding": (0, 8), "flip": (0, 1), "noise": (0, 100), "mixup": (0, 0.5)}


class Augmentations(Explorable):
    """An image and eight random draws of it, each augmentation with its own slider.

    images   uint8 [N, 1 or 3, H, W], up to 10 to choose from; labels: their names [N]
    chosen   the number of the image shown at first; seed: of the draws
    padding  RandomCrop's, from 0 to 8 pixels; flip: RandomFlip's probability
    erase    RandomErase's size, from 0 pixels to the shorter side of the images
    noise    standard deviation of RandomNoise in grey levels, from 0 to 100
    mixup    weight of another, likewise augmented image, from 0 to 0.5

    The random numbers stay the same while a slider moves, so that it shows the strength
    and not the luck. Raises ValueError for what is outside its range. Taught in chapter
    06.
    """

    scripts = ("steady", "chance", "augmentations_arithmetic", "augmentations")
    pixels = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    chosen = traitlets.Int().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    padding = traitlets.Int().tag(sync=True)
    flip = traitlets.Float().tag(sync=True)
    erase = traitlets.Int().tag(sync=True)
    noise = traitlets.Float().tag(sync=True)
    mixup = traitlets.Float().tag(sync=True)

    def __init__(
        self, images, labels=None, *, chosen=0, padding=2, flip=0.5, erase=0, noise=0,
        mixup=0, seed=0,
    ):  # fmt: skip
        images = _checked_images(images)
        labels = _checked_labels(labels, len(images))
        check_whole("chosen", chosen, 0, len(images) - 1)
        check_whole("seed", seed, 0, MOST_SEED)
        check_whole("padding", padding, 0, RANGES["padding"][1])
        check_whole("erase", erase, 0, min(images.shape[2:]))
        for name, value in (("flip", flip), ("noise", noise), ("mixup", mixup)):
            low, high = RANGES[name]
            if not low <= value <= high:
                raise ValueError(f"{name} must be from {low} to {high}, got {value}")
        if mixup and len(images) == 1:
            raise ValueError("mixup needs a second image to blend with, got one image")
        named = f" of {labels[chosen]}" if labels else ""
        super().__init__(
            pixels=images.tobytes(), shape=list(images.shape), labels=labels,
            chosen=chosen, seed=seed, padding=padding, flip=flip, erase=erase,
            noise=noise, mixup=mixup,
            alt=(
                f"An image{named} and {DRAWS} random draws of it: shifted by up to "
                f"{padding} pixels, mirrored with probability {flip:g}, a square of "
                f"{erase} pixels erased, noise of standard deviation {noise:g}, and "
                f"another image blended in with weight {mixup:g}."
            ),
        )  # fmt: skip

    @property
    def images(self):
        """The images to choose from, uint8 [N, C, H, W]."""
        return np.frombuffer(self.pixels, np.uint8).reshape(self.shape)

    @property
    def draws(self):
        """What is shown now: draws uint8 [8, C, H, W], and the partner of each."""
        settings = {
            name: getattr(self, name)
            for name in ("padding", "flip", "erase", "noise", "mixup")
        }
        found = [
            drawn(self.images, self.chosen, self.seed, k, settings)
            for k in range(DRAWS)
        ]
        return np.stack([image for image, _ in found]), [one for _, one in found]

    def _strengths(self):
        return (
            f"crop: padding {self.padding}\nflip: p = {self.flip:g}\n"
            f"erase: {self.erase} × {self.erase}\nnoise: σ = {self.noise:g}\n"
            f"mixup: {self.mixup:g}"
        )

    def picture(self):
        figure, axes = new_figure(2, 5, size=(7.6, 3.5))
        draws, partners = self.draws
        _show(axes[0, 0], self.images[self.chosen])
        axes[0, 0].set_title("original", fontsize=11)
        axes[1, 0].axis("off")
        axes[1, 0].text(
            0, 1, self._strengths(), fontsize=9.5, va="top", linespacing=1.6
        )
        for k, (image, partner) in enumerate(zip(draws, partners, strict=True)):
            place = axes[k // 4, 1 + k % 4]
            _show(place, image)
            if partner is not None and self.labels:
                place.set_title(f"with {self.labels[partner]}", fontsize=9)
        return figure


def _show(axes, image):
    picture = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])


def _checked_images(images):
    images = np.asarray(images.detach().cpu() if hasattr(images, "detach") else images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            "images must be uint8 [N, 1 or 3, H, W], got "
            f"{images.dtype} {list(images.shape)}"
        )
    if not 1 <= len(images) <= MOST_IMAGES:
        raise ValueError(
            f"there must be from 1 to {MOST_IMAGES} images to choose from, got "
            f"{len(images)}; take a few, such as images[:8]"
        )
    if not 2 <= images.nbytes <= MOST_BYTES:
        raise ValueError(
            f"the images have {images.nbytes} bytes together, at most {MOST_BYTES} go "
            "into a notebook; take fewer or smaller ones"
        )
    return np.ascontiguousarray(images)


def _checked_labels(labels, count):
    labels = [] if labels is None else [str(label) for label in labels]
    if labels and len(labels) != count:
        raise ValueError(f"labels must be {count} names, got {len(labels)}")
    return labels
