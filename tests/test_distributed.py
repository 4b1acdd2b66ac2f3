"""Two processes learn what one would, and a run survives the death of one of them.

A launch of torchrun costs as much as many fast tests, so that there are two, for all
tests. The programs are in several_programs.py.
"""

import os
import sys
import time
from itertools import chain
from pathlib import Path

import pytest
import several
import torch
from several import RUNS, Joined, chancy, launch, numbered_images, results, train
from several_programs import STOPS
from torch import nn

from course_utils import distributed as together
from course_utils.checkpoint_files import CheckpointError, read_checkpoint
from course_utils.checkpoints import Checkpoint
from course_utils.data import Batches
from course_utils.sharded import ShardedCheckpoint, shard, whole_state

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gloo and SIGKILL as on Unix"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the two processes leave their files."""
    return tmp_path_factory.mktemp("everything")


@pytest.fixture(scope="module")
def found(folder):
    """What two processes found that lived to the end, by process."""
    code, errors = launch("everything", folder)
    assert code != 0  # since it ends with a lost loss
    assert (folder / "1.error").exists(), errors
    return results(folder)


def largest_difference(some, others):
    """Between two dictionaries of tensors with the same names."""
    assert some.keys() == others.keys()
    pairs = [(some[name], others[name]) for name in some]
    return max((a - b).abs().max().item() for a, b in pairs if a.numel())


def assert_same(some, others):
    """Two nested states are equal bit for bit."""
    assert type(some) is type(others)
    if isinstance(some, dict):
        assert some.keys() == others.keys()
        some, others = list(some.values()), list(others.values())
    if isinstance(some, list | tuple):
        for pair in zip(some, others, strict=True):
            assert_same(*pair)
    elif isinstance(some, torch.Tensor):
        assert torch.equal(some, others)
    else:
        assert some == others


# The same as one process


@pytest.fixture(scope="module")
def alone():
    """A function that trains a run of RUNS in this process alone."""

    def run(name):
        with several.numbers_of(name):
            # Two processes take the one image too many together with the last batch.
            joined = {"batches": Joined} if name == "one image too many" else {}
            return train(**RUNS[name], **joined)

    known = {name: run(name) for name in RUNS}
    return known.__getitem__


def assert_close(here, there, tolerance):
    """Two runs have the same losses, metrics and weights, up to rounding."""
    assert here["losses"] == pytest.approx(there["losses"], abs=tolerance)
    for some, others in zip(here["rows"], there["rows"], strict=True):
        assert some == pytest.approx(others, abs=tolerance)
        assert some["test_accuracy"] == others["test_accuracy"]
    assert largest_difference(here["weights"], there["weights"]) < tolerance


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_learn_what_one_does(found, alone, name):
    tolerance = 1e-12 if name == "double precision" else 1e-5
    assert_close(found[0]["runs"][name], alone(name), tolerance)
    assert_same(found[0]["runs"][name], found[1]["runs"][name])


def test_the_runs_differ_in_what_they_are_named_for(alone):
    final = [tuple(alone(name)["losses"]) for name in list(RUNS)[:-1]]
    assert len(set(final)) == len(final)


@pytest.mark.parametrize("name", list(RUNS)[:-1])
def test_two_parts_of_a_model_learn_what_the_whole_does(found, alone, name):
    sharded = [process["sharded"]["runs"][name] for process in found]
    assert_close(sharded[0], alone(name), 1e-5)
    assert sharded[1]["losses"] == sharded[0]["losses"]
    assert sharded[1]["rows"] == sharded[0]["rows"]
    assert not sharded[1]["weights"]  # only the first has the whole


def test_every_image_is_drawn_once_by_one_process(found):
    batches = Batches(numbered_images(37), several.BATCH, shuffle=True)
    for epoch in range(3):
        whole = torch.cat([numbers for _, numbers in batches]).tolist()
        parts = [process["numbers"][epoch] for process in found]
        drawn = [first + second for first, second in zip(*parts, strict=True)]
        assert [len(numbers) for numbers in drawn] == [12, 12, 13]
        assert [*chain(*drawn)] == whole != sorted(whole)
        assert sorted(whole) == list(range(37))


def test_only_the_first_process_shows_and_writes(found):
    first, second = (process["quiet"] for process in found)
    assert "epoch 2/2" in first["shown"] and "8/8" in first["shown"]
    assert first["written"] == ["run.pt.tmp"]  # which is then renamed
    assert second == {"shown": "", "written": []}


def test_gradients_are_exchanged_once_for_all_pieces(found):
    assert all(process["exchanges"] == 1 for process in found)


def test_the_first_decides_and_goes_ahead(found):
    for process in found:
        assert process["decided"] == [3, 0]
        assert process["order"] == "01"


# Going on


def without_statistics(state):
    """A state without running statistics: only those of the first process count."""
    if not isinstance(state, dict):
        return state
    kept = {k: v for k, v in state.items() if "running_" not in str(k)}
    return {name: without_statistics(item) for name, item in kept.items()}


