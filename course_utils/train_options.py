"""The options of `python -m course_utils.train`: what there is, and what goes together.

Options are plain text, numbers, True and None, so that a run folder can keep them. They
are checked in the same way whether they come from a command line or from such a folder.
"""

from argparse import Namespace

from course_utils import models
from course_utils.arguments import Parser, UsageError, number, whole
from course_utils.precision import PRECISIONS
from course_utils.run_folder import RunFolder
from course_utils.tuning import LAYOUTS

DESCRIPTION = """\
Train a model of the course on a data set, and keep all that comes out in a
folder. The values in brackets are used where an option is not given.
"""
EPILOG = """\
examples:
  python -m course_utils.train
      a small convolutional net on Fashion-MNIST, about a minute on two cores
  python -m course_utils.train --model resnet20 --data photos --size 64 \\
      --epochs 30 --crop 4 --flip --ema 0.999 --out runs/photos
      a folder of photos, with one folder per class in it
  torchrun --nproc-per-node 8 -m course_utils.train --model resnet56 \\
      --data cifar10 --batch-size 1024 --epochs 100 --checkpoint-every 200
      eight cards, or processes, that share each batch

Ctrl-C stops after the batch at hand and saves. Exit status: 0 done, 1 the loss
was lost or the memory did not suffice, 2 bad options or data, 130 stopped by
Ctrl-C, 143 by a termination signal.
"""
SCHEDULES = ("cosine", "one-cycle", "triangular", "constant")
RATES = {"sgd": 0.1, "adamw": 0.015}
DECAYS = {"sgd": 5e-4, "adamw": 0.05}
FILLED = {"warmup": 0.05, "momentum": 0.9}  # where they are of use
BELONGS = {  # an option, and how the value of another must begin for it to be of use
    "width": ("model", "resnet"),
    "stem_stride": ("model", "resnet"),
    "momentum": ("optimizer", "sgd"),
    "no_nesterov": ("optimizer", "sgd"),
    "warmup": ("schedule", "cosine"),
}
CHANGEABLE = {"epochs", "device", "threads", "verbose"}  # when a run is resumed
NOT_KEPT = {"out", "resume", "verbose"}


