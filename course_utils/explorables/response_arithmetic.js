// A measured surface between its points, and how searches on it compare. Places are
// [u, v] from 0 to 1 on logarithmic axes. response_search.py computes the same in NumPy.

/** Where positive increasing numbers lie on a logarithmic axis from 0 to 1. */
export function knotsOf(positions) {
  const [low, high] = [Math.log(positions[0]), Math.log(positions.at(-1))];
  return positions.map((position) => (Math.log(position) - low) / (high - low));
}

/** The number of the cell that holds a place, and how far into it, from 0 to 1. */
function cellOf(marks, place) {
  const within = Math.min(1, Math.max(0, place));
  let number = 0;
  while (number < marks.length - 2 && marks[number + 1] <= within) number++;
  return [number, (within - marks[number]) / (marks[number + 1] - marks[number])];
}

/** The surface { values [rows][columns], across, up } at a place: bilinear in between. */
export function valueAt({ values, across, up }, [u, v]) {
  const [[i, s], [j, t]] = [cellOf(across, u), cellOf(up, v)];
  const along = (row) => (1 - s) * row[i] + s * row[i + 1];
  return (1 - t) * along(values[j]) + t * along(values[j + 1]);
}

/** The position on an axis with these measured ones that lies at a part of its length. */
export const positionAt = (positions, part) => positions[0] * (positions.at(-1) / positions[0]) ** part;

/** The marks of a logarithmic axis, from 2 to 7 of them: powers of ten, or finer. */
export function logTicks(low, high) {
  const inside = (factors) => {
    const marks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const factor of factors) marks.push(Number((factor * 10 ** power).toPrecision(3)));
    return marks.filter((mark) => mark >= low * 0.999 && mark <= high * 1.001);
  };
  const found = [[1], [1, 3], [1, 2, 5]].map(inside).find((marks) => marks.length > 2) ?? inside([1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9]);
  const pitch = Math.ceil(found.length / 7);
  return found.length < 2 ? [low, high] : found.filter((_, k) => k % pitch === 0);
}

/** Whether one score is better than another; `better` is "lower" or "higher". */
export const isBetter = (one, other, better) => (better === "lower" ? one < other : one > other);

/** The best of the values up to each of them. */
export function bestSoFar(values, better) {
  let best = values[0];
  return values.map((value) => (best = isBetter(value, best, better) ? value : best));
}

/** The number below which a part of the values lies, between neighbours in a line. */
export function quantile(values, part) {
  const sorted = [...values].sort((one, other) => one - other);
  const place = part * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}

/** The median of curves at each step, and the band that holds eight of ten. */
export function bandOf(curves) {
  const at = (part) => curves[0].map((_, step) => quantile(curves.map((curve) => curve[step]), part));
  return { low: at(0.1), middle: at(0.5), high: at(0.9) };
}

/** How many of the runs are worse than this value after so many points. */
export function beaten(curves, count, value, better) {
  return curves.filter((curve) => isBetter(value, curve[count - 1], better)).length;
}

/** From 0 at the best to 1 at the worst of a surface, by the root of the distance. */
export function heightOf(value, [best, worst]) {
  return Math.sqrt(Math.min(1, Math.max(0, (value - best) / (worst - best))));
}
