"""The checks of the exercises on gradient descent (chapter 03)."""

import torch

from course_utils.exercises import Wrong, describe, exercise
from course_utils.exercises.tensors import check_tensor, likely_mistake, numbers, same
from course_utils.exercises.watching import Watch

# One pass in mini-batches


@exercise
def check_one_epoch(one_epoch):
    """one_epoch(theta, X, y, eta, batch_size) for the loss of least squares."""
    advice = "write the gradient of the squares yourself"
    for case, (N, B) in enumerate(((6, 6), (6, 1), (6, 2), (7, 3), (5, 8))):
        X, y = numbers(N, 3, seed=case), numbers(N, seed=case + 9)
        theta = numbers(3, seed=case + 20)
        given = theta.clone(), X.clone(), y.clone()
        with Watch({"backward", "grad", "lstsq"}, advice):
            found = one_epoch(*given, 0.1, B)
        where = f"with {N} rows and batch_size={B}"
        check_tensor(found, (3,), f"{where} the new theta")
        right = _epoch(theta, X, y, B)
        if not same(found.double(), right):
            mistake = likely_mistake(found.double(), right, _mistakes(theta, X, y, B))
            unknown = (
                "; are the rows taken in order?" if "difference" in mistake else ""
            )
            raise Wrong(f"{where} {mistake}{unknown}")
        if not torch.equal(given[0], theta):
            raise Wrong("the call changed theta itself; work on a copy")
    return "all batch sizes, also where the last batch is short"


def _epoch(theta, X, y, B, scale=None, sign=-1, frozen=False, last=True):
    """One epoch; scale(batch) replaces the division by the size of the batch."""
    start = theta
    batches = list(zip(X.split(B), y.split(B), strict=True))
    if not last and len(batches[-1][0]) < B:
        batches = batches[:-1]
    for rows, targets in batches:
        residual = rows @ (start if frozen else theta) - targets
        size = len(rows) if scale is None else scale(rows)
        theta = theta + sign * 0.1 * rows.T @ residual / size
    return theta


def _mistakes(theta, X, y, B):
    return {
        "this is one step with all rows; take a step after each batch": _epoch(
            theta, X, y, len(X)
        ),
        "theta goes up the gradient; subtract it": _epoch(theta, X, y, B, sign=1),
        "the gradient is summed over the batch; take the mean": _epoch(
            theta, X, y, B, scale=lambda rows: 1
        ),
        "the last batch is short, and divided by batch_size; divide by its own size": (
            _epoch(theta, X, y, B, scale=lambda rows: B)
        ),
        "each batch is divided by the number of all rows; divide by the rows of the "
        "batch": _epoch(theta, X, y, B, scale=lambda rows: len(X)),
        "the last, short batch is left out": _epoch(theta, X, y, B, last=False),
        "all gradients are taken at the first theta; take each where theta is now": (
            _epoch(theta, X, y, B, frozen=True)
        ),
        "this is twice the gradient: the loss has a factor of one half": _epoch(
            theta, X, y, B, scale=lambda rows: len(rows) / 2
        ),
    }


# The largest rate that is stable


@exercise
def check_largest_rate(largest_rate):
    """largest_rate(loss, theta): 2 over the largest eigenvalue of the Hessian."""
    for case in range(5):
        Q, theta = (
            torch.linalg.qr(numbers(4, 4, seed=case))[0],
            numbers(4, seed=case + 9),
        )
        bends = torch.tensor([1.0, 2, 4, 5 + case], dtype=torch.float64)
        if case == 4:  # a saddle, whose downward curvature is the largest number
            bends[0] = -20
        H = Q @ bends.diag() @ Q.T

        def loss(theta, H=H, case=case):
            quartic = 0.1 * theta.pow(4).sum() if case == 3 else 0
            return theta @ H @ theta / 2 + theta.sum() + quartic

        found = largest_rate(loss, theta.clone())
        try:
            found = float(found)
        except (TypeError, ValueError, RuntimeError):
            raise Wrong(f"give one number, got {describe(found)}") from None
        hessian = torch.autograd.functional.hessian(loss, theta)
        values = torch.linalg.eigvalsh(hessian)
        right = 2 / values[-1].item()
        if abs(found - right) > 1e-6 * right:
            raise Wrong(_rate_mistake(found, right, hessian, values))
    return "right for bowls, a saddle, and a loss whose Hessian changes with theta"


