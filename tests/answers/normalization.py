"""Wrong answers to the exercises of chapter 05 on batch norm: what is wrong."""

from changing import changed

BACKWARD = """
def backward(g, x, weight, eps):
    M = len(x)
    std = (x.var(0, correction=0) + eps).sqrt()
    x_hat = (x - x.mean(0)) / std
    shift, stretch = g.mean(0), x_hat * (g * x_hat).mean(0)
    grad_x = weight / std * (g - shift - stretch)
    grad_weight, grad_bias = (g * x_hat).sum(0), g.sum(0)
    return grad_x, grad_weight, grad_bias
"""
FOLD = """
@torch.no_grad()
def fold(linear, norm):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    old = 0 if linear.bias is None else linear.bias
    folded = nn.Linear(linear.in_features, linear.out_features, dtype=scale.dtype)
    folded.weight.copy_(linear.weight * scale[:, None])
    folded.bias.copy_((old - norm.running_mean) * scale + norm.bias)
    return folded
"""
BIAS = "(old - norm.running_mean) * scale + norm.bias"


def kept(part):
    """The backward with another product in place of g - shift - stretch."""
    return changed(BACKWARD, ("(g - shift - stretch)", part))


ANSWERS = {
    "backward": {
        "wrong": {
            "evaluation mode": kept("g"),
            "no way through the mean": kept("(g - stretch)"),
            "no way through the variance": kept("(g - shift)"),
            "added": kept("(g + shift + stretch)"),
            "sums": changed(
                BACKWARD,
                (
                    "g.mean(0), x_hat * (g * x_hat).mean(0)",
                    "g.sum(0), x_hat * (g * x_hat).sum(0)",
                ),
            ),
            "means by M - 1": changed(
                BACKWARD,
                (
                    "g.mean(0), x_hat * (g * x_hat).mean(0)",
                    "g.sum(0) / (M - 1), x_hat * (g * x_hat).sum(0) / (M - 1)",
                ),
            ),
            "no weight": changed(BACKWARD, ("weight / std", "1 / std")),
            "no 1/s": changed(BACKWARD, ("weight / std", "weight")),
            "the variance": changed(BACKWARD, ("weight / std", "weight / std**2")),
            "no x_hat on the stretch": changed(
                BACKWARD, ("x_hat * (g * x_hat).mean", "(g * x_hat).mean")
            ),
            "x in the stretch": changed(
                BACKWARD, ("x_hat * (g * x_hat).mean", "x * (g * x).mean")
            ),
            "unbiased": changed(BACKWARD, ("correction=0", "correction=1")),
            "no eps": changed(BACKWARD, (" + eps", " + 0 * eps")),
            "x in the gradient of weight": changed(
                BACKWARD, ("(g * x_hat).sum(0)", "(g * x).sum(0)")
            ),
            "a mean for weight": changed(
                BACKWARD, ("(g * x_hat).sum(0)", "(g * x_hat).mean(0)")
            ),
            "a mean for bias": changed(BACKWARD, (", g.sum(0)", ", g.mean(0)")),
            "weight on bias": changed(
                BACKWARD, (", g.sum(0)", ", (g * weight).sum(0)")
            ),
            "swapped": changed(
                BACKWARD, ("grad_weight, grad_bias =", "grad_bias, grad_weight =")
            ),
            "not summed": changed(BACKWARD, ("(g * x_hat).sum(0)", "g * x_hat")),
            "over the channels": changed(
                BACKWARD, ("(g * x_hat).sum(0)", "(g * x_hat).sum(1)")
            ),
            "summed over everything": changed(BACKWARD, (", g.sum(0)", ", g.sum()")),
            "x only": changed(
                BACKWARD, ("return grad_x, grad_weight, grad_bias", "return grad_x")
            ),
            "in place": changed(BACKWARD, ("    return", "    g -= shift\n    return")),
            "torch's": changed(
                BACKWARD,
                (
                    "    M = len(x)",
                    "    from torch.nn.functional import batch_norm\n"
                    "    batch_norm(x, None, None, training=True)",
                ),
            ),
        }
    },
    "fold": {
        "wrong": {
            "a bias is always expected": changed(
                FOLD, ("0 if linear.bias is None else linear.bias", "linear.bias")
            ),
            "the first layer alone": changed(
                FOLD, (" * scale[:, None]", ""), (BIAS, "old + 0 * norm.bias")
            ),
            "no eps": changed(FOLD, (" + norm.eps", "")),
            "no root": changed(FOLD, (".sqrt()", "")),
            "no gamma": changed(FOLD, ("norm.weight /", "1 /")),
            "no beta": changed(FOLD, (" + norm.bias", "")),
            "no running mean": changed(FOLD, (" - norm.running_mean", "")),
            "bias lost": changed(FOLD, ("(old - norm", "(-norm")),
            "bias not scaled": changed(
                FOLD, (BIAS, "old - norm.running_mean * scale + norm.bias")
            ),
            "mean not scaled": changed(
                FOLD, (BIAS, "old * scale - norm.running_mean + norm.bias")
            ),
            "mean added": changed(FOLD, ("old - norm", "old + norm")),
            "weight not scaled": changed(FOLD, (" * scale[:, None]", "")),
            "columns scaled": changed(FOLD, ("scale[:, None]", "scale")),
            "in place": changed(
                FOLD,
                (
                    "folded.weight.copy_(linear.weight * scale[:, None])",
                    "folded.weight = linear.weight.mul_(scale[:, None])",
                ),
            ),
            "a Sequential": changed(
                FOLD, ("return folded", "return nn.Sequential(linear, norm)")
            ),
            "no bias": changed(FOLD, ("dtype=", "bias=False, dtype=")).replace(
                f"    folded.bias.copy_({BIAS})\n", ""
            ),
            "turned": changed(
                FOLD,
                (
                    "linear.in_features, linear.out_features",
                    "linear.out_features, linear.in_features",
                ),
                (
                    "linear.weight * scale[:, None]",
                    "(linear.weight * scale[:, None]).T",
                ),
                (BIAS, "folded.bias"),
            ),
        }
    },
}
