"""Random changes to images that keep their label, for a whole batch at once.

Each augmentation is called with a batch of images [N, C, H, W] of any dtype and the
generator that supplies its randomness, and returns a new batch of the same shape,
dtype and device. Every image of the batch is changed on its own. There is no Python
loop over images, so that the cost per image is small on a CPU and a GPU alike.
"""

import torch


def _check_images(images):
    if images.ndim != 4:
        raise ValueError(
            f"images must be [N, C, H, W], got {list(images.shape)}; "
            "add a batch and a channel axis with images[None, None]"
        )


class RandomCrop:
    """Pad each side by `padding` pixels, then cut out the old size at a random place.

    [N, C, H, W] -> [N, C, H, W]. The border is filled with `fill`, 0 being black in an
    image of bytes. An image moves by at most `padding` pixels in each direction; all
    (2 padding + 1)^2 positions are equally likely. Taught in chapter 06.
    """

    def __init__(self, padding: int, fill: float = 0):
        if padding < 0:
            raise ValueError(f"padding must be 0 or more pixels, got {padding}")
        self.padding, self.fill = padding, fill

    def __call__(self, images, generator=None):
        _check_images(images)
        n, c, h, w = images.shape
        p, device = self.padding, images.device
        padded = images.new_full((n, c, h + 2 * p, w + 2 * p), self.fill)
        padded[:, :, p : p + h, p : p + w] = images
        shift = torch.randint(0, 2 * p + 1, (2, n), generator=generator, device=device)
        # A view of all crops without copying: [N, C, 2p+1, 2p+1, H, W]
        crops = padded.unfold(2, h, 1).unfold(3, w, 1)
        return crops[torch.arange(n, device=device), :, shift[0], shift[1]]

    def __repr__(self):
        return f"RandomCrop(padding={self.padding})"


class RandomFlip:
    """Mirror each image left to right with probability `p`.

    [N, C, H, W] -> [N, C, H, W]. Not harmless for every class: a mirrored digit 3 is no
    digit. Taught in chapter 06.
    """

    def __init__(self, p: float = 0.5):
        if not 0 <= p <= 1:
            raise ValueError(f"p is a probability between 0 and 1, got {p}")
        self.p = p

    def __call__(self, images, generator=None):
        _check_images(images)
        flip = torch.rand(len(images), generator=generator, device=images.device)
        return torch.where((flip < self.p)[:, None, None, None], images.flip(3), images)

    def __repr__(self):
        return f"RandomFlip(p={self.p})"


class RandomErase:
    """Overwrite one square of `size` x `size` pixels in each image with `fill`.

    [N, C, H, W] -> [N, C, H, W]. The centre of the square is uniform over the image, so
    that a square near the border is cut off there. Source: DeVries and Taylor 2017,
    "Improved Regularization of Convolutional Neural Networks with Cutout", section 3.
    Taught in chapter 06.
    """

    def __init__(self, size: int, fill: float = 0):
        if size < 0:
            raise ValueError(f"size must be 0 or more pixels, got {size}")
        self.size, self.fill = size, fill

    def __call__(self, images, generator=None):
        _check_images(images)
        n, _, h, w = images.shape
        device = images.device
        top = torch.randint(0, h, (n, 1), generator=generator, device=device)
        left = torch.randint(0, w, (n, 1), generator=generator, device=device)
        top, left = top - self.size // 2, left - self.size // 2
        rows, columns = torch.arange(h, device=device), torch.arange(w, device=device)
        in_rows = (rows >= top) & (rows < top + self.size)  # [N, H]
        in_columns = (columns >= left) & (columns < left + self.size)  # [N, W]
        square = in_rows[:, None, :, None] & in_columns[:, None, None, :]
        return images.masked_fill(square, self.fill)

    def __repr__(self):
        return f"RandomErase(size={self.size})"


class RandomNoise:
    """Add normal noise of standard deviation `std` to every pixel, new each time.

    [N, C, H, W] -> [N, C, H, W]. `std` is in the units of the images, grey levels from
    0 to 255 for bytes, which are rounded and kept in that range. Source: Bishop 1995,
    "Training with Noise is Equivalent to Tikhonov Regularization". Taught in chapter
    06.
    """

    def __init__(self, std: float):
        if not 0 <= std < float("inf"):
            raise ValueError(
                f"std must be a finite number, 0 or more, got {std}; for bytes try 20"
            )
        self.std = std

    def __call__(self, images, generator=None):
        _check_images(images)
        shape, device = images.shape, images.device
        noisy = images + self.std * torch.randn(
            shape, generator=generator, device=device
        )
        if not images.is_floating_point():
            noisy = noisy.round_()
        if images.dtype == torch.uint8:
            noisy = noisy.clamp_(0, 255)
        return noisy.to(images.dtype)

    def __repr__(self):
        return f"RandomNoise(std={self.std})"


class Compose:
    """Apply several augmentations one after the other."""

    def __init__(self, *augmentations):
        self.augmentations = augmentations

    def __call__(self, images, generator=None):
        for augmentation in self.augmentations:
            images = augmentation(images, generator)
        return images

    def __repr__(self):
        return f"Compose({', '.join(map(repr, self.augmentations))})"
