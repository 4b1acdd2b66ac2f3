"""The bundled data set, downloads without a network, ImageSet, and Batches."""

import gzip
import re
import shutil
import zlib
from itertools import chain, islice

import hypothesis.strategies as st
import pytest
import torch
import torchvision
from hypothesis import given

from course_utils import data
from course_utils.augment import RandomCrop
from course_utils.data import Batches, ImageSet, load_images
from course_utils.runtime import REPOSITORY

RAW = REPOSITORY / "data" / "FashionMNIST" / "raw"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"


@pytest.fixture(scope="module")
def test_set():
    return load_images(split="test")


# The bundled set


@pytest.mark.parametrize("split", ["train", "test"])
def test_fashion_mnist_equals_torchvision_s(split, tmp_path):
    shutil.copytree(RAW.parent, tmp_path / "FashionMNIST")
    reference = torchvision.datasets.FashionMNIST(
        str(tmp_path), train=split == "train", download=True
    )
    loaded = load_images(split=split)
    assert torch.equal(loaded.images[:, 0], reference.data)
    assert torch.equal(loaded.labels, reference.targets)
    assert loaded.labels.dtype == torch.int64
    assert len(loaded.classes) == 10


def test_statistics_are_those_of_the_training_pixels():
    pixels = load_images().images.double() / 255
    (mean,), (std,) = data.STATISTICS["fashion-mnist"]
    assert abs(pixels.mean() - mean) < 1e-4 and abs(pixels.std() - std) < 1e-4


def test_the_bundled_files_are_the_official_ones():
    import hashlib

    for url, md5 in torchvision.datasets.FashionMNIST.resources:
        assert hashlib.md5((RAW / url).read_bytes()).hexdigest() == md5


def test_a_limit_is_nested_mixed_and_repeatable(test_set):
    few, more = (load_images(split="test", limit=limit) for limit in (100, 1000))
    assert len(few) == 100 and len(more) == 1000
    assert torch.equal(more.images[:100], few.images)
    assert torch.equal(more.labels[:100], few.labels)
    assert few.labels.unique().numel() == 10
    assert len(load_images(split="test", limit=10**6)) == len(test_set)


def test_a_size_is_the_side_of_a_square():
    for size in (14, 28, 40):
        images = load_images(split="test", limit=5, size=size).images
        assert images.shape == (5, 1, size, size) and images.dtype == torch.uint8
    full, half = (load_images(split="test", limit=50, size=s) for s in (28, 14))
    pooled = torch.nn.functional.avg_pool2d(full.images.float(), 2)
    assert (half.images.float() - pooled).abs().mean() < 8


@pytest.mark.parametrize("argument", ["limit", "size"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "10"])
def test_sizes_are_whole_numbers(argument, value):
    message = f"{argument} must be a whole number from 1, got {value!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        load_images(**{argument: value})


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match='"train" or "test", got \'valid\''):
        load_images(split="valid")


@pytest.fixture
def own_data(monkeypatch, tmp_path):
    """A copy of the bundled test labels in a folder of its own."""
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for name in ("t10k-images-idx3-ubyte.gz", TEST_LABELS):
        shutil.copy(RAW / name, folder)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return folder / TEST_LABELS


def test_the_data_folder_can_be_moved(own_data, test_set):
    assert torch.equal(load_images(split="test").labels, test_set.labels)
    with pytest.raises(FileNotFoundError, match=r"train-images.*git checkout"):
        load_images()


@pytest.mark.parametrize("length", [0, 1, 5, 10, 100, 4000, -9, -1])
def test_a_truncated_file_is_named(own_data, length):
    own_data.write_bytes(own_data.read_bytes()[:length])
    with pytest.raises(OSError, match=rf"{TEST_LABELS} .*git checkout -- data"):
        load_images(split="test")


