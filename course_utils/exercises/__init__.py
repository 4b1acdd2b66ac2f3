"""Exercises that check themselves. One module a chapter; here is what they share.

A check is a function that takes what the reader wrote and raises Wrong with a useful
message, or returns a sentence of praise. `@exercise` turns it into one that never
raises: it gives a Verdict, which the notebook shows and the tests read.
"""

import functools
import traceback
from dataclasses import dataclass
from html import escape

NOT_ATTEMPTED, FAILED, PASSED = "not attempted", "not yet", "passed"
SIGNS = {NOT_ATTEMPTED: "○", FAILED: "✗", PASSED: "✓"}
# What often helps with an error of torch that contains these words.
ADVICE = {
    "could not infer output dtype": "the mean of truth values or bytes needs "
    "fractional numbers: turn them into such with .float() first",
    "Boolean value of Tensor": "combine masks with & and |, not with `and` and `or`, "
    "and put each comparison in parentheses",
    "is invalid for input of size": "a size is written as a fixed number that fits one "
    "case only; take it from the tensor's shape, or write -1 to let torch count",
}
COLOURS = {NOT_ATTEMPTED: "#777777", FAILED: "#D55E00", PASSED: "#009E73"}


class Wrong(Exception):
    """The answer is not right; the message says what was seen and what to try."""


@dataclass(frozen=True)
class Verdict:
    """The result of a check: status "not attempted", "not yet" or "passed"."""

    status: str
    message: str

    def __repr__(self) -> str:
        return f"{SIGNS[self.status]} {self.status}: {self.message}"

    def _repr_html_(self) -> str:
        colour = COLOURS[self.status]
        message = escape(self.message).replace("\n", "<br>")
        return (
            f'<div style="border-left: 4px solid {colour}; padding: 2px 10px">'
            f"<b>{SIGNS[self.status]} {self.status}</b>: {message}</div>"
        )


UNTOUCHED = Verdict(NOT_ATTEMPTED, "fill in the cell above, then run this again")


def exercise(check):
    """Make a check that gives a Verdict for everything a reader can hand in.

    An answer that is the bare `raise NotImplementedError` of the stub, None or `...`
    was not attempted. Any other error in it is shown with the reader's line that raised
    it, and with what often helps.
    """

    @functools.wraps(check)
    def checked(*answers) -> Verdict:
        if any(answer is None or answer is ... for answer in answers):
            return UNTOUCHED
        try:
            return Verdict(PASSED, check(*answers))
        except Wrong as problem:
            return Verdict(FAILED, str(problem))
        except Exception as error:
            if type(error) is NotImplementedError and not error.args:
                return UNTOUCHED
            return Verdict(FAILED, _explain(error))

    return checked


def _explain(error):
    """The error, the line of the reader that raised it, and what often helps."""
    text = str(error).splitlines()[0] if str(error) else ""
    advice = [help for part, help in ADVICE.items() if part in text]
    lines = [f"{type(error).__name__}: {text}{_place(error)}", *advice]
    return "\n".join(lines)


def _place(error):
    """The last line of the reader's own code in the traceback of `error`."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        is_cell = "ipykernel" in frame.filename or frame.filename.startswith("<")
        if is_cell and frame.line:
            return f"\nin your line {frame.lineno}: {frame.line}"
    return ""


def describe(value) -> str:
    """A short description of a value for a message: kind, shape or number."""
    if hasattr(value, "shape") and tuple(value.shape):
        return f"{type(value).__name__} of shape {list(value.shape)}"
    if hasattr(value, "item"):
        value = value.item()
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
