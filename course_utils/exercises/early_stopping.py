"""The check of the exercise on early stopping (chapter 06)."""

import math
import operator

import torch
from torch import nn

from course_utils.exercises import Wrong, describe, exercise
from course_utils.regularization import EarlyStopping

RUNS = (  # validation losses and patience
    ((3.0, 2.0, 2.5, 2.4, 2.3, 2.2, 1.0), 2),
    ((3.0, 2.0, 2.5, 1.0, 1.5, 1.4, 1.3, 1.2), 2),  # the count starts anew
    ((3.0, 2.5, 2.6, 2.0, 2.1), 1),  # never stops
    ((2.0, 2.0, 2.0), 0),  # ties
    ((2.0, 3.0, 2.5, 2.6, 1.0), 2),  # better than the last, not than the best
)


@exercise
def check_train_until_worse(train_until_worse):
    """train_until_worse(model, train, validate, patience, most) -> epochs trained."""
    played = [_played(train_until_worse, *run) for run in RUNS]
    expected = [_played(_reference, *run) for run in RUNS]
    _check_stops([epochs for epochs, *_ in played])
    for (_, got, restored), (_, kept, _), run in zip(
        played, expected, RUNS, strict=True
    ):
        _check_weights(got, kept, restored, *run)
    _play_nan(train_until_worse)
    return "it stops in time, and the model has its best weights"


class _Scene:
    """A model that writes the epoch into its weights, and losses that are known."""

    def __init__(self, losses):
        self.losses, self.epoch, self.asked = losses, 0, 0
        self.model = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
        self.mark()
        self.restored, self.load = False, self.model.load_state_dict
        self.model.load_state_dict = self.note

    def mark(self):
        with torch.no_grad():
            for tensor in self.model.state_dict().values():
                tensor.fill_(self.epoch)

    def train(self):
        if self.epoch == len(self.losses):
            raise Wrong(f"it trains more than `most`, {len(self.losses)}, epochs")
        self.epoch += 1
        self.mark()

    def note(self, *state, **options):
        self.restored = True
        return self.load(*state, **options)

    def validate(self):
        self.asked += 1
        return self.losses[min(self.epoch, len(self.losses)) - 1]

    def marks(self):
        return {
            name: tensor.flatten()[0].item()
            for name, tensor in self.model.state_dict().items()
        }


def _reference(model, train, validate, patience, most):
    stopping = EarlyStopping(model, patience)
    for epoch in range(1, most + 1):  # noqa: B007 - the last epoch is the result
        train()
        if stopping(validate()):
            break
    stopping.restore()
    return epoch


def _played(answer, losses, patience):
    scene = _Scene(losses)
    result = answer(scene.model, scene.train, scene.validate, patience, len(losses))
    if scene.epoch == 0:
        raise Wrong("nothing was trained; call train() once in each epoch")
    if not isinstance(result, int) or isinstance(result, bool):
        raise Wrong(
            f"return how many epochs were trained, got {describe(result)}"
            if result is not None
            else "return how many epochs were trained; this returns nothing"
        )
    if result != scene.epoch:
        raise Wrong(f"{scene.epoch} epochs were trained, and it returns {result}")
    if scene.asked < scene.epoch:
        raise Wrong("ask validate() after every epoch")
    if scene.asked > scene.epoch:
        raise Wrong("validate() is asked more than once an epoch; keep what it gave")
    return result, scene.marks(), scene.restored


def _check_stops(found):
    """Raise Wrong with the rule that stops after these epochs, if it is a wrong one."""
    rules = {
        "one epoch too early: `patience` epochs that are no better are endured, the "
        "next one is too many": lambda run, patience: _stops(run, patience - 1),
        "one epoch too late: the first epoch after `patience` bad ones is too many": (
            lambda run, patience: _stops(run, patience + 1)
        ),
        "the count does not begin anew after a better epoch": _never_reset,
        "it compares with the epoch before; compare with the best so far": _with_last,
        "it takes a larger loss for better": (
            lambda run, patience: _stops([-loss for loss in run], patience)
        ),
        "it never stops before `most`": lambda run, patience: len(run),
        "a tie counts as better": (
            lambda run, patience: _stops(run, patience, operator.le)
        ),
    }
    right = [_stops(*run) for run in RUNS]
    for text, rule in rules.items():
        if found == [rule(*run) for run in RUNS] != right:
            raise Wrong(text)
    for epochs, expected, run in zip(found, right, RUNS, strict=True):
        if epochs != expected:
            raise Wrong(f"{_where(*run)}: it stops after {epochs}, expected {expected}")