def assert_went_on(resumed, whole, first):
    """A resumed run equals an uninterrupted one, bit for bit."""
    for name in ("rows", "losses", "tested buffers"):
        assert_same(resumed[name], whole[name])
    part = dict if first else without_statistics
    assert_same(part(resumed["state"]), part(whole["state"]))


@pytest.mark.parametrize("stop", STOPS)
def test_two_processes_go_on_where_they_stopped(found, stop):
    for index, process in enumerate(found):
        resumed = process["resumed"][[*STOPS].index(stop)]
        assert resumed["batches"] == STOPS[stop]
        assert_went_on(resumed, process["whole"], index == 0)
    masks = [process["whole"]["state"]["model"]["0.0.weight"] for process in found]
    assert torch.equal(*masks)


def test_they_stop_together_when_the_first_one_is_interrupted(found):
    stopped = [process["interrupted"][0] for process in found]
    assert stopped[0]["batches"] == stopped[1]["batches"] in range(7, 16)
    for index, process in enumerate(found):
        partly, resumed = process["interrupted"]
        assert partly["interrupted"] and not resumed["interrupted"]
        assert partly["batches"] + resumed["batches"] == 16
        assert_same(partly["rows"], stopped[0]["rows"])
        assert_went_on(resumed, process["whole"], index == 0)


def test_parts_of_a_model_go_on_where_they_stopped(found):
    for process in found:
        sharded = process["sharded"]
        runs = [sharded["resumed"], *sharded["repaired"]]
        assert [run["batches"] for run in runs] == [9, 1, 1]
        for run in runs:
            assert_went_on(run, sharded["whole"], first=False)
        assert (
            largest_difference(
                sharded["whole"]["tested buffers"], sharded["resumed"]["tested buffers"]
            )
            == 0
        )
        damaged, lost = (run["warnings"][0] for run in sharded["repaired"])
        assert "__0_0.distcp is not what was written" in damaged
        assert "rest.pt is missing" in lost


def test_one_process_goes_on_with_the_checkpoint_of_two(found, alone, folder):
    resumed = train(epochs=2, checkpoint=Checkpoint(folder / "odd.pt", every=2))
    assert_close(resumed, alone("odd batches"), 1e-5)


# Processes that die


