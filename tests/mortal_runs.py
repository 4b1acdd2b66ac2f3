"""Trains a small model in processes that are killed; started by test_killed.py.

`python mortal_runs.py FOLDER`: first a run that nobody disturbs, in FOLDER/whole. Then
runs in FOLDER/1, FOLDER/2, ... whose processes get SIGKILL: some in a given call of
saving, most of them at a random moment. Each life resumes where the one before was
saved, until the run is finished. The results lie in their folders, the story of all
lives in FOLDER/lives.json.

Importing torch takes seconds. So it happens once, in a process that forks a trainer for
each life. It computes nothing itself, so that it has one thread and may fork.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path

import torch
from resuming import noise, rows_of, seed_all
from torch import nn

from course_utils.averaging import MovingAverage
from course_utils.checkpoint_files import read_checkpoint
from course_utils.checkpoints import Checkpoint
from course_utils.data import Batches, ImageSet
from course_utils.steps import ClassifierStep
from course_utils.training import fit

EPOCHS, IMAGES, BATCH, EVERY = 5, 60, 8, 3
KILLS, LEAST_IN_PHASE, MOST_LIVES = 30, 3, 200
CALLS = [  # of the second save in a life, before or after which the process is killed
    ("save", 1, "before"),
    ("save", 1, "after"),
    ("fsync", 1, "after"),
    ("link", 1, "after"),
    ("replace", 1, "after"),
    ("replace", 2, "before"),
    ("replace", 2, "after"),
    ("fsync", 2, "after"),
]


def make_images(seed, count=IMAGES):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (count, 1, 8, 8), generator=generator).to(torch.uint8)
    labels = torch.randint(3, (count,), generator=generator)
    return ImageSet(images, labels, ["a", "b", "c"], [0.5], [0.3])


def make_parts(seed, augment):
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(144, 3),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
    average = MovingAverage(model, 0.9)
    step = ClassifierStep(
        model, optimizer, scheduler=scheduler, average=average, clip_norm=1.0
    )
    images = make_images(0)
    return step, Batches(images, BATCH, shuffle=True, augment=augment, seed=seed)


# One life


class Told(Checkpoint):
    """A checkpoint that tells when it begins to save and when it has saved."""

    def __init__(self, path, tell):
        super().__init__(path, EVERY)
        self.tell = tell

    def save(self, parts):
        self.tell("s")
        super().save(parts)
        self.tell("S")


def train(folder, number, tell):
    """A run from where it was saved; what is new there begins with other numbers."""
    path = folder / "run.pt"
    seed = number if path.exists() else 0

    def augment(images, generator):
        tell("b")
        return noise(images, generator)

    step, batches = make_parts(seed, augment)
    tests = Batches(make_images(1, 20), 10)
    seed_all(seed)
    tell("r")
    checkpoint = Told(path, tell)
    history = fit(step, batches, EPOCHS, test_batches=tests, checkpoint=checkpoint)
    result = {"rows": rows_of(history), "losses": history.batch_losses}
    unfinished = folder / "result.new"  # a kill may come while it is written
    torch.save({"step": step.state_dict(), **result}, unfinished)
    os.replace(unfinished, folder / "result.pt")


def kill_in(tell, name, number, side):
    """Let a call of the second save be the end of this process."""
    module = torch if name == "save" else os
    call, told, calls = getattr(module, name), [], 0

    def watched(*arguments, **options):
        nonlocal calls
        calls += told.count("s") == 2
        last = calls == number
        if last and side == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(*arguments, **options)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def listen(word):
        told.append(word)
        tell(word)

    setattr(module, name, watched)
    return listen


def live(folder, number, wait=None, call=None):
    """One life: killed after so many seconds of training, in a call, or not at all.

    Returns what there was to tell: r for ready, b for each batch that was drawn, s and
    S for the beginning and the end of each save.
    """
    ear, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(ear)

            def tell(word):
                os.write(mouth, word.encode())

            train(folder, number, tell if call is None else kill_in(tell, *call))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(mouth)
    with os.fdopen(ear, "rb", buffering=0) as heard:
        told = heard.read(1)
        started = time.perf_counter()
        if wait is not None:
            time.sleep(wait)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        seconds = time.perf_counter() - started
        while word := heard.read(4096):
            told += word
    end = os.waitstatus_to_exitcode(status)
    assert end in (0, -signal.SIGKILL), f"life {number} ended with {end}"
    return {"told": told.decode(), "killed": end != 0, "seconds": seconds}


# All lives


def place(folder):
    """[epochs, batches of the next one] that the last checkpoint holds."""
    path = folder / "run.pt"
    if not path.exists():
        return [0, 0]
    parts = read_checkpoint(path)["parts"]
    totals = parts["epoch"]["totals"]
    return [len(parts["history"]["rows"]), len(totals["sizes"])]


def enough(lives):
    """Whether random kills were as many as wanted, and hit training and saving."""
    phases = [life["phase"] for life in lives if life["killed"] and not life["call"]]
    saving = sum("left" in phase for phase in phases)
    training = sum(phase == "training" for phase in phases)
    return len(phases) >= KILLS and min(saving, training) >= LEAST_IN_PHASE


def phase_of(folder, life):
    """What the process did when it was killed, and which temporary files it left."""
    told = life["told"]
    if not life["killed"]:
        return "finished"
    if told.count("s") == told.count("S"):
        return "training" if "b" in told else "starting"
    left = sorted(path.name for path in folder.glob("*.tmp"))
    return f"saving, left {', '.join(left)}" if left else "saving"


def run_all(folder):
    """Lives of as many runs as it takes; their story."""
    (folder / "whole").mkdir()
    whole = live(folder / "whole", 0)
    longest = whole["seconds"] / 2  # to wait for a kill
    chance, calls, lives, run = random.Random(0), list(CALLS), [], 0
    while (calls or not enough(lives)) and len(lives) < MOST_LIVES:
        run += 1
        own = folder / str(run)
        own.mkdir()
        while not (own / "result.pt").exists():
            number, before, call, wait = len(lives) + 1, place(own), None, None
            if calls and chance.random() < 0.4:
                call = calls.pop(0)
            elif not enough(lives) and number < MOST_LIVES:
                wait = chance.random() * longest
            life = live(own, number, wait, call)
            phase = phase_of(own, life)
            longest *= {"finished": 0.7, "starting": 1.3}.get(phase, 1)
            if call and not life["killed"]:  # it did not come to a second save
                calls.insert(0, call)
            story = {"run": run, "wait": wait, "call": call, "phase": phase}
            lives.append({**story, "from": before, "to": place(own), **life})
    return {"runs": run, "lives": lives}


def main(folder):
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    story = run_all(folder)
    (folder / "lives.json").write_text(json.dumps(story, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
