"""Models beyond one card: every process keeps only a part of the weights.

With `distribute` each process holds the whole model, its gradients and the state of the
optimizer. Here each holds a part of all three, and the parts of a block come together
only while that block is computed: torch's fully_shard (FSDP2), after Rajbhandari et al.
2020, "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", stage 3.

    start_processes()
    model = shard(make_model())                    # instead of distribute
    ...                                            # step and batches as ever
    fit(step, batches, 10, checkpoint=ShardedCheckpoint("run"))

A MovingAverage cannot follow such a model: torch does not copy it.
"""

import copy
import shutil
import zlib
from collections import ChainMap

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import checkpoint as parts_on_disk
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, empty

from course_utils.checkpoint_files import (
    CheckpointError,
    DamagedCheckpoint,
    flush_folder,
    read_checkpoint,
    write_atomically,
)
from course_utils.checkpoints import Checkpoint
from course_utils.distributed import (
    gather_from_processes,
    is_first,
    process_count,
    process_index,
)
from course_utils.precision import choose_precision

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
REST = "rest.pt"  # of a checkpoint: all that is not spread over processes
TAKEN_OUT = "spread over processes"  # stands for such a tensor in the rest


def shard(model, blocks=None, precision="auto"):
    """The same model, its parameters spread over all processes; alone as it is.

    `blocks` are the modules that come together as a whole, inner ones first; what is in
    none of them stays together during a whole forward and backward pass. By default
    they are the model's children that are made of layers themselves. `precision` is
    that of the step: weights travel in it, while gradients are summed in 32 bits and
    batch norm keeps its weights in them.

    All processes get the weights of the first. Build the model on the processor if it
    does not fit on one card: its blocks move there one after the other. Make the
    optimizer afterwards. Taught in chapter 19.
    """
    if process_count() == 1:
        return model
    mesh = _mesh()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            dist.broadcast(tensor, 0)
    chosen = choose_precision(precision, torch.device(mesh.device_type))
    if chosen != "fp32":
        for module in model.modules():
            if isinstance(module, BATCH_NORMS):
                fully_shard(module, mesh=mesh)
    if blocks is None:
        blocks = [child for child in model.children() if any(child.children())]
    for block in blocks:
        fully_shard(block, mesh=mesh, mp_policy=_policy(chosen))
    return fully_shard(model, mesh=mesh, mp_policy=_policy(chosen, torch.float32))


def _mesh():
    """All processes in a row, with the kind of device that they compute on."""
    kind = "cuda" if "nccl" in dist.get_backend_config() else "cpu"
    return init_device_mesh(kind, (process_count(),))


def _policy(precision, of_outputs=None):
    """What torch calls "fp32", "bf16" or "fp16"."""
    if precision == "fp32":
        return MixedPrecisionPolicy()
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    return MixedPrecisionPolicy(dtype, torch.float32, of_outputs)


def whole_state(model) -> dict:
    """The complete state_dict of a sharded model, in the memory of the first process.

    All processes have to call it; the others get an empty one.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return get_model_state_dict(model, options=options)


class ShardedCheckpoint(Checkpoint):
    """A folder in which `fit` saves a run of a sharded model; otherwise a Checkpoint.

    Every process writes its parts, by torch.distributed.checkpoint, and the first one
    the rest, as a Checkpoint does. The run may go on with another number of processes,
    and then equals an uninterrupted one up to rounding. The folder is written under
    another name and renamed when it is complete. The one before is `previous`.

    Read only folders that you trust: unlike the file of a Checkpoint, torch's index of
    the parts can hold code. Taught in chapter 19.
    """

    def _check_path(self):
        if self.path.exists() and not self.path.is_dir():
            raise CheckpointError(f"{self.path} is a file; give the path of a folder")

    def _exists(self):
        return self.path.exists() or self.previous.exists()

    def _write(self, state):
        spread = {}
        state["parts"] = _take_out(state["parts"], spread)
        new = self.path.with_name(self.path.name + ".new")
        if is_first():
            _remove(new)
        if spread:
            parts_on_disk.save(spread, checkpoint_id=new)  # by all; the first begins
        state["files"] = _sums_in(new)
        if is_first():
            write_atomically(state, new / REST, check=not self._saved)
            self._rename(new)
        self._saved, self._damaged = True, False

    def _rename(self, new):
        """Put the new folder in its place. In between, `previous` is the last one."""
        if self._damaged:
            _remove(self.path)
        elif self.path.exists():
            _remove(self.previous)
            self.path.rename(self.previous)
        new.rename(self.path)
        flush_folder(self.path.parent)

    def _load(self, path):
        try:
            state = read_checkpoint(path / REST)
        except FileNotFoundError as error:
            raise DamagedCheckpoint(f"{path / REST} is missing") from error
        if "files" not in state:
            raise CheckpointError(f"{path} was not written by a ShardedCheckpoint")
        _check_files(state["files"], path)
        spread = {}
        state["parts"] = _put_back(state["parts"], spread, path)
        if spread:
            parts_on_disk.load(spread, checkpoint_id=path)
        return state


def _remove(folder):
    if folder.exists():
        shutil.rmtree(folder)


def _take_out(state, spread):
    """A nested state without its sharded tensors, which are put into `spread`."""
    if isinstance(state, DTensor):
        name = str(len(spread))
        spread[name] = state
        dims = [place.dim if place.is_shard() else None for place in state.placements]
        shape, dtype = list(state.shape), state.dtype
        return {TAKEN_OUT: name, "shape": shape, "dtype": dtype, "dims": dims}
    return _walk(state, _take_out, spread)


def _put_back(state, spread, path):
    """The same state again, with empty tensors that are also put into `spread`."""
    if isinstance(state, dict) and TAKEN_OUT in state:
        if process_count() == 1:
            raise CheckpointError(
                f"{path} holds the parts of several processes; go on with two or more, "
                "started by torchrun"
            )
        dims = state["dims"]
        places = [Replicate() if dim is None else Shard(dim) for dim in dims]
        tensor = empty(
            state["shape"], dtype=state["dtype"], device_mesh=_mesh(), placements=places
        )
        return spread.setdefault(state[TAKEN_OUT], tensor)
    return _walk(state, _put_back, spread, path)


def _walk(state, change, *more):
    """A nested state with all that is in it changed; tensors and numbers stay."""
    if isinstance(state, dict):
        changed = copy.copy(state)  # with its type and its attributes
        changed.update({name: change(item, *more) for name, item in state.items()})
        return changed
    if isinstance(state, list | tuple):
        return type(state)(change(item, *more) for item in state)
    return state


def _sums_in(folder):
    """The checksums of all parts, {name of the file: number}, from each its own."""
    names = [f"__{process_index()}_*", *([".metadata"] if is_first() else [])]
    own = {file.name: _sum(file) for name in names for file in folder.glob(name)}
    return dict(ChainMap(*gather_from_processes(own)))


def _sum(file):
    """The checksum of one file."""
    total = 0
    with file.open("rb") as content:
        while block := content.read(1 << 24):
            total = zlib.crc32(block, total)
    return total


def _check_files(sums, folder):
    """Compare the parts with their checksums, each process some of them."""
    own = [folder / name for name in sorted(sums)[process_index() :: process_count()]]
    bad = [file for file in own if not file.exists() or _sum(file) != sums[file.name]]
    if bad := [file for files in gather_from_processes(bad) for file in files]:
        raise DamagedCheckpoint(
            f"{bad[0]} is not what was written; remove {folder} to start anew"
        )
