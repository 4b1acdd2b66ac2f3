"""One training, from its options to what its folder holds in the end.

The options are those of train_options.py, the parts that they name are built in
train_parts.py. train.py is the program around it.
"""

import os
import sys
from dataclasses import asdict
from datetime import datetime

import torch

from course_utils.checkpoints import Checkpoint
from course_utils.distributed import (
    gather_from_processes,
    is_first,
    process_count,
    process_index,
    share_buffers,
    start_processes,
)
from course_utils.run_folder import Recorder, RunFolder, run_name
from course_utils.runtime import environment, seed_everything
from course_utils.sharded import ShardedCheckpoint, whole_state
from course_utils.train_options import to_keep
from course_utils.train_parts import (
    FUSED,
    assemble,
    load_sets,
    make_batches,
    make_model,
    settle,
)
from course_utils.training import evaluate, fit
from course_utils.tuning import use_tensor_cores

RUNS = "runs"
RESTARTS, MAX_RESTARTS = "TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_MAX_RESTARTS"


class Run:
    """One training. prepare(options), then train() and, if that was all, finish().

    `folder` is known once prepare() has found or made it, `started` is whether training
    has begun, `stopped` whether it was saved on its way. prepare() raises ValueError or
    OSError for bad options or data.
    """

    folder, recorder, stopped = None, None, False

    @property
    def started(self) -> bool:
        """Whether fit has been called: what fails from then on is not an option."""
        return self.recorder is not None

    def prepare(self, options):
        """Load the data, build the model, decide what is open, and write it down."""
        self.options = options
        device = start_processes(options.device)
        if options.threads:
            torch.set_num_threads(options.threads)
        use_tensor_cores(not options.no_tf32, device)
        self.folder = in_first_process(lambda: open_folder(options))
        self.train_set, test_set = load_sets(options)
        seed_everything(options.seed)
        model = make_model(options, self.train_set).to(device)
        self.batches = make_batches(options, self.train_set, device)
        self.test_batches = test_set and make_batches(
            options, test_set, device, train=False
        )
        self._introduce(model, device)
        chosen, notes = self._settle(model)
        steps = options.epochs * len(self.batches)
        self.step = assemble(options, model, chosen, steps)
        if process_index() > 0:  # else all processes would draw the same dropout
            seed_everything(options.seed + process_index())
        self._write_down(chosen, notes, device)

    def _introduce(self, model, device):
        options, train = self.options, self.train_set
        size, facts = " x ".join(map(str, train.images.shape[1:])), surroundings(device)
        tests = self.test_batches and len(self.test_batches.image_set)
        tf32 = ", fp32 without TF32" if options.no_tf32 else ", fp32 with TF32"
        fused = " (fused)" if device.type in FUSED else ""
        rows = {
            "data": f"{options.data}: {len(train):,} images of {size} in "
            f"{len(train.classes)} classes" + (f", {tests:,} to test" if tests else ""),
            "model": f"{options.model}, "
            f"{sum(weights.numel() for weights in model.parameters()):,} parameters",
            "learning": f"{options.optimizer}{fused} at {options.lr:g}, "
            f"{options.schedule}, {options.epochs} x {len(self.batches):,} batches of "
            f"{options.batch_size}",
            "device": facts["device"]
            + (tf32 if device.type == "cuda" else "")
            + f", threads {facts['threads']}, processes {facts['processes']}",
        }
        for name, text in rows.items():
            say(f"{name:<10} {text}")

    def _settle(self, model):
        """{"layout", "precision", "compile": choice} and lines: new, or of the run."""
        if self.folder is not None and self.folder.has_config():
            config = self.folder.read_config()
            return config["chosen"], config["notes"]
        steps = self.options.epochs * len(self.batches)
        choices = settle(self.options, model, self.train_set, steps)
        chosen = {choice.subject: choice.name for choice in choices}
        return chosen, [str(choice) for choice in choices]

    def _write_down(self, chosen, notes, device):
        """Keep in the folder how the run is made, and tell the rest of it."""
        options = self.options
        if self.folder is None:
            name = run_name(options.model, options.data, datetime.now())
            self.folder = in_first_process(lambda: RunFolder.create_new(RUNS, name))
        if is_first():
            self.folder.write_environment(surroundings(device))
            self.folder.write_config(to_keep(options), chosen, notes)
        for note in (*notes, f"run {self.folder}"):
            say("{:<10} {}".format(*note.split(maxsplit=1)))

    def train(self) -> bool:
        """Train until the last epoch is complete, or until an interrupt: then False."""
        options = self.options
        kind = ShardedCheckpoint if options.shard else Checkpoint
        name = "checkpoint" if options.shard else "checkpoint.pt"
        checkpoint = kind(self.folder.path / name, options.checkpoint_every)
        self.recorder = Recorder(checkpoint, self.folder, options.epochs, say)
        history = fit(
            self.step,
            self.batches,
            options.epochs,
            test_batches=self.test_batches if options.test == "each" else None,
            checkpoint=self.recorder,
        )
        self.history = self.recorder.complete(history)
        complete = self.recorder.done >= options.epochs
        self.stopped = not complete
        if complete and options.test == "end":
            self._test()
        if is_first():
            self.folder.draw_curves(self.history)
        return complete

    def _test(self):
        means = evaluate(share_buffers(self.step.tested), self.test_batches)
        self.history.last.update({f"test_{name}": m for name, m in means.items()})
        if is_first():
            self.folder.write_history(self.history)

    def finish(self):
        """Keep the weights of the tested model, and say how good it is."""
        tested, last = self.step.tested, self.history.last
        sharded = self.options.shard and process_count() > 1
        weights = whole_state(tested) if sharded else tested.state_dict()
        if is_first():
            self.folder.write_model(weights)
        if sys.stderr.isatty():  # there was a bar, and no line for each epoch
            say(repr(self.history))
        role = "train" if self.options.test == "never" else "test"
        seconds = sum(self.history.column("seconds"))
        rate = len(self.train_set) * len(self.history.rows) / seconds
        say(
            f"{role} accuracy {last[f'{role}_accuracy']:.2%} after {seconds:.1f} s, "
            f"{rate:,.0f} images/s; weights in {self.folder.model}"
        )


def open_folder(options):
    """The RunFolder that the options name; None where it is still to be named.

    Raises ValueError where it is taken, OSError where it cannot be made.
    """
    if options.resume:
        return RunFolder(options.resume)
    restarted = int(os.environ.get(RESTARTS, 0)) > 0
    if options.out:
        folder = RunFolder.create(options.out, again=restarted)
        if folder.has_config() and folder.read_config()["options"] != to_keep(options):
            raise ValueError(
                f"{folder} holds a run with other options; give --out another folder"
            )
        return folder
    if int(os.environ.get(MAX_RESTARTS, 0)) > 0:
        raise ValueError(
            "torchrun --max-restarts needs --out FOLDER, to go on from there after a "
            "restart"
        )
    return None


def in_first_process(action):
    """What the first process gets from `action()`, in all; its error too."""
    outcome = None
    if is_first():
        try:
            outcome = action()
        except (ValueError, OSError) as error:
            outcome = error
    outcome = gather_from_processes(outcome)[0]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def surroundings(device) -> dict:
    """What results depend on besides the options; nothing private."""
    return asdict(environment(device)) | {"processes": process_count()}


def say(text):
    """Print a line, in the first process."""
    if is_first():
        print(text, flush=True)
