"""A resumed run equals an uninterrupted one, wherever it was stopped."""

import copy
import itertools
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from resuming import (
    Disturbed,
    Stateful,
    assert_same,
    interrupt,
    noise,
    rows_of,
    seed_all,
)
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from course_utils import checkpoints, session
from course_utils.augment import Compose, RandomCrop, RandomFlip
from course_utils.averaging import MovingAverage
from course_utils.checkpoint_files import read_checkpoint
from course_utils.checkpoints import Checkpoint, CheckpointError, as_checkpoint
from course_utils.data import Batches
from course_utils.loading import OnDevice
from course_utils.random_states import random_state, set_random_state
from course_utils.steps import ClassifierStep, MixupStep, Nothing
from course_utils.totals import NonFiniteLoss, Totals
from course_utils.training import fit

EPOCHS, BATCHES, TESTS = 3, 3, 2  # epochs, batches in each, and in each evaluation


def plain(model, optimizer=torch.optim.SGD, kind=ClassifierStep, **parts):
    """A step with a schedule and clipped gradients."""
    used = optimizer(model.parameters(), lr=0.05)
    for group in used.param_groups:
        group["momentum"] = 0.9
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(used, 50)
    return kind(model, used, scheduler=scheduler, clip_norm=1.0, **parts)


def in_float16(model):
    """A step whose first gradients overflow, so that those updates are left out."""

    def large(logits, labels):
        return 1000 * F.cross_entropy(logits, labels)

    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    options = {"precision": "fp16", "clip_norm": 1.0, "loss": large}
    return ClassifierStep(model, optimizer, **options)


