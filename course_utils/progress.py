"""What surrounds a training run: its progress bar, its clock, and the way to stop it.

The bar goes to standard error in a terminal and to one updated display in a notebook;
standard output is left alone.
"""

import signal
import sys
import threading
import time

from IPython import get_ipython
from IPython.display import display
from tqdm import tqdm

SECONDS_BETWEEN_READINGS = 0.25
METADATA = {"course": {"progress": True}}  # of the output; left out of slides


class Session:
    """A run of `fit`: records rows in `history`, shows progress, notices an interrupt.

    The first interrupt (the stop button of the notebook, Ctrl-C) lets the batch finish
    and sets `interrupted`; the second one stops at once.
    """

    def __init__(self, history, epochs, batches, progress=True):
        self.history, self.epochs = history, epochs
        self.batches = len(batches) if hasattr(batches, "__len__") else None
        self.progress, self.interrupted = progress, False
        self.epoch, self.totals, self.bar = None, None, None
        self._previous_handler = None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._previous_handler = signal.signal(signal.SIGINT, self._interrupt)
        remaining = max(0, self.epochs - len(self.history.rows))
        total = None if self.batches is None else remaining * self.batches
        self.bar = progress_bar(total, self.progress and remaining > 0)
        return self

    def _interrupt(self, signal_number, frame):
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = self.history.interrupted = True

    def start(self, epoch):
        """Begin an epoch; returns its row."""
        self.epoch, self.totals = epoch, None
        self._started = self._last_reading = time.perf_counter()
        self._batches_shown = self._batches_seen = 0
        self.bar.set_description_str(f"epoch {epoch}/{self.epochs}", refresh=False)
        return {"epoch": epoch}

    def watch(self, totals):
        """Note that a batch is done; False asks the loop to stop."""
        self.totals = totals
        self._batches_seen += 1
        if time.perf_counter() - self._last_reading > SECONDS_BETWEEN_READINGS:
            self._show(totals.read())
            self._last_reading = time.perf_counter()
        return not self.interrupted

    def _show(self, means):
        if "loss" in means:
            self.bar.set_postfix_str(f"loss {means['loss']:.3f}", refresh=False)
        self.bar.update(self._batches_seen - self._batches_shown)
        self._batches_shown = self._batches_seen

    def finish(self, row):
        """End the epoch and record its row."""
        row["seconds"] = time.perf_counter() - self._started
        self.history.rows.append(row)
        if self.totals is not None:
            self.history.batch_losses += self.totals.batch_losses
            self._show(self.totals.read())

    def __exit__(self, kind, error, traceback):
        if self._previous_handler is not None:
            signal.signal(signal.SIGINT, self._previous_handler)
        if hasattr(error, "history"):  # NonFiniteLoss
            error.epoch, error.history = self.epoch, self.history
        self.bar.close()


def progress_bar(total, shown=True):
    """A tqdm bar of `total` batches for where we are: notebook, terminal or neither."""
    shell = get_ipython()
    if shown and shell is not None and hasattr(shell, "kernel"):
        return NotebookBar(total=total, unit="batch")
    if shown and sys.stderr.isatty():
        return tqdm(total=total, unit="batch", dynamic_ncols=True)
    return tqdm(total=total, disable=True)


class NotebookBar(tqdm):
    """A tqdm bar as one line of HTML, which stays readable in a saved notebook."""

    finished = False

    def __init__(self, **options):
        super().__init__(gui=True, mininterval=SECONDS_BETWEEN_READINGS, **options)
        self.handle = display(
            self._bundle(), raw=True, display_id=True, metadata=METADATA
        )

    def _bundle(self):
        numbers = self.format_dict
        elapsed, rate = numbers["elapsed"], numbers["rate"]
        parts = [self.desc or "", getattr(self, "postfix", None) or ""]
        if self.n and not self.finished:
            rate = rate or self.n / elapsed
            if self.total:
                left = tqdm.format_interval((self.total - self.n) / rate)
                parts.append(f"{left} left")
        parts.append(f"{tqdm.format_interval(elapsed)} elapsed")
        text = " · ".join(part for part in parts if part)
        size = f'value="{self.n}" max="{self.total or self.n or 1}"'
        bar = f"<progress {size}></progress>"
        return {
            "text/plain": text,
            "text/html": f"{'' if self.finished else bar} <small>{text}</small>",
        }

    def display(self, *arguments, **options):
        self.handle.update(self._bundle(), raw=True, metadata=METADATA)

    def close(self):
        if not self.disable:
            self.finished = True
            self.display()
        super().close()
