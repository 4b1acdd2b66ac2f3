"""Wrong answers to the exercises of chapter 05 on initial weights and dead layers."""

from changing import changed

STD = """
from course_utils.initialization import fans


def leaky_std(weight, slope):
    fan_in, fan_out = fans(weight)
    return math.sqrt(2 / ((1 + slope**2) * fan_in))
"""
MEND = """
def mend(model, x):
    h = x
    for index, layer in enumerate(model):
        h = layer(h)
        if isinstance(layer, nn.ReLU) and not h.any():
            he_(model[index - 1].weight)
            nn.init.zeros_(model[index - 1].bias)
            return index
"""

ANSWERS = {
    "leaky_std": {
        "wrong": {
            "a ReLU's": changed(STD, ("(1 + slope**2) * ", "")),
            "2 over the root": changed(
                STD,
                (
                    "math.sqrt(2 / ((1 + slope**2) * fan_in))",
                    "2 / math.sqrt((1 + slope**2) * fan_in)",
                ),
            ),
            "slope not squared": changed(STD, ("slope**2", "slope")),
            "the sum squared": changed(STD, ("(1 + slope**2)", "(1 + slope) ** 2")),
            "larger, not smaller": changed(
                STD, ("2 / ((1 + slope**2) * fan_in)", "2 * (1 + slope**2) / fan_in")
            ),
            "1 minus": changed(STD, ("1 + slope**2", "1 - slope**2 / 2")),
            "fan-out": changed(STD, ("* fan_in", "* fan_out")),
            "both fans": changed(STD, ("* fan_in", "* (fan_in + fan_out) / 2")),
            "channels only": changed(STD, ("* fan_in", "* weight.shape[1]")),
            "the variance": changed(STD, ("math.sqrt(", "(")),
            "no 2": changed(STD, ("sqrt(2", "sqrt(1")),
            "a tensor": changed(STD, ("math.sqrt(", "torch.tensor(")),
        }
    },
    "mend": {
        "wrong": {
            "the Linear's index": changed(MEND, ("return index", "return index - 1")),
            "the next ReLU": changed(MEND, ("return index", "return index + 2")),
            "counted from 1": changed(
                MEND, ("return index", "return (index + 1) // 2 * 2 + 5")
            ),
            "no index": changed(MEND, ("return index", "return model")),
            "the first layer that is half zero": changed(
                MEND, ("not h.any()", "(h == 0).float().mean() > 0.4")
            ),
            "bias only": changed(MEND, ("he_(model[index - 1].weight)", "pass")),
            "weights only": changed(
                MEND, ("nn.init.zeros_(model[index - 1].bias)", "pass")
            ),
            "normal weights": changed(MEND, ("he_(", "nn.init.normal_(")),
            "positive bias": changed(MEND, ("zeros_(", "ones_(")),
            "half of the units": changed(
                MEND,
                (
                    "            return",
                    "            model[index - 1].bias.data[::2] = -99\n"
                    "            return",
                ),
            ),
            "all layers": changed(
                MEND,
                (
                    "he_(model[index - 1].weight)",
                    "[he_(part.weight) for part in model[::2]]",
                ),
            ),
            "a leaky ReLU": changed(
                MEND,
                (
                    "            return",
                    "            model[index] = nn.LeakyReLU()\n            return",
                ),
            ),
            "nothing mended": changed(
                MEND,
                ("he_(model[index - 1].weight)", "pass"),
                ("nn.init.zeros_(model[index - 1].bias)", "pass"),
            ),
        }
    },
}
