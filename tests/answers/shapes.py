"""Wrong answers to the exercise on shapes: what is wrong, and the code for it."""

RIGHT = [
    (16, 48, 48), (16, 23, 23), (32, 23, 23), (8, 23, 23), (8, 5, 5), (24, 1, 1),
]  # fmt: skip


def answer(*changes):
    """The right list with some of its shapes, counted from 1, replaced."""
    shapes = list(RIGHT)
    for number, shape in changes:
        shapes[number - 1] = shape
    return f"shapes = {shapes}"


ANSWERS = {
    "shapes": {
        "wrong": {
            "one too few": answer((1, (16, 47, 47))),
            "the padding left out": answer((1, (16, 45, 45))),
            "the stride left out": answer((1, (16, 96, 96))),
            "rounded up": answer((2, (16, 24, 24))),
            "pooling changes the channels": answer((2, (8, 23, 23))),
            "the dilation left out": answer((3, (32, 25, 25))),
            "a convolution keeps the channels": answer((3, (16, 23, 23))),
            "1 x 1 makes a single pixel": answer((4, (8, 1, 1))),
            "pooling with stride 1": answer((5, (8, 20, 20))),
            "channels last": answer((6, (1, 1, 24))),
            "with the batch": answer((1, (1, 16, 48, 48))),
            "a layer forgotten": f"shapes = {RIGHT[:-1]}",
            "numbers instead of shapes": "shapes = [48, 23, 23, 23, 5, 1]",
            "guessed": answer((6, (24, 3, 3))),
        }
    }
}
