"""The expected calibration error: by hand, on edges, and where it should be 0."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from course_utils.calibration import expected_calibration_error

double = torch.float64


def sure(*confidences, dtype=double):
    """Two classes, the first with these probabilities."""
    first = torch.tensor(confidences, dtype=dtype)
    return torch.stack([first, 1 - first], dim=1)


def test_by_hand():
    probabilities = sure(0.6, 0.7, 0.9, 0.95, 0.1)  # the last says class 1 with 0.9
    labels = torch.tensor([0, 1, 0, 0, 0])
    error, rows = expected_calibration_error(probabilities, labels, bins=4)
    # (0.5, 0.75]: 0.6 and 0.7, 1 of 2 right; (0.75, 1]: 0.9, 0.95, 0.9, 2 of 3
    assert error == pytest.approx(
        2 / 5 * abs(1 / 2 - 0.65) + 3 / 5 * abs(2 / 3 - 2.75 / 3)
    )
    assert [row.count for row in rows] == [0, 0, 2, 3]
    assert rows[2][:4] == pytest.approx((0.5, 0.75, 0.65, 0.5))
    assert rows[3][:4] == pytest.approx((0.75, 1, 2.75 / 3, 2 / 3))
    assert all(math.isnan(row.confidence + row.accuracy) for row in rows[:2])


def test_being_sure_and_right_is_no_error_being_sure_and_wrong_the_largest():
    probabilities = torch.eye(3)
    assert expected_calibration_error(probabilities, torch.arange(3))[0] == 0
    error, rows = expected_calibration_error(probabilities, torch.tensor([1, 2, 0]))
    assert error == 1 and rows[-1] == (pytest.approx(14 / 15), 1, 1, 0, 3)


@pytest.mark.parametrize("dtype", [torch.float32, double])
@pytest.mark.parametrize("bins", [5, 10, 15, 20])
def test_an_edge_belongs_to_the_bin_below(bins, dtype):
    for index in range(bins // 2, bins + 1):
        confidence = torch.tensor(index, dtype=dtype) / bins
        probabilities = torch.stack([confidence, 1 - confidence])[None]
        if confidence < 0.5:
            continue
        _, rows = expected_calibration_error(probabilities, torch.tensor([0]), bins)
        assert [row.count for row in rows].index(1) == index - 1
        above = torch.nextafter(confidence, torch.tensor(2, dtype=dtype))
        probabilities = torch.stack([above, 1 - above])[None]
        if index < bins:
            _, rows = expected_calibration_error(probabilities, torch.tensor([0]), bins)
            assert [row.count for row in rows].index(1) == index


def test_one_bin_compares_the_means():
    probabilities, labels = sure(0.6, 0.8, 0.9), torch.tensor([0, 1, 1])
    error, _ = expected_calibration_error(probabilities, labels, bins=1)
    assert error == pytest.approx(2.3 / 3 - 1 / 3)


def simulated(count, seed, sharpened=1.0):
    """Labels drawn from the probabilities; what is said is the logits, sharpened."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, 4, generator=generator, dtype=double)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return (sharpened * logits).softmax(1), labels


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_that_are_true_have_only_a_sampling_error(seed):
    errors = []
    for count in (2_000, 50_000):
        probabilities, labels = simulated(count, seed)
        error, rows = expected_calibration_error(probabilities, labels)
        filled = [row for row in rows if row.count]
        # The accuracy of a bin has the standard error sqrt(p (1 - p) / n), and a gap
        # of pure noise is 0.8 of that on average.
        noises = [
            math.sqrt(row.confidence * (1 - row.confidence) / row.count)
            for row in filled
        ]
        expected = 0.8 * sum(
            row.count * noise for row, noise in zip(filled, noises, strict=True)
        )
        assert 0 < error < 2.5 * expected / count
        assert all(
            abs(row.accuracy - row.confidence) < 4.5 * noise
            for row, noise in zip(filled, noises, strict=True)
        )
        errors.append(error)
    assert errors[1] < errors[0]


def test_probabilities_that_are_too_sure_are_noticed():
    error, rows = expected_calibration_error(*simulated(50_000, 0, sharpened=2))
    assert error > 0.05
    assert all(row.accuracy < row.confidence for row in rows if row.count > 100)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 99))
def test_it_is_the_weighted_gap_of_its_rows(count, bins, seed):
    probabilities, labels = simulated(count, seed)
    error, rows = expected_calibration_error(probabilities, labels, bins)
    filled = [row for row in rows if row.count]
    gaps = [row.count * abs(row.accuracy - row.confidence) for row in filled]
    assert error == pytest.approx(sum(gaps) / count) and 0 <= error <= 1
    assert len(rows) == bins and sum(row.count for row in rows) == count
    right = (probabilities.argmax(1) == labels).sum().item()
    assert sum(row.count * row.accuracy for row in filled) == pytest.approx(right)
    assert all(row.low < row.confidence <= row.high + 1e-12 for row in filled)
    assert rows[0].low == 0 and rows[-1].high == 1


def test_few_and_many_images_of_a_bin_count_by_their_number():
    probabilities = sure(*[0.95] * 9, 0.55)
    labels = torch.zeros(10, dtype=torch.long)
    error, _ = expected_calibration_error(probabilities, labels)
    assert error == pytest.approx(0.9 * 0.05 + 0.1 * 0.45)


LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize(("probabilities", "labels", "bins", "message"), [
    (torch.ones(2), LABELS, 15, r"\[N, C\], .*got \[2\]"),
    (torch.ones(0, 3), LABELS[:0], 15, r"got \[0, 3\]"),
    (sure(0.5, 0.9).half(), LABELS, 15, r"torch.float16; try logits.float\(\)"),
    (sure(0.5, 0.9), LABELS[:1], 15, r"labels must be whole numbers \[2\].*\[1\]"),
    (sure(0.5, 0.9), LABELS.float(), 15, r"got torch.float32 \[2\]"),
    (sure(0.5, 0.9) * 2, LABELS, 15, r"add up to 1.*logits.softmax\(dim=1\)"),
    (sure(0.5, 1.5), LABELS, 15, "without negative numbers"),
    (sure(0.5, torch.nan), LABELS, 15, "add up to 1"),
    (sure(0.5, 0.9), LABELS, 0, "bins must be a whole number from 1, got 0"),
    (sure(0.5, 0.9), LABELS, 2.5, "bins must be .*got 2.5"),
])  # fmt: skip
def test_wrong_arguments_are_named(probabilities, labels, bins, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(probabilities, labels, bins)
