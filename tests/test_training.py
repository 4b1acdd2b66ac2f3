"""The loop: exact means, curves that repeat, interrupts, and losses that are lost."""

import copy
import math
import random
import signal
import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_utils.augment import RandomCrop
from course_utils.data import Batches
from course_utils.steps import ClassifierStep
from course_utils.training import NonFiniteLoss, Totals, evaluate, fit, train_one_epoch


@pytest.fixture
def make_step(make_model):
    """A function that makes a ClassifierStep of a small model."""

    def make(lr=0.1, **options):
        model = make_model(**options)
        return ClassifierStep(model, torch.optim.SGD(model.parameters(), lr, 0.9))

    return make


class Recorder:
    """A step that learns nothing: it notes its batches and returns given losses."""

    model = nn.Identity()

    @staticmethod
    def measure(outputs, labels):
        return {"loss": torch.zeros(())}

    def __init__(self, loss=lambda number: 1.0, act=lambda number: None):
        self.loss, self.act, self.sizes = loss, act, []

    def __call__(self, images, labels):
        self.sizes.append(len(labels))
        self.act(len(self.sizes))
        return {"loss": torch.tensor(self.loss(len(self.sizes)) * len(labels))}


# Means


def test_means_are_per_image_with_a_short_last_batch(make_images, make_model):
    image_set = make_images(50)
    model = make_model().eval()
    with torch.no_grad():
        logits = model(image_set.normalize(image_set.images)).double()
    loss = F.cross_entropy(logits, image_set.labels).item()
    accuracy = (logits.argmax(1) == image_set.labels).double().mean().item()
    for batch_size in (1, 7, 16, 49, 50):
        means = evaluate(model, Batches(image_set, batch_size))
        assert means["loss"] == pytest.approx(loss, rel=1e-6)
        assert means["accuracy"] == pytest.approx(accuracy, abs=1e-12)


def test_training_means_are_weighted_by_images(make_images):
    losses = [3.0, 5.0, 11.0]  # of batches of 20, 20 and 10 images
    step = Recorder(lambda number: losses[number - 1])
    means = train_one_epoch(step, Batches(make_images(50), 20))
    assert means == {"loss": pytest.approx((20 * 3 + 20 * 5 + 10 * 11) / 50)}


def test_sums_are_added_in_double_precision():
    totals = Totals()
    for loss in [2.0**25, *[1.0] * 1000]:
        totals.add({"loss": torch.tensor(loss)}, 1)
    assert totals.read()["loss"] == (2**25 + 1000) / 1001  # float32 would lose ones


def test_reading_twice_and_in_between_changes_nothing():
    once, often = Totals(), Totals()
    for number in range(1, 8):
        sums = {"loss": torch.tensor(float(number)), "accuracy": torch.tensor(number)}
        once.add(sums, 2)
        often.add(sums, 2)
        often.read()
    assert often.read() == often.read() == once.read() == {"loss": 2, "accuracy": 2}
    assert often.batch_losses == once.batch_losses == [n / 2 for n in range(1, 8)]


def test_the_means_do_not_depend_on_when_they_were_read():
    """To the last bit: so a resumed run has the means of one that was not stopped."""
    chance = random.Random(0)
    losses = [chance.random() * 10.0 ** chance.randrange(-20, 5) for _ in range(200)]
    found = set()
    for pause in (1, 3, 50, 200):
        totals = Totals()
        for number, loss in enumerate(losses):
            totals.add({"loss": torch.tensor(loss, dtype=torch.float64)}, 1)
            if number % pause == 0:
                totals.read()
        found.add(totals.read()["loss"])
    assert found == {math.fsum(losses) / len(losses)}


def add_batches(totals, numbers):
    for number in numbers:
        sums = {"loss": torch.tensor(number / 7), "accuracy": torch.tensor(number)}
        totals.add(sums, number)
    return totals


@pytest.mark.parametrize("read", [False, True])
def test_totals_go_on_from_their_state(read):
    whole = add_batches(Totals(), range(1, 9))
    first = add_batches(Totals(), range(1, 4))
    if read:
        first.read()
    state = copy.deepcopy(first.state_dict())
    second = add_batches(Totals(), [100])  # what there was before is forgotten
    second.load_state_dict(state)
    assert (second.batches, second.images) == (3, 1 + 2 + 3)
    assert second.read() == first.read() and second.batch_losses == first.batch_losses
    add_batches(second, range(4, 9))
    assert second.read() == whole.read() and second.images == whole.images == 36
    assert second.batch_losses == whole.batch_losses
    assert state == first.state_dict()  # not touched by the one that goes on


