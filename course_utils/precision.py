"""In which numbers a step computes, and what keeps small gradients from vanishing.

fp32   everything in 32 bits, as the weights are
bf16   matrix products and convolutions in bfloat16: the range of fp32 with 8 bits of
       precision; needs no loss scaling
fp16   the same in float16: 11 bits of precision, but gradients below 6e-8 become zero.
       So the loss is multiplied by a large number before the backward pass, and the
       gradients are divided by it before the update. Where one overflowed, the update
       is left out and the number halved. (Micikevicius et al. 2018, "Mixed Precision
       Training", section 3.2)
auto   bf16 on CUDA cards that compute in it, fp16 on older ones with tensor cores, fp32
       elsewhere. On processors bf16 was measured to take between 0.6 and 2.7 times as
       long as fp32: tuning.py times both.

Weights, their updates and the loss stay in 32 bits in all of them.
"""

from contextlib import nullcontext

import torch

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
TENSOR_CORES = (7, 0)  # the first compute capability that has them for float16


def choose_precision(precision, device) -> str:
    """The precision itself, or what "auto" means on the device: "fp32", "bf16", "fp16".

    Raises ValueError for another name. Taught in chapter 19.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}"
        )
    if precision != "auto":
        return precision
    if device.type != "cuda":
        return "fp32"
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16"
    capability = torch.cuda.get_device_capability(device)
    return "fp16" if capability >= TENSOR_CORES else "fp32"


def autocast_for(precision, device):
    """The context for a forward pass in "fp32", "bf16" or "fp16" on the device.

    Taught in chapter 19.
    """
    if precision == "fp32":
        return nullcontext()
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    return torch.autocast(device.type, dtype)


class LossScaler(torch.amp.GradScaler):
    """What stands between the loss and the update, in fp16 and where a batch is split.

    With enabled=False it only multiplies by `share`: the part of the whole batch that
    the loss is a mean of, or None for all of it. `skipped` counts the updates that were
    left out because a gradient had overflowed.

    Nothing here waits for the device, except step() in fp16 with an optimizer that is
    not fused: torch then asks each time whether a gradient overflowed.
    Taught in chapter 19.
    """

    def __init__(self, device, enabled):
        super().__init__(device.type, enabled=enabled)
        self.share, self._skipped = None, 0

    def scale(self, loss):
        """The number to call backward() on."""
        if self.share is not None:
            loss = loss * self.share
        return super().scale(loss)

    def step(self, optimizer):
        """Update the weights, unless a gradient overflowed; then adapt the scale."""
        super().step(optimizer)
        if self.is_enabled():
            # Schedules move on where an update was left out; torch would warn of that.
            optimizer._opt_called = True
            overflows = self._found_inf_per_device(optimizer).values()
            self._skipped = self._skipped + torch.stack([*overflows]).amax()
        self.update()

    @property
    def skipped(self) -> int:
        """The number of updates left out so far; reading it waits for the device."""
        return int(self._skipped)

    def state_dict(self) -> dict:
        return {**super().state_dict(), "skipped": self.skipped}

    def load_state_dict(self, state: dict) -> None:
        state = dict(state)
        self._skipped = state.pop("skipped")
        if bool(state) != self.is_enabled():
            given, here = ("with", "without") if state else ("without", "with")
            raise ValueError(
                f"the state was saved {given} loss scaling, this step computes {here}; "
                "use the precision of then"
            )
        super().load_state_dict(state)
