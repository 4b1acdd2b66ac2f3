"""The folder of a training run: what was asked for, what came out, how to go on.

config.json        all options, and what "auto" chose
environment.json   versions, device, threads
history.csv        a row per epoch
history.json       the same, and the loss of every batch
curves.png         both losses and accuracies over the epochs
checkpoint.pt      the run as it was saved last; a folder, if the model is sharded
model.pt           the weights of the tested model, at the end of the run

Each file is replaced in one step, so that whoever reads it never sees half of one. Of
several processes only the first one writes.
"""

import csv
import io
import json
import os
import re
import sys
from pathlib import Path

from course_utils.checkpoint_files import write_atomically
from course_utils.distributed import is_first
from course_utils.history import History

CONFIG, ENVIRONMENT = "config.json", "environment.json"
FORMAT = 1  # of config.json


class RunFolder:
    """The files of one run, at `path`."""

    def __init__(self, path):
        self.path = Path(path).expanduser()
        self.model = self.path / "model.pt"

    def __str__(self):
        return str(self.path)

    @classmethod
    def create(cls, path, again=False) -> "RunFolder":
        """Make the folder; with `again` it may hold what a run before has left.

        Raises ValueError where it holds something else, OSError where it cannot be.
        """
        folder = cls(path)
        folder.path.mkdir(parents=True, exist_ok=True)
        if not again and any(folder.path.iterdir()):
            raise ValueError(
                f"{path} is not empty; go on with the run in it by --resume {path}, "
                "or give --out another folder"
            )
        return folder

    @classmethod
    def create_new(cls, parent, name) -> "RunFolder":
        """Make parent/name, or the first of name-2, name-3 that is not there yet."""
        number, path = 1, Path(parent) / name
        while True:
            try:
                path.mkdir(parents=True)
                return cls(path)
            except FileExistsError:
                number += 1
                path = Path(parent) / f"{name}-{number}"

    def has_config(self) -> bool:
        """Whether a run has begun here."""
        return (self.path / CONFIG).exists()

    def write_config(self, options, chosen, notes) -> None:
        """Keep the options, the choices of "auto" by name, and the reasons for them."""
        config = {"format": FORMAT, "options": options, "chosen": chosen}
        self._write_json(CONFIG, {**config, "notes": notes})

    def read_config(self) -> dict:
        """What write_config wrote; ValueError where there is none, or no such file."""
        path = self.path / CONFIG
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ValueError(
                f"{self} is no folder of a run, it holds no {CONFIG}; to begin one "
                f"there give --out {self}"
            ) from error
        except ValueError as error:  # no JSON, or no text
            raise ValueError(f"{path} is damaged ({error})") from error
        parts = ("options", "chosen")
        if not isinstance(config, dict) or not all(
            isinstance(config.get(part), dict) for part in parts
        ):
            raise ValueError(f"{path} was not written by this program")
        if config.get("format") != FORMAT:
            raise ValueError(
                f"{path} has format {config.get('format')}, this program reads {FORMAT}"
            )
        return config

    def write_environment(self, facts) -> None:
        """Keep what the numbers depend on besides the options."""
        self._write_json(ENVIRONMENT, facts)

    def write_history(self, history) -> None:
        """Keep the rows as CSV, and with the losses of the batches as JSON."""
        names = list(dict.fromkeys(name for row in history.rows for name in row))
        table = io.StringIO()
        writer = csv.DictWriter(table, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history.rows)
        self._write("history.csv", table.getvalue().encode())
        content = {"rows": history.rows, "batch_losses": history.batch_losses}
        self._write("history.json", json.dumps(content).encode())

    def draw_curves(self, history) -> None:
        """Draw loss and accuracy over the epochs. No window is opened."""
        if not history.rows:
            return
        if "matplotlib.pyplot" not in sys.modules:
            import matplotlib

            matplotlib.use("agg")
        from course_utils.plots import draw_history, to_png

        picture, _ = to_png(draw_history(history))
        self._write("curves.png", picture)

    def epochs(self) -> int:
        """How many epochs are in history.json; 0 where there is none."""
        path = self.path / "history.json"
        if not path.exists():
            return 0
        return len(json.loads(path.read_text(encoding="utf-8"))["rows"])

    def write_model(self, state) -> None:
        """Keep the weights, for `model.load_state_dict(torch.load(...))`."""
        write_atomically(state, self.model)

    def _write_json(self, name, content):
        self._write(name, (json.dumps(content, indent=1) + "\n").encode())

    def _write(self, name, content):
        temporary = self.path / f"{name}.tmp"
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path / name)


class Recorder:
    """A checkpoint for `fit` that keeps the history files of a run folder up to date.

    `say(line)` is called in the first process, for each of `epochs` that is done; where
    a progress bar stands in a terminal, only when a run is resumed. `done` is how many
    epochs are complete, and in the files.
    """

    def __init__(self, checkpoint, folder, epochs, say):
        self.checkpoint, self.folder = checkpoint, folder
        self.every, self.is_due = checkpoint.every, checkpoint.is_due
        self.epochs, self.say, self.done = epochs, say, 0

    def save(self, parts) -> None:
        """Save the run, and write the history where an epoch has ended."""
        self.checkpoint.save(parts)
        history = parts["history"]
        if len(history.rows) > self.done:
            self._write(history)
            if not sys.stderr.isatty():
                self.say(epoch_line(history.last, self.epochs))

    def resume(self, parts) -> bool:
        """Put the run back as it was saved, and the history files with it."""
        found = self.checkpoint.resume(parts)
        self._write(parts["history"])
        if found:
            batches = parts["epoch"].totals.batches
            inside = f" and {batches} batches" if batches else ""
            self.say(f"going on after {self.done} of {self.epochs} epochs{inside}")
        return found

    def _write(self, history):
        self.done = len(history.rows)
        if is_first():
            self.folder.write_history(history)

    def complete(self, history) -> History:
        """The history without the row of an epoch that was stopped."""
        return History(history.rows[: self.done], history.batch_losses)


def epoch_line(row, epochs) -> str:
    """The row of an epoch in a line for people."""
    parts = [f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}"]
    for role in ("train", "test"):
        if f"{role}_loss" in row:
            loss, accuracy = row[f"{role}_loss"], row[f"{role}_accuracy"]
            parts.append(f"{role} loss {loss:.4f}, accuracy {accuracy:.2%}")
    return "   ".join([*parts, f"{row['seconds']:.1f} s"])


def run_name(model, data, now) -> str:
    """What to call a run: its model, its data set, and when it began.

    >>> run_name("lenet", "photos/cats and dogs", datetime(2026, 11, 21, 9, 30))
    'lenet-cats-and-dogs-2026-11-21-093000'
    """
    words = re.sub(r"[^\w.]+", "-", Path(data).absolute().name).strip("-.") or "data"
    return f"{model}-{words}-{now:%Y-%m-%d-%H%M%S}"
