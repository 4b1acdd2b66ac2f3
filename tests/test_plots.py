"""Figures: words for who cannot see them, small files, nothing left open."""

import io

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from PIL import Image

from course_utils import plots
from course_utils.history import History
from course_utils.plots import COLORS, draw_history, draw_images, new_figure, show


@pytest.fixture
def displays(monkeypatch):
    """What show() displays: pairs of a bundle and its metadata."""
    found = []

    def display(bundle, metadata, raw):
        assert raw
        found.append((bundle, metadata))

    monkeypatch.setattr(plots, "display", display)
    return found


@pytest.fixture
def history():
    rows = [
        {"epoch": epoch, "train_loss": 1 / epoch, "train_accuracy": 1 - 0.3 / epoch}
        | {"test_loss": 1.1 / epoch, "test_accuracy": 1 - 0.4 / epoch}
        for epoch in range(1, 6)
    ]
    return History(rows)


def drawn(figure):
    """A figure as an array of colours [H, W, 3]."""
    return np.asarray(Image.open(io.BytesIO(plots.to_png(figure)[0])).convert("RGB"))


def test_a_figure_is_shown_with_its_description_and_caption(displays, history):
    show(draw_history(history), caption="Loss *falls*.", alt="Two falling curves.")
    (picture, words), (caption, mark) = displays
    assert picture["text/plain"] == words["image/png"]["alt"] == "Two falling curves."
    image = Image.open(io.BytesIO(picture["image/png"]))
    assert image.mode == "P" and image.width > words["image/png"]["width"] > 300
    assert caption["text/plain"] == "Loss *falls*."
    assert "Loss *falls*." in caption["text/markdown"]
    assert mark == {"course": {"caption": True}}
    assert len(picture["image/png"]) < 60_000


@pytest.mark.parametrize("missing", ["caption", "alt"])
@pytest.mark.parametrize("text", ["", "  ", None])
def test_words_are_required(displays, history, missing, text):
    words = {"caption": "Caption.", "alt": "Description.", missing: text}
    with pytest.raises(ValueError, match=f"{missing} is empty; every figure needs"):
        show(draw_history(history), **words)
    assert displays == []


def test_a_figure_drawn_with_pyplot_is_closed_once_shown(displays):
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    show(figure, "Caption.", "Description.")
    assert not plt.get_fignums()


def test_the_same_figure_gives_the_same_file(history):
    files = [plots.to_png(draw_history(history))[0] for _ in range(2)]
    assert files[0] == files[1]


def test_colours_stay_what_they_are_in_the_file():
    figure, axes = new_figure()
    axes.axis("off")
    axes.axhspan(0, 1, color=COLORS["train"])
    image = Image.open(io.BytesIO(plots.to_png(figure)[0])).convert("RGB")
    middle = image.getpixel((image.width // 2, image.height // 2))
    expected = bytes.fromhex(COLORS["train"][1:])
    assert max(abs(a - b) for a, b in zip(middle, expected, strict=True)) <= 4


def test_a_grid_of_images_shows_every_one():
    images = torch.zeros(12, 1, 4, 4, dtype=torch.uint8)
    images[5] = 255
    figure = draw_images(images, titles=[f"t{i}" for i in range(12)], columns=5)
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == [f"t{i}" for i in range(12)]
    means = [axes.images[0].get_array().mean() for axes in shown]
    assert means == [255 if i == 5 else 0 for i in range(12)]
    assert {axes.images[0].get_clim() for axes in shown} == {(0, 255)}


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((3, 8, 8), "float"), ((3, 1, 8, 8), "float"), ((3, 3, 8, 8), "uint8")],
)
def test_images_of_any_kind(shape, kind):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(shape, generator=generator)
    if kind == "uint8":
        images = (images * 255).to(torch.uint8)
    for given in (images, images.numpy()):
        figure = draw_images(given)
        expected = 255 if kind == "uint8" else 1
        assert sum(bool(axes.images) for axes in figure.axes) == 3
        if len(shape) == 3 or shape[1] == 1:
            assert figure.axes[0].images[0].get_clim() == (0, expected)


def test_signed_images_are_red_above_zero_and_blue_below():
    images = torch.tensor([[[[-2.0]], [[0.0]], [[1.0]]]])[0][:, None]
    figure = draw_images(images, columns=3, signed=True)
    shown = [axes.images[0] for axes in figure.axes if axes.images]
    assert {image.get_clim() for image in shown} == {(-2, 2)}
    colours = [image.cmap(image.norm(image.get_array()[0, 0])) for image in shown]
    blue, white, red = (np.array(colour[:3]) for colour in colours)
    assert blue[2] > blue[0] and red[0] > red[2] and white.min() > 0.95


@pytest.mark.parametrize("shape", [(8, 8), (2, 4, 8, 8), (1, 2, 3, 8, 8)])
def test_images_of_a_wrong_shape_are_named(shape):
    with pytest.raises(ValueError, match=r"must be \[N, 1 or 3, H, W\].*got \["):
        draw_images(np.zeros(shape))


def test_a_history_has_a_labelled_curve_per_role_in_its_colour(history):
    figure = draw_history(history)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "loss per image",
        "accuracy",
    ]
    for axes in figure.axes:
        colours = [line.get_color() for line in axes.lines]
        assert colours == [COLORS["train"], COLORS["test"]]
        assert [text.get_text() for text in axes.texts] == ["train", "test"]
        assert axes.get_xlabel() == "epoch"
    assert drawn(figure).std() > 0


def test_a_history_that_was_interrupted_or_has_no_tests(history):
    del history.rows[-1]["test_loss"], history.rows[-1]["test_accuracy"]
    train, test = draw_history(history).axes[0].lines
    assert len(train.get_xdata()) == 5 and len(test.get_xdata()) == 4
    for row in history.rows[:-1]:
        del row["test_loss"]
    figure = draw_history(history, columns=("loss",))
    assert len(figure.axes[0].lines) == 1 and drawn(figure).std() > 0


def test_rows_of_dots_mark_one_number_of_each_and_draw_all():
    _, axes = new_figure()
    rows = {"slow": [3.0, 1.0, 2.0], "none": [], "quick": [0.5]}
    plots.draw_dots(axes, rows, "{:.1f} s".format, {"slow": "train"}, marked=min)
    strokes = [line for line in axes.lines if line.get_marker() == "|"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in strokes] == [3, 0, 1]
    assert [line.get_xdata()[0] for line in dots] == [1.0, 0.5]
    assert [line.get_color() for line in dots] == [COLORS["train"], COLORS["grey"]]
    assert [text.get_text() for text in axes.texts] == ["1.0 s", "0.5 s"]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(rows)


def test_drawing_leaves_no_figure_open(history):
    draw_history(history), draw_images(np.zeros((2, 4, 4))), new_figure(2, 2)
    assert not plt.get_fignums()


def test_every_role_has_a_colour_and_contrasts_with_white():
    for role, colour in COLORS.items():
        r, g, b = (value / 255 for value in bytes.fromhex(colour[1:]))
        assert 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.72, role
