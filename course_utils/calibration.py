"""Whether a classifier is as often right as it is sure.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2. Bins are
of equal width, open below and closed above; a confidence of 0 would be in the first.
"""

from typing import NamedTuple

import torch


class ReliabilityBin(NamedTuple):
    """The images whose confidence is above low and at most high.

    confidence and accuracy are means over them, nan where there is none.
    """

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


def expected_calibration_error(probabilities, labels, bins=15):
    """probabilities [N, C], labels [N] -> the error, and a ReliabilityBin for each bin.

    The error is the mean, over images, of the distance between accuracy and confidence
    in an image's bin: 0 where what is said with 80 % is right in 80 %.
    Source: Guo et al. 2017, equation 3. Taught in chapter 06."""
    check_probabilities(probabilities, labels, bins)
    confidence, prediction = probabilities.max(dim=1)
    right = (prediction == labels).to(confidence)  # [N], 1 or 0
    edges = torch.arange(bins + 1).to(confidence) / bins  # 0, 1/bins, ..., 1
    place = torch.bucketize(confidence, edges[1:-1])  # an edge belongs to the bin below
    rows, error = [], 0.0
    for index in range(bins):
        inside = place == index
        mean, accuracy = confidence[inside].mean().item(), right[inside].mean().item()
        count, (low, high) = inside.sum().item(), edges[index : index + 2].tolist()
        rows.append(ReliabilityBin(low, high, mean, accuracy, count))
        if count:
            error += count / len(labels) * abs(accuracy - mean)
    return error, rows


def check_probabilities(probabilities, labels, bins):
    """ValueError unless rows of probabilities [N, C] add up to 1 and fit to labels."""
    if probabilities.ndim != 2 or 0 in probabilities.shape:
        raise ValueError(
            "probabilities must be [N, C], a row for each image and a column for each "
            f"class, got {list(probabilities.shape)}"
        )
    if probabilities.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"probabilities must be numbers of 32 or 64 bits, got "
            f"{probabilities.dtype}; try logits.float().softmax(dim=1)"
        )
    if labels.shape != probabilities.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"labels must be whole numbers [{len(probabilities)}], one for each row of "
            f"probabilities, got {labels.dtype} {list(labels.shape)}"
        )
    sums = probabilities.sum(dim=1)
    if not ((probabilities >= 0).all() and ((sums - 1).abs() < 1e-3).all()):
        raise ValueError(
            "every row of probabilities must add up to 1, without negative numbers; of "
            "logits they are made by logits.softmax(dim=1)"
        )
    if not isinstance(bins, int) or bins < 1:
        raise ValueError(f"bins must be a whole number from 1, got {bins!r}; try 15")
