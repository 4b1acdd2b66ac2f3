"""A convolutional network that learns in few steps, for the speed run.

Whitening, then three blocks of two 3 x 3 convolutions, then one linear layer. The plan
is that of Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", section 3,
which builds on Page 2018, "How to Train Your ResNet". What makes it learn fast:

- the first layer is not learned: it turns patches of the images into numbers of
  variance 1 that are not correlated (section 3.2);
- the other convolutions start by handing their inputs on (section 3.3);
- batch norm has biases and no weights, and forgets its statistics quickly;
- the scores start small, divided by 9.

Deviations from the paper: the filters are those of the covariance around the mean; the
size of the patches is an argument, since grey images have few values in 2 x 2 pixels.
"""

import torch
import torch.nn.functional as F
from torch import nn

SCORE_SCALE = 1 / 9
STATISTICS_MOMENTUM = 0.4  # of the new batch in the running mean and variance


def patches_of(images, size):
    """All patches of images [N, C, H, W] as rows [N * places, C * size * size]."""
    columns = F.unfold(images, size)  # [N, C * size * size, places]
    return columns.transpose(1, 2).flatten(0, 1)


def whitening_filters(images, size, epsilon=5e-4):
    """images [N, C, H, W] -> filters [2 * d, C, size, size], d = C * size * size.

    The first d filters are the eigenvectors of the covariance of the patches, divided
    by the standard deviation along them: what they give over these images has the
    identity as its covariance. The other d are the same with the opposite sign, so that
    an activation that keeps positive values loses nothing. `epsilon` is added to the
    variances, which keeps directions that hardly occur from being blown up.
    Raises ValueError where a patch does not fit into the images.
    """
    c, h, w = images.shape[1:]
    if not 1 <= size <= min(h, w):
        raise ValueError(
            f"patches of {size} x {size} pixels do not fit into images of {h} x {w}"
        )
    covariance = torch.cov(patches_of(images.float(), size).T)
    # On the processor, which is quicker than a GPU with so small a matrix.
    variances, directions = torch.linalg.eigh(covariance.cpu())  # in columns
    filters = directions.T / (variances + epsilon).sqrt()[:, None]
    filters = torch.cat([filters, -filters]).view(-1, c, size, size)
    return filters.to(images.device)


def identity_convolution(c_in, c_out):
    """A 3 x 3 convolution whose first filters hand their input channels on."""
    convolution = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight[: min(c_in, c_out)])
    return convolution


def bias_norm(channels):
    """Batch norm with a learned bias and weights that stay 1."""
    norm = nn.BatchNorm2d(channels, momentum=STATISTICS_MOMENTUM)
    norm.weight.requires_grad_(False)
    return norm


class Block(nn.Sequential):
    """[n, c_in, h, w] -> [n, c_out, h // 2, w // 2]: two convolutions, one pooling."""

    def __init__(self, c_in, c_out):
        super().__init__(
            identity_convolution(c_in, c_out),
            nn.MaxPool2d(2),
            bias_norm(c_out),
            nn.GELU(),
            identity_convolution(c_out, c_out),
            bias_norm(c_out),
            nn.GELU(),
        )


class SpeedNet(nn.Module):
    """Images [n, channels, h, w], at least patch + 7 pixels a side -> scores.

    `whiten(images)` sets the first layer and has to be called before training; until
    then its filters are random. Its weights, and so its maps, are channels_last.
    """

    def __init__(self, channels=3, classes=10, widths=(64, 256, 256), patch=2):
        super().__init__()
        first = 2 * channels * patch**2
        self.whitening = nn.Conv2d(channels, first, patch)
        self.whitening.weight.requires_grad_(False)
        nn.init.zeros_(self.whitening.bias)
        pairs = zip((first, *widths), widths, strict=False)
        self.blocks = nn.Sequential(*(Block(*pair) for pair in pairs))
        self.classifier = nn.Linear(widths[-1], classes, bias=False)
        self.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def whiten(self, images):
        """Set the first layer to the whitening of normalised images [N, C, H, W]."""
        size = self.whitening.kernel_size[0]
        self.whitening.weight.copy_(whitening_filters(images, size))

    def forward(self, images):
        x = self.blocks(F.gelu(self.whitening(images)))
        return self.classifier(x.amax((2, 3))) * SCORE_SCALE


class TwoViews(nn.Module):
    """The mean of a model's scores for images and for their mirror images."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return (self.model(images) + self.model(images.flip(3))) / 2
