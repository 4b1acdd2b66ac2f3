"""The command line of training: what a run leaves, how it ends, how it goes on."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from resuming import Disturbed, assert_same
from several import LOOPBACK

from course_utils import models, train, train_run
from course_utils.checkpoint_files import read_checkpoint
from course_utils.run_folder import RunFolder
from course_utils.train import main

LINE = "accuracy"  # is in the line of each epoch


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """An own folder: 36 grey images of 16 x 16 pixels in three classes."""
    folder = tmp_path_factory.mktemp("my photos")
    noise = np.random.default_rng(0)
    for number, name in enumerate(("cats", "dogs", "eels")):
        (folder / name).mkdir()
        for index in range(12):
            pixels = noise.integers(60, size=(16, 16)) + 60 * number
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(folder / name / f"{index}.png")
    return folder


@pytest.fixture
def start(photos, tmp_path, monkeypatch):
    """A function that trains on those photos: (status, folder of the run)."""
    monkeypatch.chdir(tmp_path)
    for name in ("COURSE_DEBUG", "RANK", train_run.RESTARTS, train_run.MAX_RESTARTS):
        monkeypatch.delenv(name, raising=False)
    threads = torch.get_num_threads()

    def run(*arguments, name="run", **changed):
        options = {"data": photos, "model": "linear", "epochs": 2, "batch-size": 7}
        options |= {"out": tmp_path / name} | changed
        given = [f"--{key}={value}" for key, value in options.items() if value]
        return main([*given, *arguments]), tmp_path / name

    yield run
    torch.set_num_threads(threads)


def rows_of(folder):
    """The rows of history.csv as numbers, without the clock."""
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = [{k: float(v) for k, v in r.items() if v} for r in csv.DictReader(file)]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def weights_of(folder):
    return torch.load(folder / "model.pt", weights_only=True)


def one_line(capsys):
    """What is on standard error, which must be a line of ours."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("train: "), lines
    return lines[0]


# What a run leaves


def test_a_run_leaves_its_files_and_they_agree(start, capsys):
    status, folder = start("--test=each", epochs=3)
    assert status == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.json", "environment.json", "history.csv", "history.json", "curves.png",
        "checkpoint.pt", "checkpoint.previous.pt", "model.pt",
    }  # fmt: skip
    kept = read_checkpoint(folder / "checkpoint.pt")["parts"]
    history = read_json(folder / "history.json")
    assert history["rows"] == kept["history"]["rows"]
    assert history["batch_losses"] == kept["history"]["batch_losses"]
    rows = [{k: v for k, v in r.items() if k != "seconds"} for r in history["rows"]]
    assert rows == rows_of(folder) and len(rows) == 3
    assert len(history["batch_losses"]) == 3 * 5  # 30 images, 7 in a batch
    assert_same(dict(weights_of(folder)), dict(kept["step"]["model"]))
    with Image.open(folder / "curves.png") as picture:
        assert picture.size[0] > 500


def test_the_config_and_the_environment_say_what_was_done(start, photos):
    _, folder = start("--flip", "--layout=channels_last", threads=1)
    config, facts = (read_json(folder / f"{n}.json") for n in ("config", "environment"))
    options = config["options"]
    assert options["model"] == "linear" and options["data"] == str(photos)
    assert options["lr"] == 0.015 and options["flip"] is True and "out" not in options
    assert config["chosen"] == {
        "layout": "channels_last", "precision": "fp32", "compile": "off",
    }  # fmt: skip
    assert "precision fp32: too few batches to time others" in config["notes"]
    assert facts["device"] == "cpu" and facts["threads"] == facts["processes"] == 1
    assert facts["packages"]["torch"].startswith(torch.__version__.split("+")[0])
    assert str(Path.home()) not in json.dumps(facts)


