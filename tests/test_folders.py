"""A folder of class folders as a data set: what loads, and which errors name what."""

import io
import random
import re

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.data import load_images


def picture(mode="L", size=(8, 6), value=None, seed=0):
    """A PIL image of one value, or of noise."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    shape = (size[1], size[0], bands)[: 2 + (bands > 1)]
    if value is None:
        pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    else:
        pixels = np.full(shape, value, np.uint8)
    return Image.fromarray(pixels, mode=None)


@pytest.fixture
def put(tmp_path):
    """A function that saves an image or bytes under the folder, which it returns."""

    def save(name, content=None, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            (content or picture()).save(path, **options)
        return tmp_path

    return save


def load_all(folder, **options):
    """All images of a folder without splits: each is in exactly one part."""
    parts = [load_images(folder, split, **options) for split in ("train", "test")]
    return torch.cat([part.images for part in parts])


def value_of(put, content, name="a/2.png", **options):
    """The pixels [C, H, W] that one image has after loading; a/1.png is grey."""
    put("a/1.png", picture(value=7))
    folder = put(name, content, **options)
    images = load_all(folder)
    others = [image for image in images if not (image == 7).all()]
    assert len(others) == 1
    return others[0]


def test_grey_images_stay_grey(put):
    image = picture()
    assert torch.equal(value_of(put, image)[0], torch.from_numpy(np.array(image)))


def test_colour_images_keep_their_channels(put):
    image = picture("RGB")
    expected = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    assert torch.equal(value_of(put, image), expected)


def test_one_colour_image_makes_all_of_them_colour(put):
    put("a/1.png", picture(value=9))
    folder = put("b/1.png", picture("RGB"))
    loaded = load_images(folder, "train")
    assert loaded.images.shape == (2, 3, 6, 8) and len(loaded.mean) == 3
    assert (loaded.images[0] == 9).all()


def test_transparency_is_put_on_white(put):
    clear = picture("RGBA", value=40)
    clear.putalpha(0)
    assert (value_of(put, clear) == 255).all()


def test_opaque_transparency_changes_nothing(put):
    image = picture("RGB")
    expected = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    image.putalpha(255)
    assert torch.equal(value_of(put, image), expected)


def test_a_palette_becomes_colour(put):
    image = picture("RGB").quantize(4)
    expected = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
    assert torch.equal(value_of(put, image), expected)


def test_a_transparent_palette_colour_is_white(put):
    image = Image.new("P", (8, 6), 0)
    image.putpalette([200, 10, 10])
    assert (value_of(put, image, transparency=0) == 255).all()


def test_sixteen_bits_become_eight(put):
    deep = Image.fromarray(np.full((6, 8), 40_000, np.uint16))
    assert (value_of(put, deep) == 40_000 // 257).all()


def test_black_and_white(put):
    image = picture().convert("1")
    expected = torch.from_numpy(np.array(image.convert("L")))
    assert torch.equal(value_of(put, image)[0], expected)


def test_print_colours_become_red_green_blue(put):
    image = Image.new("CMYK", (8, 6), (0, 255, 255, 0))
    found = value_of(put, image, "a/2.jpg")
    assert found.shape == (3, 6, 8)
    assert found[0].min() > 200 and found[1:].max() < 60


def test_a_photograph_is_turned_as_its_camera_says(put):
    image = picture(size=(6, 8), value=0)
    image.paste(255, (0, 0, 6, 2))  # a bright top
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter to the right
    found = value_of(put, image, exif=exif)
    assert found.shape == (1, 6, 8)
    assert (found[0, :, -2:] == 255).all() and (found[0, :, :-2] == 0).all()


def test_names_with_any_letters(put):
    put("모자/여름 모자.PNG")
    folder = put("größe & co/ä.Jpeg")
    loaded = load_images(folder, "train")
    assert loaded.classes == sorted(["모자", "größe & co"])
    assert loaded.labels.tolist() == [0, 1]


def test_hidden_files_other_files_and_nested_folders(put):
    put("a/1.png", picture(value=1))
    put("a/deeper/2.png", picture(value=2))
    put("a/notes.txt", b"text")
    put("a/._1.png", b"not an image")
    put("a/.ipynb_checkpoints/1.png", picture(value=3))
    put(".git/4.png", picture(value=4))
    folder = put("readme.md", b"text")
    images = load_all(folder)
    assert sorted(images[:, 0, 0, 0].tolist()) == [1, 2]


def fill(put, counts, prefix=""):
    """Class folders with so many images; each image has its own value."""
    value = 0
    for name, count in counts.items():
        for i in range(count):
            value += 1
            folder = put(f"{prefix}{name}/{i}.png", picture(value=value))
    return folder


def test_one_image_in_five_of_each_class_is_for_testing(put):
    folder = fill(put, {"a": 10, "b": 20, "c": 3})
    train, test = (load_images(folder, split) for split in ("train", "test"))
    assert test.labels.bincount().tolist() == [2, 4, 1]
    assert train.labels.bincount().tolist() == [8, 16, 2]
    values = torch.cat([train.images, test.images])[:, 0, 0, 0].tolist()
    assert sorted(values) == list(range(1, 34))
    assert torch.equal(load_images(folder, "test").images, test.images)


def test_a_class_of_one_image_is_for_training(put):
    folder = fill(put, {"a": 1, "b": 2})
    assert load_images(folder, "train").labels.tolist() == [0, 1]
    assert load_images(folder, "test").labels.tolist() == [1]


def test_classes_of_one_image_leave_nothing_to_test(put):
    folder = fill(put, {"a": 1, "b": 1})
    assert len(load_images(folder)) == 2
    with pytest.raises(ValueError, match="too few images for a test set"):
        load_images(folder, "test")


def test_given_splits_are_used(put):
    fill(put, {"a": 2, "b": 3}, "train/")
    folder = fill(put, {"a": 4, "b": 1}, "test/")
    assert load_images(folder, "train").labels.bincount().tolist() == [2, 3]
    test = load_images(str(folder), "test")
    assert test.labels.bincount().tolist() == [4, 1] and test.classes == ["a", "b"]


def test_a_class_may_be_called_train(put):
    assert load_images(fill(put, {"bus": 2, "train": 2})).classes == ["bus", "train"]


@pytest.mark.parametrize("limit", [None, 2])
def test_both_splits_have_the_same_channels(put, limit):
    put("train/a/1.png", picture())
    put("train/a/2.png", picture())
    folder = put("test/a/1.png", picture("RGB"))
    train, test = (
        load_images(folder, split, limit=limit) for split in ("train", "test")
    )
    assert train.images.shape[1] == test.images.shape[1] == 3
    assert train.mean == test.mean
    assert (train.images == train.images[:, :1]).all()


def test_splits_of_other_classes_are_an_error(put):
    fill(put, {"cat": 1, "dog": 1}, "train/")
    folder = fill(put, {"cat": 1, "cow": 1}, "test/")
    with pytest.raises(ValueError, match="in one only: cow, dog"):
        load_images(folder, "test")


@pytest.mark.parametrize("present", ["train", "test"])
def test_one_split_without_the_other_is_an_error(put, present):
    folder = fill(put, {"cat": 2, "dog": 2}, f"{present}/")
    fill(put, {"cat": 2, "dog": 2}, "val/")
    with pytest.raises(ValueError, match=f"{present}, val, which look like splits"):
        load_images(folder)


def test_a_limit_reads_only_what_it_keeps(put):
    folder = fill(put, {"a": 20, "b": 20})
    few, more = (load_images(folder, limit=limit) for limit in (5, 12))
    assert len(few) == 5 and torch.equal(more.images[:5], few.images)


def test_mixed_sizes_are_an_error_that_a_size_solves(put):
    put("a/1.png", picture(size=(8, 6)))
    folder = put("a/2.png", picture(size=(10, 12)))
    put("a/3.png", picture(size=(8, 6)))
    with pytest.raises(ValueError, match=r"differ in size: .*pixels.*size=64"):
        load_all(folder)
    assert load_all(folder, size=5).shape == (3, 1, 5, 5)


def test_a_size_cuts_out_the_middle(put):
    image = picture(size=(30, 10), value=0)
    image.paste(200, (10, 0, 20, 10))
    put("a/1.png", image)
    folder = put("a/2.png", image)
    assert (load_images(folder, size=10).images == 200).all()


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_a_truncated_image_is_named(put, suffix, share):
    buffer = io.BytesIO()
    image = picture("RGB", size=(64, 64))
    image.save(buffer, {"jpg": "jpeg", "png": "png"}[suffix])
    content = buffer.getvalue()
    put(f"a/broken.{suffix}", content[: int(share * len(content))])
    folder = put("a/whole.png")
    with pytest.raises(ValueError, match=rf"broken\.{suffix} cannot be read.*repair"):
        load_all(folder, size=8)


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "bmp", "tiff", "webp"])
@pytest.mark.filterwarnings("ignore")  # Pillow warns of some of the damage
def test_any_damage_loads_or_is_named(put, kind):
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 3
    options = {"exif": exif} if kind in ("jpeg", "png", "webp") else {}
    picture("RGB", size=(16, 16)).save(buffer, kind, **options)
    chance = random.Random(0)
    suffix = {"jpeg": "jpg", "tiff": "tif"}.get(kind, kind)
    for _ in range(150):
        content = bytearray(buffer.getvalue())
        for _ in range(chance.choice([1, 2, 8])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        folder = put(f"a/damaged.{suffix}", bytes(content))
        try:
            load_images(folder, size=4)
        except ValueError as error:
            assert f"damaged.{suffix}" in str(error)


def test_text_that_is_called_an_image_is_named(put):
    put("a/1.png")
    folder = put("a/fake.jpg", b"<html>404 not found</html>")
    with pytest.raises(ValueError, match=r"fake\.jpg cannot be read as an image"):
        load_all(folder)


def test_an_empty_class_is_named(put):
    folder = put("a/1.png")
    (folder / "b").mkdir()
    with pytest.raises(ValueError, match=r"class folder .*b holds no images; put"):
        load_images(folder)
    (folder / "b" / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(ValueError, match=r"only files such as notes\.txt"):
        load_images(folder)


def test_images_without_class_folders_are_explained(put):
    folder = put("1.png")
    with pytest.raises(ValueError, match="holds no folders; expected one folder"):
        load_images(folder)


@pytest.mark.parametrize("name", ["no/such/folder", "fashion_mnist", "MNIST"])
def test_a_wrong_path_is_named_with_what_there_is(name):
    message = rf"called '{re.escape(name)}' \(looked for .*fashion-mnist, mnist, cifar"
    with pytest.raises(ValueError, match=message):
        load_images(name)


def test_a_file_is_no_folder(put):
    folder = put("1.png")
    with pytest.raises(ValueError, match=r"no folder is called .*1\.png"):
        load_images(folder / "1.png")
