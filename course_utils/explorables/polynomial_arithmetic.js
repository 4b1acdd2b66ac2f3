// Noisy points, and the polynomials of every degree that fit them best. polynomial.py
// computes the same in NumPy.

export const MOST_DEGREE = 14;
export const PLACES = Float64Array.from({ length: 401 }, (_, k) => (2 * k + 1) / 401 - 1);

/** The function that the points come from, without noise. */
export const truth = (x) => Math.sin(Math.PI * x);

/** `count` points: one place in each of `count` equal cells of -1..1, and its value plus
 *  normal noise, from two uniform numbers by Box and Muller. */
export function draw(count, noise, seed) {
  const numbers = uniforms(seed, 3 * count);
  const x = Float64Array.from({ length: count }, (_, i) => 2 * (i + numbers[i]) / count - 1);
  const y = x.map((place, i) => {
    const radius = Math.sqrt(-2 * Math.log(1 - numbers[count + i]));
    return truth(place) + noise * radius * Math.cos(2 * Math.PI * numbers[2 * count + i]);
  });
  return { x, y };
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** Legendre's polynomials 0..degree at the places: a better start than powers of x. */
function legendre(x, degree) {
  const columns = [x.map(() => 1), x.slice()];
  for (let k = 2; k <= degree; k++)
    columns.push(x.map((place, i) => ((2 * k - 1) * place * columns[k - 1][i] - (k - 1) * columns[k - 2][i]) / k));
  return columns.slice(0, degree + 1);
}

/** The best fits of degree 0..degree: their values at the points and at `places`.
 *  Each column is made orthogonal to those before it at the points (twice, against
 *  rounding); the same is done at the places. Then every degree adds one term. */
export function fits({ x, y }, degree, places = PLACES) {
  const [near, far] = [legendre(x, degree), legendre(places, degree)];
  const found = [];
  let [atPoints, atPlaces] = [x.map(() => 0), places.map(() => 0)];
  for (let k = 0; k <= degree; k++) {
    for (let turn = 0; turn < 2; turn++)
      for (let j = 0; j < k; j++) {
        const share = dot(near[j], near[k]);
        near[k] = near[k].map((value, i) => value - share * near[j][i]);
        far[k] = far[k].map((value, i) => value - share * far[j][i]);
      }
    const length = Math.sqrt(dot(near[k], near[k]));
    near[k] = near[k].map((value) => value / length);
    far[k] = far[k].map((value) => value / length);
    const weight = dot(near[k], y);
    atPoints = atPoints.map((value, i) => value + weight * near[k][i]);
    atPlaces = atPlaces.map((value, i) => value + weight * far[k][i]);
    found.push({ atPoints, atPlaces });
  }
  return found;
}

/** Mean squared errors of every degree: at the points, and at new noisy points. */
export function errors({ y }, found, noise, places = PLACES) {
  const mean = (values, aims) => values.reduce((sum, value, i) => sum + (value - aims[i]) ** 2, 0) / values.length;
  const goal = places.map(truth);
  return found.map(({ atPoints, atPlaces }) => ({
    train: mean(atPoints, y), test: mean(atPlaces, goal) + noise * noise,
  }));
}

/** The degree whose error on new points is smallest. */
export function bestDegree(measured) {
  return measured.reduce((best, { test }, k) => (test < measured[best].test ? k : best), 0);
}
