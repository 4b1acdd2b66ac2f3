"""What checks of answers that are tensors share: numbers to try, and comparisons."""

import torch

from course_utils.exercises import Wrong, describe


def numbers(*shape, seed=0):
    """Random normal numbers in double precision, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def check_tensor(value, shape, what, sizes=None):
    """Raise Wrong unless `value` is a tensor of this shape.

    `what` names it in the message, `sizes` maps wrong shapes to their likely reasons.
    """
    if not isinstance(value, torch.Tensor):
        raise Wrong(f"{what} must be a tensor, got {describe(value)}")
    got = tuple(value.shape)
    if got != tuple(shape):
        reason = (sizes or {}).get(got, "")
        raise Wrong(
            f"{what} must be {list(shape)}, got {list(got)}"
            + (f": {reason}" if reason else "")
        )


def same(first, second):
    """Whether two tensors have one shape and the same numbers, to 1e-9."""
    return first.shape == second.shape and torch.allclose(first, second, atol=1e-9)


def check_unchanged(given, originals):
    """Raise Wrong if an answer changed the copies of `originals` that it was given."""
    if not all(map(torch.equal, given, originals)):
        raise Wrong("the call changed its own input; work on a copy")


def likely_mistake(given, right, mistakes):
    """The message of the mistake that gives these numbers, or how far they are off."""
    for message, wrong in mistakes.items():
        if same(given, wrong):
            return message
    largest = (given - right).abs().max().item()
    return f"the largest difference to the right numbers is {largest:.3g}"
