"""Arguments of a command line: numbers within bounds, and errors of a single line."""

import argparse
import math
import shutil


class UsageError(ValueError):
    """Options that make no sense; the message says which, and what would."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, and whose help fits into 80 columns.

    Names cannot be shortened; description and epilog keep their lines.
    """

    def __init__(self, **settings):
        super().__init__(formatter_class=_help_format, allow_abbrev=False, **settings)

    def error(self, message):
        raise UsageError(message)


def _help_format(prog):
    width = min(80, shutil.get_terminal_size().columns) - 1
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=width)


def whole(least=1):
    """A parser of whole numbers from `least`."""

    def parse(text):
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {least}, got {text!r}"
            )
        return number

    return parse


def number(low=0.0, high=math.inf, *, low_too=False):
    """A parser of numbers above `low` (or `low` itself) and below `high`."""
    bounds = f"{'from' if low_too else 'above'} {low:g}"
    bounds += "" if math.isinf(high) else f" and below {high:g}"

    def parse(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low < value < high or (low_too and value == low)):
            raise argparse.ArgumentTypeError(
                f"expected a number {bounds}, got {text!r}"
            )
        return value

    return parse
