// Means and spreads of passes with dropout: rows of probabilities, one row for each pass.
// DropoutEnsemble.summary in ensemble.py computes the same in NumPy.

const STEPS = 10000;                                   // probabilities come in such parts

/** The rows [passes][classes] of one rate from all bytes, as two bytes for each number. */
export function rowsOf(numbers, [, passes, classes], rate, count) {
  const start = rate * passes * classes;
  return Array.from({ length: count }, (_, m) =>
    Array.from(numbers.subarray(start + m * classes, start + (m + 1) * classes), (value) => value / STEPS));
}

/** The mean of each class. */
export const meanOf = (rows) => rows[0].map((_, k) => rows.reduce((sum, row) => sum + row[k], 0) / rows.length);

/** The standard deviation of each class between the rows. */
export function spreadOf(rows) {
  const mean = meanOf(rows);
  return mean.map((middle, k) => Math.sqrt(rows.reduce((sum, row) => sum + (row[k] - middle) ** 2, 0) / rows.length));
}

/** Half the sum of the differences between two rows: 0 where equal, 1 where disjoint. */
export const distance = (one, other) => one.reduce((sum, value, k) => sum + Math.abs(value - other[k]), 0) / 2;

/** The distances from a row to the mean of the first 1, 2, ... rows. */
export function distances(rows, whole) {
  const sums = rows[0].map(() => 0);
  return rows.map((row, m) => {
    row.forEach((value, k) => { sums[k] += value; });
    return distance(sums.map((sum) => sum / (m + 1)), whole);
  });
}

/** The number of the class of the largest probability. */
export const largest = (row) => row.reduce((best, value, k) => (value > row[best] ? k : best), 0);

/** How many rows give a class the largest probability. */
export const votes = (rows, k) => rows.filter((row) => largest(row) === k).length;
