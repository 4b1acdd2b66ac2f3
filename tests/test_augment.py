"""Batched augmentation: equal to a loop over images, and distributed as promised."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from course_utils.augment import (
    Compose,
    RandomCrop,
    RandomErase,
    RandomFlip,
    RandomNoise,
)

AUGMENTATIONS = [
    RandomCrop(2),
    RandomFlip(),
    RandomErase(3),
    RandomNoise(40),
    Compose(RandomCrop(1), RandomFlip(), RandomErase(2)),
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(count, height, width, channels=1):
    """Images whose pixels are all different, from 1."""
    size = channels * height * width
    image = torch.arange(1, size + 1).view(1, channels, height, width)
    return image.repeat(count, 1, 1, 1)


def crop_by_loop(images, padding, generator, fill):
    """RandomCrop with one image at a time."""
    n, _, h, w = images.shape
    shift = torch.randint(0, 2 * padding + 1, (2, n), generator=generator)
    pad = torch.nn.functional.pad
    cut = []
    for image, top, left in zip(images, *shift.tolist(), strict=True):
        padded = pad(image, [padding] * 4, value=fill)
        cut.append(padded[:, top : top + h, left : left + w])
    return torch.stack(cut)


def erase_by_loop(images, size, generator, fill):
    """RandomErase with one image at a time."""
    n, _, h, w = images.shape
    rows = torch.randint(0, h, (n, 1), generator=generator)[:, 0].tolist()
    columns = torch.randint(0, w, (n, 1), generator=generator)[:, 0].tolist()
    result = images.clone()
    for image, row, column in zip(result, rows, columns, strict=True):
        top, left = row - size // 2, column - size // 2
        image[:, max(0, top) : top + size, max(0, left) : left + size] = fill
    return result


shapes = st.tuples(*(st.integers(1, 7) for _ in range(4)))
dtypes = st.sampled_from([torch.uint8, torch.float32, torch.float64, torch.int64])


@given(shapes, st.integers(0, 4), st.integers(0, 9), dtypes, st.integers(0, 99))
def test_crop_equals_a_loop(shape, padding, fill, dtype, seed):
    images = torch.randint(0, 255, shape, generator=seeded(seed)).to(dtype)
    cropped = RandomCrop(padding, fill)(images, seeded(seed))
    expected = crop_by_loop(images, padding, seeded(seed), fill)
    assert torch.equal(cropped, expected) and cropped.dtype == dtype


@given(shapes, st.integers(0, 9), st.integers(0, 9), dtypes, st.integers(0, 99))
def test_erase_equals_a_loop(shape, size, fill, dtype, seed):
    images = torch.randint(0, 255, shape, generator=seeded(seed)).to(dtype)
    erased = RandomErase(size, fill)(images, seeded(seed))
    expected = erase_by_loop(images, size, seeded(seed), fill)
    assert torch.equal(erased, expected) and erased.dtype == dtype


@given(shapes, st.integers(0, 99))
def test_flip_equals_a_loop(shape, seed):
    images = torch.randint(0, 255, shape, generator=seeded(seed))
    chosen = torch.rand(shape[0], generator=seeded(seed)) < 0.5
    pairs = zip(images, chosen, strict=True)
    expected = torch.stack([image.flip(2) if flip else image for image, flip in pairs])
    assert torch.equal(RandomFlip()(images, seeded(seed)), expected)


def test_every_position_of_the_crop_occurs_about_equally_often():
    images = torch.zeros(5000, 1, 5, 5)
    images[:, :, 2, 2] = 1
    places = RandomCrop(2)(images, seeded()).flatten(1).argmax(1)
    counts = places.bincount(minlength=25)
    assert len(counts) == 25
    assert counts.min() > 140 and counts.max() < 260  # 200 expected, deviation 14


def test_half_of_the_images_are_flipped():
    flipped = RandomFlip()(numbered(4000, 2, 2), seeded())[:, 0, 0, 0] == 2
    assert 0.45 < flipped.float().mean() < 0.55


@pytest.mark.parametrize(("p", "share"), [(0, 0.0), (1, 1.0)])
def test_never_and_always_flip(p, share):
    flipped = RandomFlip(p)(numbered(500, 2, 2), seeded())[:, 0, 0, 0] == 2
    assert flipped.float().mean() == share


def test_every_pixel_is_erased_about_as_often():
    erased = RandomErase(3, fill=0)(numbered(8000, 6, 6), seeded()) == 0
    share = erased.float().mean((0, 1))
    inner = share[1:-1, 1:-1]
    assert abs(inner - 9 / 36).max() < 0.03
    assert abs(share[0, 0] - 4 / 36) < 0.03  # squares at a corner are cut off there


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=str)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_shape_kind_and_input_are_kept(augmentation, dtype):
    images = torch.randint(0, 255, (6, 3, 9, 7), generator=seeded()).to(dtype)
    before = images.clone()
    result = augmentation(images, seeded(1))
    assert result.shape == images.shape and result.dtype == dtype
    assert torch.equal(images, before)
    assert len({tuple(image.flatten().tolist()) for image in result}) > 1


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=str)
def test_the_generator_decides(augmentation):
    images = numbered(64, 8, 8)
    first = augmentation(images, seeded(3))
    assert torch.equal(augmentation(images, seeded(3)), first)
    assert not torch.equal(augmentation(images, seeded(4)), first)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=str)
def test_images_of_a_batch_change_differently(augmentation):
    result = augmentation(numbered(64, 8, 8), seeded())
    assert len({tuple(image.flatten().tolist()) for image in result}) > 1


def test_without_a_generator_torch_s_own_is_used():
    images = numbered(32, 8, 8)
    torch.manual_seed(0)
    first = RandomCrop(2)(images)
    torch.manual_seed(0)
    assert torch.equal(RandomCrop(2)(images), first)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=str)
def test_a_batch_axis_is_asked_for(augmentation):
    with pytest.raises(ValueError, match=r"\[N, C, H, W\], got \[28, 28\].*None, None"):
        augmentation(torch.zeros(28, 28))


def test_noise_has_its_standard_deviation_and_stays_in_the_bytes():
    middle = torch.full((50, 1, 40, 40), 128, dtype=torch.uint8)
    noise = RandomNoise(20)(middle, seeded()).double() - 128
    assert abs(noise.mean()) < 0.3 and abs(noise.std() - 20) < 0.3
    for level in (0, 255):  # half of the noise is cut off, nothing wraps around
        image = torch.full((4, 1, 30, 30), level, dtype=torch.uint8)
        noisy = RandomNoise(20)(image, seeded()).double()
        assert abs((noisy == level).double().mean() - 0.5) < 0.05
        assert abs(noisy.mean() - level) < 15


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int64])
def test_noise_on_other_kinds_is_not_cut_off(dtype):
    images = torch.zeros(20, 1, 30, 30, dtype=dtype)
    noisy = RandomNoise(100)(images, seeded()).double()
    assert noisy.min() < -255 and abs(noisy.std() - 100) < 3
    rounded = torch.equal(noisy, noisy.round())
    assert rounded == (dtype == torch.int64)
    assert torch.equal(RandomNoise(0)(images, seeded()), images)


@pytest.mark.parametrize("std", [-1, float("nan"), float("inf")])
def test_the_noise_is_a_number_from_0(std):
    with pytest.raises(ValueError, match=f"0 or more, got {std}; for bytes try 20"):
        RandomNoise(std)


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_a_probability_is_between_0_and_1(p):
    with pytest.raises(ValueError, match=f"between 0 and 1, got {p}"):
        RandomFlip(p)


@pytest.mark.parametrize("make", [RandomCrop, RandomErase])
def test_sizes_are_not_negative(make):
    with pytest.raises(ValueError, match="0 or more pixels, got -1"):
        make(-1)


def test_compose_is_one_after_the_other():
    images = numbered(16, 6, 6)
    both = Compose(RandomCrop(2), RandomFlip())
    generator = seeded(7)
    expected = RandomFlip()(RandomCrop(2)(images, generator), generator)
    assert torch.equal(both(images, seeded(7)), expected)
    assert repr(both) == "Compose(RandomCrop(padding=2), RandomFlip(p=0.5))"