def test_the_kept_model_predicts_as_it_was_tested(start, capsys):
    _, folder = start("--ema=0.5", model="tiny_cnn")
    model = models.tiny_cnn(1, 16, 3)
    model.load_state_dict(weights_of(folder))
    options = train.parse(
        ["--data", str(read_json(folder / "config.json")["options"]["data"])]
    )
    _, test = train_run.load_sets(options)
    logits = model.eval()(test.normalize(test.images))
    right = (logits.argmax(1) == test.labels).float().mean().item()
    assert right == pytest.approx(rows_of(folder)[-1]["test_accuracy"])
    parts = read_checkpoint(folder / "checkpoint.pt")["parts"]["step"]
    assert_same(dict(weights_of(folder)), dict(parts["average"]["model"]))


def test_each_epoch_is_a_line_where_nobody_sees_the_bar(start, capsys):
    start()
    written = capsys.readouterr()
    lines = written.out.splitlines()
    assert not written.err
    assert [line.split()[0] for line in lines] == [
        "data", "model", "learning", "device", "layout", "precision", "compile", "run",
        "epoch", "epoch", "test",
    ]  # fmt: skip
    assert re.match(
        r"epoch 2/2   train loss \d\.\d{4}, accuracy \d+\.\d\d%   "
        r"test loss \d\.\d{4}, accuracy \d+\.\d\d%   \d+\.\d s$",
        lines[-2],
    )
    assert re.match(
        r"test accuracy .*% after .* s, .* images/s; weights in .*model.pt$", lines[-1]
    )