def _rate_mistake(found, right, hessian, values):
    mistakes = {
        "is 1 over the largest eigenvalue: half of the largest stable rate": right / 2,
        "is 2 over the smallest eigenvalue; the steepest direction explodes first": 2
        / values[0].item(),
        "is the largest eigenvalue itself; the rate is 2 over it": values[-1].item(),
        "is twice the largest eigenvalue; divide instead": 2 * values[-1].item(),
        "is 2 / (λ_min + λ_max), the rate that shrinks both ends equally; the largest "
        "stable one is 2 / λ_max": 2 / (values[0] + values[-1]).item(),
        "takes the eigenvalue of largest absolute value; downward curvature, which is "
        "negative, sets no limit": 2 / values.abs().max().item(),
        "takes the largest number on the diagonal; directions can mix, so take the "
        "eigenvalues": 2 / hessian.diagonal().max().item(),
        "takes the sum of the eigenvalues; the largest alone decides": 2
        / values.sum().item(),
        "takes the size of the whole Hessian; the largest eigenvalue alone decides": 2
        / hessian.norm().item(),
    }
    for message, wrong in mistakes.items():
        if abs(found - wrong) < 1e-6 * abs(wrong):
            return f"{found:.4g} {message}"
    return (
        f"the rate is {found:.4g}, expected {right:.4g}; is the Hessian taken at the "
        "theta that is given?"
    )


# Another batch size


@exercise
def check_scaled_rate(scaled_rate):
    """scaled_rate(rate, batch_size, new_batch_size, sharpness): linear, with a cap."""
    cases = [(0.1, 32, 128, 2.0), (0.1, 128, 32, 2.0), (0.05, 16, 1024, 2.5),
             (0.3, 64, 64, 5.0), (0.01, 8, 8000, 4.0)]  # fmt: skip
    for rate, B, new, sharpness in cases:
        found = scaled_rate(rate, B, new, sharpness)
        try:
            found = float(found)
        except (TypeError, ValueError, RuntimeError):
            raise Wrong(f"give one number, got {describe(found)}") from None
        linear, limit = rate * new / B, 2 / sharpness
        right = min(linear, limit)
        if abs(found - right) < 1e-9 * right:
            continue
        mistakes = {
            "is the rate for a batch that is smaller, not larger; multiply by "
            "new_batch_size / batch_size": min(rate * B / new, limit),
            "follows the square root; the linear rule multiplies by the whole ratio": (
                min(rate * (new / B) ** 0.5, limit)
            ),
            "is above 2 / sharpness and would explode: cap it": linear,
            "is the old rate": rate,
            "is capped at 1 / sharpness; the limit is 2 / sharpness": min(
                linear, limit / 2
            ),
            "is the limit, although the linear rule asks for less": limit,
            "is capped at the sharpness; the limit is 2 / sharpness": min(
                linear, sharpness
            ),
            "comes from a ratio that was rounded to a whole number; use / instead of "
            "//": min(rate * (new // B), limit),
        }
        seen = (
            m for m, wrong in mistakes.items() if abs(found - wrong) <= 1e-9 * wrong
        )
        message = next(seen, f"is not {right:.4g}")
        raise Wrong(
            f"from rate {rate} with batches of {B} to batches of {new}, sharpness "
            f"{sharpness}: {found:.4g} {message}"
        )
    return "linear in the batch size, up to the limit"
