"""What several processes train in the tests, and how they are started.

The same functions train in one process where torchrun has not started them.
"""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from course_utils import data
from course_utils.averaging import MovingAverage
from course_utils.data import Batches, ImageSet
from course_utils.distributed import distribute, process_index
from course_utils.runtime import seed_everything
from course_utils.schedules import warmup_cosine
from course_utils.steps import ClassifierStep
from course_utils.training import fit

PROGRAMS = Path(__file__).with_name("several_programs.py")
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
BATCH, TEST_BATCH = 12, 5
RUNS = {  # settings of train() that are compared with those of one process
    "batches that divide": {"images": 48},
    "odd batches": {"images": 43},
    "one image too many": {"images": 37, "tests": 16},
    "pieces": {"images": 39, "accumulate": 2},
    "clipped": {"images": 43, "clip_norm": 0.05},
    "scheduled": {"images": 43, "scheduled": True},
    "adam": {"images": 43, "optimizer": torch.optim.AdamW, "lr": 0.01},
    "double precision": {"images": 39, "accumulate": 2, "clip_norm": 0.5},
}


def launch(program, folder, restarts=0, timeout=240):
    """Run a program in two processes; (exit code, what they wrote to standard error).

    The results are in the folder.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += [f"--max-restarts={restarts}", "--rdzv-backend=c10d"]
    command += ["--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1"]
    command += [str(PROGRAMS), program, str(folder)]
    surroundings = {"OMP_NUM_THREADS": "1", "COURSE_DEVICE": "cpu"}
    with subprocess.Popen(
        command,
        env=os.environ | surroundings | {"GLOO_SOCKET_IFNAME": LOOPBACK},
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            _, errors = started.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            started.terminate()  # it ends its processes, too
            raise
    return started.returncode, errors


def results(folder):
    """What the program returned in the two processes."""
    return [
        torch.load(folder / f"{index}.result", weights_only=True) for index in range(2)
    ]


def some_images(count, seed=0):
    """An ImageSet of three classes that can be told apart."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (count,), generator=generator)
    noise = torch.randint(60, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    images = noise + (labels * 60).to(torch.uint8)[:, None, None, None]
    return ImageSet(images, labels, ["a", "b", "c"], [0.3], [0.2])


def numbered_images(count):
    """An ImageSet whose labels are the numbers of the images."""
    numbers = torch.arange(count)
    images = torch.zeros(count, 1, 1, 1, dtype=torch.uint8)
    return ImageSet(images, numbers, ["number"], [0.3], [0.2])


def some_model(dropout=0.0, batch_norm=False):
    """A small net that differs between processes, until it is distributed."""
    torch.manual_seed(100 + process_index())
    first = [nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Dropout(dropout)]
    if batch_norm:
        first.insert(1, nn.BatchNorm2d(5))
    features = nn.Sequential(*first, nn.Conv2d(5, 4, 3, stride=2))
    return nn.Sequential(features, nn.Flatten(), nn.Linear(16, 3))


class Joined:
    """The batches of two processes, put together again for one."""

    def __init__(self, *arguments, **options):
        self.parts = [
            Batches(*arguments, **options, shard=(index, 2)) for index in range(2)
        ]

    def __iter__(self):
        for pair in zip(*self.parts, strict=True):
            yield [torch.cat(tensors) for tensors in zip(*pair, strict=True)]


def state_of(model):
    """The weights of a model, by name."""
    return model.state_dict()


def train(images=43, tests=17, epochs=2, optimizer=torch.optim.SGD, lr=0.1,
          scheduled=False, spread=distribute, weights=state_of, batches=Batches,
          checkpoint=None, **parts):  # fmt: skip
    """A run that leaves nothing to chance, and what came of it."""
    model = spread(some_model())
    made = optimizer(model.parameters(), lr)
    if scheduled:
        parts["scheduler"] = warmup_cosine(made, 8, warmup=3)
    step = ClassifierStep(model, made, **parts)
    history = fit(
        step,
        batches(some_images(images), BATCH, shuffle=True),
        epochs,
        test_batches=batches(some_images(tests, seed=1), TEST_BATCH),
        checkpoint=checkpoint,
    )
    return {**seen(history), "weights": weights(step.tested)}


def seen(history):
    """What a history recorded, without the seconds."""
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]
    stopped = history.interrupted
    return {"rows": rows, "losses": history.batch_losses, "interrupted": stopped}


@contextmanager
def numbers_of(name):
    """torch computes in double precision where the name of a run says so."""
    torch.set_default_dtype(torch.float64 if "double" in name else torch.float32)
    data._per_channel.cache_clear()
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        data._per_channel.cache_clear()


class ActingStep(ClassifierStep):
    """A ClassifierStep that calls act(step, number of the batch, from 1) first."""

    def __init__(self, *arguments, act, **parts):
        super().__init__(*arguments, **parts)
        self.act, self.batches = act, 0

    def __call__(self, images, labels):
        self.batches += 1
        self.act(self, self.batches)
        return super().__call__(images, labels)


def chancy(checkpoint=None, act=lambda step, batch: None, seed=0, spread=distribute,
           averaged=True, epochs=4):  # fmt: skip
    """Epochs of four batches, with dropout of which each process draws its own.

    Everything has a state: momentum, schedule, batch norm, and an average.
    """
    plain = some_model(dropout=0.3, batch_norm=True)
    model = spread(plain)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    parts = {"scheduler": torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)}
    if averaged:
        parts["average"] = MovingAverage(plain, 0.9)
    step = ActingStep(model, optimizer, act=act, **parts)
    seed_everything(seed + process_index())
    history = fit(
        step,
        Batches(some_images(43), BATCH, shuffle=True),
        epochs,
        test_batches=Batches(some_images(17, seed=1), TEST_BATCH),
        checkpoint=checkpoint,
    )
    return {
        **seen(history),
        "batches": step.batches,
        "state": step.state_dict(),
        "tested buffers": dict(step.tested.named_buffers()),
    }
