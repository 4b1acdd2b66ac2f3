"""How much memory training takes at most: the tensors that exist at the same time.

On CUDA torch's allocator keeps the count. On processors torch's profiler notes each
piece of memory that is taken for a tensor or given back. Neither sees what libraries
keep outside of tensors. What existed before, such as the data set, does not count.
"""

import gc
import json
import os
import tempfile
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from course_utils.bench.timing import quick_collections

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler writes to stderr


def add_peaks(rows, measures) -> None:
    """Put "peak_mb" into the rows; measures[name]() gives bytes, or None: not known."""
    with quick_collections():
        for row in rows:
            if (peak := measures[row["name"]]()) is not None:
                row["peak_mb"] = peak / 1e6


def peak_memory(run, device):
    """The most bytes that were in use while `run()` ran, above those in use before.

    None on devices other than CUDA and the processor.
    """
    gc.collect()
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    if device.type != "cpu":
        return None
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    in_use = most = 0
    for change in _changes(profiler):
        in_use += change
        most = max(most, in_use)
    return most


def _changes(profiler):
    """Bytes taken (positive) and given back (negative), in the order of time."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(file))
        events = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    changes = [event for event in events if event.get("name") == "[memory]"]
    changes.sort(key=lambda event: event["ts"])
    return [event["args"]["Bytes"] for event in changes]