STEPS = {
    "sgd": plain,
    "adamw": lambda model: plain(model, torch.optim.AdamW),
    "fp16": in_float16,
    "bf16": lambda model: plain(model, precision="bf16"),
    "accumulate": lambda model: plain(model, accumulate=2),
    "mixup": lambda model: plain(model, kind=MixupStep),
    "average": lambda model: plain(model, average=MovingAverage(model, 0.9)),
}


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """Nobody pulls the plug here: hundreds of files need not reach the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def parts(make_images, make_model):
    """A function that makes a step and batches in which everything has a state.

    The random numbers of a run that nobody interrupts begin with seed 0.
    """

    def make(seed=0, make_step=plain, **options):
        step = make_step(make_model(dropout=0.3, seed=seed, **options))
        augment = Compose(RandomCrop(1), RandomFlip(), noise)
        batches = Batches(make_images(20), 8, shuffle=True, augment=augment, seed=seed)
        seed_all(11 if seed == 0 else seed)
        return step, batches

    return make


@pytest.fixture
def run(parts, make_images):
    """A function that trains; `stop` is what Disturbed gets. Returns step, history."""

    def train(seed=0, make_step=plain, stop=None, batches=None, **options):
        step, own = parts(seed, make_step)
        batches = own if batches is None else batches
        trained = step if stop is None else Disturbed(step, **stop)
        tests = Batches(make_images(12, seed=1), 12 // TESTS)
        options = {"test_batches": tests} | options
        return step, fit(trained, batches, EPOCHS, **options)

    return train


def assert_equal_runs(first, second):
    """Two runs (step, history) ended alike bit for bit, but for the clock."""
    assert_same(first[0].state_dict(), second[0].state_dict())
    assert_same(rows_of(first[1]), rows_of(second[1]))
    assert_same(first[1].batch_losses, second[1].batch_losses)
    assert first[1].interrupted == second[1].interrupted


# Stopped by hand


@pytest.mark.parametrize("kind", STEPS)
def test_a_run_goes_on_after_any_batch(run, tmp_path, kind):
    make_step = STEPS[kind]
    whole = run(0, make_step)
    assert len(whole[1].batch_losses) == EPOCHS * BATCHES
    assert (whole[1].last.get("skipped_steps", 0) > 0) == (kind == "fp16")
    for stop in range(1, EPOCHS * BATCHES + 1):
        path = tmp_path / f"{stop}.pt"
        _, stopped = run(0, make_step, {"at": stop}, checkpoint=path)
        assert stopped.interrupted
        assert stopped.batch_losses == whole[1].batch_losses[:stop]
        assert_equal_runs(run(5, make_step, checkpoint=path), whole)


def test_a_run_goes_on_after_any_batch_of_an_evaluation(run, tmp_path):
    whole = run()
    for stop in range(1, EPOCHS * TESTS + 1):
        path = tmp_path / f"{stop}.pt"
        _, stopped = run(stop={"at": stop, "tested": True}, checkpoint=path)
        assert stopped.interrupted and "test_loss" in stopped.last
        assert rows_of(stopped) == rows_of(whole[1])[: 1 + (stop - 1) // TESTS]
        assert_equal_runs(run(5, checkpoint=path), whole)


def test_a_run_may_be_stopped_after_each_batch(run, tmp_path):
    whole, path = run(), tmp_path / "run.pt"
    lives = 0
    while (resumed := run(lives, stop={"at": 1}, checkpoint=path))[1].interrupted:
        lives += 1
    assert lives == EPOCHS * BATCHES
    assert_equal_runs(resumed, whole)


def test_the_second_interrupt_leaves_what_was_saved(run, tmp_path):
    whole, path = run(), tmp_path / "run.pt"
    stop = {"at": BATCHES + 2, "event": lambda: (interrupt(), interrupt())}
    with pytest.raises(KeyboardInterrupt):
        run(stop=stop, checkpoint=path)
    assert len(read_checkpoint(path)["parts"]["history"]["rows"]) == 1
    assert_equal_runs(run(5, checkpoint=path), whole)


def test_a_stopped_epoch_gets_a_row_but_does_not_count(run, tmp_path):
    path = tmp_path / "run.pt"
    _, stopped = run(stop={"at": BATCHES + 2}, checkpoint=path)
    assert [row["epoch"] for row in stopped.rows] == [1, 2]
    assert "test_loss" not in stopped.last
    weights = [8, 8]
    losses = stopped.batch_losses[BATCHES:]
    mean = sum(w * x for w, x in zip(weights, losses, strict=True)) / sum(weights)
    assert stopped.last["train_loss"] == pytest.approx(mean, rel=1e-9)
    saved = read_checkpoint(path)["parts"]
    assert len(saved["history"]["rows"]) == 1
    assert len(saved["epoch"]["totals"]["sizes"]) == 2


def test_the_seconds_of_an_epoch_add_up(run, tmp_path, monkeypatch):
    clock = SimpleNamespace(now=0.0)  # a second goes by with each batch
    watch = session.Session.watch

    def tick(self, totals):
        clock.now += 1
        return watch(self, totals)

    monkeypatch.setattr(session.Session, "watch", tick)
    clock.perf_counter = lambda: clock.now
    monkeypatch.setattr(session, "time", clock)
    path = tmp_path / "run.pt"
    for stop in (BATCHES + 1, 2):
        _, stopped = run(stop={"at": stop}, checkpoint=path)
        clock.now += 1000  # nothing runs
    assert stopped.column("seconds") == [BATCHES, 3]
    _, resumed = run(checkpoint=path)
    assert resumed.column("seconds") == EPOCHS * [BATCHES]


# Saved inside epochs, and killed by an error


class Killed(Exception):
    """An end without any farewell, as far as the run is concerned."""


def kill():
    raise Killed


@pytest.mark.parametrize("every", [1, 2, BATCHES, BATCHES + 1])
def test_saved_inside_epochs(run, tmp_path, every):
    whole = run()
    for stop in range(1, EPOCHS * BATCHES + 1):
        path = tmp_path / f"{stop}.pt"
        checkpoint = Checkpoint(path, every)
        with pytest.raises(Killed):
            run(stop={"at": stop, "event": kill}, checkpoint=checkpoint)
        epoch, batch = divmod(stop - 1, BATCHES)
        assert path.exists() == (epoch > 0 or batch >= every)
        if path.exists():
            saved = read_checkpoint(path)["parts"]["epoch"]["totals"]["sizes"]
            assert len(saved) == batch // every * every
        seed = 5 if path.exists() else 0
        assert_equal_runs(run(seed, checkpoint=Checkpoint(path, every)), whole)


def test_killed_in_an_evaluation(run, tmp_path):
    whole = run()
    for stop, every in itertools.product(range(1, EPOCHS * TESTS + 1), (1, 2)):
        checkpoint = Checkpoint(tmp_path / f"{stop}_{every}.pt", every)
        stopped = {"at": stop, "tested": True, "event": kill}
        with pytest.raises(Killed):
            run(stop=stopped, checkpoint=checkpoint)
        assert_equal_runs(run(5, checkpoint=checkpoint), whole)


def test_batches_without_a_place_cannot_be_saved_inside_epochs(run, parts, tmp_path):
    checkpoint = Checkpoint(tmp_path / "run.pt", every=2)
    message = "every 2 batches needs batches that know their place.*not list; every=No"
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match=message):
        run(batches=list(parts()[1]), checkpoint=checkpoint)
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("every", [0, -1, 2.0, "3"])
def test_every_is_a_number_of_batches(tmp_path, every):
    with pytest.raises(ValueError, match="every must be a number of batches from 1"):
        Checkpoint(tmp_path / "run.pt", every)


def test_a_lost_run_is_not_saved(parts, tmp_path):
    """The file keeps the state before the loss was lost, whatever `every` says."""
    step, batches = parts()
    path = tmp_path / "run.pt"

    def spoil():
        with torch.no_grad():
            step.model[-1].weight.fill_(float("nan"))

    disturbed = Disturbed(step, 3, spoil, after=False)
    with pytest.raises(NonFiniteLoss, match="in epoch 1, batch 3"):
        fit(disturbed, batches, EPOCHS, checkpoint=Checkpoint(path, every=1))
    saved = read_checkpoint(path)["parts"]
    assert len(saved["epoch"]["totals"]["sizes"]) == 2
    assert saved["step"]["model"]["6.weight"].isfinite().all()


# Other kinds of batches


def loader_of(images, generator=None, in_sampler=False):
    """A shuffling DataLoader, with or without a generator of its own."""
    data = TensorDataset(images.normalize(images.images), images.labels)
    if in_sampler:
        sampler = RandomSampler(data, generator=generator)
        return DataLoader(data, 8, sampler=sampler)
    return DataLoader(data, 8, shuffle=True, generator=generator)


@pytest.mark.parametrize("own", [None, "loader", "sampler", "wrapped"])
def test_a_data_loader_goes_on_after_whole_epochs(run, make_images, tmp_path, own):
    def loader(seed):
        generator = None if own is None else torch.Generator().manual_seed(seed)
        made = loader_of(make_images(20), generator, own == "sampler")
        return OnDevice(made, "cpu") if own == "wrapped" else made

    whole = run(batches=loader(0))
    for stop in range(1, EPOCHS * BATCHES + 1):
        path = tmp_path / f"{stop}.pt"
        run(stop={"at": stop}, batches=loader(0), checkpoint=path)
        assert path.exists() == (stop > BATCHES)
        seed = 5 if path.exists() else 0
        resumed = run(seed, batches=loader(seed), checkpoint=path)
        assert_equal_runs(resumed, whole)


def test_generators_that_the_loader_has_no_more_are_named(run, make_images, tmp_path):
    path = tmp_path / "run.pt"
    with_one = loader_of(make_images(20), torch.Generator().manual_seed(0))
    run(batches=with_one, checkpoint=path)
    with pytest.raises(CheckpointError, match="holds epoch, history, order, step, thi"):
        run(batches=loader_of(make_images(20)), checkpoint=path)
    in_sampler = loader_of(make_images(20), torch.Generator(), in_sampler=True)
    with pytest.raises(CheckpointError, match="of its loader, sampler, here sampler"):
        run(batches=in_sampler, checkpoint=path)


def test_a_list_goes_on_after_whole_epochs(run, make_images, tmp_path):
    batches = list(Batches(make_images(20), 8))
    whole = run(batches=batches)
    for stop in range(BATCHES + 1, EPOCHS * BATCHES + 1):
        path = tmp_path / f"{stop}.pt"
        run(stop={"at": stop}, batches=batches, checkpoint=path)
        assert_equal_runs(run(5, batches=batches, checkpoint=path), whole)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("every", [None, 1, 2])
def test_a_loader_that_knows_its_place(run, make_images, tmp_path, wrapped, every):
    drawn = list(Batches(make_images(20), 8))

    def loader(seed):
        made = Stateful(drawn, seed=3)
        return OnDevice(made, "cpu") if wrapped else made

    whole = run(batches=loader(0))
    event = interrupt if every is None else kill
    for stop in range(2, EPOCHS * BATCHES + 1):
        checkpoint = Checkpoint(tmp_path / f"{stop}.pt", every)
        try:
            stopped = {"at": stop, "event": event}
            run(stop=stopped, batches=loader(0), checkpoint=checkpoint)
        except Killed:
            assert every is not None
        seed = 5 if checkpoint.path.exists() else 0
        resumed = run(seed, batches=loader(seed), checkpoint=checkpoint)
        assert_equal_runs(resumed, whole)


# Runs that are not as they were


def test_a_finished_run_trains_no_further(parts, tmp_path):
    path = tmp_path / "run.pt"
    step, batches = parts()
    first = fit(step, batches, 2, checkpoint=path)
    before = copy.deepcopy(step.state_dict())
    again = fit(step, batches, 2, checkpoint=path)
    assert again.rows == first.rows
    assert_same(step.state_dict(), before)


def test_a_run_can_be_made_longer_or_shorter(parts, tmp_path):
    path = tmp_path / "run.pt"
    whole = fit(*parts(), 3)
    fit(*parts(), 1, checkpoint=path)
    assert fit(*parts(5), 3, checkpoint=path).batch_losses == whole.batch_losses
    shorter = fit(*parts(5), 2, checkpoint=path)
    assert rows_of(shorter) == rows_of(whole)


def test_an_epoch_is_finished_with_the_batches_it_began_with(
    parts, make_images, tmp_path
):
    path = tmp_path / "run.pt"
    step, batches = parts()
    fit(Disturbed(step, 3), batches, 2, checkpoint=path)
    for images, size in ((20, 7), (21, 8)):
        other = Batches(make_images(images), size, shuffle=True)
        message = (
            "epoch of 20 images, 8 a batch, shuffled, these are "
            f"{images} images, {size} a batch, shuffled; finish that epoch"
        )
        with pytest.raises(CheckpointError, match=message):
            fit(step, other, 2, checkpoint=path)
    fit(*parts(), 1, checkpoint=path)
    other = Batches(make_images(21), 6, shuffle=True)
    assert len(fit(step, other, 2, checkpoint=path).batch_losses) == BATCHES + 4


def test_a_rate_from_numpy_can_be_saved(parts, tmp_path):
    path = tmp_path / "run.pt"
    rates = np.logspace(-2, -1, 3)

    def make_step(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=rates[1])
        return ClassifierStep(model, optimizer)

    whole = fit(*parts(0, make_step), 2)
    fit(*parts(0, make_step), 1, checkpoint=path)
    resumed = fit(*parts(5, make_step), 2, checkpoint=path)
    assert resumed.batch_losses == whole.batch_losses


# Resuming on its own


@pytest.fixture
def saved(parts, tmp_path):
    """The path of a checkpoint of these parts, after an epoch."""
    path = tmp_path / "run.pt"
    fit(*parts(), 1, checkpoint=path)
    return path


def parts_of(step, batches):
    """The parts of a run, as `fit` saves them."""
    history, epoch = fit(step, [], 0), SimpleNamespace()
    totals, seconds = Totals(), 0.0
    epoch.state_dict = lambda: {"totals": totals.state_dict(), "seconds": seconds}
    epoch.load_state_dict = lambda state: totals.load_state_dict(state["totals"])
    return {"step": step, "history": history, "epoch": epoch, "batches": batches}


def refused(path, step, batches, match):
    """The file is refused with this message, and nothing has changed."""
    run = parts_of(step, batches)

    def state():
        states = {name: part.state_dict() for name, part in run.items()}
        return copy.deepcopy({**states, "random": random_state()})

    before = state()
    with pytest.raises(CheckpointError, match=match) as error:
        Checkpoint(path).resume(run)
    assert str(path) in str(error.value)
    assert_same(state(), before)


@pytest.mark.parametrize(
    "other",
    [
        {"classes": 4},
        {"channels": 3},
        {"make_step": STEPS["adamw"]},
        {"make_step": STEPS["average"]},
        {"make_step": STEPS["fp16"]},
        {"make_step": lambda model: plain(model, torch.optim.Adagrad)},
    ],
    ids=["classes", "channels", "adamw", "average", "fp16", "adagrad"],
)
def test_a_checkpoint_of_another_run_is_refused(saved, parts, other):
    step, batches = parts(seed=3, **other)
    message = "(?s)is of another model, optimizer or kind of batches.*give this run"
    refused(saved, step, batches, message)


def test_a_run_without_its_scheduler_is_refused(saved, parts):
    step, batches = parts(seed=3)
    step.scheduler = Nothing()
    refused(saved, step, batches, "of another model, optimizer.*scheduler")


def test_batches_of_another_kind_are_refused(saved, parts):
    step, _ = parts(seed=3)
    message = "the file holds batches, epoch, history, step, this run has epoch, histor"
    with pytest.raises(CheckpointError, match=message):
        fit(step, [], 2, checkpoint=saved)


def test_a_refused_file_does_not_change_what_was_peeked_at(saved, parts):
    step, batches = parts(seed=3, classes=4)
    next(iter(batches))
    with pytest.raises(CheckpointError):
        fit(step, batches, 2, checkpoint=saved)
    assert len(list(batches)) == BATCHES  # a new epoch, not the rest of that one


def test_random_states_that_do_not_fit_change_nothing(saved, parts, monkeypatch):
    """The last to be restored: what came before them is undone."""
    set_all, refusals = checkpoints.set_random_state, []

    def set_some(state):
        set_all(state)
        if not refusals:
            refusals.append(state)
            raise RuntimeError("RNG state is wrong size")

    monkeypatch.setattr(checkpoints, "set_random_state", set_some)
    refused(saved, *parts(seed=3), r"does not fit.*\(RNG state is wrong size\)")


def test_a_path_a_checkpoint_or_none(tmp_path):
    checkpoint = Checkpoint(tmp_path / "run.pt")
    assert as_checkpoint(checkpoint) is checkpoint
    assert as_checkpoint("run.pt").path.name == "run.pt"
    assert not checkpoint.resume({}) and not as_checkpoint(None).resume({})
    with pytest.raises(CheckpointError, match="is a folder; give the path of a file"):
        as_checkpoint(tmp_path)


def test_random_states_go_on_where_they_were():
    import random

    def draws():
        return random.gauss(0, 1), np.random.randn(), torch.randn(2).tolist()

    draws()
    state = random_state()
    first = draws()
    assert draws() != first
    set_random_state(state)
    assert draws() == first