@pytest.mark.parametrize("place", [0, 3, 20, 1000, 3000])
def test_a_damaged_file_is_named(own_data, place):
    content = bytearray(own_data.read_bytes())
    content[place] ^= 0xFF
    own_data.write_bytes(content)
    try:
        unpacked = gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        with pytest.raises(OSError, match=rf"{TEST_LABELS} is damaged .*git checkout"):
            load_images(split="test")
    else:
        assert len(unpacked) == 10_008  # a byte of the header that says nothing


def test_a_file_of_another_length_is_named(own_data):
    own_data.write_bytes(gzip.compress(bytes(108)))
    with pytest.raises(OSError, match=r"holds 108 bytes, expected 10,008"):
        load_images(split="test")


@pytest.mark.parametrize("name", data.DOWNLOADS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of failed downloads
def test_without_a_network_the_bundled_set_is_named(name, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    message = rf"(?s){name} is not in .* could not be downloaded .*fashion-mnist"
    with pytest.raises(OSError, match=message):
        load_images(name)


@pytest.mark.parametrize(
    ("name", "shape", "targets"),
    [
        ("mnist", (6, 28, 28), torch.arange(6)),
        ("cifar10", (6, 32, 32, 3), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_downloaded_sets_become_image_sets(name, shape, targets, monkeypatch):
    class Source:
        data = torch.randint(256, shape, dtype=torch.uint8)
        classes = tuple("abcdefghij")

        def __init__(self, root, train, download):
            self.targets = targets

    Source.data = Source.data if name == "mnist" else Source.data.numpy()
    monkeypatch.setitem(data.DOWNLOADS, name, Source)
    loaded = load_images(name, limit=4)
    channels = 1 if name == "mnist" else 3
    assert loaded.images.shape == (4, channels, *shape[1:3])
    assert loaded.images.is_contiguous() and loaded.labels.dtype == torch.int64
    for image, label in zip(loaded.images, loaded.labels, strict=True):
        original = torch.as_tensor(Source.data[label])
        moved = original[None] if name == "mnist" else original.permute(2, 0, 1)
        assert torch.equal(image, moved)


# ImageSet


def test_one_image_several_and_a_mask(make_images):
    images = make_images(10)
    image, label = images[3]
    assert image.shape == (1, 8, 8) and label == images.labels[3]
    assert len(images[:4]) == 4 and isinstance(images[:4], ImageSet)
    chosen = images[images.labels == 1]
    assert (chosen.labels == 1).all() and len(chosen) == (images.labels == 1).sum()
    assert chosen.classes == images.classes
    assert [label.item() for _, label in images] == images.labels.tolist()


def test_its_description(make_images):
    text = "ImageSet of 1,200 images, 3 x 8 x 8, 3 classes"
    assert repr(make_images(1200, channels=3)) == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(2, 1, 4, 4)}, "uint8 .*got torch.float32"),
        ({"images": torch.zeros(2, 4, 4, dtype=torch.uint8)}, r"got .* \[2, 4, 4\]"),
        ({"labels": torch.zeros(3)}, r"2 images need as many labels.*\[3\]"),
        ({"mean": [0.1, 0.2, 0.3]}, "1 channels need 1 means and stds, got 3 and 1"),
    ],
)
def test_a_set_that_does_not_fit_together(change, message):
    parts = {
        "images": torch.zeros(2, 1, 4, 4, dtype=torch.uint8),
        "labels": torch.zeros(2, dtype=torch.int64),
        "classes": ["a"],
        "mean": [0.0],
        "std": [1.0],
    }
    with pytest.raises(ValueError, match=message):
        ImageSet(**{**parts, **change})


def test_normalize_gives_mean_0_and_deviation_1():
    images = torch.randint(256, (50, 3, 8, 8), dtype=torch.uint8)
    pixels = images.double() / 255
    mean, std = pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))
    image_set = ImageSet(
        images, torch.zeros(50).long(), ["a"], mean.tolist(), std.tolist()
    )
    view = (1, 3, 1, 1)
    expected = (pixels - mean.view(view)) / std.view(view)
    normal = image_set.normalize(images)
    assert normal.dtype == torch.float32
    assert (normal - expected).abs().max() < 1e-5
    assert normal.mean().abs() < 1e-5


# Batches


