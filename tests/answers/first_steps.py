"""Wrong answers to the exercises of first_steps: what is wrong, and the code for it."""

ANSWERS = {
    "accuracy": {
        "wrong": {
            "counts instead of a share": """
def accuracy(logits, labels):
    return (logits.argmax(1) == labels).sum().item()
""",
            "per cent": """
def accuracy(logits, labels):
    return 100 * (logits.argmax(1) == labels).float().mean().item()
""",
            "the wrong axis": """
def accuracy(logits, labels):
    return (logits.argmax(0) == labels).float().mean().item()
""",
            "the largest logit instead of its place": """
def accuracy(logits, labels):
    return (logits.max(1).values == labels).float().mean().item()
""",
            "one answer per image": """
def accuracy(logits, labels):
    return logits.argmax(1) == labels
""",
            "the mean of truth values": """
def accuracy(logits, labels):
    return (logits.argmax(1) == labels).mean().item()
""",
            "the share of mistakes": """
def accuracy(logits, labels):
    return (logits.argmax(1) != labels).float().mean().item()
""",
        }
    },
    "hardest_mistakes": {
        "wrong": {
            "all images of the class": """
def hardest_mistakes(image_set, predictions):
    wrong = predictions != image_set.labels
    hardest = image_set.labels[wrong].bincount().argmax()
    return image_set[image_set.labels == hardest]
""",
            "and instead of &": """
def hardest_mistakes(image_set, predictions):
    wrong = predictions != image_set.labels
    hardest = image_set.labels[wrong].bincount().argmax()
    return image_set[wrong and image_set.labels == hardest]
""",
            "the mistakes of all classes": """
def hardest_mistakes(image_set, predictions):
    return image_set[predictions != image_set.labels]
""",
            "grouped by prediction": """
def hardest_mistakes(image_set, predictions):
    wrong = predictions != image_set.labels
    hardest = predictions[wrong].bincount().argmax()
    return image_set[wrong & (predictions == hardest)]
""",
            "images instead of an image set": """
def hardest_mistakes(image_set, predictions):
    wrong = predictions != image_set.labels
    hardest = image_set.labels[wrong].bincount().argmax()
    return image_set.images[wrong & (image_set.labels == hardest)]
""",
            "the largest class instead of the hardest": """
def hardest_mistakes(image_set, predictions):
    wrong = predictions != image_set.labels
    largest = image_set.labels.bincount().argmax()
    return image_set[wrong & (image_set.labels == largest)]
""",
            "the right ones of the class": """
def hardest_mistakes(image_set, predictions):
    wrong = predictions != image_set.labels
    hardest = image_set.labels[wrong].bincount().argmax()
    return image_set[~wrong & (image_set.labels == hardest)]
""",
        }
    },
    "normalize_pixels": {
        "wrong": {
            "the mean of the bytes themselves": """
def normalize_pixels(images, mean, std):
    return (images - images.mean()) / images.std()
""",
            "three channels always": """
def normalize_pixels(images, mean, std):
    return (images / 255 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
""",
            "the bytes are not divided by 255": """
def normalize_pixels(images, mean, std):
    mean, std = mean.view(1, -1, 1, 1), std.view(1, -1, 1, 1)
    return (images - mean) / std
""",
            "the channels meet the last axis": """
def normalize_pixels(images, mean, std):
    return (images / 255 - mean) / std
""",
            "the channels meet the axis of images": """
def normalize_pixels(images, mean, std):
    return (images / 255 - mean.view(-1, 1, 1, 1)) / std.view(-1, 1, 1, 1)
""",
            "not divided by the standard deviation": """
def normalize_pixels(images, mean, std):
    return images / 255 - mean.view(1, -1, 1, 1)
""",
            "double precision": """
def normalize_pixels(images, mean, std):
    mean, std = mean.view(1, -1, 1, 1), std.view(1, -1, 1, 1)
    return (images.double() / 255 - mean) / std
""",
            "integer division": """
def normalize_pixels(images, mean, std):
    return (images // 255 - mean.view(1, -1, 1, 1)) / std.view(1, -1, 1, 1)
""",
            "the order of subtraction and division": """
def normalize_pixels(images, mean, std):
    return images / 255 / std.view(1, -1, 1, 1) - mean.view(1, -1, 1, 1)
""",
        }
    },
}
