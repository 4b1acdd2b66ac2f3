"""LeNet-5, the convolutional net that read bank cheques.

LeCun, Bottou, Bengio and Haffner 1998, "Gradient-Based Learning Applied to Document
Recognition", section II.B and figure 2, whose names the layers have: C1 to F6.

Deviations, all of them what is usual today:
- ReLU in place of a scaled tanh, and the largest of 2 x 2 pixels in place of a trained
  multiple of their sum, which removes the 12 + 32 parameters of S2 and S4;
- each map of C3 sees all six maps of S2, not three to six of them as in table I: 2,416
  parameters in place of 1,516;
- the output is a linear layer for the cross-entropy, 850 parameters, in place of ten
  fixed Euclidean distances (RBF units) with a loss of their own;
- the initialization is torch's, not uniform within 2.4 / fan-in of 0.
60,000 parameters of the paper - 12 - 32 + 900 + 850 = 61,706 here.
"""

from collections import OrderedDict

from torch import nn

from course_utils.models.shapes import check_shapes

FIELD = 32  # pixels a side in the paper, around digits of at most 20 x 20


def lenet(channels=1, size=28, classes=10, *,
          conv=nn.Conv2d, pool=nn.MaxPool2d, linear=nn.Linear,
          activation=nn.ReLU):  # fmt: skip
    """LeNet-5, [N, channels, size, size] -> [N, classes]; 61,706 parameters at 28 x 28.

    C1 pads smaller images to the paper's 32 x 32 (or 33, if they are odd); larger ones
    leave C5 more than 5 x 5 pixels, and so more parameters. The kinds of layers are
    exchangeable. Taught in chapter 09."""
    check_shapes("lenet", channels, size, classes)
    padding = max(0, (FIELD - size + 1) // 2)
    side = ((size + 2 * padding - 4) // 2 - 4) // 2  # of S4's maps: 5 up to 32 x 32
    return nn.Sequential(OrderedDict(
        c1=conv(channels, 6, 5, padding=padding), c1_active=activation(),
        s2=pool(2),
        c3=conv(6, 16, 5), c3_active=activation(),
        s4=pool(2), flat=nn.Flatten(),
        c5=linear(16 * side * side, 120), c5_active=activation(),
        f6=linear(120, 84), f6_active=activation(),
        output=linear(84, classes),
    ))  # fmt: skip
