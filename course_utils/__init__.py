"""The package behind the course From Gradients to GANs. See README.md."""

import ctypes
import os
import sys

# Threads that wait for each other should sleep rather than spin. On a machine that also
# does something else, spinning was measured to make training up to ten times slower.
# It only has an effect before torch is imported; the Makefile sets it for notebooks.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def keep_freed_memory(largest=2**28, spare=2**30):
    """Let the process keep memory that was freed, for its next tensors, on Linux.

    Otherwise glibc hands what a step of training frees back to the kernel, which fills
    it with zeros, page by page, before the next step has it again: a small CNN was
    measured to take up to 1.7 times as long on two cores. `largest` is the size in
    bytes from which a tensor has memory of its own, `spare` how much is kept at most.
    Where the C library has no mallopt (macOS, Windows), nothing changes.
    """
    mallopt = sys.platform == "linux" and getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(-3, largest)  # M_MMAP_THRESHOLD
        mallopt(-1, spare)  # M_TRIM_THRESHOLD


keep_freed_memory()
