// What the landscape says: limits, explosions, and where a path has come to.

const OVER = "/\u2060";                                 // a slash after which no line ends
const LIMIT_NAMES = { SGD: `2${OVER}λmax`, Momentum: `2(1 + μ)${OVER}λmax`, Nesterov: `2(1 + μ)${OVER}((1 + 2μ) λmax)` };
/** As long as any sentence about a limit: it keeps the room. */
const LONGEST_SENTENCE = "Nesterov has exploded in step 400: at its last place, η = 0.0123 is above " +
  "2(1 + μ)/((1 + 2μ) λmax) = 0.0123, so every step across the valley lands farther away.";

/** A sentence about the learning rate of one optimizer at the end of its path. `quadratic`:
 *  the curvature, λ, and so the limit is the same everywhere. */
export function limitSentence(optimizer, limit, curvature, path, quadratic) {
  const { name, eta } = optimizer;
  const exploded = path.exploded === null ? "" : `${name} has exploded in step ${path.exploded}`;
  if (limit === null) {
    const free = `${name} divides by the size of its gradients, so no fixed limit such as 2${OVER}λmax applies.`;
    return exploded ? `${exploded}. ${free}` : free;
  }
  const where = quadratic ? "" : exploded ? "at its last place, " : "where the path is now, ";
  if (limit === Infinity) {
    const flat = `${where}nothing curves upwards (λmax = ${figures(curvature, 2)}): no limit here.`;
    return exploded ? `${exploded}: ${flat}` : capital(flat);
  }
  const size = `${LIMIT_NAMES[name]} = ${figures(limit)}`;
  const above = eta > limit;
  const compared = `${where}η = ${figures(eta)} is ${above ? "above" : eta === limit ? "equal to" : "below"} ${size}`;
  if (exploded) return `${exploded}: ${compared}${above ? ", so every step across lands farther away." : "."}`;
  if (above) return `${capital(compared)}: ${quadratic ? "the path explodes." : "steps across it grow until the ground gets flatter."}`;
  if (name === "SGD" && eta > limit / 2) return `${capital(compared)} and above half of it: the path zig-zags.`;
  return `${capital(compared)}: stable${quadratic ? "" : " here"}.`;
}

const capital = (text) => text.replace(/^[a-zλ]/, (letter) => letter.toUpperCase());

/** Where the path of this name has come to after its last step. */
export function placeSentence(name, path, view) {
  const [x, y] = path.points.at(-1);
  const [left, right, bottom, top] = view;
  const outside = x < left || x > right || y < bottom || y > top ? ", outside the map" : "";
  const steps = path.points.length - 1;
  return `${name} after ${steps} step${steps === 1 ? "" : "s"}${path.exploded === null ? "" : ", before it exploded"}: ` +
    `loss ${figures(path.losses.at(-1))}${outside}`;
}
