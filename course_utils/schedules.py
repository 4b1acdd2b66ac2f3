"""Learning rates that change while training: one move of the schedule per batch.

A schedule is made from an optimizer and the number of batches to come, and moved on
after each of them, behind optimizer.step(); ClassifierStep(..., scheduler=schedule)
does so. Every parameter group keeps its own rate, which the schedule multiplies by a
factor: batch t, counted from 0, learns at rate * factor(t). The lowest rate is reached
after the last batch, so that no batch is spent on a rate of 0.

Steps, exponentials and the bare cosine are torch's own (StepLR, ExponentialLR,
CosineAnnealingLR). Here are the combinations that recipes use. warmup_cosine and
triangular are closed forms of t and not products of many factors, so they do not drift,
and a resumed run needs no more than t.
"""

import math

from torch.optim.lr_scheduler import LambdaLR, OneCycleLR


def warmup_cosine(optimizer, steps, warmup=0, floor=0.0):
    """A scheduler: rates rise for `warmup` batches, then fall along half a cosine.

    From 1 / (warmup + 1) of each group's rate in a line up to it; then down to `floor`
    of it after `steps` batches, where it stays. Goyal et al. 2017, section 2.2, and
    Loshchilov and Hutter 2017, equation 5, without restarts. Taught in chapter 04."""
    _check(optimizer, steps, warmup=warmup, floor=floor)

    def factor(t):
        if t < warmup:
            return (t + 1) / (warmup + 1)
        progress = min(1, (t - warmup) / (steps - warmup))
        return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, factor)


def triangular(optimizer, steps, peak_at=0.2, start=0.2, floor=0.0):
    """A scheduler: rates rise in a line to the peak, then fall in a line.

    From `start` of each group's rate to all of it when a share `peak_at` of the `steps`
    batches is done; then down to `floor` of it, where it stays. One of the triangles of
    Smith 2017, section 3.1; lopsided as in Jordan 2024. Taught in chapter 04."""
    _check(optimizer, steps, peak_at=peak_at, start=start, floor=floor)
    peak = peak_at * steps

    def factor(t):
        if t < peak:
            return start + (1 - start) * t / peak
        progress = min(1, (t - peak) / (steps - peak))
        return 1 + (floor - 1) * progress

    return LambdaLR(optimizer, factor)


def one_cycle(optimizer, steps, peak_at=0.3, momentum=(0.85, 0.95)):
    """torch's OneCycleLR for `steps` batches, with each group's rate as its peak.

    The rate goes along half a cosine from 1/25 of each group's rate to all of it, which
    it reaches when a share `peak_at` of the batches is done, and along another to
    1/250,000. The momentum (Adam's first beta) goes from the higher of `momentum` to
    the lower and back, whatever the optimizer was given, even if that was none;
    momentum=None leaves it alone. It is made for exactly `steps` batches: two moves
    past the end torch raises ValueError. Smith and Topin 2018, in the two-phase form
    that fastai and torch have made of it.

    Deviation from a bare OneCycleLR: `total_steps` is one more and `pct_start` fits it,
    so that the peak is where `peak_at` says and the lowest rate comes after the last
    batch. torch would put it on the last batch, and let the rate rise again after it.

    Raises ValueError for bad shares and for an optimizer without momentum, unless
    momentum=None. Taught in chapter 04.
    """
    _check(optimizer, steps, peak_at=peak_at, momentum=momentum)
    if peak_at == 0:
        raise ValueError("a cycle has to rise: peak_at must be above 0; try 0.3")
    low, high = momentum or (0.0, 0.0)
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=steps + 1,
        pct_start=(peak_at * steps + 1) / (steps + 1),
        cycle_momentum=momentum is not None,
        base_momentum=low,
        max_momentum=high,
    )


def _check(optimizer, steps, warmup=0, peak_at=0.5, start=1, floor=0, momentum=None):
    """Raise ValueError for a setting that no schedule here could use."""
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(
            f"steps is a whole number of batches, 1 or more, got {steps!r}; "
            "try epochs * len(batches)"
        )
    if not isinstance(warmup, int) or not 0 <= warmup < steps:
        raise ValueError(
            f"warmup is a whole number of batches below the {steps} in all, got "
            f"{warmup!r}; try {steps // 20}"
        )
    if not 0 <= peak_at < 1:
        raise ValueError(
            f"peak_at is a share of the steps, at least 0 and below 1, got {peak_at!r};"
            " try 0.2"
        )
    if not 0 < start <= 1:
        raise ValueError(
            f"start is a share of the rate, above 0 and at most 1, got {start!r}; try "
            "0.2 (at 0 the first batch would teach nothing)"
        )
    if not 0 <= floor <= 1:
        raise ValueError(
            f"floor is a share of the rate between 0 and 1, got {floor!r}; try 0.0"
        )
    if momentum is not None:
        _check_momentum(optimizer, momentum)


def _check_momentum(optimizer, momentum):
    if not {"momentum", "betas"} & set(optimizer.defaults):
        raise ValueError(
            f"{type(optimizer).__name__} has no momentum that one_cycle could move; "
            "give momentum=None to move the rate alone"
        )
    try:
        low, high = momentum
    except (TypeError, ValueError):
        low = high = math.nan
    if not 0 <= low <= high < 1:
        raise ValueError(
            "momentum is a pair of the lowest and the highest, at least 0 and below 1, "
            f"got {momentum!r}; try (0.85, 0.95), or None to leave it alone"
        )
