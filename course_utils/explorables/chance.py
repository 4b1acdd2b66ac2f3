"""Random numbers that a seed fixes, the same here and in the browser (chance.js)."""

import numpy as np

WORD = 2**32


def uniforms(seed, count):
    """Numbers [count] from 0 to 1, float64, that a whole number fixes: mulberry32."""
    start = (seed + 1) * 0x9E3779B1 % WORD
    state = (start + np.arange(1, count + 1, dtype=np.uint64) * 0x6D2B79F5) % WORD
    mixed = (state ^ (state >> 15)) * (state | 1) % WORD
    mixed ^= (mixed + (mixed ^ (mixed >> 7)) * (mixed | 61) % WORD) % WORD
    return (mixed ^ (mixed >> 14)) / WORD
