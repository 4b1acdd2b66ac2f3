"""How numbers lie in memory while a convolution is computed (convolution.py).

With channels last, the channels of a pixel are neighbours, then come those of the next
pixel; with places last (torch's usual order), the pixels of one channel. Some pictures
are computed at once, as many as stay in the caches of the processor.
"""

import math

import torch

# How many numbers a thread copies at once: 0.8 MB, which stay in the cache of its core.
AT_ONCE, AT_ONCE_ELSEWHERE = 3 * 2**16, 2**26
NARROW = 16  # columns: with fewer, a matrix product of rows of numbers is slow


def channels_go_last(columns, groups):
    """Whether to compute with channels last: not for products of few columns."""
    return groups == 1 and columns >= NARROW


def empty_pictures(x, size, last):
    """Memory for pictures [N, C, H, W], typed like x, with channels or places last."""
    order = torch.channels_last if last else torch.contiguous_format
    return torch.empty(size, dtype=x.dtype, device=x.device, memory_format=order)


def empty_rows(seen, last):
    """Memory for seen [..., lines, W', K, C/G], with channels or places last in it."""
    plain = torch.contiguous_format
    if last:
        return torch.empty_like(seen, memory_format=plain)
    rows = torch.empty_like(seen.movedim((-4, -3), (-2, -1)), memory_format=plain)
    return rows.movedim((-2, -1), (-4, -3))


def kernel_matrices(weight, groups, pictures):
    """weight [O, C/G, K, K] -> a matrix for each of its rows, alike for n pictures.

    They are [K, n G, K C/G, O/G]; without groups, all pictures share the numbers."""
    each = weight.unflatten(0, (groups, -1)).permute(3, 0, 4, 2, 1).flatten(2, 3)
    if groups == 1:
        return each.expand(-1, pictures, -1, -1)
    return each.repeat(1, pictures, 1, 1)


def pictures_at_once(x, grid):
    """How many pictures of x [N, C, H, W] are copied at once, at least 1.

    In rounds as equal as can be. Each thread of a processor takes equally many, whose
    rows of windows hold at most AT_ONCE numbers; other devices count as one thread."""
    (_, kw), _, _, (_, _, top, bottom), (_, out_w) = grid
    pictures, C, H, _ = x.shape
    on_processor = x.device.type == "cpu"
    numbers = AT_ONCE if on_processor else AT_ONCE_ELSEWHERE
    threads = torch.get_num_threads() if on_processor else 1
    most = max(1, numbers // max(1, (top + H + bottom) * out_w * kw * C))  # a thread
    rounds = max(1, math.ceil(pictures / (threads * most)))
    return threads * max(1, math.ceil(pictures / (threads * rounds)))