def test_in_a_terminal_there_is_the_bar_instead(start, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    start()
    written = capsys.readouterr()
    assert "epoch 2/2" in written.err and "epoch 2/2" not in written.out
    assert written.out.count("train loss") == 1  # the table at the end
    assert "test accuracy" in written.out


def test_without_a_name_the_folder_is_called_after_the_run(start, tmp_path, capsys):
    for _ in range(2):
        assert start(out=None)[0] == 0
    first, second = sorted((tmp_path / "runs").iterdir())
    assert re.fullmatch(r"linear-my-photos\d+-\d{4}-\d\d-\d\d-\d{6}", first.name)
    assert second.name != first.name and (second / "model.pt").exists()
    assert f"runs{os.sep}{first.name}" in capsys.readouterr().out


@pytest.mark.parametrize("when", ["each", "end", "never"])
def test_the_test_is_when_it_is_wanted(when, start, capsys):
    _, folder = start(test=when)
    tested = ["test_accuracy" in row for row in rows_of(folder)]
    assert tested == {"each": [1, 1], "end": [0, 1], "never": [0, 0]}[when]
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("train accuracy" if when == "never" else "test accuracy")
    share = float(re.search(r"accuracy ([\d.]+)%", last)[1]) / 100
    column = "train_accuracy" if when == "never" else "test_accuracy"
    assert share == pytest.approx(rows_of(folder)[-1][column], abs=1e-4)


@pytest.mark.parametrize("model", models.__all__)
def test_every_model_trains(model, start):
    status, folder = start(model=model, epochs=1, limit=8, **{"batch-size": 4})
    assert status == 0 and len(rows_of(folder)) == 1


def test_a_named_set_is_cut_to_the_limit(start, capsys):
    status, folder = start(data="fashion-mnist", limit=20, epochs=1)
    assert status == 0
    assert (
        "20 images of 1 x 28 x 28 in 10 classes, 20 to test" in capsys.readouterr().out
    )
    assert len(read_json(folder / "history.json")["batch_losses"]) == 3


def test_no_window_is_opened(start, monkeypatch):
    from matplotlib import pyplot

    def show(*given, **further):
        raise AssertionError("a window")

    monkeypatch.setattr(pyplot, "show", show)
    assert start()[0] == 0 and not pyplot.get_fignums()


def test_the_files_follow_every_epoch(start, monkeypatch):
    seen = []
    epoch_line = train_run.Recorder.__init__.__globals__["epoch_line"]

    def watching(row, epochs):
        seen.append((row["epoch"], len(rows_of(Path("run"))), *os.listdir("run")))
        return epoch_line(row, epochs)

    monkeypatch.setitem(train_run.Recorder.__init__.__globals__, "epoch_line", watching)
    start()
    assert [entry[:2] for entry in seen] == [(1, 1), (2, 2)]
    assert all("history.json" in entry and "model.pt" not in entry for entry in seen)
    assert not any(name.endswith(".tmp") for entry in seen for name in entry[2:])


# Errors


BAD = [
    (["--model=vgg99"], "--model"),
    (["--epochs=0"], "--epochs: expected a whole number from 1, got '0'"),
    (["--epochs=two"], "expected a whole number from 1, got 'two'"),
    (["--batch-size=-3"], "--batch-size"),
    (["--lr=0"], "--lr: expected a number above 0, got '0'"),
    (["--lr=nan"], "--lr"),
    (["--lr=inf"], "--lr"),
    (["--weight-decay=-1"], "--weight-decay: expected a number from 0"),
    (["--ema=1"], "--ema: expected a number above 0 and below 1, got '1'"),
    (["--label-smoothing=1.5"], "--label-smoothing"),
    (["--optimizer=lion"], "--optimizer"),
    (["--schedule=steps"], "--schedule"),
    (["--precision=int8"], "--precision"),
    (["--layout=nhwc"], "--layout"),
    (["--compile=maybe"], "--compile"),
    (["--test=sometimes"], "--test"),
    (["--seed=-1"], "--seed: expected a whole number from 0"),
    (["--flip=yes"], "--flip"),
    (["--epoch=3"], "unrecognized arguments: --epoch=3"),  # not shortened
    (["--width=8"], "--width is for --model resnet, not linear"),
    (["--stem-stride=2"], "--stem-stride is for --model resnet"),
    (["--momentum=0.5"], "--momentum is for --optimizer sgd, not adamw"),
    (["--no-nesterov"], "--no-nesterov is for --optimizer sgd"),
    (["--schedule=constant", "--warmup=0.1"], "--warmup is for --schedule cosine"),
    (["--shard", "--ema=0.9"], "--ema cannot follow"),
    (["--shard", "--compile"], "--shard and --compile"),
    (["--shard", "--sync-batch-norm"], "--shard and --sync-batch-norm"),
    (["--data=nowhere"], "no data set and no folder is called 'nowhere'"),
    (["--device=abacus"], "device 'abacus' cannot be used here"),
    (["--sync-batch-norm"], "batch norm"),
    (["--model=tiny_cnn", "--size=4"], "8 x 8"),
    (["--resume=nowhere"], "nowhere is no folder of a run, it holds no config.json"),
    (["--crop=-1"], "--crop"),
    (["--erase=0"], "--erase"),
    (["--mixup=0"], "--mixup"),
    (["--clip-norm=x"], "--clip-norm"),
    (["--accumulate=0"], "--accumulate"),
    (["--threads=0"], "--threads"),
    (["--limit=0"], "--limit"),
    (["--checkpoint-every=0"], "--checkpoint-every"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=lambda v: "".join(v)[:30])
def test_a_bad_value_is_one_line(arguments, message, start, capsys, tmp_path):
    out = None if "--resume=nowhere" in arguments else tmp_path / "run"
    given = {
        "data": None,
        "model": None,
        "epochs": None,
        "batch-size": None,
        "out": out,
    }
    kept = given if out is None else {}
    assert start(*arguments, **kept)[0] == 2
    assert message in one_line(capsys)
    assert not list(tmp_path.glob("run*/*"))


def test_data_that_do_not_fit_are_one_line(start, photos, tmp_path, capsys):
    wide = tmp_path / "wide"
    for split in ("train", "test"):
        for name in ("a", "b"):
            (wide / split / name).mkdir(parents=True)
            for index in range(2):
                side = 12 if split == "test" else 16
                image = Image.new("L", (side, 12), index)
                image.save(wide / split / name / f"{index}.png")
    assert start(data=wide)[0] == 2
    assert "those of" in (line := one_line(capsys)) and "give --size 12" in line
    assert start(data=wide, size=12)[0] == 0
    capsys.readouterr()
    (photos_copy := tmp_path / "bad" / "a").mkdir(parents=True)
    (photos_copy / "1.png").write_text("no picture", encoding="utf-8")
    assert start(data=photos_copy.parent, name="other")[0] == 2
    assert "1.png cannot be read as an image" in one_line(capsys)


def test_a_folder_that_is_not_empty_is_not_touched(start, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("dear", encoding="utf-8")
    assert start()[0] == 2
    assert "run is not empty; go on with the run in it by --resume" in one_line(capsys)
    assert os.listdir(tmp_path / "run") == ["letter.txt"]
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert start(name="file")[0] == 2
    assert "file" in one_line(capsys)


def test_a_lost_loss_ends_with_1(start, capsys):
    status, folder = start(lr=1e30)
    assert status == 1
    line = one_line(capsys)
    assert "the loss is not finite, first in epoch 1, batch" in line
    assert line.endswith("; try an --lr 10 times smaller, or --clip-norm 1")
    assert not (folder / "model.pt").exists()


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (torch.OutOfMemoryError("tried to allocate"), 1, "--accumulate 4"),
        (RuntimeError("DefaultCPUAllocator: can't allocate"), 1, "--batch-size"),
        (
            RuntimeError("[pair.cc in gloo/transport] Connection closed. Typically"),
            1,
            "another process is gone ([pair.cc in gloo/transport] Connection closed)",
        ),
        (type("DistNetworkError", (RuntimeError,), {})("no store"), 1, "is gone"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (type("Failed", (RuntimeError,), {"__module__": "torch._dynamo.exc"})("no g++"),
         2, "torch.compile failed (no g++); leave --compile away"),
    ],
)  # fmt: skip
def test_what_can_go_wrong_in_training_is_one_line(
    error, status, message, start, capsys, monkeypatch
):
    monkeypatch.setattr(train_run, "fit", raising(error))
    assert start()[0] == status
    assert message in one_line(capsys)


@pytest.mark.parametrize("error", [ValueError("a mistake"), RuntimeError("a mistake")])
def test_a_mistake_of_ours_is_not_hidden(error, start, monkeypatch):
    monkeypatch.setattr(train_run, "fit", raising(error))
    with pytest.raises(type(error), match="a mistake"):
        start()


@pytest.mark.parametrize("way", ["--verbose", "COURSE_DEBUG"])
def test_where_an_error_comes_from_is_shown_on_request(way, start, capsys, monkeypatch):
    monkeypatch.setenv("COURSE_DEBUG", "1" if way == "COURSE_DEBUG" else "0")
    assert start(*([way] if way[0] == "-" else []), data="nowhere")[0] == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback") and lines[-1].startswith("train: no data")


def raising(error):
    """A function that raises the error, whatever it is given."""

    def fail(*given, **further):
        raise error

    return fail


# Interrupts, and going on


def disturb(monkeypatch, at, event):
    """The run's step calls event() after its batch number `at`."""
    fit = train_run.fit

    def disturbed(step, *given, **further):
        return fit(Disturbed(step, at, event), *given, **further)

    monkeypatch.setattr(train_run, "fit", disturbed)


VARIED = ["--model=tiny_cnn", "--crop=1", "--flip", "--mixup=0.3", "--ema=0.8"]
VARIED += ["--layout=channels_last", "--clip-norm=1", "--accumulate=2"]
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize(("number", "status"), SIGNALS)
@pytest.mark.parametrize("at", [3, 5, 8])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    number, status, at, start, monkeypatch, capsys
):
    assert start(*VARIED, name="whole", epochs=3)[0] == 0
    with monkeypatch.context() as patched:
        disturb(patched, at, lambda: signal.raise_signal(number))
        capsys.readouterr()
        assert start(*VARIED, epochs=3)[0] == status
    line = one_line(capsys)
    assert line.startswith(
        "train: interrupted and saved; go on: python -m course_utils.train"
    )
    folder = Path(line.split("--resume ")[1])
    done = (at - 1) // 5  # an epoch has 5 batches, and the test of the last is to come
    assert len(rows_of(folder)) == done and not (folder / "model.pt").exists()
    config = read_json(folder / "config.json")
    assert main(["--resume", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"going on after {done} of 3 epochs and {at - 5 * done} batches\n" in said
    whole = folder.with_name("whole")
    assert rows_of(whole) == rows_of(folder)
    assert_same(weights_of(whole), weights_of(folder))
    assert (
        config == read_json(folder / "config.json") == read_json(whole / "config.json")
    )


def test_an_interrupted_run_is_not_tested_and_its_curves_are_of_whole_epochs(
    start, monkeypatch
):
    drawn = []
    monkeypatch.setattr(RunFolder, "draw_curves", lambda s, h: drawn.append(h.rows))
    disturb(monkeypatch, 8, lambda: signal.raise_signal(signal.SIGINT))
    status, folder = start(test="end")
    assert status == 130
    (row,) = rows_of(folder)
    assert "test_accuracy" not in row and [r["epoch"] for r in drawn[0]] == [1]


def test_a_second_interrupt_stops_at_once(start, monkeypatch, capsys):
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    disturb(monkeypatch, 7, twice)
    status, folder = start()
    assert status == 130
    assert "interrupted at once, what was saved before is kept" in one_line(capsys)
    assert len(rows_of(folder)) == 1


def test_an_interrupt_before_training_leaves_nothing(start, monkeypatch, capsys):
    monkeypatch.setattr(train_run, "load_sets", raising(KeyboardInterrupt()))
    status, folder = start()
    assert status == 130 and not any(folder.iterdir())
    assert "interrupted before training; nothing was saved" in one_line(capsys)


def test_signal_handlers_are_given_back(start):
    before = [signal.getsignal(number) for number, _ in SIGNALS]
    start()
    assert [signal.getsignal(number) for number, _ in SIGNALS] == before


def test_a_finished_run_only_says_its_result_again(start, capsys):
    _, folder = start()
    first = capsys.readouterr().out.splitlines()[-1]
    before = weights_of(folder)
    assert main(["--resume", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].split("after")[0] == first.split("after")[0]
    assert "going on after 2 of 2 epochs" in lines[-2]
    assert_same(before, weights_of(folder))


def test_a_run_can_be_made_longer_but_not_shorter(start, capsys):
    _, folder = start()
    assert main(["--resume", str(folder), "--epochs=3", "--threads=1"]) == 0
    assert len(rows_of(folder)) == 3
    assert read_json(folder / "config.json")["options"]["epochs"] == 3
    capsys.readouterr()
    assert main(["--resume", str(folder), "--epochs=2"]) == 2
    assert "has 3 epochs already, --epochs 2 fewer" in one_line(capsys)
    _, folder = start(name="cycle", schedule="one-cycle")
    assert main(["--resume", str(folder), "--epochs=2"]) == 0
    capsys.readouterr()
    assert main(["--resume", str(folder), "--epochs=3"]) == 2
    assert "--epochs cannot change" in one_line(capsys)


@pytest.mark.parametrize("given", ["--lr=0.1", "--flip", "--out=x", "--model=linear"])
def test_a_resumed_run_keeps_its_options(given, start, capsys):
    _, folder = start()
    capsys.readouterr()
    assert main(["--resume", str(folder), given]) == 2
    name = given.split("=")[0]
    assert f"leave {name} away" in one_line(capsys)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged"),
        ("[]", "was not written by this program"),
        ('{"options": {}, "chosen": 3}', "was not written by this program"),
        ('{"options": {}, "chosen": {}, "format": 9}', "has format 9"),
        ('{"options": {"lr": -1}, "chosen": {}, "format": 1}', "not valid: argument"),
        ('{"options": {"new": 1}, "chosen": {}, "format": 1}', "unrecognized"),
    ],
)
def test_a_config_that_is_none_is_one_line(content, message, tmp_path, capsys):
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    assert main(["--resume", str(tmp_path)]) == 2
    assert message in one_line(capsys)


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(start, capsys):
    _, folder = start(epochs=3)
    whole = weights_of(folder)
    path = folder / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-100])
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["--resume", str(folder)]) == 0
    written = capsys.readouterr()
    assert "Going on from" in written.err and written.err.count("\n") == 1
    assert "going on after 2 of 3 epochs" in written.out
    assert_same(whole, weights_of(folder))
    for damaged in (path, folder / "checkpoint.previous.pt"):
        damaged.write_bytes(b"nothing")
    assert main(["--resume", str(folder)]) == 2
    assert "checkpoint.pt is damaged" in one_line(capsys)


