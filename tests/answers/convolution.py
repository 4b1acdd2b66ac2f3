"""Wrong answers to the exercises of chapter 08: what is wrong, and the code for it."""

from changing import changed

LAYER = """
def convolution_layer(x, weight, bias, stride=1, padding=0):
    N, C, H, W = x.shape
    kernels, _, K, _ = weight.shape
    padded = x.new_zeros(N, C, H + 2 * padding, W + 2 * padding)
    padded[:, :, padding : padding + H, padding : padding + W] = x
    rows = (H + 2 * padding - K) // stride + 1
    columns = (W + 2 * padding - K) // stride + 1
    y = x.new_zeros(N, kernels, rows, columns)
    for n in range(N):
        for o in range(kernels):
            for i in range(rows):
                for j in range(columns):
                    top, left = i * stride, j * stride
                    window = padded[n, :, top : top + K, left : left + K]
                    y[n, o, i, j] = (window * weight[o]).sum() + bias[o]
    return y
"""
IM2COL = """
def im2col(x, K, stride=1):
    windows = x.unfold(2, K, stride).unfold(3, K, stride)
    return windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, x.shape[1] * K * K)
"""
POOL = """
def max_pool(x, K, stride, padding=0):
    N, C, H, W = x.shape
    padded = x.new_full((N, C, H + 2 * padding, W + 2 * padding), float("-inf"))
    padded[:, :, padding : padding + H, padding : padding + W] = x
    return padded.unfold(2, K, stride).unfold(3, K, stride).amax((4, 5))
"""


ANSWERS = {
    "convolution_layer": {
        "wrong": {
            "one too few": changed(LAYER, (" // stride + 1", " // stride")),
            "pixels instead of windows": changed(
                LAYER, (" - K) // stride + 1", ") // stride")
            ),
            "the stride forgotten in the size": changed(
                LAYER, (" // stride + 1", " + 1"), ("i * stride, j * stride", "i, j")
            ),
            "the stride forgotten in the windows": changed(
                LAYER, ("i * stride, j * stride", "i, j")
            ),
            "rounded up": changed(
                LAYER,
                (
                    "(H + 2 * padding - K) // stride",
                    "-(-(H + 2 * padding - K) // stride)",
                ),
                (
                    "(W + 2 * padding - K) // stride",
                    "-(-(W + 2 * padding - K) // stride)",
                ),
                (
                    "    y = x.new",
                    "    padded = F.pad(padded, (0, stride, 0, stride))\n    y = x.new",
                ),
            ),
            "the kernel turned": changed(
                LAYER, ("weight[o])", "weight[o].flip(1, 2))")
            ),
            "the kernel transposed": changed(LAYER, ("weight[o])", "weight[o].mT)")),
            "padding on one side": changed(
                LAYER,
                (
                    "padded[:, :, padding : padding + H, padding : padding + W]",
                    "padded[:, :, 2 * padding :, 2 * padding :]",
                ),
            ),
            "padding counted once": changed(LAYER, ("2 * padding - K", "padding - K")),
            "no padding": changed(LAYER, ("    N, C", "    padding = 0\n    N, C")),
            "copies of the edge": changed(
                LAYER,
                (
                    "    rows =",
                    '    padded = F.pad(x, (padding,) * 4, mode="replicate")\n'
                    "    rows =",
                ),
            ),
            "no bias": changed(LAYER, (" + bias[o]", "")),
            "the bias added to each product": changed(
                LAYER, ("weight[o]).sum() + bias[o]", "weight[o] + bias[o]).sum()")
            ),
            "the mean of the products": changed(LAYER, (".sum()", ".mean()")),
            "only the first channel": changed(
                LAYER,
                ("padded[n, :,", "padded[n, :1,"),
                ("weight[o])", "weight[o, :1])"),
            ),
            "the channels overwrite each other": changed(
                LAYER,
                ("padded[n, :,", "padded[n, -1:,"),
                ("weight[o])", "weight[o, -1:])"),
            ),
            "the first kernel for all": changed(LAYER, ("weight[o])", "weight[0])")),
            "one map per input channel": changed(
                LAYER,
                ("kernels, rows, columns)", "C, rows, columns)"),
                ("range(kernels)", "range(C)"),
            ),
            "the first image for all": changed(LAYER, ("padded[n,", "padded[0,")),
            "torch's own": "def convolution_layer(x, weight, bias, stride, padding):\n"
            "    return F.conv2d(x, weight, bias, stride, padding)",
        }
    },
    "im2col": {
        "wrong": {
            "not permuted": changed(IM2COL, (".permute(0, 2, 3, 1, 4, 5)", "")),
            "channels last": changed(IM2COL, ("0, 2, 3, 1, 4, 5", "0, 2, 3, 4, 5, 1")),
            "places before images": changed(
                IM2COL, ("0, 2, 3, 1, 4, 5", "2, 3, 0, 1, 4, 5")
            ),
            "down the columns": changed(
                IM2COL, ("0, 2, 3, 1, 4, 5", "0, 3, 2, 1, 4, 5")
            ),
            "windows transposed": changed(
                IM2COL, ("0, 2, 3, 1, 4, 5", "0, 2, 3, 1, 5, 4")
            ),
            "windows turned": changed(
                IM2COL, ("windows.permute", "windows.flip(4, 5).permute")
            ),
            "the stride forgotten": changed(
                IM2COL,
                ("unfold(2, K, stride)", "unfold(2, K, 1)"),
                ("unfold(3, K, stride)", "unfold(3, K, 1)"),
            ),
            "transposed": changed(IM2COL, ("K * K)", "K * K).T")),
            "each channel its own row": changed(
                IM2COL,
                ("0, 2, 3, 1, 4, 5", "0, 1, 2, 3, 4, 5"),
                ("x.shape[1] * K * K", "K * K"),
            ),
            "not merged": changed(IM2COL, (".reshape(-1,", ".reshape(len(x), -1,")),
            "torch's own": "def im2col(x, K, stride=1):\n"
            "    return F.unfold(x, K, stride=stride).transpose(1, 2).flatten(0, 1)",
        }
    },
    "max_pool": {
        "wrong": {
            "padded with zeros": changed(POOL, ('float("-inf")', "0.0")),
            "no padding": changed(POOL, ("    N, C", "    padding = 0\n    N, C")),
            "the distance is K": changed(POOL, ("K, stride)", "K, K)")),
            "the stride is 1": changed(POOL, ("K, stride)", "K, 1)")),
            "the mean": changed(POOL, ("amax(", "mean("), ('float("-inf")', "0.0")),
            "the smallest": changed(POOL, ("amax(", "amin("), ('"-inf"', '"inf"')),
            "the largest of all channels": changed(
                POOL, ("amax((4, 5))", "amax((1, 4, 5))")
            ),
            "the upper left number": changed(POOL, (".amax((4, 5))", "[..., 0, 0]")),
            "the largest absolute value": changed(POOL, ("= x\n", "= x.abs()\n")),
            "windows that do not move with the stride": changed(
                POOL,
                (".amax((4, 5))", ""),
                (
                    "return padded.unfold(2, K, stride).unfold(3, K, stride)",
                    "size = [(n + 2 * padding - K) // stride + 1 for n in (H, W)]\n"
                    "    windows = padded.unfold(2, K, 1).unfold(3, K, 1)\n"
                    "    return windows[:, :, : size[0], : size[1]].amax((4, 5))",
                ),
            ),
            "torch's own": "def max_pool(x, K, stride, padding=0):\n"
            "    return F.max_pool2d(x, K, stride, padding)",
        }
    },
}