def numbered(count):
    """A set whose image i has the label i."""
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1)
    return ImageSet(images, torch.arange(count), ["n"], [0.0], [1 / 255])


def labels_of(batches):
    return [labels.tolist() for _, labels in batches]


def joined(batches):
    return torch.cat([labels for _, labels in batches]).tolist()


@given(st.integers(1, 60), st.integers(1, 70), st.booleans(), st.integers(0, 9))
def test_every_image_comes_once_an_epoch(count, batch_size, shuffle, seed):
    batches = Batches(numbered(count), batch_size, shuffle=shuffle, seed=seed)
    for _ in range(2):
        drawn = list(batches)
        sizes = [len(labels) for _, labels in drawn]
        assert len(drawn) == len(batches) and sum(sizes) == count
        assert all(size == batch_size for size in sizes[:-1])
        for images, labels in drawn:
            assert torch.equal(images.flatten(), labels.float())
        together = torch.cat([labels for _, labels in drawn])
        assert sorted(together.tolist()) == list(range(count))
        assert shuffle or together.tolist() == list(range(count))


def test_each_epoch_has_its_own_order_which_the_seed_decides():
    batches = Batches(numbered(50), 7, shuffle=True, seed=3)
    epochs = [labels_of(batches) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    again = Batches(numbered(50), 7, shuffle=True, seed=3)
    torch.manual_seed(99)  # the global generator has no say
    assert [labels_of(again) for _ in range(3)] == epochs
    assert labels_of(Batches(numbered(50), 7, shuffle=True, seed=4)) != epochs[0]


def test_the_order_does_not_depend_on_the_augmentation_or_the_batch_size():
    plain = Batches(numbered(50), 50, shuffle=True)
    other = Batches(numbered(50), 8, shuffle=True, augment=RandomCrop(1))
    for _ in range(2):
        assert joined(plain) == joined(other)


def test_augmentation_is_repeatable_and_new_each_epoch(make_images):
    def epochs(seed):
        batches = Batches(make_images(20), 8, augment=RandomCrop(2), seed=seed)
        return [torch.cat([images for images, _ in batches]) for _ in range(2)]

    first, second = epochs(0)
    assert not torch.equal(first, second)
    assert torch.equal(epochs(0)[0], first) and torch.equal(epochs(0)[1], second)
    assert not torch.equal(epochs(1)[0], first)


def test_the_set_itself_is_not_changed(make_images):
    image_set = make_images(20)
    before = image_set.images.clone()
    for images, _ in Batches(image_set, 8):
        images.zero_()
    assert torch.equal(image_set.images, before)


@pytest.mark.parametrize("batch_size", [0, -3, 2.0, None])
def test_a_batch_size_is_a_whole_number(batch_size):
    with pytest.raises(ValueError, match=f"whole number from 1, got {batch_size}"):
        Batches(numbered(3), batch_size)


def test_batches_need_a_set_that_is_not_empty(make_images):
    with pytest.raises(ValueError, match="the image set is empty"):
        Batches(make_images(5)[:0], 4)
    with pytest.raises(TypeError, match="expected an ImageSet, got list"):
        Batches([1, 2], 4)


# Where batches are, and how they go on


def drawn(batches, count=None):
    """The next batches of a pass, as lists of (pixels, labels) that can be compared."""
    some = islice(batches, count)
    return [(images.flatten().tolist(), labels.tolist()) for images, labels in some]


def shuffled(seed=0, count=30, batch_size=4):
    return Batches(
        numbered(count), batch_size, shuffle=True, seed=seed, augment=own_noise
    )


def own_noise(images, generator):
    """Changes every byte, by the generator of the batch alone."""
    return images + torch.randint(9, images.shape, generator=generator).byte()


@given(st.integers(1, 3), st.integers(0, 8), st.integers(0, 9))
def test_batches_go_on_where_their_state_was_taken(epochs, position, seed):
    """Inside an epoch, at its begin (0) and behind its last batch (8 of 8)."""
    whole, batches = shuffled(seed), shuffled(seed)
    expected = [drawn(whole) for _ in range(epochs + 2)]
    for _ in range(epochs - 1):
        drawn(batches)
    if position:
        drawn(batches, position)
    state = batches.state_dict()
    other = shuffled(seed=77)
    drawn(other, 3)  # what it did before does not matter
    other.load_state_dict(state)
    assert other.state_dict() == state
    assert drawn(other) == expected[epochs - 1][position:]
    assert drawn(other) == expected[epochs]
    assert drawn(other) == expected[epochs + 1]


def test_the_state_after_an_epoch_is_that_of_its_end():
    batches = shuffled()
    states = []
    for _ in batches:
        states.append(batches.state_dict())
    assert [state["position"] for state in states] == list(range(1, 9))
    assert {state["epoch"] for state in states} == {1}
    end = batches.state_dict()
    assert (end["epoch"], end["position"]) == (1, 0)
    other = shuffled()
    other.load_state_dict(end)
    assert drawn(other) == drawn(batches)


def test_a_state_loaded_last_counts():
    batches, other = shuffled(), shuffled()
    start = batches.state_dict()
    drawn(batches, 3)
    other.load_state_dict(batches.state_dict())
    other.load_state_dict(start)
    assert other.state_dict() == start
    assert drawn(other) == drawn(shuffled())


def test_a_look_at_the_first_batch_begins_an_epoch_of_its_own():
    batches, whole = shuffled(), shuffled()
    expected = [drawn(whole) for _ in range(2)]
    images, labels = next(iter(batches))
    assert (images.flatten().tolist(), labels.tolist()) == expected[0][0]
    assert drawn(batches) == expected[1]


def test_a_look_after_loading_uses_up_the_rest_of_that_epoch():
    batches, whole = shuffled(), shuffled()
    expected = [drawn(whole) for _ in range(2)]
    drawn(batches, 5)
    other = shuffled()
    other.load_state_dict(batches.state_dict())
    assert drawn(other, 1) == expected[0][5:6]
    assert drawn(other) == expected[1]


def test_only_inside_an_epoch_the_batches_must_be_as_they_were():
    batches = shuffled()
    drawn(batches)
    between = batches.state_dict()
    drawn(batches, 1)
    inside = batches.state_dict()
    others = [shuffled(count=31), shuffled(batch_size=5), Batches(numbered(30), 4)]
    for other in others:
        other.load_state_dict(between)
        before = other.state_dict()
        with pytest.raises(ValueError, match="inside an epoch of 30 images, 4 a batch"):
            other.load_state_dict(inside)
        assert other.state_dict() == before


# Parts of batches, for several processes


@given(
    st.integers(1, 60), st.integers(1, 70), st.integers(1, 7), st.integers(0, 9),
    st.booleans(),
)  # fmt: skip
def test_the_parts_of_all_processes_are_the_batches(
    count, batch_size, processes, seed, shuffle
):
    if min(count, batch_size) < processes:
        with pytest.raises(ValueError, match=f"{processes} processes need batches of"):
            Batches(numbered(count), batch_size, shard=(0, processes))
        return
    parts = [
        Batches(
            numbered(count), batch_size, shuffle=shuffle, seed=seed,
            shard=(index, processes),
        )
        for index in range(processes)
    ]  # fmt: skip
    whole = Batches(numbered(count), batch_size, shuffle=shuffle, seed=seed)
    for _ in range(2):
        shares = [labels_of(part) for part in parts]
        assert {len(share) for share in shares} == {len(part) for part in parts}
        batches = [[*chain(*pieces)] for pieces in zip(*shares, strict=True)]
        assert [*chain(*batches)] == joined(whole)  # each image once, in the same order
        assert all(len(batch) == batch_size for batch in batches[:-1])
        for pieces in zip(*shares, strict=True):
            sizes = [len(piece) for piece in pieces]
            assert min(sizes) > 0 and max(sizes) - min(sizes) <= 1


def test_a_rest_too_small_for_all_joins_the_last_batch():
    def sizes(count, batch_size, processes):
        parts = [
            labels_of(Batches(numbered(count), batch_size, shard=(index, processes)))
            for index in range(processes)
        ]
        return [[len(piece) for piece in pieces] for pieces in zip(*parts, strict=True)]

    assert sizes(19, 8, 4) == [[2, 2, 2, 2], [3, 3, 3, 2]]  # a rest of 3
    assert sizes(20, 8, 4) == [[2, 2, 2, 2], [2, 2, 2, 2], [1, 1, 1, 1]]
    assert sizes(17, 8, 1) == [[8], [8], [1]]


def test_each_process_has_an_augmentation_of_its_own():
    def first(index):
        images = ImageSet(
            torch.zeros(8, 1, 4, 4, dtype=torch.uint8), torch.arange(8), ["n"], [0], [1]
        )
        return next(iter(Batches(images, 8, augment=own_noise, shard=(index, 2))))[0]

    assert torch.equal(first(0), first(0)) and not torch.equal(first(0), first(1))


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0), (1, 1)])
def test_a_shard_is_an_index_below_a_count(shard):
    message = f"(index, count) with index < count, got {shard}"
    with pytest.raises(ValueError, match=re.escape(message)):
        Batches(numbered(9), 4, shard=shard)


