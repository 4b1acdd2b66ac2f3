// Random numbers that a seed fixes, the same here and in Python (chance.py).

/** Numbers from 0 to 1 that a whole number fixes: mulberry32. */
export function uniforms(seed, count) {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  return Float64Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  });
}
