"""Wrong answers to the exercise on early stopping of chapter 06."""

from changing import changed

STOP = """
def train_until_worse(model, train, validate, patience, most):
    best, waited, weights = math.inf, 0, None
    for epoch in range(1, most + 1):
        train()
        loss = validate()
        if loss < best:
            best, waited = loss, 0
            weights = copy.deepcopy(model.state_dict())
        else:
            waited += 1
        if waited > patience:
            break
    if weights is not None:
        model.load_state_dict(weights)
    return epoch
"""

ANSWERS = {
    "train_until_worse": {
        "wrong": {
            "the last weights": changed(
                STOP, ("        model.load_state_dict(weights)\n", "        pass\n")
            ),
            "only the parameters": changed(
                STOP,
                (
                    "weights = copy.deepcopy(model.state_dict())",
                    "weights = [p.detach().clone() for p in model.parameters()]",
                ),
                (
                    "model.load_state_dict(weights)",
                    "for p, w in zip(model.parameters(), weights):\n"
                    "            p.data.copy_(w)",
                ),
            ),
            "one too early": changed(STOP, ("waited > patience", "waited >= patience")),
            "one too late": changed(
                STOP, ("waited > patience", "waited > patience + 1")
            ),
            "never reset": changed(STOP, ("best, waited = loss, 0", "best = loss")),
            "the wrong way": changed(
                STOP, ("loss < best", "loss > best"), ("math.inf", "-math.inf")
            ),
            "with the epoch before": changed(
                STOP,
                ("            waited += 1\n", "            waited += 1\n"
                 "        best = loss\n"),
            ),
            "never stops": changed(STOP, ("            break", "            pass")),
            "the last of ties is kept": changed(
                STOP,
                ("        if loss < best:",
                 "        if loss == best:\n"
                 "            weights = copy.deepcopy(model.state_dict())\n"
                 "        if loss < best:"),
            ),
            "references": changed(
                STOP, ("copy.deepcopy(model.state_dict())", "model.state_dict()")
            ),
            "ties go on for ever": changed(STOP, ("loss < best", "loss <= best")),
            "NaN counts as better": changed(
                STOP, ("if loss < best", "if not loss >= best")
            ),
            "a NaN at first is the best": changed(
                STOP,
                ("waited, weights = math.inf, 0", "waited, weights = None, 0"),
                ("if loss < best", "if best is None or loss < best"),
            ),
            "fails without a best": changed(
                STOP, ("    if weights is not None:\n        model", "    model")
            ),
            "first weights without a best": changed(
                STOP, ("0, None", "0, copy.deepcopy(model.state_dict())")
            ),
            "no result": changed(STOP, ("    return epoch\n", "")),
            "the best epoch": changed(
                STOP, ("best, waited = loss, 0", "best, waited, at = loss, 0, epoch"),
                ("return epoch", "return at"),
            ),
            "asked twice": changed(
                STOP, ("best, waited = loss, 0", "best, waited = validate(), 0")
            ),
            "no training": changed(STOP, ("        train()\n", "")),
            "one epoch more": changed(STOP, ("most + 1", "most + 2")),
        }
    },
}  # fmt: skip
