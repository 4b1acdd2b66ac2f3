"""The bundled data set, downloads without a network, ImageSet, and Batches."""

import gzip
import re
import shutil
import zlib

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


def test_the_state_says_where_to_go_on():
    batches = Batches(numbered(30), 4, shuffle=True, seed=2)
    labels_of(batches)
    state = batches.state_dict()
    following = labels_of(batches)
    other = Batches(numbered(30), 4, shuffle=True, seed=7)
    other.load_state_dict(state)
    assert labels_of(other) == following


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
