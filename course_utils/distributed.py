"""Several processes that train one model: who am I, and what have the others seen?

torchrun starts them. Each computes on its own part of every batch, from the same
weights, and they average their gradients before each update: the same training as in
one process, on more cards.

    device = start_processes()
    model = distribute(resnet20().to(device))
    ...                                        # step, batches and fit as ever
    stop_processes()

Alone, without torchrun, all functions here do nothing, at next to no cost.
"""

import os
import sys
from contextlib import contextmanager, nullcontext
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from course_utils.meeting import meet
from course_utils.runtime import pick_device

# What torchrun tells each process.
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# Numbers of the host travel by gloo, also between processes that compute on cards.
BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}


def start_processes(device_name=None, timeout=timedelta(minutes=10)) -> torch.device:
    """Join the processes that torchrun started; returns the device of this one.

    On CUDA it is the card with the number of the process on its machine. Without
    torchrun it is what pick_device(device_name) gives. `timeout` is how long to wait
    for another process before giving it up for lost. Raises ValueError for a device
    that cannot be shared out, for fewer cards than processes, and for an environment
    that is only partly that of torchrun. Taught in chapter 19.
    """
    if not {"RANK", "WORLD_SIZE"} & os.environ.keys():
        return pick_device(device_name)
    missing = [name for name in VARIABLES if name not in os.environ]
    if missing:
        raise ValueError(
            f"RANK or WORLD_SIZE is set, but {', '.join(missing)} is missing; start "
            "several processes with torchrun, or unset both to train in one"
        )
    device = _own_device(device_name or os.environ.get("COURSE_DEVICE"))
    if not dist.is_initialized():
        card = device if device.type == "cuda" else None
        store, index, count = meet(timeout)
        dist.init_process_group(
            BACKENDS[device.type],
            store=store,
            rank=index,
            world_size=count,
            timeout=timeout,
            device_id=card,
        )
    return device


def _own_device(name):
    """The device of this process, out of those of its machine."""
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    if name not in BACKENDS:
        raise ValueError(
            f"several processes compute on cuda, each on a card of its own, or on cpu; "
            f"not on {name!r}"
        )
    if name == "cpu" or not torch.cuda.is_available():
        return pick_device(name)
    number, cards = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", number + 1))
    if processes > cards:
        raise ValueError(
            f"{processes} processes on this machine need as many cards, it has {cards};"
            f" try torchrun --nproc-per-node {cards}, or the device cpu"
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def stop_processes() -> None:
    """Leave the other processes, at the end of a run; may be called alone, too.

    While an exception is on its way out it does nothing, since an orderly farewell
    could wait for others that never answer. torchrun ends them when this one is gone.
    """
    if _joined() and sys.exc_info()[0] is None:
        dist.destroy_process_group()


def _joined():
    return dist.is_available() and dist.is_initialized()


def process_count() -> int:
    """How many processes train together; 1 without torchrun."""
    return dist.get_world_size() if _joined() else 1


def process_index() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if _joined() else 0


def is_first() -> bool:
    """Whether this process shows progress and writes files."""
    return process_index() == 0


@contextmanager
def first_ahead():
    """A block that the first process of each machine leaves before others enter it.

    For what only one may do and all then use, such as a download.
    """
    ahead = int(os.environ.get("LOCAL_RANK", 0)) == 0
    if process_count() > 1 and not ahead:
        dist.barrier()
    yield
    if process_count() > 1 and ahead:
        dist.barrier()


def first_decides(number: int) -> int:
    """The number that the first process gives, for all of them."""
    if process_count() == 1:
        return int(number)
    answer = torch.tensor(int(number))
    dist.broadcast(answer, 0)
    return int(answer)


def least_of_processes(number: int) -> int:
    """The smallest of the numbers that the processes give, for all of them."""
    if process_count() == 1:
        return number
    least = torch.tensor(number)
    dist.all_reduce(least, dist.ReduceOp.MIN)
    return int(least)


def sum_over_processes(values) -> list[float]:
    """Numbers summed over all processes, in double precision."""
    if process_count() == 1 or not values:
        return list(values)
    total = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(total)
    return total.tolist()


def mean_over_processes(count, device):
    """The mean of a number over all processes: without others the number itself.

    With others a tensor on the device, which nobody waits for.
    """
    if process_count() == 1:
        return count
    total = torch.full((), float(count), device=device)
    dist.all_reduce(total)
    return total / process_count()


def gather_from_processes(thing) -> list:
    """The things of all processes, in their order, for each of them."""
    if process_count() == 1:
        return [thing]
    things = [None] * process_count()
    dist.all_gather_object(things, thing)
    return things


def distribute(model, sync_batch_norm=False):
    """The model with a wrapper that averages gradients over processes; alone as it is.

    All processes then have the weights of the first. Make optimizer and MovingAverage
    afterwards. Batch norm sees the batch of its process, unless `sync_batch_norm`
    replaces it by one that sees all images, on CUDA only. Running statistics are those
    of the first process: `fit` hands them on before each test (share_buffers), which
    leaves the same model as torch's default of doing so in each batch.

    Raises ValueError where batch norm cannot be synchronised. Taught in chapter 19.
    """
    if sync_batch_norm:
        model = _with_synced_norms(model)
    if process_count() == 1:
        return model
    device = next(model.parameters()).device
    parallel = DistributedDataParallel(
        model,
        device_ids=[device] if device.type == "cuda" else None,
        gradient_as_bucket_view=True,  # gradients travel from where they are
    )
    parallel.broadcast_buffers = False  # as an argument deprecated in torch 2.15
    return parallel


def _with_synced_norms(model):
    if next(model.parameters()).device.type == "cpu":
        raise ValueError(
            "torch synchronises batch norm over processes only on CUDA; on the "
            "processor leave sync_batch_norm=False, or use group norm"
        )
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    if not any(isinstance(module, norms) for module in model.modules()):
        raise ValueError(
            f"{type(model).__name__} has no batch norm of torch's that could be "
            "synchronised; leave sync_batch_norm=False"
        )
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


@torch.no_grad()
def share_buffers(model):
    """Give all processes the first one's buffers, such as running statistics.

    Returns the model.
    """
    if process_count() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)
    return model


def unwrap(model):
    """The model itself, without the wrapper of DistributedDataParallel."""
    return model.module if isinstance(model, DistributedDataParallel) else model


def without_sync(model):
    """A context in which gradients are not yet exchanged between processes."""
    if hasattr(model, "set_requires_gradient_sync"):  # of sharded.py
        return _without_reduction(model)
    return model.no_sync() if hasattr(model, "no_sync") else nullcontext()


@contextmanager
def _without_reduction(model):
    model.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)
