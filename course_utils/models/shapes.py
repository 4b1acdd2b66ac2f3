"""What every builder of a model asks first: can there be a net for such images?"""


def check_shapes(name, channels, size, classes, smallest=1):
    """Raise ValueError unless images [N, channels, size, size] suit the model `name`.

    `smallest` is the least height and width in pixels with which it still makes sense.
    """
    given = {"channels": channels, "size": size, "classes": classes}
    for word, number in given.items():
        if not isinstance(number, int) or number < 1:
            raise ValueError(
                f"{word} is a whole number, 1 or more, got {number!r}; for images "
                "[N, C, H, W] of a data set give channels=C, size=H and "
                "classes=len(image_set.classes)"
            )
    if size < smallest:
        raise ValueError(
            f"{name} halves the map too often for {size} x {size} pixels, it takes "
            f"{smallest} x {smallest} or more; enlarge the images, as with "
            f"load_images(..., size={smallest})"
        )
