"""Predict, then run: a question, the reader's guess, and what was measured.

The guess is kept in the browser and, where a kernel runs, in `Prediction.value`. Both
widgets also work in a deck: the guess made on one slide is compared on a later one.
"""

import html
import math

import traitlets
from ipywidgets import widget_serialization

from course_utils.explorables.base import Explorable


def predict(question, unit="", low=None, high=None, choices=None):
    """A question that keeps the reader's guess: a number, or one of `choices`.

    `guess.value` is None until it is answered; `guess.compare(measured)` sets the guess
    beside the measurement. Raises ValueError for bounds or choices that cannot work.
    Taught in chapter 01.
    """
    if choices is None:
        if low is not None and high is not None and low >= high:
            raise ValueError(f"low must be below high, got low={low}, high={high}")
    elif len(set(choices)) < 2 or any(type(choice) is not str for choice in choices):
        raise ValueError(
            f"choices must be two or more different texts, got {choices!r}; "
            "leave choices out to ask for a number"
        )
    return Prediction(
        question=question, unit=unit, low=low, high=high, choices=list(choices or [])
    )


def number_text(value):
    """A whole number as it is, another to four figures, as `plain` in prediction.js."""
    if value == int(value):
        return str(int(value))
    return f"{float(f'{value:.4g}'):.12g}"


def sentence(value, measured, unit=""):
    """What a guess and a measurement have to do with each other, in words."""
    if isinstance(measured, str):
        if value is None:
            return f"No guess was written down. The answer: {measured}."
        verdict = "That is the answer." if value == measured else f"It is: {measured}."
        return f"Your guess: {value}. {verdict}"
    ending = f" {unit}" if unit else ""
    found = f"Measured: {number_text(measured)}{ending}."
    if value is None:
        return f"No guess was written down. {found}"
    difference = value - measured
    if abs(difference) <= 0.01 * abs(measured):
        distance = "They agree to one per cent."
    else:
        side = "above" if difference > 0 else "below"
        distance = f"Your guess is {number_text(abs(difference))}{ending} {side} that."
    return f"Your guess: {number_text(value)}{ending}. {found} {distance}"


def markdown_text(text):
    """Text that Markdown and HTML show as it is written."""
    return html.escape(text, quote=False)


class Prediction(Explorable):
    """A question with a field for the answer. Made by `predict`."""

    scripts = ("prediction",)
    question = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    low = traitlets.Float(None, allow_none=True).tag(sync=True)
    high = traitlets.Float(None, allow_none=True).tag(sync=True)
    choices = traitlets.List(traitlets.Unicode()).tag(sync=True)
    value = traitlets.Union(
        [traitlets.Float(), traitlets.Unicode()], default_value=None, allow_none=True
    ).tag(sync=True)

    def compare(self, measured):
        """The guess beside what was measured (a number, or one of the choices)."""
        if self.choices:
            if measured not in self.choices:
                raise ValueError(
                    f"measured must be one of {self.choices}, got {measured!r}"
                )
            return Comparison(prediction=self, answer=measured)
        number = float(measured)
        if not math.isfinite(number):
            raise ValueError(f"measured must be a finite number, got {number}")
        return Comparison(prediction=self, measured=number)

    def still(self):
        text = f"Write down your guess first: {self.question}"
        if self.choices:
            text += " (" + " / ".join(self.choices) + ")"
        markdown = f"**Write down your guess first.** {markdown_text(self.question)}"
        markdown += "".join(f"\n- {markdown_text(choice)}" for choice in self.choices)
        return {"text/plain": text, "text/markdown": markdown}, {}

    def __repr__(self):
        return self.still()[0]["text/plain"]


class Comparison(Explorable):
    """The guess of a Prediction beside the measurement; follows a changed guess."""

    scripts = ("prediction",)
    prediction = traitlets.Instance(Prediction).tag(sync=True, **widget_serialization)
    measured = traitlets.Float(None, allow_none=True).tag(sync=True)
    answer = traitlets.Unicode(None, allow_none=True).tag(sync=True)

    def still(self):
        measured = self.measured if self.answer is None else self.answer
        text = sentence(self.prediction.value, measured, self.prediction.unit)
        return {"text/plain": text, "text/markdown": markdown_text(text)}, {}

    def __repr__(self):
        return self.still()[0]["text/plain"]