def make_parser() -> Parser:
    """The parser of all options, in the groups that the help shows."""
    parser = Parser(
        prog="python -m course_utils.train",
        usage="%(prog)s [options]\n"
        "       torchrun --nproc-per-node N -m course_utils.train [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    for add_options in (_subject, _learning, _tricks, _speed, _run):
        group = parser.add_argument_group(add_options.__doc__)
        add_options(group.add_argument)
    return parser


# fmt: off
def _subject(add):
    """model and data"""
    add("--model", choices=models.__all__, default="tiny_cnn", metavar="NAME",
        help=f"{', '.join(models.__all__)} (%(default)s)")
    add("--width", type=whole(), metavar="N",
        help="channels of a ResNet's first stage (16)")
    add("--stem-stride", type=whole(), metavar="N",
        help="2 lets a ResNet begin at half the resolution (1)")
    add("--data", default="fashion-mnist", metavar="NAME",
        help="fashion-mnist, mnist, cifar10, cifar100, or the path of a folder of "
             "class folders (%(default)s)")
    add("--size", type=whole(), metavar="PIXELS",
        help="resize the images and cut out the middle square (as they are)")
    add("--limit", type=whole(), metavar="N",
        help="at most so many training images, and so many test images (all)")
    add("--batch-size", type=whole(), default=128, metavar="N",
        help="images in a batch, of all processes together (%(default)s)")
    add("--test", choices=("each", "end", "never"), default="each", metavar="WHEN",
        help="each: after each epoch; end: after the last; never (%(default)s)")


def _learning(add):
    """learning"""
    add("--epochs", type=whole(), default=10, metavar="N",
        help="passes over the training images (%(default)s)")
    add("--optimizer", choices=RATES, default="adamw", metavar="NAME",
        help=f"{' or '.join(RATES)} (%(default)s)")
    add("--lr", type=number(), metavar="RATE",
        help=f"learning rate, at its peak ({_each(RATES)})")
    add("--momentum", type=number(0, 1, low_too=True), metavar="M",
        help="of sgd (0.9)")
    add("--no-nesterov", action="store_true", help="plain momentum in sgd")
    add("--weight-decay", type=number(low_too=True), metavar="D",
        help=f"of weights, not of biases and norms ({_each(DECAYS)})")
    add("--decay-all", action="store_true", help="decay biases and norms too")
    add("--schedule", choices=SCHEDULES, default="cosine", metavar="NAME",
        help=f"of the learning rate: {', '.join(SCHEDULES)} (%(default)s)")
    add("--warmup", type=number(0, 1, low_too=True), metavar="SHARE",
        help="of all batches, in which it rises before the cosine (0.05)")
    add("--seed", type=whole(0), default=0, metavar="N",
        help="of weights, order and chance (%(default)s)")


def _tricks(add):
    """augmentation and regularization (none, unless given)"""
    add("--crop", type=whole(), metavar="PIXELS", help="shift images by up to so much")
    add("--flip", action="store_true", help="mirror half of the images")
    add("--erase", type=whole(), metavar="PIXELS", help="blacken a square of this side")
    add("--label-smoothing", type=number(0, 1), metavar="S",
        help="spread so much of each label over all classes")
    add("--mixup", type=number(), metavar="ALPHA",
        help="blend pairs of images; 0.2 is usual")
    add("--clip-norm", type=number(), metavar="LENGTH",
        help="shorten longer gradients to this length")
    add("--ema", type=number(0, 1), metavar="DECAY",
        help="test and keep an average of the weights; 0.999 is usual")


def _speed(add):
    """speed and memory"""
    add("--device", metavar="NAME", help="such as cuda or cpu (the best there is)")
    add("--threads", type=whole(), metavar="N", help="of the processor (torch's)")
    add("--precision", choices=PRECISIONS, default="auto", metavar="NAME",
        help="fp32, bf16, fp16, or auto, which knows on a card and times both on a "
             "processor (%(default)s)")
    add("--layout", choices=("auto", *LAYOUTS), default="auto", metavar="NAME",
        help=f"{', '.join(LAYOUTS)}, or auto, which times both (%(default)s)")
    add("--compile", choices=("off", "on", "auto"), nargs="?", const="on",
        default="off", metavar="WHEN",
        help="torch.compile, which takes minutes at first: on, off, or auto, which "
             "weighs them against what it saves (%(default)s; on without a value)")
    add("--no-tf32", action="store_true",
        help="do not round what a card multiplies in fp32")
    add("--accumulate", type=whole(), default=1, metavar="N",
        help="compute a batch in so many pieces, to save memory (%(default)s)")
    add("--sync-batch-norm", action="store_true",
        help="batch norm over all processes' images, on cards")
    add("--shard", action="store_true",
        help="spread weights and optimizer over the processes (FSDP)")


def _run(add):
    """the run"""
    add("--out", metavar="FOLDER", help="its folder (runs/MODEL-DATA-DATE-TIME)")
    add("--resume", metavar="FOLDER",
        help="go on with the run in a folder, with its options; only epochs, device "
             "and threads can change")
    add("--checkpoint-every", type=whole(), metavar="N",
        help="save after so many batches too, not only after each epoch")
    add("--verbose", action="store_true",
        help="show where an error comes from (as COURSE_DEBUG=1)")
# fmt: on


def _each(values):
    return ", ".join(f"{value:g} for {name}" for name, value in values.items())


def parse(arguments=None) -> Namespace:
    """All options of a command line; with --resume those of the run.

    Raises UsageError, which is a ValueError, or ValueError for a folder without a run.
    """
    parser, missing = make_parser(), object()
    defaults = vars(parser.parse_args([]))
    blank = Namespace(**dict.fromkeys(defaults, missing))
    options = vars(parser.parse_args(arguments, blank))
    given = {name: value for name, value in options.items() if value is not missing}
    if "resume" in given:
        return _resumed(given)
    return _checked(Namespace(**(defaults | given)))


def _resumed(given):
    for name in sorted(given.keys() - CHANGEABLE - {"resume"}):
        raise UsageError(
            f"--resume goes on with the options of the run; leave {_flag(name)} away, "
            "only --epochs, --device and --threads can change"
        )
    folder = RunFolder(given["resume"])
    try:
        options = parse(as_arguments(folder.read_config()["options"]))
    except UsageError as error:
        raise ValueError(f"the config.json in {folder} is not valid: {error}") from None
    epochs, done = given.get("epochs", options.epochs), folder.epochs()
    if epochs < done:
        raise UsageError(f"{folder} has {done} epochs already, --epochs {epochs} fewer")
    if epochs != options.epochs and options.schedule == "one-cycle":
        raise UsageError(
            f"a run of one cycle is made for its {options.epochs} epochs, --epochs "
            "cannot change them"
        )
    return Namespace(**(vars(options) | given))


def as_arguments(options) -> list[str]:
    """The command line that gives these options."""
    return [
        _flag(name) if value is True else f"{_flag(name)}={value}"
        for name, value in options.items()
        if value is not None and value is not False
    ]


def _flag(name):
    return "--" + name.replace("_", "-")


def to_keep(options) -> dict:
    """What a run folder keeps of the options."""
    return {name: v for name, v in vars(options).items() if name not in NOT_KEPT}


def _checked(options):
    """Fill in what depends on others; UsageError for what does not go together."""
    for name, (other, start) in BELONGS.items():
        value, theirs = getattr(options, name), getattr(options, other)
        if theirs.startswith(start):
            filled = FILLED.get(name) if value is None else value
            setattr(options, name, filled)
        elif value not in (None, False):
            raise UsageError(f"{_flag(name)} is for --{other} {start}, not {theirs}")
    if options.shard and options.compile != "off":
        raise UsageError("--shard and --compile do not go together")
    if options.shard and options.ema:
        raise UsageError("--ema cannot follow a model that --shard has spread")
    if options.shard and options.sync_batch_norm:
        raise UsageError("--shard and --sync-batch-norm do not go together")
    options.lr = options.lr or RATES[options.optimizer]
    if options.weight_decay is None:
        options.weight_decay = DECAYS[options.optimizer]
    return options
