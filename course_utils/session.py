"""What surrounds a training run: clock, progress, checkpoint, and how to stop it."""

import signal
import threading
import time

from course_utils import progress as shown
from course_utils.checkpoints import has_state
from course_utils.distributed import (
    first_decides,
    is_first,
    process_count,
    share_buffers,
)
from course_utils.random_states import Generators
from course_utils.totals import Totals

SECONDS_BETWEEN_QUESTIONS = 0.5  # of the processes to the first one


class Session:
    """A run of `fit`: resumes it, shows its progress, records rows in `history`, saves.

    The first interrupt (the stop button of the notebook, Ctrl-C) lets the batch finish
    and sets `interrupted`; the second one stops at once. `stopped` is whether the
    epoch was left before its end. Of several processes the first one decides, and
    all stop after the same batch.
    """

    def __init__(self, step, batches, epochs, history, checkpoint, progress=True):
        self.step, self.batches, self.epochs = step, batches, epochs
        self.history, self.checkpoint, self.progress = history, checkpoint, progress
        self.interrupted = self.stopped = False
        self.epoch, self.totals, self.bar = None, Totals(), None
        self._seconds = 0.0  # spent on this epoch by a run that was stopped in it
        self._started = None
        self._previous_handler = None
        self._asked = False  # to stop, by an interrupt
        self._pause = self._until_question = 1  # batches
        self._last_question = 0.0

    def __enter__(self):
        if self.checkpoint.every and not has_state(self.batches):
            raise ValueError(
                f"a checkpoint every {self.checkpoint.every} batches needs batches "
                "that know their place (Batches, or torchdata's StatefulDataLoader), "
                f"not {type(self.batches).__name__}; every=None saves after each epoch"
            )
        self.checkpoint.resume(self._parts())
        total = self._batches_to_come()
        wanted = self.progress and total != 0 and is_first()
        self.bar = shown.progress_bar(total, wanted)
        if threading.current_thread() is threading.main_thread():
            self._previous_handler = signal.signal(signal.SIGINT, self._interrupt)
        return self

    @property
    def tested(self):
        """The model that the step wants tested: its own, or an average of it.

        It is the same in all processes, down to the running statistics.
        """
        return share_buffers(getattr(self.step, "tested", self.step.model))

    def start(self, epoch):
        """Begin an epoch, or go on in it; returns its row and its totals."""
        self.epoch = epoch
        self._started = self._last_reading = time.perf_counter()
        self._batches_shown = self.totals.batches
        self.bar.set_description_str(f"epoch {epoch}/{self.epochs}", refresh=False)
        return {"epoch": epoch}, self.totals

    def watch(self, totals):
        """Note that a batch is done; False asks the loop to stop."""
        due = self.checkpoint.is_due(totals.batches)
        since = time.perf_counter() - self._last_reading
        if due or since > shown.SECONDS_BETWEEN_READINGS:
            self._show(totals.read())  # raises where the loss is lost: not to be saved
            self._last_reading = time.perf_counter()
        if due:
            self.checkpoint.save(self._parts())
        self.stopped = self._agreed_to_stop()
        return not self.stopped

    def _agreed_to_stop(self):
        """Whether an interrupt asks for it; for all processes after the same batch.

        They ask the first one, after so many batches that it is about twice a second.
        """
        if process_count() == 1:
            return self._asked
        self._until_question -= 1
        if self._until_question > 0:
            return False
        now = time.perf_counter()
        soon = now - self._last_question < SECONDS_BETWEEN_QUESTIONS
        self._pause = 2 * self._pause if soon else max(1, self._pause // 2)
        self._last_question = now
        self._until_question = first_decides(0 if self._asked else self._pause)
        return self._until_question == 0

    def finish(self, row):
        """End the epoch: record its row and save the run.

        An epoch that was stopped is saved as such, if its batches know their position,
        and gets its row all the same, for whoever looks at what there is.
        """
        row["seconds"] = self._elapsed()
        if hasattr(self.step, "report"):
            row.update(self.step.report())
        self._show(self.totals.read())
        if self.stopped and has_state(self.batches):
            self.checkpoint.save(self._parts())
        self.history.rows.append(row)
        self.history.batch_losses += self.totals.batch_losses
        if not self.stopped:
            self.totals, self._seconds, self._started = Totals(), 0.0, None
            self.checkpoint.save(self._parts())
        self.interrupted = self.history.interrupted = bool(first_decides(self._asked))

    def __exit__(self, kind, error, traceback):
        if self._previous_handler is not None:
            signal.signal(signal.SIGINT, self._previous_handler)
        if hasattr(error, "history"):  # NonFiniteLoss
            error.epoch, error.history = self.epoch, self.history
        self.bar.close()

    def state_dict(self) -> dict:
        """What the epoch in progress has counted, and the seconds it took."""
        return {"totals": self.totals.state_dict(), "seconds": self._elapsed()}

    def load_state_dict(self, state: dict) -> None:
        self.totals.load_state_dict(state["totals"])
        self._seconds = state["seconds"]

    def _parts(self):
        parts = {"step": self.step, "history": self.history, "epoch": self}
        if has_state(self.batches):
            return parts | {"batches": self.batches}
        order = Generators(getattr(self.batches, "loader", self.batches))
        return parts | ({"order": order} if order.given else {})

    def _batches_to_come(self):
        epochs = max(0, self.epochs - len(self.history.rows))
        try:
            return max(0, epochs * len(self.batches) - self.totals.batches)
        except TypeError:  # a stream of unknown length
            return None if epochs else 0

    def _elapsed(self):
        since = 0.0 if self._started is None else time.perf_counter() - self._started
        return self._seconds + since

    def _show(self, means):
        if "loss" in means:
            self.bar.set_postfix_str(f"loss {means['loss']:.3f}", refresh=False)
        self.bar.update(self.totals.batches - self._batches_shown)
        self._batches_shown = self.totals.batches

    def _interrupt(self, signal_number, frame):
        if not is_first():
            return
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
