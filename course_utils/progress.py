"""The progress bar of a training run, in a notebook or a terminal.

It goes to standard error in a terminal and to one updated display in a notebook;
standard output is left alone.
"""

import sys

from IPython import get_ipython
from IPython.display import display
from tqdm import tqdm

SECONDS_BETWEEN_READINGS = 0.25
METADATA = {"course": {"progress": True}}  # of the output; left out of slides


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
