"""Wrong answers to the exercises of chapter 09: what is wrong, and the code for it."""

from changing import changed

WEIGHT = """
def weight_gradient(error, x, K, stride=1):
    N, O, rows, columns = error.shape
    gradient = error.new_zeros(O, x.shape[1], K, K)
    for n in range(N):
        for o in range(O):
            for i in range(rows):
                for j in range(columns):
                    top, left = i * stride, j * stride
                    window = x[n, :, top : top + K, left : left + K]
                    gradient[o] += error[n, o, i, j] * window
    return gradient
"""
LINE = """
def line_gradient(error, w, length, stride):
    gradient = error.new_zeros(length)
    for i in range(len(error)):
        for u in range(len(w)):
            gradient[i * stride + u] += error[i] * w[u]
    return gradient
"""
LEAKY = """
class LeakyReLUFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, slope):
        ctx.save_for_backward(x)
        ctx.slope = slope
        return torch.where(x > 0, x, slope * x)

    @staticmethod
    def backward(ctx, error):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, error, ctx.slope * error), None
"""


ANSWERS = {
    "weight_gradient": {
        "wrong": {
            "turned": changed(
                WEIGHT, ("return gradient", "return gradient.flip(2, 3)")
            ),
            "transposed": changed(WEIGHT, ("* window", "* window.mT")),
            "the mean over the images": changed(
                WEIGHT, ("return gradient", "return gradient / N")
            ),
            "the mean over the places": changed(
                WEIGHT, ("return gradient", "return gradient / (rows * columns)")
            ),
            "the mean over both": changed(
                WEIGHT, ("return gradient", "return gradient / (N * rows * columns)")
            ),
            "overwritten": changed(WEIGHT, ("+=", "=")),
            "the first image only": changed(WEIGHT, ("range(N)", "range(1)")),
            "the last image only": changed(WEIGHT, ("range(N)", "[N - 1]")),
            "the stride forgotten": changed(WEIGHT, ("i * stride, j * stride", "i, j")),
            "single precision": changed(
                WEIGHT,
                (
                    "error.new_zeros(O, x.shape[1], K, K)",
                    "torch.zeros(O, x.shape[1], K, K)",
                ),
            ),
            "its input is changed": changed(
                WEIGHT, ("    return", "    error.zero_()\n    return")
            ),
            "not summed over the images": changed(
                WEIGHT, ("zeros(O,", "zeros(N, O,"), ("gradient[o]", "gradient[n, o]")
            ),
            "channels first": changed(
                WEIGHT, ("return gradient", "return gradient.transpose(0, 1)")
            ),
            "errors of all maps": changed(
                WEIGHT, ("error[n, o, i, j]", "error[n, :, i, j].sum()")
            ),
            "windows of all channels": changed(WEIGHT, ("* window", "* window.sum(0)")),
            "torch's own": "def weight_gradient(error, x, K, stride=1):\n"
            "    size = error.shape[1], x.shape[1], K, K\n"
            "    return torch.nn.grad.conv2d_weight(x, size, error, stride)",
        }
    },
    "line_gradient": {
        "wrong": {
            "the stride forgotten": changed(LINE, ("i * stride + u", "i + u")),
            "dilated instead": changed(LINE, ("i * stride + u", "i + stride * u")),
            "a zero too many": changed(
                LINE,
                ("i * stride + u", "i * (stride + 1) + u"),
                ("zeros(length)", "zeros(2 * length + len(w))"),
                ("return gradient", "return gradient[:length]"),
            ),
            "errors repeated": changed(
                LINE,
                (
                    "    gradient =",
                    "    error, stride = error.repeat_interleave(stride), 1\n"
                    "    gradient =",
                ),
                ("zeros(length)", "zeros(2 * length + len(w))"),
                ("return gradient", "return gradient[:length]"),
            ),
            "the kernel turned": changed(LINE, ("w[u]", "w[len(w) - 1 - u]")),
            "overwritten": changed(LINE, ("+=", "=")),
            "only what the windows reach": changed(
                LINE, ("zeros(length)", "zeros((len(error) - 1) * stride + len(w))")
            ),
            "one for each error": changed(
                LINE,
                ("zeros(length)", "zeros(len(error))"),
                ("gradient[i * stride + u]", "gradient[i]"),
            ),
            "the mean": changed(
                LINE, ("return gradient", "return gradient / len(error)")
            ),
            "torch's own": "def line_gradient(error, w, length, stride):\n"
            "    y = F.conv_transpose1d(error[None, None], w[None, None], "
            "stride=stride)[0, 0]\n"
            "    return F.pad(y, (0, length - len(y)))",
        }
    },
    "leaky_relu": {
        "wrong": {
            "the error forgotten": changed(
                LEAKY,
                ("x > 0, error, ctx.slope * error", "x > 0, 1.0, ctx.slope + 0 * x"),
            ),
            "the sign of the error": changed(
                LEAKY, ("x > 0, error,", "error > 0, error,")
            ),
            "a fixed slope": changed(LEAKY, ("ctx.slope * error", "0.1 * error")),
            "the gradient at 0": changed(
                LEAKY, ("torch.where(x > 0, error,", "torch.where(x >= 0, error,")
            ),
            "the order of the gradients": changed(
                LEAKY,
                (
                    "return torch.where(x > 0, error, ctx.slope * error), None",
                    "return None, torch.where(x > 0, error, ctx.slope * error)",
                ),
            ),
            "the slope saved as a tensor": changed(
                LEAKY,
                ("save_for_backward(x)", "save_for_backward(x, slope)"),
                ("        ctx.slope = slope\n", ""),
            ),
            "swapped": changed(
                LEAKY, ("error, ctx.slope * error", "ctx.slope * error, error")
            ),
            "plain ReLU backward": changed(LEAKY, ("ctx.slope * error", "0 * error")),
            "all passes": changed(LEAKY, ("ctx.slope * error", "error")),
            "plain ReLU forward": changed(LEAKY, ("x, slope * x", "x, 0 * x")),
            "the output for the derivative": changed(
                LEAKY,
                ("error, ctx.slope * error", "x * error, ctx.slope * x * error"),
            ),
            "one gradient for two arguments": changed(
                LEAKY, ("ctx.slope * error), None", "ctx.slope * error)")
            ),
            "no gradient for x": changed(
                LEAKY,
                (
                    "return torch.where(x > 0, error, ctx.slope * error), None",
                    "return None, None",
                ),
            ),
            "a function, not a class": "def LeakyReLUFunction(x, slope):\n"
            "    return torch.where(x > 0, x, slope * x)",
        }
    },
}
