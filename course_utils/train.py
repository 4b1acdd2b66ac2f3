"""Train a model of the course from the command line.

python -m course_utils.train --model resnet20 --data fashion-mnist --epochs 5
torchrun --nproc-per-node 8 -m course_utils.train --model resnet56 --data cifar10

`--help` lists the options (train_options.py). What a run does is in train_run.py, and
what it leaves behind in run_folder.py. Here is how it ends: by success, by an error, or
by a signal.
"""

import os
import shlex
import signal
import sys
import threading
import traceback
import warnings
from contextlib import contextmanager

import torch

from course_utils.checkpoint_files import CheckpointError
from course_utils.distributed import stop_processes
from course_utils.totals import NonFiniteLoss
from course_utils.train_options import parse
from course_utils.train_run import Run
from course_utils.tuning import is_about_compiling

PROGRAM = "train"
DONE, LOST, BAD, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
SMALLER = "try an --lr 10 times smaller, or --clip-norm 1"
MEMORY = "try a smaller --batch-size, or --accumulate 4"


def main(arguments=None) -> int:
    """Train as the arguments say; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else [*arguments]
    debug = "--verbose" in arguments or os.environ.get("COURSE_DEBUG", "0") != "0"
    run = Run()
    with surrounded() as signals:
        try:
            run.prepare(parse(arguments))
            if run.train():
                run.finish()
                stop_processes()
                return DONE
            stop_processes()
        except KeyboardInterrupt:
            pass  # the second one, or before the first batch
        except Exception as error:
            status, text = verdict(error, run.started)
            if status is None:
                raise
            if debug:
                traceback.print_exc()
            if run.started or os.environ.get("LOCAL_RANK", "0") == "0":
                complain(text)  # bad options are the same in all processes
            return status
    if os.environ.get("RANK", "0") == "0":
        complain(farewell(run))
    return TERMINATED if signals else INTERRUPTED


def verdict(error, started):
    """(exit status, line) for an error that needs no traceback, else (None, "").

    `started` is whether training had begun: before, bad values are the user's.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, NonFiniteLoss):
        return LOST, f"{text.split(';')[0]}; {SMALLER}"
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return LOST, f"the memory does not suffice ({text}); {MEMORY}"
    if "DefaultCPUAllocator" in text:
        return LOST, f"the memory does not suffice; {MEMORY}"
    if is_about_compiling(error):
        reason = str(error).strip().split("\n")[0]
        return BAD, f"torch.compile failed ({reason}); leave --compile away"
    if "gloo/" in text or type(error).__name__.startswith("Dist"):
        return LOST, f"another process is gone ({text.split('. ')[0]})"
    if isinstance(error, CheckpointError):
        return BAD, text
    if isinstance(error, OSError):
        return LOST if started else BAD, text
    if isinstance(error, ValueError) and not started:
        return BAD, text
    return None, ""


def farewell(run):
    """What an interrupted run leaves, and how to go on with it."""
    if run.folder is None or not run.folder.has_config():
        return "interrupted before training; nothing was saved"
    start = "python" if "RANK" not in os.environ else "torchrun ..."
    place = shlex.quote(str(run.folder))
    how = "and saved" if run.stopped else "at once, what was saved before is kept"
    return f"interrupted {how}; go on: {start} -m course_utils.train --resume {place}"


def complain(text):
    """Print a line to standard error; of several processes, say which."""
    number = os.environ.get("RANK")
    who = PROGRAM if number is None else f"{PROGRAM}, process {number}"
    print(f"{who}: {text}", file=sys.stderr, flush=True)


@contextmanager
def surrounded():
    """Warnings are lines, and a termination signal is an interrupt.

    Yields the list of the signals that came. Of several processes each ends at once, as
    torchrun expects when it ends them.
    """
    came = []

    def interrupt(number, frame):
        came.append(number)
        handler = signal.getsignal(signal.SIGINT)
        if not callable(handler):
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)

    alone = "RANK" not in os.environ
    mine = alone and threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, interrupt) if mine else None
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *place: complain(message)
        try:
            yield came
        finally:
            if mine:
                signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