def test_without_a_shard_it_is_that_of_the_process(monkeypatch):
    monkeypatch.setattr(data, "process_index", lambda: 1)
    monkeypatch.setattr(data, "process_count", lambda: 3)
    assert labels_of(Batches(numbered(9), 3)) == [[1], [4], [7]]
    assert labels_of(Batches(numbered(9), 9, shard=(0, 1))) == [list(range(9))]


# Sets that do not fit on the device


@pytest.fixture
def pinned(monkeypatch):
    """The tensors that were pinned; without a card that is only noted."""
    noted, pin = [], torch.Tensor.pin_memory

    def note(tensor):
        noted.append(tensor)
        return pin(tensor) if torch.cuda.is_available() else tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", note)
    return noted


def test_a_set_that_does_not_fit_gives_the_same_batches(pinned):
    travelling, resident = shuffled(), shuffled()
    assert travelling.resident
    travelling.resident = False
    for _ in range(2):
        assert drawn(travelling) == drawn(resident)
    assert len(pinned) == 2 * 2 * len(resident)


def test_its_batches_travel_as_bytes_in_pinned_memory(pinned, monkeypatch):
    monkeypatch.setattr(data, "_fits", lambda image_set, device: False)
    batches = Batches(numbered(10), 4, shuffle=True)
    assert not batches.resident
    for images, labels in batches:
        travelled, same = pinned[-2:]
        assert travelled.dtype == torch.uint8 and len(travelled) == len(images)
        assert torch.equal(same, labels)


