"""Seconds of training to 94 % on Fashion-MNIST, over several seeds (speedrun.py)."""

from course_utils.recipes import RECIPES
from course_utils.speedrun import described, speed_run, verdict

DATA, TARGET = "fashion-mnist", 0.94


def time_to_target(recipe, seeds, device, report, **options) -> dict:
    """Train with each seed; returns what speed_run() found, with mean and verdict."""
    found = speed_run(DATA, recipe, seeds, device, report=report, **options)
    mean, lines = described("mean", found["rows"]), verdict(found["rows"], TARGET)
    report(mean, *lines.splitlines())
    return {**found, "target": TARGET, "mean": mean, "verdict": lines}


def measure_target(settings, device, report) -> dict:
    """The section of the benchmark; on a graphics card only, plain and compiled."""
    report(f"{100 * TARGET:g} % of the test images of {DATA}, seconds of training")
    if settings.seeds == 0:
        reason = "only on a graphics card, or with --seeds"
        report(reason)
        return {"not_measured": reason}
    results = {}
    for compiled in (False, True) if settings.compiled else (False,):
        name = "compiled" if compiled else "not compiled"
        report(f"{name}:")
        results[name] = time_to_target(
            RECIPES[DATA], settings.seeds, device, report, compiled=compiled
        )
    return results
