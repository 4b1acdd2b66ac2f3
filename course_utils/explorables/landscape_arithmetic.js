// Surfaces over a plane with their gradients and curvatures, and the eight optimizers of
// course_utils.optimizers on them. A surface is { name, steepness: k, angle }.

/** Each surface: the loss at [x, y], its gradient, and its Hessian [[a, b], [b, c]] as [a, b, c]. */
export const SURFACES = {
  // ½ (u² + k w²), where u and w are x and y turned by the angle.
  bowl: {
    loss: ([x, y], { k, cos, sin }) => ((x * cos + y * sin) ** 2 + k * (y * cos - x * sin) ** 2) / 2,
    gradient: ([x, y], { k, cos, sin }) => {
      const [u, w] = [x * cos + y * sin, k * (y * cos - x * sin)];
      return [cos * u - sin * w, sin * u + cos * w];
    },
    hessian: (_, { k, cos, sin }) => [cos ** 2 + k * sin ** 2, cos * sin * (1 - k), sin ** 2 + k * cos ** 2],
  },
  // ½ ((1 − x)² + k (y − x²)²), Rosenbrock's valley.
  ravine: {
    loss: ([x, y], { k }) => ((1 - x) ** 2 + k * (y - x * x) ** 2) / 2,
    gradient: ([x, y], { k }) => [x - 1 - 2 * k * x * (y - x * x), k * (y - x * x)],
    hessian: ([x, y], { k }) => [1 - 2 * k * y + 6 * k * x * x, -2 * k * x, k],
  },
  // ½ k x² + ¼ (y² − 1)²: level ground at the origin, minima above and below it.
  saddle: {
    loss: ([x, y], { k }) => k * x * x / 2 + (y * y - 1) ** 2 / 4,
    gradient: ([x, y], { k }) => [k * x, y * (y * y - 1)],
    hessian: ([, y], { k }) => [k, 0, 3 * y * y - 1],
  },
  // ½ ln(1 + k (x² + 3 y²)): a plain with a narrow hole.
  steep: {
    loss: ([x, y], { k }) => Math.log1p(k * (x * x + 3 * y * y)) / 2,
    gradient: ([x, y], { k }) => {
      const u = 1 + k * (x * x + 3 * y * y);
      return [k * x / u, 3 * k * y / u];
    },
    hessian: ([x, y], { k }) => {
      const u = 1 + k * (x * x + 3 * y * y);
      return [k / u - 2 * (k * x / u) ** 2, -6 * (k / u) ** 2 * x * y, 3 * k / u - 2 * (3 * k * y / u) ** 2];
    },
  },
};

/** A surface with its numbers put in: functions of a point. */
export function surfaceOf({ name, steepness, angle }) {
  const turn = angle * Math.PI / 180;
  const shape = { k: steepness, cos: Math.cos(turn), sin: Math.sin(turn) };
  const { loss, gradient, hessian } = SURFACES[name];
  return {
    loss: (point) => loss(point, shape), gradient: (point) => gradient(point, shape),
    steepest: (point) => largestEigenvalue(hessian(point, shape)),
  };
}

/** The largest eigenvalue of the symmetric matrix [[a, b], [b, c]]. */
export function largestEigenvalue([a, b, c]) {
  return (a + c) / 2 + Math.hypot((a - c) / 2, b);
}

/** How far an optimizer moves one coordinate down: g is its gradient, s its state, t counts
 *  steps from 1, p is where it stands. The formulas are those of course_utils.optimizers. */
export const RULES = {
  SGD: (g, s, { eta }) => eta * g,
  Momentum: (g, s, { eta, mu }) => {
    s.v = mu * s.v + g;
    return eta * s.v;
  },
  Nesterov: (g, s, { eta, mu }) => {
    s.v = mu * s.v + g;
    return eta * (mu * s.v + g);
  },
  Adagrad: (g, s, { eta, eps }) => {
    s.s += g * g;
    return eta * g / (Math.sqrt(s.s) + eps);
  },
  Adadelta: (g, s, { eta, rho, eps }) => {
    s.s = rho * s.s + (1 - rho) * g * g;
    const step = Math.sqrt(s.d + eps) / Math.sqrt(s.s + eps) * g;
    s.d = rho * s.d + (1 - rho) * step * step;
    return eta * step;
  },
  RMSprop: (g, s, { eta, rho, eps }) => {
    s.s = rho * s.s + (1 - rho) * g * g;
    return eta * g / (Math.sqrt(s.s) + eps);
  },
  Adam: (g, s, { eta, beta1, beta2, eps }, t) => {
    s.m = beta1 * s.m + (1 - beta1) * g;
    s.s = beta2 * s.s + (1 - beta2) * g * g;
    return eta * s.m / (1 - beta1 ** t) / (Math.sqrt(s.s / (1 - beta2 ** t)) + eps);
  },
  AdamW: (g, s, settings, t, p) => settings.eta * settings.decay * p + RULES.Adam(g, s, settings, t),
};

/** A number in [0, 1) made of two whole numbers (the finalizer of MurmurHash3). */
function uniform(seed, n) {
  let h = (Math.imul(seed, 0x9e3779b1) ^ n) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/** The noise of step t: two numbers from the standard normal distribution (Box and Muller).
 *  The same for all optimizers, and again the same in every run with this seed. */
export function noiseOf(seed, t) {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(seed, 2 * t)));
  const turn = 2 * Math.PI * uniform(seed, 2 * t + 1);
  return [radius * Math.cos(turn), radius * Math.sin(turn)];
}

const LARGEST = 1000;                                  // farther away, a path has exploded

/** The path of an optimizer over `count` steps: the points and losses, from the start on.
 *  `exploded` is the step that went too far; it and all later ones are left out. */
export function follow(surface, optimizer, { start, noise, seed }, count) {
  const { loss, gradient } = surfaceOf(surface);
  const states = [0, 1].map(() => ({ v: 0, m: 0, s: 0, d: 0 }));
  const path = { points: [[...start]], losses: [loss(start)], exploded: null };
  for (let t = 1; t <= count; t++) {
    const point = path.points[t - 1];
    const [slope, random] = [gradient(point), noiseOf(seed, t)];
    const next = point.map((p, axis) =>
      p - RULES[optimizer.name](slope[axis] + noise * random[axis], states[axis], optimizer, t, p));
    if (!next.every((p) => Math.abs(p) < LARGEST)) {
      path.exploded = t;
      break;
    }
    path.points.push(next);
    path.losses.push(loss(next));
  }
  return path;
}

/** The largest learning rate that is stable where the steepest curvature is λ, for a
 *  quadratic loss; Infinity where nothing curves upwards; null for those that rescale. */
export function stableRate({ name, mu }, curvature) {
  const reach = { SGD: 2, Momentum: 2 * (1 + mu), Nesterov: 2 * (1 + mu) / (1 + 2 * mu) }[name];
  if (reach === undefined) return null;
  return curvature > 0 ? reach / curvature : Infinity;
}
