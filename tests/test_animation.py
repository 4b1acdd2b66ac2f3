"""Animations: what moves, what stands still, their words and their size."""

import io
import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils import animation, plots
from course_utils.animation import backward_frames, show_animation, to_animation
from course_utils.convolution import conv2d_backward
from course_utils.explorables.convolution import ERROR, WEIGHT
from course_utils.grids import number_text
from course_utils.plots import new_figure

KERNEL = np.array(WEIGHT)[:3, :3]
ERRORS = np.array(ERROR)


@pytest.fixture
def displays(monkeypatch):
    """What show_animation() displays: pairs of a bundle and its metadata."""
    found = []

    def display(bundle, metadata, raw):
        assert raw
        found.append((bundle, metadata))

    monkeypatch.setattr(plots, "display", display)
    return found


def coloured(*colours, size=(1, 1)):
    """One small Figure for each colour."""
    for colour in colours:
        figure, axes = new_figure(size=size, layout="none", facecolor=colour)
        axes.axis("off")
        yield figure


def frames_of(data):
    """(array [H, W, 3], milliseconds) of every frame of an animated PNG."""
    image = Image.open(io.BytesIO(data))
    frames = []
    for number in range(image.n_frames):
        image.seek(number)
        frames.append((np.asarray(image.convert("RGB")), image.info["duration"]))
    return frames


def colours_of(data):
    return ["#" + bytes(frame[0, 0]).hex() for frame, _ in frames_of(data)]


RED, GREEN, BLUE = "#ff0000", "#00ff00", "#0000ff"


@pytest.mark.parametrize(
    ("still", "order", "times"),
    [
        (-1, [BLUE, RED, GREEN], [2000, 500, 500]),
        (0, [RED, GREEN, BLUE], [500, 500, 2000]),
        (1, [GREEN, BLUE, RED], [500, 2000, 500]),
    ],
)
def test_the_file_begins_with_the_still_and_goes_round(still, order, times):
    figures = coloured(RED, GREEN, BLUE)
    data, width = to_animation(figures, seconds=0.5, hold=2, still=still)
    assert colours_of(data) == order and width == 100
    assert [duration for _, duration in frames_of(data)] == times
    image = Image.open(io.BytesIO(data))
    assert image.info["loop"] == 0 and image.mode == "P"
    assert b"acTL" in data and data.startswith(b"\x89PNG")


def test_one_figure_may_be_drawn_on_again():
    def frames():
        figure, axes = new_figure(size=(1, 1), layout="none")
        axes.axis("off")
        for colour in (RED, BLUE):
            figure.set_facecolor(colour)
            yield figure

    assert colours_of(to_animation(frames())[0]) == [BLUE, RED]


def test_it_is_shown_like_a_figure(displays):
    show_animation(coloured(RED, BLUE), caption="It *blinks*.", alt="Red, then blue.")
    (picture, words), (caption, mark) = displays
    assert words == {"image/png": {"alt": "Red, then blue.", "width": 100}}
    assert picture["text/plain"] == "Red, then blue."
    assert len(frames_of(picture["image/png"])) == 2
    assert caption == {"text/markdown": "*It *blinks*.*", "text/plain": "It *blinks*."}
    assert mark == {"course": {"caption": True}}


@pytest.mark.parametrize("missing", ["caption", "alt"])
def test_words_are_required(displays, missing):
    words = {"caption": "Caption.", "alt": "Description.", missing: " "}
    with pytest.raises(ValueError, match=f"{missing} is empty; every animation"):
        show_animation(coloured(RED, BLUE), **words)
    assert displays == []


def test_frames_that_make_no_animation_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="two or more frames of one size, got 1"):
        to_animation(coloured(RED))
    other = [*coloured(RED), *coloured(BLUE, size=(2, 1))]
    with pytest.raises(ValueError, match=r"got 2 of \[\(120, 120\), \(240, 120\)\]"):
        to_animation(other)
    with pytest.raises(ValueError, match="still must be a place among 2 frames, got 2"):
        to_animation(coloured(RED, BLUE), still=2)
    monkeypatch.setattr(animation, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match="bytes, at most 100; take fewer"):
        to_animation(coloured(RED, BLUE))


def texts_of(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(
    ("errors", "shape", "options"),
    [
        (ERRORS, (6, 6), {}),
        (ERRORS[:3, :3], (7, 7), {"stride": 2}),
        (ERRORS[:2, :2], (6, 6), {"stride": 2}),
        (ERRORS[:3, :2], (5, 4), {"stride": 2, "padding": 1}),
        (ERRORS[:2, :2], (6, 6), {"dilation": 2}),
    ],
)
def test_the_frames_add_up_to_the_gradient_of_course_utils(errors, shape, options):
    x, weight, error = (
        torch.tensor(values, dtype=torch.float64)[None, None]
        for values in (np.zeros(shape), KERNEL, errors)
    )
    gradient, _, _ = conv2d_backward(error, x, weight, **options)
    figures = list(backward_frames(KERNEL, errors, shape, **options))
    assert len(figures) == errors.size + 1
    last = texts_of(figures[-1])
    cells = [number_text(value) for value in gradient.flatten().tolist()]
    assert last[-1 - len(cells) : -1] == cells
    assert last[-1].startswith("Every error has been added")
    first = f"Error [0, 0] = {number_text(errors[0, 0])}"
    assert texts_of(figures[0])[-1].startswith(first)


def test_each_frame_shows_what_one_error_adds():
    for stride, shape in ((1, (4, 4)), (2, (5, 5))):
        errors = ERRORS[:2, :2]
        figures = list(backward_frames(KERNEL, errors, shape, stride=stride))
        for figure, error in zip(figures, errors.flat, strict=False):
            texts = texts_of(figure)
            for value in (KERNEL * error).flat:
                sign = number_text(value) if value < 0 else f"+{number_text(value)}"
                assert sign in texts
            assert (
                sum(patch.get_linewidth() == 3 for patch in figure.axes[0].patches) == 1
            )


@pytest.mark.parametrize(
    ("errors", "shape", "options"),
    [
        (ERRORS, (6, 6), {"stride": 2}),
        (ERRORS[:2, :3], (6, 6), {}),
        (ERRORS, (7, 6), {}),
        (ERRORS[:2, :2], (2, 2), {}),
    ],
)
def test_errors_of_a_wrong_shape_are_named(errors, shape, options):
    with pytest.raises(ValueError, match=r"has an output .*; grad_output is \["):
        list(backward_frames(KERNEL, errors, shape, **options))


def test_the_backward_pass_is_light_and_the_same_in_every_run():
    def make():
        frames = backward_frames(KERNEL, torch.tensor(ERRORS[:2, :2]), (6, 6), stride=2)
        return to_animation(frames)

    data, width = make()
    assert make() == (data, width)
    assert len(data) < 80_000 and 400 < width <= 800
    frames = [frame for frame, _ in frames_of(data)]
    assert len(frames) == 5 and all((frame[0, 0] == 255).all() for frame in frames)
    assert all((one != other).any() for one, other in itertools.pairwise(frames))