def _where(losses, patience):
    return f"with losses {list(losses)} and patience {patience}"


def _check_weights(got, kept, restored, losses, patience):
    if got == kept:
        return
    where, best = _where(losses, patience), next(iter(kept.values()))
    learned = {mark for name, mark in got.items() if name.endswith(("weight", "bias"))}
    if learned == {best}:
        raise Wrong(
            f"{where}: the weights are of the best epoch, the buffers of batch norm "
            "are not; model.state_dict() has both"
        )
    if len(learned) == 1 and _with_ties(losses, best, learned):
        raise Wrong(f"{where}: a tie is no better; keep the first of the best epochs")
    advice = "put those back at the end"
    if restored:
        advice = (
            "what was put back was no copy: state_dict() hands out the tensors "
            "themselves, which go on changing"
        )
    raise Wrong(
        f"{where}: the model has the weights of epoch {next(iter(learned)):.0f}, the "
        f"best was {best:.0f}; {advice}"
    )


def _with_ties(losses, best, learned):
    """Whether the weights are of another epoch with the same loss as the best."""
    (epoch,) = learned
    return epoch > 0 and losses[int(epoch) - 1] == losses[int(best) - 1]


def _stops(losses, patience, better=operator.lt):
    best, waited = math.inf, 0
    for epoch, loss in enumerate(losses, 1):
        best, waited = (loss, 0) if better(loss, best) else (best, waited + 1)
        if waited > patience:
            return epoch
    return len(losses)


def _never_reset(losses, patience):
    best, waited = math.inf, 0
    for epoch, loss in enumerate(losses, 1):
        waited += loss >= best
        best = min(best, loss)
        if waited > patience:
            return epoch
    return len(losses)


def _with_last(losses, patience):
    last, waited = math.inf, 0
    for epoch, loss in enumerate(losses, 1):
        waited, last = (0 if loss < last else waited + 1), loss
        if waited > patience:
            return epoch
    return len(losses)


def _play_nan(answer):
    """Play runs with losses that are no numbers: first, last, all of them."""
    losses = (math.nan, 3.0, 2.0, 2.5, 2.6, 2.7)
    found, got, _ = _played(answer, losses, 2)
    if found < 6 and set(got.values()) == {1.0}:
        raise Wrong(
            "the first loss is NaN, and it is kept as the best: then nothing is ever "
            "smaller; begin with math.inf as the best, and ask `loss < best`"
        )
    if found != 6 or set(got.values()) != {3.0}:
        raise Wrong(
            f"{_where(losses, 2)}: it trains {found} epochs; NaN is no better than "
            "nothing, and the weights of epoch 3 are to be kept"
        )
    losses = (3.0, 2.0, math.nan, math.nan, math.nan, math.nan)
    found, got, _ = _played(answer, losses, 1)
    if found != 4 or set(got.values()) != {2.0}:
        raise Wrong(
            "with a loss that is not a number it goes on, or keeps those weights; NaN "
            "is neither smaller nor larger, so ask what is better, not what is worse"
        )
    _play_only_nan(answer)


def _play_only_nan(answer):
    scene = _Scene([math.nan] * 3)
    problem = "every loss is NaN, so there is no best: leave the weights as they are"
    try:
        answer(scene.model, scene.train, scene.validate, 1, 3)
    except (TypeError, AttributeError, UnboundLocalError) as error:
        raise Wrong(f"{problem}; this fails with {type(error).__name__}") from error
    if set(scene.marks().values()) != {float(scene.epoch)}:
        raise Wrong(f"{problem}, those of the last epoch")
