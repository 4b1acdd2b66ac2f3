"""Wrong answers to the exercise on max pooling backward: what is wrong, and code."""

from changing import changed

POOL = """
def max_pool_gradient(error, x, K, stride):
    gradient = torch.zeros_like(x)
    N, C, rows, columns = error.shape
    for n in range(N):
        for c in range(C):
            for i in range(rows):
                for j in range(columns):
                    top, left = i * stride, j * stride
                    window = x[n, c, top : top + K, left : left + K]
                    first = (window == window.max()).flatten().tolist().index(True)
                    row, column = divmod(first, K)
                    gradient[n, c, top + row, left + column] += error[n, c, i, j]
    return gradient
"""
FIRST = "first = (window == window.max()).flatten().tolist().index(True)\n"
WINNER = """                    row, column = divmod(first, K)
                    gradient[n, c, top + row, left + column] += error[n, c, i, j]
"""


def for_winners(line):
    """POOL with another rule: what happens to a window whose winners are `best`."""
    place = "gradient[n, c, top : top + K, left : left + K]"
    return changed(
        POOL,
        (FIRST, "best = window == window.max()\n"),
        (WINNER, f"                    {place} {line}\n"),
    )


ANSWERS = {
    "max_pool_gradient": {
        "wrong": {
            "ties doubled": for_winners("+= error[n, c, i, j] * best"),
            "ties shared": for_winners("+= error[n, c, i, j] * best / best.sum()"),
            "the last of several": changed(
                POOL,
                (".index(True)", "[::-1].index(True)"),
                ("(first, K)", "(K * K - 1 - first, K)"),
            ),
            "down the columns": changed(
                POOL,
                ("window.max()).flatten()", "window.max()).T.flatten()"),
                ("row, column =", "column, row ="),
            ),
            "overwritten": changed(POOL, ("+=", "=")),
            "the stride forgotten": changed(POOL, ("i * stride, j * stride", "i, j")),
            "pooled without overlap": changed(
                POOL,
                ("i * stride, j * stride", "min(i * K, 7 - K), min(j * K, 8 - K)"),
            ),
            "everyone": for_winners("+= error[n, c, i, j]"),
            "the mean": for_winners("+= error[n, c, i, j] / K**2"),
            "the shape of the error": changed(
                POOL, ("return gradient", "return gradient[:, :, :rows, :columns]")
            ),
            "torch's own": "def max_pool_gradient(error, x, K, stride):\n"
            "    x = x.clone().requires_grad_()\n"
            "    F.max_pool2d(x, K, stride).backward(error)\n"
            "    return x.grad",
        }
    },
}
