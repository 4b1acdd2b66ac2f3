"""Residual networks: blocks that add a correction to what they were given.

He, Zhang, Ren and Sun 2016, "Deep Residual Learning for Image Recognition": the nets
for small images of section 4.2. A 3 x 3 stem, three stages of n blocks with 16, 32 and
64 channels on maps of full, half and quarter size, global average, one linear layer:
6n + 2 layers with weights, n = 3, 5, 7, 9, 18. Parameters for 3 channels and 10 classes
with shortcuts A, batch norm's scales and shifts among them:

    resnet20 269,722   resnet32 464,154   resnet44 658,586   resnet56 853,018
    resnet110 1,727,962

Deviations:
- The paper does not say where option A puts its channels of zeros; here they come last.
- The weights of convolutions are drawn as in the paper, which follows He et al. 2015:
  normal, with standard deviation sqrt(2 / fan-in), equation 10 (torchvision takes the
  fan-out of equation 14). torch's default would be uniform, with standard deviation
  sqrt(1 / (3 fan-in)), a sixth of that variance. The linear layer keeps torch's
  default: drawn like the others it would start with logits sqrt(6) times larger, and a
  loss that is still further above that of guessing.
- The authors subtract each pixel's mean over the training set; here the data set's own
  normalization does that, per channel.
"""

import torch.nn.functional as F
from torch import nn

from course_utils.models.shapes import check_shapes


class PadChannels(nn.Module):
    """[N, c_in, H, W] -> [N, c_out, H / stride, W / stride] without a parameter.

    Takes every stride-th pixel and appends channels of zeros. Taught in chapter 13.
    """

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        if c_out < c_in:
            raise ValueError(
                f"padding only adds channels, it cannot make {c_out} of {c_in}; "
                "try shortcut=projection_shortcut"
            )
        self.extra, self.stride = c_out - c_in, stride

    def forward(self, x):
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.extra))

    def extra_repr(self):
        return f"extra={self.extra}, stride={self.stride}"


def padding_shortcut(c_in, c_out, stride):
    """Option A of the paper: the identity, padded with zeros where channels are added.

    Taught in chapter 13."""
    if c_in == c_out and stride == 1:
        return nn.Identity()
    return PadChannels(c_in, c_out, stride)


def projection_shortcut(c_in, c_out, stride):
    """Option B of the paper: the identity, or a 1 x 1 convolution where shapes change.

    Taught in chapter 13."""
    if c_in == c_out and stride == 1:
        return nn.Identity()
    convolution = nn.Conv2d(c_in, c_out, 1, stride, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(c_out))


class BasicBlock(nn.Module):
    """[N, c_in, H, W] -> [N, width, H / stride, W / stride]: relu(F(x) + shortcut(x)).

    F is two 3 x 3 convolutions with batch norm, a ReLU between them (figure 2).
    Taught in chapter 13."""

    expansion = 1  # channels out / width

    def __init__(self, c_in, width, stride=1, shortcut=padding_shortcut):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = shortcut(c_in, width, stride)

    def forward(self, x):
        residual = F.relu(self.bn1(self.conv1(x)))
        residual = self.bn2(self.conv2(residual))
        return F.relu(residual + self.shortcut(x))


class ResNet(nn.Module):
    """Stem, stages of blocks, global average, linear layer: images -> [N, classes].

    Stage i has layers[i] blocks of widths[i] channels; every stage but the first halves
    the map. `stem` gives widths[0] channels. Taught in chapter 13."""

    def __init__(self, block, layers, stem, *, widths=(16, 32, 64),
                 shortcut=padding_shortcut, classes=10):  # fmt: skip
        super().__init__()
        _check_stages(layers, widths)
        self.stem, self.stages = stem, nn.Sequential()
        c_in = widths[0]
        for i, (count, width) in enumerate(zip(layers, widths, strict=True)):
            stage = nn.Sequential()
            for j in range(count):
                stride = 2 if i > 0 and j == 0 else 1
                stage.append(block(c_in, width, stride, shortcut))
                c_in = width * block.expansion
            self.stages.append(stage)
        self.head = nn.Linear(c_in, classes)
        self.apply(draw_weights)

    def forward(self, x):
        x = self.stages(self.stem(x))  # [N, c, h, w]
        return self.head(x.mean((2, 3)))


def draw_weights(module):
    """Draw a convolution's weights from a normal of variance 2 / fan-in, in place.

    Other modules are left as they are. He et al. 2015, "Delving Deep into Rectifiers",
    equation 10. Taught in chapter 13."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def small_stem(channels, width, stride=1):
    """The first layer for small images: 3 x 3 convolution, batch norm, ReLU.

    [N, channels, H, W] -> [N, width, H / stride, W / stride]. Taught in chapter 13.
    """
    convolution = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())


def small_resnet(n, channels=1, size=28, classes=10, *,
                 width=16, stem_stride=1, shortcut=padding_shortcut):  # fmt: skip
    """The net of 6n + 2 layers, [N, channels, size, size] -> [N, classes].

    `width` is that of the first stage, doubled in each that follows. A `stem_stride`
    of 2, not in the paper, quarters the pixels from the first layer on. Raises
    ValueError for images that the stages would halve to less than a pixel.
    Section 4.2. Taught in chapter 13.
    """
    if min(n, width, stem_stride) < 1:
        raise ValueError(
            f"n, width and stem_stride are 1 or more, got {n}, {width}, {stem_stride}"
        )
    smallest = 4 * stem_stride
    check_shapes(f"a ResNet of {6 * n + 2} layers", channels, size, classes, smallest)
    stem = small_stem(channels, width, stem_stride)
    widths = (width, 2 * width, 4 * width)
    return ResNet(
        BasicBlock, (n, n, n), stem, widths=widths, shortcut=shortcut, classes=classes
    )


def resnet20(channels=1, size=28, classes=10, **parts):
    """ResNet-20, with `parts` as in small_resnet: width, stem_stride, shortcut."""
    return small_resnet(3, channels, size, classes, **parts)


def resnet32(channels=1, size=28, classes=10, **parts):
    """ResNet-32, with `parts` as in small_resnet: width, stem_stride, shortcut."""
    return small_resnet(5, channels, size, classes, **parts)


def resnet44(channels=1, size=28, classes=10, **parts):
    """ResNet-44, with `parts` as in small_resnet: width, stem_stride, shortcut."""
    return small_resnet(7, channels, size, classes, **parts)


def resnet56(channels=1, size=28, classes=10, **parts):
    """ResNet-56, with `parts` as in small_resnet: width, stem_stride, shortcut."""
    return small_resnet(9, channels, size, classes, **parts)


def resnet110(channels=1, size=28, classes=10, **parts):
    """ResNet-110, with `parts` as in small_resnet: width, stem_stride, shortcut."""
    return small_resnet(18, channels, size, classes, **parts)


def _check_stages(layers, widths):
    if not layers or len(layers) != len(widths) or min(layers) < 1:
        raise ValueError(
            f"layers and widths need one number a stage, 1 or more, got {layers} and "
            f"{widths}; try layers=(3, 3, 3), widths=(16, 32, 64)"
        )
