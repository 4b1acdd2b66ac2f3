"""Bring batches to a GPU while it still computes on the ones before.

`Batches` keeps a small data set on the device. What does not fit there stays on the
host (data.py) or comes from a DataLoader, and travels in batches, from pinned memory.
"""

import torch
from torch.utils.data import DataLoader


class Copier:
    """Copies tensors to a device, beside what it computes.

    On CUDA the copy goes through a stream of its own. The host, which never waits,
    orders it while the device still computes on earlier batches; from pinned memory
    both then run at the same time. Taught in chapter 19.
    """

    def __init__(self, device):
        self.device = torch.device(device)
        on_cuda = self.device.type == "cuda"
        self._stream = torch.cuda.Stream(self.device) if on_cuda else None

    def __call__(self, *tensors):
        if self._stream is None:
            return [tensor.to(self.device) for tensor in tensors]
        with torch.cuda.stream(self._stream):
            copies = [item.to(self.device, non_blocking=True) for item in tensors]
        computing = torch.cuda.current_stream(self.device)
        computing.wait_stream(self._stream)
        for copy in copies:
            copy.record_stream(computing)  # its memory is free only after the step
        return copies


class OnDevice:
    """The batches (images, labels) of a loader, on a device.

    `change(images, labels)`, if given, is called there: to normalise or augment what
    travelled as bytes. Give the loader pin_memory=True on CUDA. Where it can be saved
    and resumed inside an epoch, as torchdata's StatefulDataLoader, so can this.
    Taught in chapter 19.
    """

    def __init__(self, loader, device, change=None):
        self.loader, self.change = loader, change
        self.copy = Copier(device)
        if hasattr(loader, "state_dict"):
            self.state_dict = loader.state_dict
            self.load_state_dict = loader.load_state_dict

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        for images, labels in self.loader:
            images, labels = self.copy(images, labels)
            if self.change is not None:
                images, labels = self.change(images, labels)
            yield images, labels


def on_device(model, *loaders) -> list:
    """The loaders; each DataLoader wrapped to bring its batches to the model's device.

    Batches, lists and others are taken as they are.
    """
    parameter = next(model.parameters(), None)
    if parameter is None or parameter.device.type == "cpu":
        return [*loaders]
    return [
        OnDevice(loader, parameter.device) if isinstance(loader, DataLoader) else loader
        for loader in loaders
    ]
