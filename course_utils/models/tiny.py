"""Two models that need no paper: a single layer, and the least of a convolutional net.

They train in seconds on a laptop and are what others have to beat.
"""

from torch import nn

from course_utils.models.shapes import check_shapes


def linear(channels=1, size=28, classes=10):
    """The linear classifier, [N, channels, size, size] -> logits [N, classes].

    One weight for each pixel and class, 7,850 parameters with the defaults. With the
    cross-entropy it is softmax regression. Raises ValueError for sizes below 1.
    """
    check_shapes("linear", channels, size, classes)
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, classes))


def tiny_cnn(channels=1, size=28, classes=10):
    """Three convolutions and a linear layer, [N, channels, H, W] -> [N, classes].

    16, 32 and 64 channels, padded 3 x 3 kernels, ReLU; the map is halved twice and then
    averaged down to 2 x 2 whatever its size. 25,866 parameters with the defaults.
    Raises ValueError for images of less than 8 x 8, where no 2 x 2 would be left.
    """
    check_shapes("tiny_cnn", channels, size, classes, smallest=8)
    layers = [nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 2 * 2, classes))