def test_choices_are_not_made_anew(start, monkeypatch, capsys):
    _, folder = start()
    config = read_json(folder / "config.json")
    config["chosen"]["precision"] = "bf16"
    config["notes"] = ["precision bf16: measured once"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    seen = []
    monkeypatch.setattr(train_run, "settle", raising(AssertionError("anew")))
    monkeypatch.setattr(train_run, "fit", lambda step, *given, **f: seen.append(step))
    with pytest.raises(AttributeError):  # fit gave no history
        main(["--resume", str(folder)])
    assert seen[0].precision == "bf16"
    assert "precision  bf16: measured once" in capsys.readouterr().out


# Restarts by torchrun


def test_a_restart_goes_on_and_only_with_the_same_options(start, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        disturb(patched, 7, raising(RuntimeError("a process died")))
        with pytest.raises(RuntimeError, match="died"):
            start(epochs=3)
    monkeypatch.setenv(train_run.RESTARTS, "1")
    assert start("--flip", epochs=3)[0] == 2
    assert "holds a run with other options" in one_line(capsys)
    status, folder = start(epochs=3)
    assert status == 0 and len(rows_of(folder)) == 3
    assert "going on after 1 of 3 epochs" in capsys.readouterr().out


def test_restarts_need_a_folder_that_keeps_its_name(start, monkeypatch, capsys):
    monkeypatch.setenv(train_run.MAX_RESTARTS, "3")
    assert start(out=None)[0] == 2
    assert "needs --out FOLDER" in one_line(capsys)
    assert start()[0] == 0


# In processes of their own


def surroundings():
    return os.environ | {
        "COURSE_DEVICE": "cpu", "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": LOOPBACK,
        "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
def test_ctrl_c_in_a_process_of_its_own(start, photos, tmp_path):
    given = [f"--data={photos}", "--model=linear", "--epochs=150", "--batch-size=7"]
    given += ["--layout=contiguous", "--precision=fp32", "--test=end"]
    command = [sys.executable, "-m", "course_utils.train", *given, "--out=own"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=surroundings(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        for line in process.stdout:
            if line.startswith("epoch   3/150"):
                process.send_signal(signal.SIGINT)
                break
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    command = "python -m course_utils.train --resume own"
    assert errors == f"train: interrupted and saved; go on: {command}\n"
    assert 3 <= len(rows_of(tmp_path / "own")) < 150
    assert main(["--resume", "own"]) == 0
    assert main([*given, "--out=whole"]) == 0
    own, whole = tmp_path / "own", tmp_path / "whole"
    assert rows_of(own) == rows_of(whole)
    assert_same(weights_of(own), weights_of(whole))


@pytest.mark.skipif(sys.platform == "win32", reason="gloo as on Unix")
def test_two_processes_learn_what_one_does(start, photos, tmp_path):
    given = [f"--data={photos}", "--model=tiny_cnn", "--epochs=2", "--batch-size=8"]
    given += ["--optimizer=sgd", "--lr=0.05", "--warmup=0"]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0"]
    command += ["--local-addr=127.0.0.1", "-m", "course_utils.train", *given]
    done = subprocess.run(
        command, cwd=tmp_path, env=surroundings(), text=True, capture_output=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "train" not in done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines].count("epoch") == 2  # the first prints
    (folder,) = (tmp_path / "runs").iterdir()
    assert read_json(folder / "environment.json")["processes"] == 2
    assert main([*given, "--out=alone"]) == 0
    pairs = zip(rows_of(folder), rows_of(tmp_path / "alone"), strict=True)
    for together, alone in pairs:
        assert together == pytest.approx(alone, abs=1e-4)
