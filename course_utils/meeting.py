"""How processes that torchrun has started find each other, also when started again.

torchrun keeps a store of keys and values, over which processes tell each other their
addresses. As of torch 2.15 it gives the same store to processes that it starts again
after one has died (`--max-restarts`), with the addresses of the dead ones still in it:
they are then called in vain, or not, whoever is quicker (github.com/pytorch/pytorch,
issue 135712). The number of the start, which torchrun tells too, is no remedy: on
several machines it differs between them.

So the living agree on a name first, and keep their keys under it. Each process draws
a name of its own, and waits only for keys that contain a name which is not older than
itself.
"""

import time
import uuid
from datetime import timedelta

import torch.distributed as dist

SECONDS_BETWEEN_LOOKS = 0.01


def meet(timeout: timedelta):
    """(store, index, count) of the processes of this start; the store is empty.

    Raises RuntimeError where some do not come within the timeout.
    """
    store, index, count = next(dist.rendezvous("env://", timeout=timeout))
    store.set_timeout(timeout)
    own = uuid.uuid4().hex
    if index == 0:
        _welcome(
            store, own, range(1, count), time.monotonic() + timeout.total_seconds()
        )
        return dist.PrefixStore(own, store), index, count
    store.set(f"hello {index}", own)
    first = store.get(f"welcome {own}").decode()  # waits for it
    store.set(f"ready {first} {index}", "")
    return dist.PrefixStore(first, store), index, count


def _welcome(store, own, others, end):
    """Tell the name of the first process to all that say hello, until each knows it."""
    missing = set(others)
    while missing:
        for index in sorted(missing):
            if store.check([f"hello {index}"]):  # perhaps still that of a dead one
                store.set("welcome " + store.get(f"hello {index}").decode(), own)
        missing = {i for i in missing if not store.check([f"ready {own} {i}"])}
        if missing and time.monotonic() > end:
            raise RuntimeError(
                f"waited in vain for {len(missing)} of the processes, number "
                f"{min(missing)} among them; see what torchrun reports of it"
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)
