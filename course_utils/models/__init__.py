"""The models of the course, one module a paper. Here are their builders.

Each is called as `builder(channels=1, size=28, classes=10)`, the shape of the images
and the number of classes, and returns an untrained module that turns images
[N, channels, size, size] into logits [N, classes]. Blocks, and what else a net is built
of, are imported from its own module: `from course_utils.models.resnet import ResNet`.
"""

from course_utils.models.lenet import lenet
from course_utils.models.resnet import (
    resnet20,
    resnet32,
    resnet44,
    resnet56,
    resnet110,
)
from course_utils.models.tiny import linear, tiny_cnn

__all__ = [
    "lenet",
    "linear",
    "resnet20",
    "resnet32",
    "resnet44",
    "resnet56",
    "resnet110",
    "tiny_cnn",
]
