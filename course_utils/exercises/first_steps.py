"""Checks of the first exercises: accuracy, choosing images, normalising pixels."""

import torch

from course_utils.data import ImageSet
from course_utils.exercises import Wrong, describe, exercise

TOLERANCE = 1e-5


@exercise
def check_accuracy(accuracy):
    """accuracy(logits [N, classes], labels [N]) is the share named rightly."""
    logits = torch.tensor(
        [[2.0, 0.1, -1.0], [0.3, 0.2, 0.9], [-3.0, -1.0, -2.0], [5.0, 4.0, 4.5]]
    )
    _compare_accuracy(accuracy, logits, torch.tensor([0, 2, 1, 2]), 3)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200, 7, generator=generator)
    labels = torch.randint(0, 7, (200,), generator=generator)
    labels[:90] = logits[:90].argmax(1)
    _compare_accuracy(accuracy, logits, labels, int((logits.argmax(1) == labels).sum()))
    return "right for 4 images of 3 classes and for 200 images of 7 classes"


def _compare_accuracy(accuracy, logits, labels, right):
    count = len(labels)
    given = f"{count} images of which {right} are named rightly"
    try:
        answer = accuracy(logits, labels)
    except (RuntimeError, IndexError) as error:
        if isinstance(error, NotImplementedError):
            raise
        raise Wrong(
            f"for logits of shape {list(logits.shape)} it stopped with: {error}\n"
            "Each row of the logits is one image: the largest logit of an image is "
            "found along axis 1."
        ) from error
    if answer is None:
        raise Wrong("it returned nothing; end the function with return")
    if getattr(answer, "ndim", 0) > 0:
        raise Wrong(
            f"for {given} it returned a {describe(answer)}; "
            "expected one number: the mean over the images"
        )
    expected, answer = right / count, float(answer)
    if abs(answer - expected) < TOLERANCE:
        return
    if answer == right:
        hint = "that is how many are right; divide by the number of images"
    elif abs(answer - 100 * expected) < 100 * TOLERANCE:
        hint = "leave it as a share from 0 to 1, not per cent"
    elif abs(answer - (1 - expected)) < TOLERANCE:
        hint = "that is the share of mistakes"
    else:
        hint = "the predicted class is the place (argmax) of an image's largest logit"
    raise Wrong(f"for {given} it returned {answer:g}, expected {expected:g}; {hint}")


@exercise
def check_hardest_mistakes(hardest_mistakes):
    """hardest_mistakes(image_set, predictions) -> ImageSet of one class's mistakes."""
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 0])
    predictions = torch.tensor([2, 2, 0, 2, 2, 1, 0, 0, 2, 0, 1, 0])
    _compare_mistakes(hardest_mistakes, labels, predictions)
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 5, (120,), generator=generator)
    predictions = torch.randint(0, 5, (120,), generator=generator)
    _compare_mistakes(hardest_mistakes, labels, predictions)
    return "it finds the class and keeps exactly its mistakes, in both test sets"


def _compare_mistakes(hardest_mistakes, labels, predictions):
    image_set = _numbered_images(labels)
    answer = hardest_mistakes(image_set, predictions)
    if not isinstance(answer, ImageSet):
        raise Wrong(
            f"it returned a {describe(answer)}, expected an ImageSet; index the set "
            "itself with your mask: image_set[mask]"
        )
    wrong = predictions != labels
    hardest = labels[wrong].bincount().argmax()
    called = predictions[wrong].bincount().argmax()
    members = labels == hardest
    known = {
        "": wrong & members,
        "also the images of the class that were named rightly": members,
        "the mistakes of all classes; keep those of one": wrong,
        "the images of the class that were named rightly": ~wrong & members,
        "the mistakes that were taken for one class; group them by their label, not by "
        "their prediction": wrong & (predictions == called),
    }
    found = answer.images[:, 0, 0, 0].tolist()
    for text, mask in known.items():
        if found == mask.nonzero()[:, 0].tolist():
            if text:
                raise Wrong(f"for {len(labels)} images it returned {text}")
            return
    raise Wrong(
        f"for {len(labels)} images with {int((wrong & members).sum())} mistakes in "
        f"class {int(hardest)}, it returned {len(answer)} other images; count the "
        "mistakes of each class first, then keep those of the class with most"
    )


def _numbered_images(labels):
    """An ImageSet whose image i has the value i, so that images can be told apart."""
    numbers = torch.arange(len(labels), dtype=torch.uint8)
    images = numbers.view(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous()
    classes = [f"class {i}" for i in range(int(labels.max()) + 1)]
    return ImageSet(images, labels, classes, mean=[0.5], std=[0.25])


@exercise
def check_normalize_pixels(normalize_pixels):
    """normalize_pixels(images uint8 [N, C, H, W], mean [C], std [C]) -> float32."""
    grey = (torch.tensor([0.3]), torch.tensor([0.4]))
    colour = (torch.tensor([0.2, 0.5, 0.7]), torch.tensor([0.1, 0.25, 0.5]))
    for shape, (mean, std) in (((2, 1, 4, 5), grey), ((3, 3, 3, 3), colour)):
        generator = torch.Generator().manual_seed(2)
        images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        given = images.clone()
        answer = normalize_pixels(given, mean, std)
        if not torch.equal(given, images):
            raise Wrong("it changed the images it was given; return a new tensor")
        _compare_pixels(answer, images, mean, std)
    return "right for grey and for colour images"


def _compare_pixels(answer, images, mean, std):
    shape = list(images.shape)
    if getattr(answer, "shape", None) != images.shape:
        raise Wrong(f"for images of shape {shape} it returned a {describe(answer)}")
    if answer.dtype != torch.float32:
        raise Wrong(f"it returned {answer.dtype}, expected torch.float32")
    share, view = images.float() / 255, (1, -1, 1, 1)
    m, s = mean.view(view), std.view(view)
    expected = (share - m) / s
    if torch.allclose(answer, expected, atol=TOLERANCE):
        return
    known = {
        "divide the bytes by 255 first: the mean and the standard deviation are those "
        "of pixels from 0 to 1": (images - m) / s,
        "the mean is subtracted; now divide by the standard deviation": share - m,
        "divide by the standard deviation, do not multiply": (share - m) * s,
        "subtract the mean before you divide": share / s - m,
        "subtract the mean too": share / s,
    }
    if shape[1] > 1:
        text = "mean and std have one value per channel, and channels are axis 1 of 4"
        known[f"{text}; as they are, they meet axis 3: use view(1, -1, 1, 1)"] = (
            share - mean
        ) / std
        known[f"{text}, not axis 0 of the images"] = (
            share - mean.view(-1, 1, 1, 1)
        ) / std.view(-1, 1, 1, 1)
    for text, values in known.items():
        if torch.allclose(answer, values, atol=TOLERANCE, rtol=1e-4):
            raise Wrong(f"for images of shape {shape}: {text}")
    worst = (answer - expected).abs().nan_to_num(torch.inf).argmax()
    byte, given, right = (
        tensor.flatten()[worst].item() for tensor in (images, answer, expected)
    )
    raise Wrong(
        f"for a byte of {byte} it gives {given:.4g}, expected {right:.4g}; "
        "write down (byte / 255 - mean) / std for its channel"
    )
