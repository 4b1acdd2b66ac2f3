"""What does not live on the device is brought there, one batch after the other."""

import pytest
import torch
from resuming import Stateful
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from course_utils.checkpoints import has_state
from course_utils.data import Batches
from course_utils.loading import Copier, OnDevice, on_device
from course_utils.steps import ClassifierStep
from course_utils.training import evaluate, fit

needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card")


@pytest.fixture
def loader():
    """A DataLoader of 10 numbered images as bytes, 4 a batch."""
    images = torch.arange(10, dtype=torch.uint8).view(-1, 1, 1, 1)
    return DataLoader(TensorDataset(images, torch.arange(10)), batch_size=4)


def test_on_the_processor_nothing_is_copied():
    tensors = torch.zeros(3), torch.ones(2)
    copies = Copier("cpu")(*tensors)
    assert all(a is b for a, b in zip(copies, tensors, strict=True))


def test_a_copier_brings_tensors_to_the_device():
    copies = Copier("meta")(torch.zeros(3), torch.ones(2, dtype=torch.int64))
    assert [copy.device.type for copy in copies] == ["meta", "meta"]
    assert [copy.dtype for copy in copies] == [torch.float32, torch.int64]


def test_batches_are_those_of_the_loader(loader):
    here = OnDevice(loader, "cpu")
    assert len(here) == 3
    for _ in range(2):
        assert [labels.tolist() for _, labels in here] == [
            [0, 1, 2, 3], [4, 5, 6, 7], [8, 9]
        ]  # fmt: skip


def test_a_change_is_made_on_the_device(loader):
    devices = []

    def change(images, labels):
        devices.append((images.device.type, images.dtype, labels.device.type))
        return images.float() / 2, labels + 1

    there = list(OnDevice(loader, "meta", change))
    assert devices == 3 * [("meta", torch.uint8, "meta")]
    assert all(images.dtype == torch.float32 for images, _ in there)
    images, labels = next(iter(OnDevice(loader, "cpu", change)))
    assert images.flatten().tolist() == [0, 0.5, 1, 1.5]
    assert labels.tolist() == [1, 2, 3, 4]


def test_it_trains_and_tests_from_changed_bytes(make_images, make_model):
    image_set = make_images(20)
    bytes_of = DataLoader(TensorDataset(image_set.images, image_set.labels), 8)
    here = OnDevice(bytes_of, "cpu", lambda x, y: (image_set.normalize(x), y))
    model = make_model()
    step = ClassifierStep(model, torch.optim.SGD(model.parameters(), 0.1))
    history = fit(step, here, 1, test_batches=here)
    found = evaluate(model, Batches(image_set, 8))
    assert history.last["test_loss"] == found["loss"]


def test_it_can_be_saved_where_the_loader_can(loader):
    assert not has_state(OnDevice(loader, "cpu"))
    inner = Stateful([(torch.zeros(2), torch.zeros(2))] * 3)
    here = OnDevice(inner, "cpu")
    assert has_state(here)
    next(iter(here))
    assert here.state_dict() == {"epoch": 0, "place": 1}
    here.load_state_dict({"epoch": 4, "place": 2})
    assert inner.epoch == 4 and len(list(here)) == 1


def test_a_stream_has_no_length():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter([(torch.zeros(1), 0)] * 5)

    here = OnDevice(DataLoader(Stream(), 2), "cpu")
    with pytest.raises(TypeError):
        len(here)
    assert len(list(here)) == 3


# Which loaders are wrapped


def test_for_a_model_on_the_processor_all_stay_as_they_are(loader):
    others = [loader, [1, 2], None]
    assert on_device(nn.Linear(2, 2), *others) == others
    assert on_device(nn.Identity(), *others) == others


def test_for_a_model_elsewhere_a_data_loader_is_wrapped(loader, make_images):
    class Own(DataLoader):
        pass

    own = Own(loader.dataset, 5)
    others = [Batches(make_images(5), 2), [1, 2], None, OnDevice(loader, "cpu")]
    model = nn.Linear(2, 2, device="meta")
    first, second, *same = on_device(model, loader, own, *others)
    for wrapped, inner in ((first, loader), (second, own)):
        assert isinstance(wrapped, OnDevice) and wrapped.loader is inner
        assert next(iter(wrapped))[0].device.type == "meta"
    assert all(a is b for a, b in zip(same, others, strict=True))


# On a card


@needs_card
@pytest.mark.parametrize("pinned", [False, True])
def test_copies_are_complete_before_they_are_used(pinned):
    """Also while the card still computes on what came before."""
    generator = torch.Generator().manual_seed(0)
    data = torch.randint(256, (64, 1 << 16), generator=generator, dtype=torch.uint8)
    sums = data.sum(1)
    loader = DataLoader(TensorDataset(data, sums), 4, pin_memory=pinned)
    busy = torch.randn(2048, 2048, device="cuda")
    wrong = torch.zeros((), dtype=torch.int64, device="cuda")
    for _ in range(3):
        for images, expected in OnDevice(loader, "cuda"):
            busy = (busy @ busy).clamp_(-1, 1)
            wrong += (images.sum(1) != expected).sum()
            del images  # its memory may be needed for the next batch
    assert wrong.item() == 0


@needs_card
def test_fit_brings_a_data_loader_to_the_card(make_images, make_model):
    image_set = make_images(50)
    images = image_set.normalize(image_set.images)
    loader = DataLoader(TensorDataset(images, image_set.labels), 16)
    model = make_model().to("cuda")
    step = ClassifierStep(model, torch.optim.SGD(model.parameters(), 0.1))
    history = fit(step, loader, 2, test_batches=loader)
    assert len(history.batch_losses) == 8