def test_totals_of_nothing_have_a_state():
    totals = Totals()
    totals.load_state_dict(Totals().state_dict())
    assert totals.batches == 0 and totals.batch_losses == []
    with pytest.raises(ValueError, match="no image"):
        totals.read()


def test_an_epoch_goes_on_with_its_totals(make_images):
    batches = list(Batches(make_images(40), 10))
    means = train_one_epoch(Recorder(float), batches)
    totals, step = Totals(), Recorder(float)
    train_one_epoch(step, batches[:3], totals=totals)
    assert train_one_epoch(step, batches[3:], totals=totals) == means == {"loss": 2.5}
    assert totals.batch_losses == [1, 2, 3, 4]


def test_evaluation_learns_nothing_and_restores_the_mode(make_images, make_model):
    batches = Batches(make_images(20), 8)
    model = make_model(dropout=0.5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for mode in (True, False):
        model.train(mode)
        assert evaluate(model, batches) == evaluate(model, batches)
        assert model.training == mode
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(parameter.grad is None for parameter in model.parameters())


def test_evaluation_takes_another_measure(make_images, make_model):
    def largest(logits, labels):
        return {"largest": logits.max(1).values.sum()}

    assert evaluate(make_model(), Batches(make_images(9), 4), largest).keys() == {
        "largest"
    }


# Runs


def test_history_has_a_row_per_epoch_and_a_loss_per_batch(make_step, make_images):
    batches = Batches(make_images(50), 16, shuffle=True)
    history = fit(make_step(), batches, 3, test_batches=Batches(make_images(9), 4))
    means = {"train_loss", "train_accuracy", "test_loss", "test_accuracy"}
    assert all(row.keys() == {"epoch", "seconds", *means} for row in history.rows)
    assert history.column("epoch") == [1, 2, 3]
    assert len(history.batch_losses) == 3 * 4 and not history.interrupted
    assert all(seconds > 0 for seconds in history.column("seconds"))
    weights = [16, 16, 16, 2]
    for epoch, loss in enumerate(history.column("train_loss")):
        of_epoch = history.batch_losses[4 * epoch : 4 * epoch + 4]
        mean = sum(w * x for w, x in zip(weights, of_epoch, strict=True)) / 50
        assert loss == pytest.approx(mean, rel=1e-9)


def test_it_learns(make_step, make_images):
    train, test = make_images(200, seed=0), make_images(100, seed=1)
    batches = Batches(train, 20, shuffle=True)
    history = fit(make_step(), batches, 5, test_batches=Batches(test, 50))
    assert history.last["test_accuracy"] > 0.9
    assert history.last["train_loss"] < 0.5 * history.rows[0]["train_loss"]


def test_the_same_seed_gives_the_same_curve(make_step, make_images):
    def run(seed):
        augment = RandomCrop(1)
        batches = Batches(make_images(), 16, shuffle=True, augment=augment, seed=seed)
        torch.manual_seed(0)
        return fit(make_step(dropout=0.2), batches, 3).batch_losses

    assert run(0) == run(0) != run(1)


def test_a_data_loader_and_a_list_do_as_well(make_step, make_images):
    image_set = make_images(50)
    images = image_set.normalize(image_set.images)
    loader = DataLoader(TensorDataset(images, image_set.labels), batch_size=16)
    runs = [
        fit(make_step(), batches, 2, test_batches=batches)
        for batches in (Batches(image_set, 16), loader, list(loader))
    ]
    assert runs[0].batch_losses == runs[1].batch_losses == runs[2].batch_losses
    losses = [run.column("test_loss") for run in runs]
    assert losses[0] == losses[1] == losses[2]


def test_an_iterator_is_used_up_after_one_epoch(make_step, make_images):
    iterator = iter(list(Batches(make_images(10), 5)))
    with pytest.raises(ValueError, match="an iterator can be used only once"):
        fit(make_step(), iterator, 2)


def test_no_epochs_is_an_empty_history(make_step, make_images):
    assert fit(make_step(), Batches(make_images(10), 5), 0).rows == []


def test_reads_from_the_device_do_not_grow_with_the_batches(
    make_step, make_images, monkeypatch
):
    counts = {}

    def count(name):
        original = getattr(torch.Tensor, name)

        def counted(self, *arguments):
            counts[name] = counts.get(name, 0) + 1
            return original(self, *arguments)

        monkeypatch.setattr(torch.Tensor, name, counted)

    for name in ("item", "tolist", "cpu", "numpy", "nonzero"):
        count(name)
    for kind in ("bool", "float", "int", "index"):
        count(f"__{kind}__")
    used = []
    for batch_size in (24, 2):
        counts.clear()
        step = make_step()
        fit(step, Batches(make_images(48), batch_size), 1)
        used.append(dict(counts))
    assert used[0] == used[1]
    assert 0 < sum(used[0].values()) <= 4, used


# Stopping by hand


def test_an_interrupt_lets_the_batch_finish_and_keeps_the_history(make_images):
    def act(number):
        if number == 6:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    step = Recorder(float, act)
    batches = Batches(make_images(40), 10)
    history = fit(step, batches, 5, test_batches=batches)
    assert len(step.sizes) == 6 and history.interrupted
    assert [row["epoch"] for row in history.rows] == [1, 2]
    assert history.batch_losses == [1, 2, 3, 4, 5, 6]
    assert history.last["train_loss"] == 5.5 and "test_loss" not in history.last
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_stops_at_once(make_images):
    def act(number):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    step = Recorder(act=act)
    with pytest.raises(KeyboardInterrupt):
        fit(step, Batches(make_images(40), 10), 5)
    assert len(step.sizes) == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_during_the_evaluation_lets_the_epoch_finish(make_images):
    step, tests = Recorder(float), []

    def measure(outputs, labels):
        tests.append(len(labels))
        if len(tests) == 6:
            signal.raise_signal(signal.SIGINT)
        return {"loss": torch.zeros(())}

    step.measure = measure
    batches = Batches(make_images(40), 10)
    history = fit(step, batches, 5, test_batches=batches)
    assert history.interrupted and len(tests) == len(step.sizes) == 8
    assert [row["epoch"] for row in history.rows] == [1, 2]
    assert history.last["test_loss"] == 0


def test_it_also_runs_in_a_thread(make_step, make_images):
    found = []
    batches = Batches(make_images(10), 5)
    thread = threading.Thread(target=lambda: found.append(fit(make_step(), batches, 1)))
    thread.start()
    thread.join()
    assert len(found[0].rows) == 1


# Losses that are lost


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_names_its_place(make_images, loss):
    step = Recorder(lambda number: loss if number == 7 else 1.0)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(
        NonFiniteLoss, match=r"first in epoch 2, batch 3;.*10 times"
    ) as e:
        fit(step, Batches(make_images(40), 10), 3)
    error = e.value
    assert (error.epoch, error.batch) == (2, 3)
    assert [row["epoch"] for row in error.history.rows] == [1]
    assert "the error's .history has the rest" in str(error)
    assert signal.getsignal(signal.SIGINT) is before


def test_training_that_diverges_stops(make_step, make_images):
    images = make_images(64)
    step = ClassifierStep(
        (model := nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Linear(64, 3))),
        torch.optim.SGD(model.parameters(), 1e9),
    )
    with pytest.raises(NonFiniteLoss):
        fit(step, Batches(images, 4), 20)


