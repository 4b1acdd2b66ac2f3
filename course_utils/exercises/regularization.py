"""The checks of the exercises on dropout and label smoothing (chapter 06)."""

import torch
from torch import nn

from course_utils.exercises import Wrong, exercise
from course_utils.exercises.tensors import (
    check_tensor,
    check_unchanged,
    likely_mistake,
    numbers,
    same,
)
from course_utils.exercises.watching import Watch

# Dropout


@exercise
def check_my_dropout(my_dropout):
    """my_dropout(x, p, training) -> x of the same shape, inverted dropout."""
    for p in (0.2, 0.5):
        x = 1 + numbers(200, 300, seed=3).abs()  # no zeros, so that masks can be seen
        y = _dropped(my_dropout, x, p, training=False)
        _check_evaluation(y, x, p)
        torch.manual_seed(0)
        first, second = (_dropped(my_dropout, x, p, training=True) for _ in range(2))
        _check_kept(first / x, p)
        if torch.equal(first, second):
            raise Wrong(
                "two calls dropped the same numbers; the mask must be new each time, "
                "so set no seed inside"
            )
        _check_gradient(my_dropout, x, p)
    return "the mean is kept, evaluation is untouched, and the gradient has its mask"


def _dropped(my_dropout, x, p, training):
    given = x.clone()
    with Watch({"dropout", "dropout_", "dropout1d", "alpha_dropout"}, "draw the mask"):
        y = my_dropout(given, p, training)
    check_tensor(y, x.shape, "the result")
    check_unchanged([given], [x])
    return y


def _check_evaluation(y, x, p):
    if same(y, x):
        return
    mistakes = {
        "in evaluation x is multiplied by 1 - p; with inverted dropout the factor "
        "1 / (1 - p) belongs to the training": x * (1 - p),
        "in evaluation x is divided by 1 - p; it must come back as it is": x / (1 - p),
    }
    if (y == 0).any():
        raise Wrong("numbers are dropped although training is False")
    raise Wrong(likely_mistake(y, x, mistakes))


def _check_kept(ratio, p):
    """Raise Wrong unless a share p of `ratio` is 0 and the rest 1 / (1 - p)."""
    dropped = (ratio == 0).double()
    share = dropped.mean().item()
    whole = {tuple(row) for row in dropped[:20].tolist()}
    columns = {tuple(row) for row in dropped[:, :20].T.tolist()}
    if share == 0:
        raise Wrong("in training nothing was dropped")
    if len(whole) == 1 or len(columns) == 1:
        raise Wrong(
            "whole rows or columns are dropped together; draw a number for each place "
            "of x: torch.rand(x.shape)"
        )
    kept = ratio[ratio != 0]
    scales = {
        "the numbers that stay are as they were, so the mean sinks; divide them by "
        "1 - p": 1.0,
        "the numbers that stay are multiplied by 1 - p; divide": 1 - p,
        "the numbers that stay are divided by p, the share that goes; divide by the "
        "share that stays": 1 / p,
    }
    if abs(share - p) > 0.02 and abs(share - (1 - p)) < 0.02:
        raise Wrong(f"a share {share:.2f} is dropped where p is {p}: 1 - p and p")
    if abs(share - p) > 0.02:
        raise Wrong(f"a share {share:.2f} is dropped where p is {p}")
    scale = kept.mean().item()
    if kept.std() > 1e-9:
        raise Wrong("the numbers that stay are scaled differently; one factor for all")
    if abs(scale - 1 / (1 - p)) > 1e-9:
        close = [text for text, value in scales.items() if abs(scale - value) < 1e-9]
        raise Wrong(close[0] if close else f"the factor is {scale:.4f} with p = {p}")


def _check_gradient(my_dropout, x, p):
    x = x.clone().requires_grad_()
    y = my_dropout(x, p, True)
    if not y.requires_grad:
        raise Wrong("no gradient comes back to x; keep .detach() and .data out of it")
    y.sum().backward()
    if not torch.allclose(x.grad, y.detach() / x.detach(), atol=1e-9):
        raise Wrong(
            "the gradient has another mask than the numbers; use one mask, and leave "
            "the backward pass to autograd"
        )


# Label smoothing


