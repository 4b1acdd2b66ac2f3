"""The programs that the tests of several processes start.

    torchrun --nproc-per-node 2 tests/several_programs.py NAME FOLDER

What a program returns goes to a file for each process; then it ends badly, for that has
to be tested too. They may not leave this machine
nor write into the repository.
"""

import contextlib
import faulthandler
import io
import math
import os
import signal
import sys
import time
import warnings
from pathlib import Path

import fence
import several
import torch
from several import RUNS, chancy, train
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.distributed.tensor import DTensor

from course_utils.checkpoints import Checkpoint
from course_utils.data import Batches
from course_utils.distributed import (
    distribute,
    first_ahead,
    first_decides,
    gather_from_processes,
    is_first,
    process_index,
    start_processes,
    stop_processes,
)
from course_utils.precision import LossScaler
from course_utils.sharded import ShardedCheckpoint, shard, whole_state

STOPS = {7: 9, 13: 4}  # of 16 batches: {done when a run is stopped: to do again}


class Stopped(Exception):
    """The run was to end in its middle."""


# In two processes that live


def everything(folder):
    """All that needs no process to die."""
    return {
        "runs": {name: a_run(name) for name in RUNS},
        "numbers": drawn_numbers(),
        "exchanges": exchanges_in_a_step(),
        "decided": [first_decides(number + process_index()) for number in (3, 0)],
        "order": order_of_entry(folder / "order.txt"),
        "whole": chancy(),
        "resumed": [resumed(Checkpoint, folder / f"{stop}.pt", stop) for stop in STOPS],
        "interrupted": interrupted(folder / "interrupted.pt"),
        "stopped": stopped_in_the_middle(folder / "odd.pt"),
        "quiet": shown_and_written(folder / "quiet"),
        "sharded": sharded(folder),
    }


def a_run(name):
    """One of RUNS in these processes."""
    with several.numbers_of(name):
        return train(**RUNS[name])


def drawn_numbers():
    """The numbers of the images that this process draws, [epoch][batch][image]."""
    batches = Batches(several.numbered_images(37), several.BATCH, shuffle=True)
    return [[labels.tolist() for _, labels in batches] for _ in range(3)]


def exchanges_in_a_step():
    """How often gradients are exchanged for a batch in three pieces."""

    def hook(state, bucket):
        calls.append(bucket)
        return default_hooks.allreduce_hook(state, bucket)

    calls, model = [], distribute(several.some_model())
    model.register_comm_hook(None, hook)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    step = several.ClassifierStep(model, optimizer, accumulate=3)
    for images, labels in Batches(several.some_images(24), several.BATCH):
        step(images, labels)
    return len(calls) / 2


def order_of_entry(path):
    """Which process was in a block first that the first one enters ahead."""
    with first_ahead(), path.open("a", encoding="utf-8") as file:
        time.sleep(0.5 * is_first())
        file.write(f"{process_index()}")
    gather_from_processes("both have written")
    return path.read_text(encoding="utf-8")


def resumed(kind, path, stop, **options):
    """A run that ends in its middle, and goes on in objects that begin elsewhere."""

    def act(step, batch):
        if batch == stop + 1:
            raise Stopped

    try:
        chancy(kind(path, every=3), act, **options)
    except Stopped:
        return chancy(kind(path, every=3), seed=50, **options)


class FewSaves(Checkpoint):
    """A checkpoint that stops the run after four times."""

    left = 4

    def save(self, parts):
        super().save(parts)
        self.left -= 1
        if not self.left:
            raise Stopped


def stopped_in_the_middle(path):
    """The beginning of the run of "odd batches", up to half of its second epoch."""
    with contextlib.suppress(Stopped):
        train(**RUNS["odd batches"], checkpoint=FewSaves(path, every=2))


def interrupted(path):
    """Interrupts reach both processes, but only that of the first one counts."""

    def act(step, batch):
        if batch in ([7] if is_first() else [3, 4]):
            signal.raise_signal(signal.SIGINT)

    return [chancy(path, act), chancy(path, seed=50)]