def test_outside_fit_only_the_batch_is_known(make_images):
    step = Recorder(lambda number: float("nan") if number == 2 else 1.0)
    with pytest.raises(NonFiniteLoss, match="first in batch 2; try") as error:
        train_one_epoch(step, Batches(make_images(40), 10))
    assert error.value.epoch is None and "history" not in str(error.value)


def test_infinities_of_both_signs_are_a_lost_loss_too():
    totals = Totals()
    for loss in (1.0, float("inf"), float("-inf")):
        totals.add({"loss": torch.tensor(loss)}, 1)
    with pytest.raises(NonFiniteLoss, match="first in batch 2"):
        totals.read()


def test_a_loss_that_was_lost_after_a_resume_has_its_number():
    totals = Totals()
    totals.load_state_dict(add_batches(Totals(), range(1, 4)).state_dict())
    totals.add({"loss": torch.tensor(float("nan")), "accuracy": torch.tensor(0)}, 1)
    with pytest.raises(NonFiniteLoss, match="first in batch 4"):
        totals.read()


def test_another_metric_that_is_not_finite():
    totals = Totals()
    totals.add({"loss": torch.tensor(1.0), "other": torch.tensor(float("nan"))}, 1)
    with pytest.raises(NonFiniteLoss, match="first in this epoch"):
        totals.read()


def test_watch_stops_an_epoch(make_images):
    step = Recorder()
    batches = Batches(make_images(40), 10)
    train_one_epoch(step, batches, lambda totals: len(step.sizes) < 2)
    assert step.sizes == [10, 10]