@exercise
def check_my_smoothed_loss(my_smoothed_loss):
    """my_smoothed_loss(logits [N, K], labels [N], smoothing) -> one number."""
    for case, (n, k, smoothing) in enumerate(((5, 4, 0.2), (8, 10, 0.1), (3, 2, 0.0))):
        logits = 3 * numbers(n, k, seed=case)
        labels = torch.randint(k, (n,), generator=torch.Generator().manual_seed(case))
        given = logits.clone(), labels.clone()
        forbidden = {"cross_entropy", "nll_loss", "kl_div"}
        with Watch(forbidden, "take log_softmax, and the mean over the targets"):
            loss = my_smoothed_loss(*given, smoothing)
        check_tensor(loss, (), "the loss", {(n,): "take the mean over the images"})
        check_unchanged(given, (logits, labels))
        cases = _losses(logits, labels, smoothing)
        if not same(loss, cases["right"]):
            right = cases.pop("right")
            reason = likely_mistake(loss, right, cases)
            raise Wrong(
                f"with {n} images, {k} classes, smoothing {smoothing}: {reason}"
            )
    _check_far_apart(my_smoothed_loss)
    _check_loss_gradient(my_smoothed_loss)
    return "equal to F.cross_entropy(..., label_smoothing=...), three times"


def _losses(logits, labels, smoothing):
    """The right loss and those of likely mistakes, by their messages."""
    n, k = logits.shape
    surprise = -logits.log_softmax(1)
    own = nn.functional.one_hot(labels, k).to(logits)  # 1 for the label
    e = smoothing

    def mean(targets, surprise=surprise):
        return (targets * surprise).sum(1).mean()

    right = (1 - e) * own + e / k
    return {"right": mean(right)} | {
        message: mean(targets) for message, targets in _targets(own, e, k).items()
    } | {
        "the sum over images is not divided by their number": n * mean(right),
        "the mean runs over classes as well; sum over the classes of an image, then "
        "take the mean over images": mean(right) / k,
        "the sign: what is to be small is minus the logarithm": -mean(right),
        "the classes are summed where their mean belongs": mean((1 - e) * own + e),
        "that takes logits for logarithms of probabilities; log_softmax first": mean(
            right, -logits
        ),
        "the logarithm is missing: these are probabilities": mean(
            right, -logits.softmax(1)
        ),
        "softmax goes over the images; the classes are axis 1": mean(
            right, -logits.log_softmax(0)
        ),
    }  # fmt: skip


def _targets(own, e, k):
    others = 1 - own
    return {
        "the share goes to the wrong classes only; the label gets its part too, "
        "smoothing / K for each class": (1 - e) * own + e / (k - 1) * others,
        "smoothing is divided by K - 1; there are K classes, the label among them": (
            (1 - e) * own + e / (k - 1)
        ),
        "the label keeps its whole 1, and the targets add up to more than 1": (
            own + e / k
        ),
        "the targets do not add up to 1; the label's own smoothing / K is missing": (
            (1 - e) * own + e / k * others
        ),
        "this is the plain cross-entropy": own,
        "1 - smoothing and smoothing are swapped": e * own + (1 - e) / k,
    }


def _check_far_apart(my_smoothed_loss):
    """Raise Wrong where a probability that rounds to 0 makes the loss infinite."""
    logits, labels = torch.tensor([[0.0, 200.0], [1.0, 2.0]]), torch.tensor([0, 1])
    loss = my_smoothed_loss(logits.clone(), labels, 0.2)
    if not torch.isfinite(loss):
        raise Wrong(
            f"with the logits 0 and 200 the loss is {loss.item()}: a probability is "
            "rounded to 0 before its logarithm is taken; log_softmax does both at once"
        )
    right = nn.functional.cross_entropy(logits, labels, label_smoothing=0.2)
    if abs(loss - right) > 1e-3 * right:
        raise Wrong(
            f"with the logits 0 and 200 the loss is {loss.item():.4g}, expected "
            f"{right.item():.4g}; take log_softmax of the logits as they are"
        )


def _check_loss_gradient(my_smoothed_loss):
    logits = numbers(4, 3, seed=9).requires_grad_()
    loss = my_smoothed_loss(logits, torch.tensor([0, 1, 2, 1]), 0.3)
    if not loss.requires_grad:
        raise Wrong("no gradient comes back to the logits; nothing could learn from it")
