"""The arithmetic of the augmentations in Python, for their still.

An image is uint8 [C, H, W]. Chance comes as a `luck`: numbers from 0 to 1 that stay the
same while a strength changes. augmentations_arithmetic.js does the same. That both do
what course_utils.augment and mixup do is tested.
"""

import numpy as np

from course_utils.explorables.chance import uniforms

PARTNERS = 32  # the streams of partners come so many after those of draws
NUMBERS = 6  # of a luck, before the noise


def luck_of(stream, size):
    """The chance of one draw: partner, flip, places to shift and erase, noise."""
    pairs = -(-size // 2)
    numbers = uniforms(stream, NUMBERS + 2 * pairs)
    first, second = numbers[NUMBERS:].reshape(pairs, 2).T
    radius, turn = np.sqrt(-2 * np.log(1 - first)), 2 * np.pi * second
    noise = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    return {
        "partner": numbers[0], "flip": numbers[1], "shift": numbers[2:4],
        "erase": numbers[4:6], "noise": noise.ravel()[:size],
    }  # fmt: skip


def augmented(image, luck, settings):
    """The image after crop, flip, erasing and noise of the given strengths."""
    _, height, width = image.shape
    padding, size = settings["padding"], settings["erase"]
    top, left = (int(part * (2 * padding + 1)) for part in luck["shift"])
    sides = (padding, padding)
    padded = np.pad(image, ((0, 0), sides, sides))
    result = padded[:, top : top + height, left : left + width]
    if luck["flip"] < settings["flip"]:
        result = result[:, :, ::-1]
    result = result.copy()
    row, column = (
        int(part * side) - size // 2
        for part, side in zip(luck["erase"], (height, width), strict=True)
    )
    result[:, max(0, row) : row + size, max(0, column) : column + size] = 0
    noise = settings["noise"] * np.reshape(luck["noise"], image.shape)
    return (result + noise).round().clip(0, 255).astype(np.uint8)


def partner_of(chosen, luck, count):
    """The number of another image than the chosen one, of `count` images."""
    return (chosen + 1 + int(luck["partner"] * (count - 1))) % count


def drawn(images, chosen, seed, k, settings):
    """Draw k of an image: (the result, the number of its mixup partner or None)."""
    size = images[chosen].size
    luck = luck_of(2 * PARTNERS * seed + k, size)
    own = augmented(images[chosen], luck, settings)
    weight = settings["mixup"]
    if not weight:
        return own, None
    partner = partner_of(chosen, luck, len(images))
    luck = luck_of(2 * PARTNERS * seed + k + PARTNERS, size)
    other = augmented(images[partner], luck, settings)
    blend = own + weight * (other.astype(float) - own)
    return np.floor(blend + 0.5).astype(np.uint8), partner