def shown_and_written(folder):
    """What this process shows in a terminal, and the files that it writes."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def watch(event, arguments):
        if event != "open" or not str(arguments[0]).startswith(str(folder)):
            return
        if arguments[2] & (os.O_WRONLY | os.O_RDWR):
            written.append(Path(arguments[0]).name)

    written, terminal, screen = [], Terminal(), sys.stderr
    sys.addaudithook(watch)
    sys.stderr = terminal
    try:
        train(checkpoint=folder / "run.pt")
    finally:
        sys.stderr = screen
    return {"shown": terminal.getvalue(), "written": sorted(set(written))}


# Sharded models


def sharded(folder):
    """The same with fully_shard in the place of DistributedDataParallel."""
    settings = {"spread": shard, "weights": whole_state}
    chance = {"spread": shard, "averaged": False}
    return {
        "runs": {name: train(**RUNS[name], **settings) for name in list(RUNS)[:-1]},
        "sizes": share_of_weights(),
        "whole": whole(chancy(**chance)),
        "resumed": whole(resumed(ShardedCheckpoint, folder / "sharded", 7, **chance)),
        "repaired": [whole(item) for item in repaired(folder / "sharded", **chance)],
        "skipped": skipped_steps(),
        "losses": {name: losses_in(name) for name in ("bf16", "fp16")},
    }


def whole(found):
    """The result of chancy() with whole tensors in the place of sharded ones."""

    def change(state):
        if isinstance(state, DTensor):
            return state.full_tensor()
        if isinstance(state, dict):
            return {name: change(item) for name, item in state.items()}
        return [*map(change, state)] if isinstance(state, list | tuple) else state

    return change(found)


def share_of_weights():
    """How many weights this process keeps, of how many."""
    model = shard(several.some_model())
    here = sum(weights.to_local().numel() for weights in model.parameters())
    return here, sum(weights.numel() for weights in model.parameters())


def repaired(folder, **options):
    """A finished run, read after each kind of damage; each time it goes on."""
    found = []
    first_part = folder / "__0_0.distcp"
    for harm in (cut, lambda path: folder.rename(folder.with_name("lost"))):
        if is_first():
            harm(first_part)
        gather_from_processes("harm is done")
        with warnings.catch_warnings(record=True) as noticed:
            warnings.simplefilter("always")
            found.append(chancy(ShardedCheckpoint(folder), seed=50, **options))
        texts = [str(item.message) for item in noticed]
        found[-1]["warnings"] = [text for text in texts if "Going on" in text]
    return found


def cut(path):
    """Keep half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def skipped_steps():
    """Updates that are left out where one process alone has an overflow."""
    model = shard(torch.nn.Linear(4, 4))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = LossScaler(torch.device("cpu"), enabled=True)
    scaler.scale(model(torch.ones(2, 4)).sum()).backward()
    if not is_first():
        model.weight.grad.to_local()[0, 0] = math.inf
    before = model.weight.full_tensor()
    scaler.step(optimizer)
    return scaler.skipped, torch.equal(before, model.weight.full_tensor())


def losses_in(precision):
    """The loss of each epoch of a run in another precision, with batch norm."""
    model = shard(several.some_model(batch_norm=True), precision=precision)
    step = several.ClassifierStep(
        model, torch.optim.SGD(model.parameters(), 0.1), precision=precision
    )
    batches = Batches(several.some_images(43), several.BATCH)
    history = several.fit(step, batches, 2, test_batches=batches)
    return history.column("train_loss") + history.column("test_loss")


# Processes that die


def elastic(folder):
    """A process is killed in the middle of a run; torchrun starts all of them again."""

    def act(step, batch):
        first_start = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
        if first_start and batch == 7 and not is_first():
            os.kill(os.getpid(), signal.SIGKILL)

    return chancy(Checkpoint(folder / "run.pt", every=3), act)


def lose_the_loss(folder):
    """The weights of one process are no numbers from the third batch on."""

    def act(step, batch):
        if batch == 3 and not is_first():
            with torch.no_grad():
                next(step.model.parameters()).fill_(math.nan)

    try:
        chancy(Checkpoint(folder / "lost.pt", every=1), act)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        (folder / f"{process_index()}.error").write_text(text, encoding="utf-8")
        raise


def die(folder):
    """One process is killed while the others wait for it."""
    if not is_first():
        os.kill(os.getpid(), signal.SIGKILL)
    gather_from_processes("nothing")


PROGRAMS = {  # and how they end
    "everything": (everything, lose_the_loss),
    "elastic": (elastic, die),
}


def main(name, folder):
    """Run a program between start_processes and stop_processes."""
    start_processes()
    start = os.environ["TORCHELASTIC_RESTART_COUNT"]
    (folder / f"{start}.{process_index()}.process").write_text(str(os.getpid()))
    program, end = PROGRAMS[name]
    try:
        torch.save(program(folder), folder / f"{process_index()}.result")
        end(folder)
    finally:
        stop_processes()


if __name__ == "__main__":
    faulthandler.dump_traceback_later(200, exit=True)  # and not hang
    os.chdir(sys.argv[2])  # the fence takes names in open folders for ones in this one
    fence.close_network()
    fence.close_repository()
    warnings.simplefilter("error")
    main(sys.argv[1], Path(sys.argv[2]))
