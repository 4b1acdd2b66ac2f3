"""The training loops of other libraries, where they are installed.

Each gets what the loop by hand gets: the same model and optimizer, and batches of
float images that are already on the device. Set-up is not timed: Trainer and fastai are
timed from the start to the end of their training epoch.
"""

import contextlib
import importlib.util
import io
import logging
import tempfile
import warnings
from functools import partial
from importlib import metadata

import torch
import torch.nn.functional as F


def _count(sums, logits, labels, loss):
    """Add loss and correct answers of a batch without waiting for the device."""
    sums["loss"] = sums.get("loss", 0) + loss.detach() * len(labels)
    correct = (logits.argmax(1) == labels).sum()
    sums["accuracy"] = sums.get("accuracy", 0) + correct


def _read(sums):
    """Fetch the sums from the device, once per epoch."""
    return {name: float(total) for name, total in sums.items()}


def _train(model, optimizer, batches, backward, clock):
    """The loop that Fabric and accelerate leave to their user."""
    clock.start()
    model.train()
    sums = {}
    for images, labels in batches:
        optimizer.zero_grad()
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        backward(loss)
        optimizer.step()
        _count(sums, logits, labels, loss)
    _read(sums)
    clock.stop()


def fabric(problem, clock):
    """The loop by hand with Lightning Fabric's wrappers."""
    from lightning.fabric import Fabric

    plain, optimizer = problem.parts()
    engine = Fabric(accelerator=problem.device.type, devices=1)
    model, optimizer = engine.setup(plain, optimizer)
    _train(model, optimizer, problem.float_batches(), engine.backward, clock)
    return plain


def accelerate(problem, clock):
    """The loop by hand with accelerate's wrappers."""
    from accelerate import Accelerator

    plain, optimizer = problem.parts()
    engine = Accelerator(cpu=problem.device.type == "cpu")
    model, optimizer = engine.prepare(plain, optimizer)
    _train(model, optimizer, problem.float_batches(), engine.backward, clock)
    return plain


def trainer(problem, clock, lean):
    """lean is Lightning's own bare mode for measuring; otherwise all its defaults."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.optimizer = problem.parts()
            self.sums = {}

        def on_train_epoch_start(self):
            clock.start()

        def on_train_epoch_end(self):
            _read(self.sums)
            clock.stop()

        def training_step(self, batch, index):
            images, labels = batch
            logits = self.model(images)
            loss = F.cross_entropy(logits, labels)
            if lean:
                _count(self.sums, logits, labels, loss)
            else:
                accuracy = (logits.argmax(1) == labels).float().mean()
                self.log("loss", loss, prog_bar=True)
                self.log("accuracy", accuracy, prog_bar=True)
            return loss

        def configure_optimizers(self):
            return self.optimizer

    module = Module()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        lightning.Trainer(
            accelerator=problem.device.type,
            devices=1,
            max_epochs=1,
            barebones=lean,
            default_root_dir=folder,
        ).fit(module, problem.float_batches())
    return module.model


def fastai(problem, clock):
    """One epoch of a fastai Learner without its progress bar."""
    from fastai.callback.core import Callback, CancelValidException
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper

    class Clock(Callback):
        def before_train(self):
            self.sums = {}
            clock.start()

        def after_batch(self):
            if self.training:
                _count(self.sums, self.pred, self.y, self.loss)

        def after_train(self):
            _read(self.sums)
            clock.stop()

        def before_validate(self):
            raise CancelValidException

    model, optimizer = problem.parts()
    batches = problem.float_batches()
    learner = Learner(
        DataLoaders(batches, batches, device=problem.device),
        model,
        loss_func=F.cross_entropy,
        opt_func=lambda parameters, **options: OptimWrapper(opt=optimizer),
        lr=optimizer.defaults["lr"],
        cbs=Clock(),
    )
    learner.fit(1)
    return model


PEERS = {
    "Lightning Fabric": ("lightning", fabric),
    "Lightning Trainer, barebones": ("lightning", partial(trainer, lean=True)),
    "Lightning Trainer, defaults": ("lightning", partial(trainer, lean=False)),
    "fastai": ("fastai", fastai),
    "accelerate": ("accelerate", accelerate),
}


def installed_peers():
    """({name: contender} of what is installed, names of the packages that are not)."""
    packages = sorted({package for package, _ in PEERS.values()})
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    found = {
        name: partial(_quietly, contender)
        for name, (package, contender) in PEERS.items()
        if package not in missing
    }
    return found, missing


def peer_versions() -> dict:
    """{package: version} of the peers that are installed."""
    _, missing = installed_peers()
    packages = sorted({package for package, _ in PEERS.values()})
    return {name: metadata.version(name) for name in packages if name not in missing}


def _quietly(contender, problem, clock):
    """Run a contender whose library prints, warns and logs."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    silence = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
        torch.random.fork_rng(),
    ):
        warnings.simplefilter("ignore")
        return contender(problem, clock)