def is_running(process):
    """Whether there is such a process that has not ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not (
        state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"
    )


@pytest.fixture(scope="module")
def elastic(tmp_path_factory):
    """A launch in which a process is killed twice: (folder, exit code, errors, end)."""
    folder = tmp_path_factory.mktemp("elastic")
    code, errors = launch("elastic", folder, restarts=1)
    return folder, code, errors, time.time()


def test_a_lost_loss_in_one_process_ends_all(found, folder):
    assert "NonFiniteLoss: the loss is not finite, first in epoch 1, batch 3" in (
        folder / "1.error"
    ).read_text("utf-8")
    # The other one notices, or torchrun ends it before it has written anything.
    processes = [int(path.read_text()) for path in folder.glob("*.process")]
    assert len(processes) == 2 and not any(map(is_running, processes))


def test_only_finite_weights_were_saved(found, folder):
    parts = read_checkpoint(folder / "lost.pt")["parts"]
    assert parts["batches"]["position"] == 2
    weights = parts["step"]["model"].values()
    assert all(tensor.isfinite().all() for tensor in weights)


def test_a_run_survives_the_death_of_a_process(found, elastic):
    folder, _, errors, _ = elastic
    assert len([*folder.glob("*.process")]) == 4, errors
    for index, process in enumerate(results(folder)):
        assert process["batches"] == 16 - 4  # 6 were done, the first 4 of them saved
        assert_went_on(process, found[index]["whole"], index == 0)


def test_torchrun_ends_soon_after_a_process_has_died(elastic):
    folder, code, errors, ended = elastic
    assert code != 0 and "exitcode: -9" in errors
    last = max(path.stat().st_mtime for path in folder.glob("*.result"))
    assert ended - last < 60
    processes = [int(path.read_text()) for path in folder.glob("*.process")]
    assert not any(map(is_running, processes))


# Precision of sharded models


def test_each_process_keeps_a_part_of_the_weights(found):
    sizes, totals = zip(
        *(process["sharded"]["sizes"] for process in found), strict=True
    )
    assert sum(sizes) == totals[0] == totals[1]
    assert max(sizes) < 0.6 * totals[0]


def test_an_overflow_in_one_process_skips_the_update_in_all(found):
    assert all(process["sharded"]["skipped"] == (1, True) for process in found)


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_sharded_models_compute_in_lower_precision(found, name):
    losses = [process["sharded"]["losses"][name] for process in found]
    assert losses[0] == losses[1]
    assert losses[0][1] < losses[0][0] and losses[0][3] < losses[0][2]


# Alone, and errors


def test_alone_there_is_nothing_to_do():
    model = several.some_model()
    assert together.distribute(model) is shard(model) is together.unwrap(model) is model
    assert (together.process_index(), together.process_count()) == (0, 1)
    assert together.is_first() and together.first_decides(7) == 7
    assert together.mean_over_processes(3, "cpu") == 3
    assert together.least_of_processes(3) == 3
    assert together.sum_over_processes([1, 2.5]) == [1, 2.5]
    assert together.gather_from_processes("thing") == ["thing"]
    assert_same(whole_state(model), dict(model.state_dict()))
    assert together.start_processes("cpu") == torch.device("cpu")
    with together.first_ahead(), together.without_sync(model):
        pass
    together.stop_processes()


def test_a_wrapped_model_is_unwrapped(found):
    names = found[0]["whole"]["state"]["model"]
    assert "0.0.weight" in names  # not module.0.0.weight


@pytest.fixture
def torchrun(monkeypatch):
    """A function that sets what torchrun tells a process, and more."""

    def set_variables(**more):
        usual = dict.fromkeys(together.VARIABLES, "0") | {"WORLD_SIZE": "4"}
        for name, value in (usual | more).items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return set_variables


def test_a_surrounding_that_is_partly_that_of_torchrun(torchrun):
    torchrun(LOCAL_RANK=None, MASTER_ADDR=None)
    with pytest.raises(
        ValueError, match=r"LOCAL_RANK, MASTER_ADDR is missing.*torchrun"
    ):
        together.start_processes("cpu")


@pytest.mark.parametrize("name", ["cuda:1", "mps", "tpu"])
def test_a_device_that_cannot_be_shared_out(torchrun, name):
    torchrun()
    with pytest.raises(ValueError, match=f"on cpu; not on '{name}'"):
        together.start_processes(name)


def test_fewer_cards_than_processes(torchrun, monkeypatch):
    torchrun(LOCAL_RANK="1", LOCAL_WORLD_SIZE="4")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"4 processes .* has 2; .*--nproc-per-node 2"):
        together.start_processes("cuda")


def test_each_process_has_the_card_of_its_number(torchrun, monkeypatch):
    joined, chosen = [], []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(
        together.dist, "init_process_group", lambda *a, **k: joined.append((a, k))
    )
    monkeypatch.setattr(together, "meet", lambda timeout: ("store", 3, 4))
    torchrun(LOCAL_RANK="3", LOCAL_WORLD_SIZE="4", COURSE_DEVICE=None)
    assert together.start_processes() == torch.device("cuda", 3)
    (backend,), options = joined[0]
    assert backend == "cpu:gloo,cuda:nccl" and chosen == [3]
    assert options["device_id"] == torch.device("cuda", 3)


def test_batch_norm_is_synchronised_where_torch_can(make_model):
    with pytest.raises(ValueError, match=r"only on CUDA.*sync_batch_norm=False"):
        together.distribute(make_model(), sync_batch_norm=True)
    model = together.distribute(make_model().to("meta"), sync_batch_norm=True)
    kinds = [type(module) for module in model]
    assert nn.SyncBatchNorm in kinds and nn.BatchNorm2d not in kinds
    without = nn.Sequential(nn.Linear(2, 2)).to("meta")
    with pytest.raises(ValueError, match="Sequential has no batch norm"):
        together.distribute(without, sync_batch_norm=True)


def test_a_checkpoint_that_only_the_first_process_sees(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "run.pt")
    monkeypatch.setattr(checkpoint, "_exists", lambda: True)
    with pytest.raises(CheckpointError, match=r"process 0 cannot see .*run.pt"):
        train(checkpoint=checkpoint)


# Sharded checkpoints, alone


def test_alone_a_sharded_checkpoint_is_a_folder_with_one_file(tmp_path):
    path = tmp_path / "run"
    whole = chancy()
    chancy(ShardedCheckpoint(path), epochs=2)
    assert {file.name for file in path.iterdir()} == {"rest.pt"}
    resumed = chancy(ShardedCheckpoint(path), seed=50)
    assert resumed["batches"] == 8
    assert_went_on(resumed, whole, first=True)
    assert {item.name for item in tmp_path.iterdir()} == {"run", "run.previous"}


def test_a_sharded_checkpoint_wants_a_folder_of_its_own(found, folder, tmp_path):
    file = tmp_path / "run.pt"
    train(epochs=1, checkpoint=file)
    with pytest.raises(CheckpointError, match="is a file; give the path of a folder"):
        ShardedCheckpoint(file)
    with pytest.raises(CheckpointError, match="is a folder; give the path of a file"):
        Checkpoint(folder / "sharded")
    with pytest.raises(CheckpointError, match="parts of several processes; go on with"):
        train(checkpoint=ShardedCheckpoint(folder / "sharded"))
    (tmp_path / "other").mkdir()
    file.rename(tmp_path / "other" / "rest.pt")
    with pytest.raises(CheckpointError, match="was not written by a ShardedCheckpoint"):
        train(checkpoint=ShardedCheckpoint(tmp_path / "other"))