@pytest.mark.parametrize("share", [0.4, 0.5, 0.6])
def test_a_set_of_up_to_half_of_the_free_memory_fits(share, monkeypatch, make_images):
    image_set = make_images(50)
    free = int(image_set.images.nbytes / share)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
    assert data._fits(image_set, torch.device("cuda")) == (share < 0.5)
    assert data._fits(image_set, torch.device("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card here")
@pytest.mark.parametrize("fits", [True, False])
def test_batches_for_a_card(make_images, monkeypatch, fits):
    monkeypatch.setattr(data, "_fits", lambda image_set, device: fits)
    image_set = make_images(50)
    options = {"shuffle": True, "augment": RandomCrop(1)}
    here = Batches(image_set, 8, device="cuda", **options)
    assert here.image_set.images.is_cuda == fits
    plain = Batches(image_set, 8, shuffle=True, device="cpu")
    for _ in range(2):
        for (images, labels), (_, expected) in zip(here, plain, strict=True):
            assert images.is_cuda and labels.is_cuda
            assert torch.equal(labels.cpu(), expected)
    state = here.state_dict()
    other = Batches(image_set, 8, device="cuda", **options)
    other.load_state_dict(state)
    for (images, _), (same, _) in zip(here, other, strict=True):
        assert torch.equal(images, same)
