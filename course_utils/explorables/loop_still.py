"""The still of the training loop: the arithmetic of loop.js in NumPy, and a figure.

Both arithmetics are compared with PyTorch's autograd in tests/test_explore.py.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from matplotlib.patches import Rectangle

from course_utils.plots import COLORS, new_figure

LINES = (
    "images, labels = next(batches)",
    "optimizer.zero_grad()",
    "logits = model(images)",
    "loss = cross_entropy(logits, labels)",
    "loss.backward()",
    "optimizer.step()",
)
BACKWARD = 4
MARKED = "#DCEBF7"
PALE = "#E9E9E9"
SIZE = (8.6, 5.16)


@dataclass
class Run:
    """The linear classifier after `loss.backward()` of the last batch."""

    weights: np.ndarray  # [K, P]
    bias: np.ndarray  # [K]
    gradient: np.ndarray | None = None  # [K, P]
    batch: np.ndarray | None = None  # indices of the images [N]
    logits: np.ndarray | None = None  # [N, K]
    probabilities: np.ndarray | None = None  # [N, K]
    losses: list = field(default_factory=list)
    norms: list = field(default_factory=list)


def train(inputs, labels, weights, *, batch_size, learning_rate, batches):
    """Train on batches in the given order; inputs [N, P], labels [N], weights [K, P].

    The step of the last batch is left out: the run stops after `loss.backward()`.
    """
    run = Run(np.array(weights, dtype=np.float64), np.zeros(len(weights)))
    for turn in range(batches):
        first = turn * batch_size % len(inputs)
        run.batch = np.arange(first, min(first + batch_size, len(inputs)))
        error = _backward(run, inputs[run.batch], labels[run.batch])
        if turn + 1 < batches:
            run.weights -= learning_rate * run.gradient
            run.bias -= learning_rate * error.sum(axis=0)
    return run


def _backward(run, x, y):
    """Forward and backward for one batch; the gradient of the loss to the logits."""
    rows = np.arange(len(y))
    run.logits = x @ run.weights.T + run.bias
    shifted = run.logits - run.logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    run.probabilities = np.exp(log_probabilities)
    run.losses.append(float(-log_probabilities[rows, y].mean()))
    error = run.probabilities.copy()
    error[rows, y] -= 1
    error /= len(y)
    run.gradient = error.T @ x
    squares = (run.gradient**2).sum() + (error.sum(axis=0) ** 2).sum()
    run.norms.append(math.sqrt(squares))
    return error


def draw(run, pixels, labels, classes):
    """The figure: pixels uint8 [N, H, W] and labels [N] of the whole training set."""
    figure, axes = new_figure(size=SIZE, layout="none")
    axes.remove()
    truth = labels[run.batch]
    guesses = run.logits.argmax(axis=1)
    _draw_code(figure.add_axes((0.01, 0.585, 0.335, 0.36)))
    figure.text(
        0.37, 0.955, f"batch {len(run.losses)}: {(guesses == truth).sum()} of "
        f"{len(truth)} right", fontsize=10,
    )  # fmt: skip
    columns = max(8, math.ceil(len(truth) / 2))
    for n in range(len(truth)):
        row, column = divmod(n, columns)
        width = 0.625 / columns
        box = (0.37 + column * width, 0.775 - 0.225 * row, width * 0.94, 0.15)
        _draw_tile(
            figure.add_axes(box), pixels[run.batch[n]], classes, truth[n], guesses[n]
        )
    shown = int(np.argmax(guesses != truth))  # a mistake, where there is one
    figure.text(0.01, 0.505, f"image {shown + 1}, {classes[truth[shown]]}", fontsize=10)
    _draw_scores(figure, run, shown, truth[shown], classes)
    _draw_curves(figure, run, len(classes))
    _draw_weights(figure, run, truth[shown], classes, pixels.shape[1:])
    return figure


def _draw_code(axes):
    axes.axis("off")
    axes.set(xlim=(0, 1), ylim=(len(LINES), 0))
    for k, line in enumerate(LINES):
        if k == BACKWARD:
            axes.add_patch(Rectangle((0, k), 1, 1, color=MARKED))
            axes.add_patch(Rectangle((0, k), 0.012, 1, color=COLORS["train"]))
        axes.text(0.03, k + 0.5, k + 1, va="center", fontsize=9, color="#777777")
        weight = "bold" if k == BACKWARD else "normal"
        axes.text(
            0.085, k + 0.5, line, va="center", fontsize=9.2, family="DejaVu Sans Mono",
            weight=weight,
        )  # fmt: skip


def _draw_tile(axes, image, classes, truth, guess):
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(guess != truth)
    axes.spines[:].set(color=COLORS["test"], linewidth=2, linestyle="--")
    axes.set_xlabel(classes[truth], fontsize=7.6, labelpad=3)
    mark, color = ("✓", "#555555") if guess == truth else ("✗", "#B34700")
    axes.text(
        0.5, -0.37, f"{mark} {classes[guess]}", transform=axes.transAxes, ha="center",
        va="top", fontsize=7.6, color=color,
    )  # fmt: skip


def _draw_scores(figure, run, n, truth, classes):
    places = np.arange(len(classes))
    colors = [COLORS["train"] if k == truth else COLORS["grey"] for k in places]
    logits, chances = run.logits[n], run.probabilities[n]
    left = figure.add_axes((0.105, 0.05, 0.105, 0.395))
    right = figure.add_axes((0.265, 0.05, 0.09, 0.395))
    span = max(1.0, np.abs(logits).max())
    for axes, values, title in (
        (left, logits, "logit"),
        (right, chances, "probability"),
    ):
        axes.barh(places, values, color=colors, height=0.72)
        axes.set_title(title, fontsize=9.5, loc="left", pad=3)
        axes.set(xticks=[], yticks=[], ylim=(len(classes) - 0.5, -0.5))
        axes.spines[:].set_visible(False)
        for k in places:
            text = f"{values[k]:.2f}".replace("-", "−")
            axes.text(
                1.02, k, text, transform=axes.get_yaxis_transform(), va="center",
                fontsize=8.5,
            )  # fmt: skip
    left.set_xlim(-span, span)
    left.axvline(0, color="#777777", linewidth=0.8)
    right.set_xlim(0, 1)
    right.barh(places, 1, color=PALE, height=0.72, zorder=0)
    left.barh(places, 2 * span, left=-span, color=PALE, height=0.72, zorder=0)
    guess = int(logits.argmax())
    for k, name in enumerate(classes):
        mark = "" if k != guess else ("✓ " if k == truth else "✗ ")
        left.text(
            -0.06, k, mark + name, transform=left.get_yaxis_transform(), va="center",
            ha="right", fontsize=8.5, weight="bold" if k == truth else "normal",
        )  # fmt: skip


def _draw_curves(figure, run, classes):
    guessing = math.log(classes)
    turns = np.arange(1, len(run.losses) + 1)
    top = figure.add_axes((0.435, 0.245, 0.25, 0.2))
    top.plot(turns, run.losses, color=COLORS["train"], marker="o", markersize=3.5)
    top.axhline(guessing, color="#777777", linewidth=1, linestyle=(0, (5, 4)))
    top.text(
        1, guessing, f"guessing: ln {classes} = {guessing:.2f}", ha="right",
        va="bottom", fontsize=8.5, color="#555555",
        transform=top.get_yaxis_transform(),
    )  # fmt: skip
    top.set(ylim=(0, 1.35 * max(guessing, *run.losses)), xticks=[])
    bottom = figure.add_axes((0.435, 0.065, 0.25, 0.1))
    bottom.plot(turns, run.norms, color=COLORS["gradient"], marker="o", markersize=3.5)
    bottom.set(ylim=(0, 1.25 * max(run.norms)), xticks=[1, len(turns)])
    for axes, title, values in (
        (top, "loss of the batch", run.losses),
        (bottom, "gradient norm", run.norms),
    ):
        axes.tick_params(labelsize=8.5)
        axes.set_xlim(0.5, len(turns) + 0.5)
        axes.set_title(f"{title} {values[-1]:.2f}", fontsize=9.5, pad=4)


def _draw_weights(figure, run, shown, classes, shape):
    figure.text(0.72, 0.455, f"class {classes[shown]}", fontsize=10)
    pictures = (("weights", run.weights), ("their gradient", run.gradient))
    for k, (title, values) in enumerate(pictures):
        axes = figure.add_axes((0.72 + 0.14 * k, 0.14, 0.13, 0.22))
        image = values[shown].reshape(shape)
        limit = np.abs(image).max() or 1
        axes.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color="#C4C4C4")
        axes.set_title(title, fontsize=9.5, loc="center", pad=4)
        axes.set_xlabel(f"±{limit:.2g}", fontsize=8.5, labelpad=3)
    figure.text(
        0.72, 0.055, "blue below 0, white 0, red above", fontsize=8.5, color="#555555"
    )
