"""Wrong answers to the exercises of chapter 03: what is wrong, and the code for it."""

from changing import changed

EPOCH = """
def one_epoch(theta, X, y, eta, batch_size):
    for start in range(0, len(X), batch_size):
        rows = X[start : start + batch_size]
        targets = y[start : start + batch_size]
        gradient = rows.T @ (rows @ theta - targets) / len(rows)
        theta = theta - eta * gradient
    return theta
"""
RATE = """
def largest_rate(loss, theta):
    H = torch.autograd.functional.hessian(loss, theta)
    return 2 / torch.linalg.eigvalsh(H)[-1]
"""
SCALED = """
def scaled_rate(rate, batch_size, new_batch_size, sharpness):
    return min(rate * new_batch_size / batch_size, 2 / sharpness)
"""


ANSWERS = {
    "one_epoch": {
        "wrong": {
            "one step with all": changed(
                EPOCH, ("    for", "    batch_size = len(X)\n    for")
            ),
            "uphill": changed(EPOCH, ("theta - eta", "theta + eta")),
            "the sum": changed(EPOCH, (" / len(rows)", "")),
            "divided by batch_size": changed(EPOCH, ("/ len(rows)", "/ batch_size")),
            "divided by all": changed(EPOCH, ("/ len(rows)", "/ len(X)")),
            "the last left out": changed(
                EPOCH, ("len(X), batch_size)", "len(X) - batch_size + 1, batch_size)")
            ),
            "at the first theta": changed(
                EPOCH,
                ("    for", "    first = theta\n    for"),
                ("rows @ theta", "rows @ first"),
            ),
            "without the half": changed(EPOCH, ("rows.T @ (", "2 * rows.T @ (")),
            "in place": changed(
                EPOCH, ("theta = theta - eta * gradient", "theta -= eta * gradient")
            ),
        }
    },
    "largest_rate": {
        "wrong": {
            "one over": changed(RATE, ("2 / ", "1 / ")),
            "the smallest": changed(RATE, ("[-1]", "[0]")),
            "the eigenvalue": changed(RATE, ("2 / ", "")),
            "twice": changed(RATE, ("2 / ", "2 * ")),
            "the diagonal": changed(
                RATE, ("torch.linalg.eigvalsh(H)[-1]", "H.diagonal().max()")
            ),
            "the best rate": changed(
                RATE,
                ("    return 2", "    values = torch.linalg.eigvalsh(H)\n    return 2"),
                ("torch.linalg.eigvalsh(H)[-1]", "(values[0] + values[-1])"),
            ),
            "the largest absolute value": changed(RATE, ("[-1]", ".abs().max()")),
            "the trace": changed(RATE, ("torch.linalg.eigvalsh(H)[-1]", "H.trace()")),
            "the norm": changed(RATE, ("torch.linalg.eigvalsh(H)[-1]", "H.norm()")),
            "at zero": changed(
                RATE, ("(loss, theta)\n    r", "(loss, 0 * theta)\n    r")
            ),
            "all eigenvalues": changed(RATE, ("[-1]", "")),
        }
    },
    "scaled_rate": {
        "wrong": {
            "the inverse": changed(
                SCALED, ("new_batch_size / batch_size", "batch_size / new_batch_size")
            ),
            "the root": changed(
                SCALED,
                (
                    "new_batch_size / batch_size",
                    "(new_batch_size / batch_size) ** 0.5",
                ),
            ),
            "no cap": changed(SCALED, (", 2 / sharpness", ", float('inf')")),
            "the sharpness as cap": changed(SCALED, ("2 / sharpness", "sharpness")),
            "rounded": changed(
                SCALED,
                (
                    "rate * new_batch_size / batch_size",
                    "rate * (new_batch_size // batch_size)",
                ),
            ),
            "half the cap": changed(SCALED, ("2 / sharpness", "1 / sharpness")),
            "not scaled": changed(SCALED, (" * new_batch_size / batch_size", "")),
            "always the cap": changed(SCALED, ("min(", "max(")),
        }
    },
}
