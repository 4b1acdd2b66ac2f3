"""Processes are killed at random moments, and the run ends as if none had been.

SIGKILL leaves a process no time for anything. The story of all lives is written by
mortal_runs.py, once for all tests here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mortal_runs import CALLS, EPOCHS, KILLS, LEAST_IN_PHASE
from resuming import assert_same

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="Windows cannot fork a process"
)
LIBRARIES = ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "VECLIB_MAXIMUM")
ONE_THREAD = {f"{library}_THREADS": "1" for library in LIBRARIES}  # may be forked


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where mortal_runs.py left its results."""
    made = tmp_path_factory.mktemp("mortal")
    program = Path(__file__).with_name("mortal_runs.py")
    surroundings = {**os.environ, **ONE_THREAD, "COURSE_DEVICE": "cpu"}
    done = subprocess.run(
        [sys.executable, program, made],
        env=surroundings, capture_output=True, encoding="utf-8", timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def story(folder):
    return json.loads((folder / "lives.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def lives(story):
    return story["lives"]


def told(lives):
    """The moments, for whoever has to find out what went wrong."""
    return "\n" + "\n".join(map(str, lives))


def test_there_were_enough_kills_at_random_moments(lives):
    kills = [life for life in lives if life["killed"] and life["wait"] is not None]
    assert len(kills) >= KILLS >= 20, told(lives)
    assert len({life["wait"] for life in kills}) == len(kills)


def test_they_hit_training_and_saving(lives):
    phases = [life["phase"] for life in lives if life["wait"] is not None]
    saving = [phase for phase in phases if "left run" in phase]
    assert len(saving) >= LEAST_IN_PHASE, told(lives)
    assert phases.count("training") >= LEAST_IN_PHASE, told(lives)


def test_each_call_of_a_save_was_the_last_of_a_life(lives):
    killed = [tuple(life["call"]) for life in lives if life["call"] and life["killed"]]
    assert sorted(killed) == sorted(CALLS), told(lives)


def test_each_life_went_on_from_where_the_one_before_was_saved(lives):
    for life in lives:
        words = life["told"]
        assert life["to"] >= life["from"], told([life])
        saved, begun = words.count("S"), words.count("s")
        assert begun - saved in (0, 1)
        if saved:  # a save that was finished is never lost
            assert life["to"] > life["from"], told([life])
        if not begun:  # killed early
            assert life["to"] == life["from"], told([life])


def test_all_runs_end_like_the_one_that_nobody_killed(folder, story, lives):
    def result(name):
        return torch.load(folder / name / "result.pt", weights_only=True)

    whole = result("whole")
    assert len(whole["losses"]) > 30 and len(whole["rows"]) == EPOCHS
    assert {"model", "optimizer", "scheduler", "average"} <= whole["step"].keys()
    for run in range(1, story["runs"] + 1):
        own = [life for life in lives if life["run"] == run]
        assert own[-1]["to"] == [EPOCHS, 0], told(own)
        try:
            assert_same(result(str(run)), whole)
        except AssertionError as error:
            raise AssertionError(f"run {run} ended otherwise{told(own)}") from error


def test_nothing_is_left_but_the_last_two_files(folder, story):
    for run in range(1, story["runs"] + 1):
        left = {path.name for path in (folder / str(run)).iterdir()}
        assert left - {"result.pt"} == {"run.pt", "run.previous.pt"}
