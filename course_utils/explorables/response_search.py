"""A measured surface between its points, and searches on it: the Python side.

Places are pairs (u, v) from 0 to 1: how far along each logarithmic axis. The browser
interpolates in the same way (response_arithmetic.js).
"""

import numpy as np

QUARTER = 4  # a quarter of TPE's points are random


def knots(positions):
    """Where positive increasing numbers [n] lie on a logarithmic axis from 0 to 1."""
    logs = np.log(np.asarray(positions, dtype=float))
    return (logs - logs[0]) / (logs[-1] - logs[0])


def interpolate(values, across, up, u, v):
    """The surface values [len(up), len(across)] at places u, v: bilinear in between."""
    values = np.asarray(values, dtype=float)
    i, s = _cell(across, u)
    j, t = _cell(up, v)
    low = (1 - s) * values[j, i] + s * values[j, i + 1]
    high = (1 - s) * values[j + 1, i] + s * values[j + 1, i + 1]
    return (1 - t) * low + t * high


def _cell(marks, place):
    """The number of the cell that holds a place, and how far into it, from 0 to 1."""
    marks = np.asarray(marks)
    place = np.clip(place, 0, 1)
    number = np.clip(np.searchsorted(marks, place, side="right") - 1, 0, len(marks) - 2)
    return number, (place - marks[number]) / (marks[number + 1] - marks[number])


def best_so_far(values, better):
    """The best of values [..., n] up to each of them; better is "lower" or "higher"."""
    return (np.minimum if better == "lower" else np.maximum).accumulate(values, axis=-1)


def random_places(budget, seed):
    """Places [budget, 2] of random search: uniform on both logarithmic axes."""
    return np.random.default_rng(seed).random((budget, 2))


def tpe_places(value, budget, seed, better):
    """Places [budget, 2] that Optuna's TPESampler asks for; value(u, v) is a number.

    Its first quarter are those of random search with the same seed.
    """
    import optuna  # only here: nobody else waits for it

    kept = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        first = random_places(budget, seed)[: max(2, budget // QUARTER)]
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=len(first))
        direction = "minimize" if better == "lower" else "maximize"
        study = optuna.create_study(sampler=sampler, direction=direction)
        for u, v in first:
            study.enqueue_trial({"u": float(u), "v": float(v)})
        study.optimize(
            lambda trial: value(
                trial.suggest_float("u", 0, 1), trial.suggest_float("v", 0, 1)
            ),
            n_trials=budget,
        )
    finally:
        optuna.logging.set_verbosity(kept)
    return np.array([[trial.params["u"], trial.params["v"]] for trial in study.trials])


def run_rivals(value, *, budget, seeds, seed, better):
    """Random search and TPE, `seeds` times each: best-so-far curves and one run.

    Returns {"random": ..., "TPE": ...}, each with "curves" [seeds, budget] and the
    "places" [budget, 2] of the run whose last value is in the middle.
    """
    rivals = {}
    for name in ("random", "TPE"):
        runs, curves = [], []
        for k in range(seed, seed + seeds):
            if name == "random":
                places = random_places(budget, k)
            else:
                places = tpe_places(value, budget, k, better)
            places = places.round(4)
            runs.append(places)
            curves.append(best_so_far([float(value(*p)) for p in places], better))
        middle = np.argsort(np.array(curves)[:, -1], kind="stable")[(seeds - 1) // 2]
        rivals[name] = {
            "curves": [[float(f"{one:.5g}") for one in curve] for curve in curves],
            "places": runs[middle].tolist(),
        }
    return rivals
