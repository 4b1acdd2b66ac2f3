// The training loop of a linear softmax classifier, one line of it at a time.
// Matrices are flat arrays, row after row: inputs [N, P], weights [K, P], logits [N, K].

/** Scores of every image for every class: inputs · weightsᵀ + bias, [N, K]. */
export function forward(inputs, weights, bias) {
  const classes = bias.length;
  const pixels = weights.length / classes;
  const count = inputs.length / pixels;
  const logits = new Float64Array(count * classes);
  for (let n = 0; n < count; n++)
    for (let k = 0; k < classes; k++) {
      let sum = bias[k];
      for (let p = 0; p < pixels; p++) sum += inputs[n * pixels + p] * weights[k * pixels + p];
      logits[n * classes + k] = sum;
    }
  return logits;
}

/** log Σ exp of the K logits of image n, safe for large logits. */
function logSumExp(logits, n, classes) {
  let largest = -Infinity;
  for (let k = 0; k < classes; k++) largest = Math.max(largest, logits[n * classes + k]);
  let sum = 0;
  for (let k = 0; k < classes; k++) sum += Math.exp(logits[n * classes + k] - largest);
  return largest + Math.log(sum);
}

/** Probabilities: each row of the logits through the softmax. */
export function softmax(logits, classes) {
  const probabilities = new Float64Array(logits.length);
  for (let n = 0; n < logits.length / classes; n++) {
    const total = logSumExp(logits, n, classes);
    for (let k = n * classes; k < (n + 1) * classes; k++) probabilities[k] = Math.exp(logits[k] - total);
  }
  return probabilities;
}

/** Cross-entropy, the mean over the batch of −log(probability of the true class). */
export function crossEntropy(logits, labels, classes) {
  let sum = 0;
  labels.forEach((label, n) => { sum += logSumExp(logits, n, classes) - logits[n * classes + label]; });
  return sum / labels.length;
}

/** Gradient of the cross-entropy: (probabilities − one-hot labels)ᵀ · inputs / N. */
export function gradient(inputs, labels, logits, classes) {
  const count = labels.length;
  const pixels = inputs.length / count;
  const error = softmax(logits, classes);
  const weights = new Float64Array(classes * pixels);
  const bias = new Float64Array(classes);
  for (let n = 0; n < count; n++) {
    error[n * classes + labels[n]] -= 1;
    for (let k = 0; k < classes; k++) {
      const share = error[n * classes + k] / count;
      bias[k] += share;
      for (let p = 0; p < pixels; p++) weights[k * pixels + p] += share * inputs[n * pixels + p];
    }
  }
  return { weights, bias };
}

/** Add `change` times `factor` to `values`, in place. */
export function add(values, change, factor) {
  for (let i = 0; i < values.length; i++) values[i] += factor * change[i];
}

/** Length of the gradient of all weights and biases together. */
export function gradientNorm({ weights, bias }) {
  let sum = 0;
  for (const part of [weights, bias]) for (const value of part) sum += value * value;
  return Math.sqrt(sum);
}

// The six lines. PHASES[run.phase] is the line that ran last.
export const PHASES = [
  "images, labels = next(batches)",
  "optimizer.zero_grad()",
  "logits = model(images)",
  "loss = cross_entropy(logits, labels)",
  "loss.backward()",
  "optimizer.step()",
];
const [TAKE, CLEAR, FORWARD, LOSS, BACKWARD, STEP] = PHASES.keys();

/** A run before its first line. inputs [N, P] and labels [N] are the training set. */
export function begin({ inputs, labels, weights, bias, batchSize }) {
  return {
    inputs, labels, batchSize,
    weights: Float64Array.from(weights), bias: Float64Array.from(bias),
    gradient: { weights: new Float64Array(weights.length), bias: new Float64Array(bias.length) },
    order: Array.from(labels.keys()), random: 1, batch: -1, epoch: 1, phase: -1,
    images: [], batchInputs: null, batchLabels: null,
    logits: null, probabilities: null, loss: null, norm: null, losses: [], norms: [],
  };
}

/** A new order of the images (Fisher-Yates); the same in every run. */
function shuffle(run) {
  for (let i = run.order.length - 1; i > 0; i--) {
    run.random = (Math.imul(run.random, 1664525) + 1013904223) >>> 0;
    const j = Math.floor(run.random / 2 ** 32 * (i + 1));
    [run.order[i], run.order[j]] = [run.order[j], run.order[i]];
  }
}

/** Take the next batch; the first epoch keeps the given order, later ones are shuffled. */
function takeBatch(run) {
  const pixels = run.weights.length / run.bias.length;
  run.batch += 1;
  if (run.batch * run.batchSize >= run.order.length) {
    run.batch = 0;
    run.epoch += 1;
    shuffle(run);
  }
  run.images = run.order.slice(run.batch * run.batchSize, (run.batch + 1) * run.batchSize);
  run.batchLabels = run.images.map((image) => run.labels[image]);
  run.batchInputs = new Float64Array(run.images.length * pixels);
  run.images.forEach((image, n) =>
    run.batchInputs.set(run.inputs.subarray(image * pixels, (image + 1) * pixels), n * pixels));
  run.logits = run.probabilities = run.loss = null;
}

/** Run the next line of the loop. `forget` leaves out zero_grad: gradients add up. */
export function advance(run, learningRate, forget = false) {
  const classes = run.bias.length;
  run.phase = (run.phase + 1) % PHASES.length;
  if (run.phase === TAKE) takeBatch(run);
  if (run.phase === CLEAR && !forget) {
    run.gradient.weights.fill(0);
    run.gradient.bias.fill(0);
    run.norm = 0;
  }
  if (run.phase === FORWARD) {
    run.logits = forward(run.batchInputs, run.weights, run.bias);
    run.probabilities = softmax(run.logits, classes);
  }
  if (run.phase === LOSS) {
    run.loss = crossEntropy(run.logits, run.batchLabels, classes);
    run.losses.push(run.loss);
  }
  if (run.phase === BACKWARD) {
    const fresh = gradient(run.batchInputs, run.batchLabels, run.logits, classes);
    add(run.gradient.weights, fresh.weights, 1);
    add(run.gradient.bias, fresh.bias, 1);
    run.norm = gradientNorm(run.gradient);
    run.norms.push(run.norm);
  }
  if (run.phase === STEP) {
    add(run.weights, run.gradient.weights, -learningRate);
    add(run.bias, run.gradient.bias, -learningRate);
  }
  return run;
}

/** The predicted class of image n of the batch; null before the forward pass. */
export function prediction(run, n) {
  if (!run.logits) return null;
  const classes = run.bias.length;
  const row = Array.from(run.logits.subarray(n * classes, (n + 1) * classes));
  return row.indexOf(Math.max(...row));
}

/** Whether the last losses (ten at most) are on average above ln K, that of guessing. */
export function overshoots({ losses, bias }) {
  const recent = losses.slice(-10);
  const mean = recent.reduce((sum, loss) => sum + loss, 0) / recent.length;
  return recent.length > 1 && mean > 1.05 * Math.log(bias.length);
}

/** Values as at most `bins` points { x, low, mean, high }; x counts from 1. */
export function thin(values, bins = 150) {
  const width = Math.ceil(values.length / bins);
  const points = [];
  for (let start = 0; start < values.length; start += width) {
    const part = values.slice(start, start + width);
    points.push({
      x: start + (part.length + 1) / 2, low: Math.min(...part), high: Math.max(...part),
      mean: part.reduce((sum, value) => sum + value, 0) / part.length,
    });
  }
  return points;
}
