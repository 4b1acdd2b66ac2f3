"""From options to the parts of a run: data, model, optimizer, schedule, step.

Everything here could be written by hand in a notebook; these functions only read the
options of train_options.py and call the same classes.
"""

from functools import partial

import torch
import torch.nn.functional as F

from course_utils import models, schedules
from course_utils.augment import Compose, RandomCrop, RandomErase, RandomFlip
from course_utils.averaging import MovingAverage
from course_utils.data import Batches, load_images
from course_utils.distributed import (
    distribute,
    first_ahead,
    gather_from_processes,
    process_count,
    unwrap,
)
from course_utils.precision import choose_precision
from course_utils.sharded import shard
from course_utils.steps import ClassifierStep, MixupStep
from course_utils.tuning import (
    LAYOUTS,
    Choice,
    choose_compile,
    choose_faster_precision,
    choose_layout,
    compile_mode,
    copied,
    use_layout,
)

FUSED = ("cpu", "cuda")  # one kernel updates all weights: 1 to 2 % of a step on a CPU
NOTES = {("compile", "on"): "the first batches take up to minutes"}
TOO_FEW = 100  # batches: to time other ways would take longer than it can save


def load_sets(options):
    """The ImageSets to train on and to test on; None for the latter with --test never.

    Raises ValueError or OSError for data that cannot be used, in all processes.
    """
    sets, error = [None, None], None
    splits = ("train",) if options.test == "never" else ("train", "test")
    with first_ahead():  # it may have to download them
        try:
            for number, split in enumerate(splits):
                sets[number] = load_images(
                    options.data, split, limit=options.limit, size=options.size
                )
        except (ValueError, OSError) as failure:
            error = failure
    for failure in gather_from_processes(error):
        if failure is not None:
            raise failure
    _check_sizes(options, *sets)
    return sets


def _check_sizes(options, train, test):
    h, w = train.images.shape[2:]
    if h != w:
        raise ValueError(
            f"the models take square images, those of {options.data} are {w} x {h} "
            f"pixels; give --size {min(h, w)}"
        )
    if test is not None and test.images.shape[1:] != train.images.shape[1:]:
        h, w = test.images.shape[2:]
        raise ValueError(
            f"images to test are {w} x {h} pixels, those to train on "
            f"{train.images.shape[3]} x {train.images.shape[2]}; give --size"
        )


def make_batches(options, image_set, device, train=True) -> Batches:
    """Batches to train on, shuffled and augmented; or to test on, as they are."""
    if not train:
        return Batches(image_set, options.batch_size, device=device)
    return Batches(
        image_set,
        options.batch_size,
        shuffle=True,
        augment=augmentation(options),
        device=device,
        seed=options.seed,
    )


def augmentation(options):
    """What changes the images of a batch; None where nothing does."""
    parts = [RandomCrop(options.crop)] if options.crop else []
    parts += [RandomFlip()] if options.flip else []
    parts += [RandomErase(options.erase)] if options.erase else []
    return Compose(*parts) if parts else None


def make_model(options, image_set):
    """The untrained model for the images of a set."""
    parts = {"width": options.width, "stem_stride": options.stem_stride}
    parts = {name: value for name, value in parts.items() if value is not None}
    _, channels, size, _ = image_set.images.shape
    build = getattr(models, options.model)
    return build(channels, size, len(image_set.classes), **parts)


def make_optimizer(options, model):
    """SGD or AdamW; weights decay, biases and norms do so only with --decay-all."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    decaying = [p for p in parameters if options.decay_all or p.ndim > 1]
    others = [p for p in parameters if not (options.decay_all or p.ndim > 1)]
    groups = [
        {"params": decaying, "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = parameters[0].device.type in FUSED or None
    if options.optimizer == "adamw":
        return torch.optim.AdamW(groups, options.lr, fused=fused)
    return torch.optim.SGD(
        groups,
        options.lr,
        momentum=options.momentum,
        nesterov=options.momentum > 0 and not options.no_nesterov,
        fused=fused,
    )


def make_schedule(options, optimizer, steps):
    """What moves the learning rate in so many batches; None where it is constant."""
    if options.schedule == "cosine":
        warmup = min(round(options.warmup * steps), steps - 1)
        return schedules.warmup_cosine(optimizer, steps, warmup)
    if options.schedule == "one-cycle":
        if options.momentum == 0:
            return schedules.one_cycle(optimizer, steps, momentum=None)
        return schedules.one_cycle(optimizer, steps)
    if options.schedule == "triangular":
        return schedules.triangular(optimizer, steps)
    return None


def make_step(options, model, steps, precision, average=None):
    """The step that trains a model for so many batches."""
    optimizer = make_optimizer(options, model)
    parts = {
        "loss": partial(F.cross_entropy, label_smoothing=options.label_smoothing or 0),
        "scheduler": make_schedule(options, optimizer, steps),
        "precision": precision,
        "clip_norm": options.clip_norm,
        "accumulate": options.accumulate,
        "average": average,
    }
    if options.mixup:
        return MixupStep(model, optimizer, alpha=options.mixup, **parts)
    return ClassifierStep(model, optimizer, **parts)


def settle(options, model, image_set, steps) -> list[Choice]:
    """What the options mean for a model on its device: layout, precision, compile.

    What is "auto" is timed where the training is long enough for that. The model stays
    as it is.
    """
    device = next(model.parameters()).device
    step = copied(make_step(options, model, steps, options.precision))
    first = image_set[: options.batch_size]
    augment = augmentation(options)
    batches = Batches(first, options.batch_size, augment=augment, device=device)
    images, labels = next(iter(batches))
    compiling = partial(choose_compile, steps=steps, mode=_mode(options, device))
    ways = {
        "layout": (choose_layout, "contiguous"),
        "precision": (choose_faster_precision, choose_precision("auto", device)),
        "compile": (compiling, "off"),
    }
    choices = []
    for subject, (choose, usual) in ways.items():
        asked = getattr(options, subject)
        if asked != "auto":
            choice = Choice(subject, asked, {}, NOTES.get((subject, asked), ""))
        elif options.shard:
            choice = Choice(subject, usual, {}, "not timed for a model in parts")
        elif steps < TOO_FEW:
            choice = Choice(subject, usual, {}, "too few batches to time others")
        else:
            choice = choose(step, images, labels)
        if subject == "layout":
            use_layout(step, choice.name)
        choices.append(choice)
    return choices


def assemble(options, model, chosen, steps):
    """The step of a run, in one process or several, as {subject: name} was chosen."""
    device = next(model.parameters()).device
    model.to(memory_format=LAYOUTS[chosen["layout"]])
    if options.shard:
        model = shard(model, precision=chosen["precision"])
    else:
        model = distribute(model, options.sync_batch_norm)
    average = MovingAverage(unwrap(model), options.ema) if options.ema else None
    step = make_step(options, model, steps, chosen["precision"], average)
    if chosen["compile"] == "on":
        model.compile(mode=_mode(options, device))
    return step


def _mode(options, device):
    return compile_mode(device, options.accumulate, process_count())
