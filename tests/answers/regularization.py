"""Wrong answers to the exercises on dropout and label smoothing of chapter 06."""

from changing import changed

DROPOUT = """
def my_dropout(x, p, training):
    if not training:
        return x
    keep = torch.rand(x.shape) >= p
    return x * keep / (1 - p)
"""
LOSS = """
def my_smoothed_loss(logits, labels, smoothing):
    n, k = logits.shape
    targets = torch.full_like(logits, smoothing / k)
    targets[torch.arange(n), labels] += 1 - smoothing
    return -(targets * logits.log_softmax(dim=1)).sum(dim=1).mean()
"""

ANSWERS = {
    "my_dropout": {
        "wrong": {
            "no factor": changed(DROPOUT, (" / (1 - p)", "")),
            "multiplied": changed(DROPOUT, (" / (1 - p)", " * (1 - p)")),
            "divided by p": changed(DROPOUT, ("/ (1 - p)", "/ p")),
            "the factor at test time": changed(
                DROPOUT, ("return x\n", "return x * (1 - p)\n"), (" / (1 - p)", "")
            ),
            "scaled up at test time": changed(
                DROPOUT, ("return x\n", "return x / (1 - p)\n")
            ),
            "always on": changed(DROPOUT, ("if not training", "if p == 0")),
            "never on": changed(DROPOUT, ("if not training", "if True")),
            "p is what stays": changed(DROPOUT, (">= p", "< p"), ("/ (1 - p)", "/ p")),
            "too many": changed(DROPOUT, (">= p", ">= p + 0.1")),
            "one number for a row": changed(DROPOUT, ("x.shape", "len(x), 1")),
            "the mask of the first call": changed(
                DROPOUT, ("    keep =", "    torch.manual_seed(0)\n    keep =")
            ),
            "the input changed": changed(DROPOUT, ("x * keep", "x.mul_(keep)")),
            "no gradient": changed(DROPOUT, ("x * keep", "x.detach() * keep")),
            "another mask in backward": changed(
                DROPOUT,
                (
                    "return x * keep / (1 - p)",
                    "y = x * keep / (1 - p)\n    return y.detach() + x - x.detach()",
                ),
            ),
            "torch's own": "def my_dropout(x, p, training):\n"
            "    return torch.nn.functional.dropout(x, p, training)\n",
        }
    },
    "my_smoothed_loss": {
        "wrong": {
            "wrong classes only": changed(
                LOSS,
                ("smoothing / k)", "smoothing / (k - 1))"),
                ("labels] += 1", "labels] = 1"),
            ),
            "K - 1": changed(LOSS, ("smoothing / k)", "smoothing / (k - 1))")),
            "the whole smoothing to each": changed(
                LOSS, ("smoothing / k)", "smoothing)")
            ),
            "more than 1": changed(LOSS, ("+= 1 - smoothing", "+= 1")),
            "less than 1": changed(LOSS, ("labels] += 1", "labels] = 1")),
            "no smoothing": changed(
                LOSS, ("smoothing / k)", "0.0)"), ("+= 1 - smoothing", "+= 1")
            ),
            "swapped": changed(
                LOSS, ("smoothing / k)", "(1 - smoothing) / k)"), ("+= 1 - ", "+= ")
            ),
            "a sum": changed(LOSS, (".sum(dim=1).mean()", ".sum()")),
            "a mean over all": changed(LOSS, (".sum(dim=1).mean()", ".mean()")),
            "one loss an image": changed(LOSS, (".sum(dim=1).mean()", ".sum(dim=1)")),
            "the sign": changed(LOSS, ("-(targets", "(targets")),
            "logits": changed(LOSS, (".log_softmax(dim=1)", "")),
            "softmax": changed(LOSS, ("log_softmax", "softmax")),
            "over images": changed(LOSS, ("log_softmax(dim=1)", "log_softmax(dim=0)")),
            "logits changed": changed(
                LOSS, ("logits.log_softmax", "logits.sub_(1).log_softmax")
            ),
            "no gradient": changed(LOSS, ("logits.log", "logits.detach().log")),
            "the logarithm of softmax": changed(
                LOSS, ("log_softmax(dim=1)", "softmax(dim=1).log()")
            ),
            "the logarithm of softmax, kept from 0": changed(
                LOSS, ("log_softmax(dim=1)", "softmax(dim=1).clamp(1e-30).log()")
            ),
            "torch's own": "def my_smoothed_loss(logits, labels, smoothing):\n"
            "    return F.cross_entropy(logits, labels, label_smoothing=smoothing)\n",
        }
    },
}
