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

/** "guessing" where the last ten losses are on average above ln K, "broken" where a
 *  number has overflowed, else "fine". */
export function health(run) {
  if (![run.loss ?? 0, run.norm ?? 0].every(Number.isFinite)) return "broken";
  const recent = run.losses.slice(-10);
  const mean = recent.reduce((sum, loss) => sum + loss, 0) / Math.max(1, recent.length);
  return recent.length > 1 && mean > 1.05 * Math.log(run.bias.length) ? "overshooting" : "fine";
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

// ---- what the reader sees ----

const SPEEDS = [["3 lines/s", 1 / 3, 1], ["2 batches/s", 1 / 2, 6], ["60 batches/s", 0, 6]];
const LONGEST = 3000;
const FONT = '12px "DejaVu Sans", system-ui, "Segoe UI", Helvetica, Arial, sans-serif';

/** What the browser got from Python, as typed arrays. */
function readData(model) {
  const bytes = (name) => {
    const view = model.get(name);
    return new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  };
  const names = model.get("classes");
  const [height, width] = [model.get("height"), model.get("width")];
  const [mean, std] = [model.get("mean"), model.get("std")];
  const pixels = bytes("images");
  const start = bytes("weights");
  return {
    names, height, width, pixels,
    inputs: Float64Array.from(pixels, (value) => (value / 255 - mean) / std),
    labels: bytes("labels"),
    weights: start.length ? Float64Array.from(new Float32Array(start.buffer)) : new Float64Array(names.length * height * width),
    bias: new Float64Array(names.length),
    batchSize: model.get("batch_size"),
  };
}

const tick = (good) => (good ? "\u2713" : "\u2717");

/** The buttons, the speed and the learning rate. */
function makeControls(actions, rate) {
  const button = (text, action, kind = "") => control("button", { type: "button", class: kind, onclick: action }, text);
  const play = button("Play", actions.play);
  const speed = control("select", { "aria-label": "speed of playing" },
    ...SPEEDS.map(([text], k) => element("option", { value: k, selected: k === 1 }, text)));
  const slider = control("input", {
    type: "range", min: -4, max: 1, step: 0.05, value: Math.log10(rate), oninput: actions.rate, onchange: actions.keepRate,
  });
  const shown = element("output", { class: "course-loop-rate" });
  const bar = element("div", { class: "course-loop-bar" },
    element("span", { class: "course-loop-buttons" }, button("Next line", actions.next, "course-main"),
      button("One whole batch", actions.batch), play, speed, button("Reset", actions.reset)),
    element("label", { class: "course-loop-slider" }, "learning rate η ", slider, shown));
  return { bar, play, speed, slider, shown };
}

/** The six lines of the loop, of which one is marked and one can be left out. */
function makeCode(changed) {
  const forget = control("input", { type: "checkbox", onchange: changed });
  const lines = PHASES.map((text) => element("li", {}, element("code", {}, text)));
  lines[CLEAR].append(element("label", {}, forget, " leave out"));
  const box = element("ol", { class: "course-loop-code", "aria-label": "the six lines of the loop" }, ...lines);
  return { box, lines, forget };
}

/** One button for each image of the batch, with its true and its predicted class. */
function makeTiles(count, choose) {
  const tiles = Array.from({ length: count }, (_, n) => {
    const [canvas, mark] = [element("canvas"), element("b", { class: "course-loop-mark" })];
    const [truth, guess] = [element("span"), element("span", { class: "course-loop-guess" })];
    const box = control("button", { type: "button", class: "course-loop-tile", onclick: () => choose(n) },
      element("span", { class: "course-loop-thumb" }, canvas, mark), truth, guess);
    return { box, canvas, mark, truth, guess };
  });
  const title = element("div", { class: "course-heading" });
  return { box: element("div", { class: "course-loop-batch" }, title, element("div", { class: "course-loop-tiles" }, ...tiles.map((tile) => tile.box))), title, tiles };
}

function drawTiles({ title, tiles }, run, data, selected) {
  const batches = Math.ceil(data.labels.length / data.batchSize);
  const right = run.images.filter((_, n) => prediction(run, n) === run.batchLabels[n]).length;
  write(title, `Epoch ${run.epoch}, batch ${run.batch + 1} of ${batches}` + (run.logits ? `: ${right} of ${run.images.length} right` : "") + " (below each image: true class, predicted class)");
  const size = data.height * data.width;
  tiles.forEach(({ box, canvas, mark, truth, guess }, n) => {
    box.hidden = n >= run.images.length;
    if (box.hidden) return;
    const image = run.images[n];
    if (canvas.dataset.image !== String(image)) {
      paint(canvas, data.pixels.subarray(image * size, (image + 1) * size), data, grey);
      canvas.dataset.image = image;
    }
    const guessed = prediction(run, n);
    const good = guessed === run.batchLabels[n];
    write(truth, data.names[run.batchLabels[n]]);
    write(guess, guessed === null ? "?" : data.names[guessed]);
    write(mark, guessed === null ? "" : tick(good));
    box.classList.toggle("course-loop-wrong", guessed !== null && !good);
    box.setAttribute("aria-pressed", String(n === selected));
  });
}

/** Logits and probabilities of one image as bars with numbers. */
function drawScores(sheet, run, data, n, colours) {
  const { g, width, height } = sheet.begin();
  const classes = data.names.length;
  const logits = Array.from({ length: classes }, (_, k) => (run.logits ? run.logits[n * classes + k] : 0));
  const span = Math.max(1, ...logits.map(Math.abs));
  const [top, row] = [18, (height - 20) / classes];
  const [names, number, gap] = [94, 46, 12];
  const reach = 0.27 * (width - names - 2 * number - gap);
  const zero = names + reach;
  const chance = zero + reach + number + gap;
  const wide = width - number - chance;
  g.font = FONT;
  g.textBaseline = "middle";
  g.fillStyle = colours.quiet;
  g.textAlign = "center";
  g.fillText("logit", zero, 8);
  g.textAlign = "left";
  g.fillText("probability", chance, 8);
  const truth = run.batchLabels[n];
  const guess = prediction(run, n);
  logits.forEach((logit, k) => {
    const y = top + (k + 0.5) * row;
    g.textAlign = "right";
    g.fillStyle = colours.ink;
    g.font = k === truth ? `bold ${FONT}` : FONT;
    g.fillText((k === guess ? `${tick(k === truth)} ` : "") + data.names[k], names - 8, y);
    g.fillStyle = colours.fill;
    g.fillRect(zero - reach, y - row / 2 + 2, 2 * reach, row - 4);
    g.fillRect(chance, y - row / 2 + 2, wide, row - 4);
    if (!run.logits) return;
    const probability = run.probabilities[n * classes + k];
    g.fillStyle = k === truth ? COLORS.train : COLORS.grey;
    g.fillRect(zero, y - row / 2 + 2, logit / span * reach, row - 4);
    g.fillRect(chance, y - row / 2 + 2, probability * wide, row - 4);
    g.fillStyle = colours.ink;
    g.fillText(probability.toFixed(3), width, y);
    g.fillText(figures(logit, Math.abs(logit) < 1 ? 2 : 3), zero + reach + number, y);
  });
  g.strokeStyle = colours.quiet;
  g.beginPath();
  g.moveTo(zero, top);
  g.lineTo(zero, height - 2);
  g.stroke();
}

/** One curve with its axis in the part of the sheet from `y0` to `y1`; `mark` is a line. */
function drawCurve(g, values, { x0, x1, y0, y1, color, title, mark, longest, count }, colours) {
  const points = thin(values);
  const top = 1.08 * Math.max(mark ? 1.4 * mark.value : 0, values.length ? 1e-9 : 1, ...points.map((point) => point.high).filter(Number.isFinite));
  const px = (x) => x0 + x / longest * (x1 - x0);
  const py = (y) => y1 - Math.min(1, Math.max(0, y / top)) * (y1 - y0);
  g.textBaseline = "middle";
  g.lineWidth = 1;
  for (const place of ticks(top, count)) {
    g.strokeStyle = colours.fill;
    g.beginPath();
    g.moveTo(x0, py(place));
    g.lineTo(x1, py(place));
    g.stroke();
    g.fillStyle = colours.quiet;
    g.textAlign = "right";
    g.fillText(figures(place), x0 - 5, py(place));
  }
  if (mark) {
    g.strokeStyle = g.fillStyle = colours.quiet;
    g.setLineDash([5, 4]);
    g.beginPath();
    g.moveTo(x0, py(mark.value));
    g.lineTo(x1, py(mark.value));
    g.stroke();
    g.setLineDash([]);
    g.fillText(mark.text, x1, py(mark.value) - 8);
  }
  g.fillStyle = g.strokeStyle = color;
  g.globalAlpha = 0.35;
  for (const point of points) g.fillRect(px(point.x) - 1, py(point.high), 2, py(point.low) - py(point.high));
  g.globalAlpha = 1;
  g.lineWidth = 2;
  g.beginPath();
  points.forEach((point) => g.lineTo(px(point.x), py(point.mean)));
  g.stroke();
  const last = values.length ? { x: values.length, y: values[values.length - 1] } : null;
  if (last) {
    g.beginPath();
    g.arc(px(last.x), py(last.y), 4, 0, 7);
    g.fill();
  }
  g.fillRect(x0, y0 - 11, 16, 3);
  g.textAlign = "left";
  g.fillStyle = colours.ink;
  g.fillText(title + (last ? ` ${figures(last.y)}` : ""), x0 + 22, y0 - 10);
}

/** The losses above, the gradient norms below, over the batches seen. */
function drawCurves(sheet, run, colours) {
  const { g, width, height } = sheet.begin();
  g.font = FONT;
  const guessing = Math.log(run.bias.length);
  const longest = Math.max(40, run.losses.length * 1.02);
  const [x0, x1] = [44, width - 8];
  const middle = height * 0.6;
  drawCurve(g, run.losses, {
    x0, x1, y0: 20, y1: middle - 8, color: COLORS.train, longest, count: 4, title: "loss of the batch",
    mark: { value: guessing, text: `guessing: ln ${run.bias.length} = ${guessing.toFixed(2)}` },
  }, colours);
  drawCurve(g, run.norms, { x0, x1, y0: middle + 26, y1: height - 18, color: COLORS.gradient, longest, count: 2, title: "gradient norm" }, colours);
  g.fillStyle = colours.quiet;
  g.textAlign = "right";
  g.fillText(`${run.losses.length} batches`, x1, height - 7);
}

/** The weights of one class and their gradient as pictures, each with its own scale. */
function makePictures(data, choose) {
  const picker = control("select", { onchange: (event) => choose(Number(event.target.value)) },
    ...data.names.map((name, k) => element("option", { value: k }, name)));
  const side = (title, css) => {
    const canvas = element("canvas", { role: "img" });
    const scale = element("span", { class: "course-heading" });
    return { box: element("figure", { class: css }, element("figcaption", {}, title), canvas, scale), canvas, scale };
  };
  const [weights, slope] = [side("weights", "course-loop-weights"), side("their gradient", "course-loop-gradient")];
  slope.canvas.style.borderColor = COLORS.gradient;
  const box = element("div", { class: "course-loop-pictures" }, element("label", {}, "class ", picker),
    element("div", { class: "course-loop-pair" }, weights.box, slope.box),
    element("div", { class: "course-heading" }, "blue below 0, white 0, red above"));
  return { box, picker, weights, slope };
}

function drawPictures(pictures, run, data, shown) {
  const size = data.height * data.width;
  for (const [side, all, what] of [[pictures.weights, run.weights, "weights"], [pictures.slope, run.gradient.weights, "gradient"]]) {
    const values = all.subarray(shown * size, (shown + 1) * size);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    paint(side.canvas, values, data, (value) => signed(largest ? value / largest : 0));
    const range = largest ? `\u00b1${figures(largest, 2)}` : "all 0";
    write(side.scale, range);
    side.canvas.setAttribute("aria-label", `${what} of the class ${data.names[shown]}: ${range}`);
  }
}

/** One or two sentences about the line that ran last. */
function describe(run, rate, forget) {
  const count = run.images.length;
  const right = run.images.filter((_, n) => prediction(run, n) === run.batchLabels[n]).length;
  const guessing = Math.log(run.bias.length).toFixed(2);
  return [
    () => `Line 1 took ${count} images and their labels. Nothing is predicted yet.`,
    () => forget
      ? "Line 2 was left out: the old gradient stays, and the next one will be added to it."
      : "Line 2 set the gradient to zero.",
    () => `Line 3 computed ${run.bias.length} logits for each image: ${right} of ${count} have their largest logit at the true class.`,
    () => `Line 4 made one number of the logits and the labels: the loss is ${figures(run.loss)}; guessing has ${guessing}.`,
    () => `Line 5 computed the gradient of that number for every weight${forget ? " and added it to the old one" : ""}: its norm is ${figures(run.norm)}.`,
    () => `Line 6 moved every weight against its gradient: weights \u2212 ${figures(rate)} \u00d7 gradient.`,
  ][run.phase]();
}

function warning(run) {
  const state = health(run);
  if (state === "broken") return "\u26a0 A number has overflowed. Lower \u03b7 and press Reset.";
  if (state === "fine") return "";
  return "\u26a0 Overshooting: worse than guessing. Lower \u03b7.";
}

function render({ model, el }) {
  const data = readData(model);
  const root = stage(el, "course-loop", "Explorable: the training loop, one line at a time");
  let run, playing = false, since = 0, stopped = false;
  let [selected, shown] = [0, 0];
  const rate = () => 10 ** Number(controls.slider.value);
  const controls = makeControls({
    next: () => { pause(); advance(run, rate(), code.forget.checked); },
    batch: () => { pause(); wholeBatch(); },
    play: () => (playing ? pause() : start()),
    reset: () => { pause(); reset(); },
    rate: () => request(),
    keepRate: () => { model.set("learning_rate", Number(rate().toPrecision(3))); model.save_changes(); },
  }, model.get("learning_rate"));
  const code = makeCode(() => request());
  const batch = makeTiles(data.batchSize, (n) => { selected = n; request(); });
  const [scores, curves] = [paper({ class: "course-loop-bars" }), paper({ class: "course-loop-lines" })];
  const portrait = element("canvas", { class: "course-loop-portrait", role: "img" });
  const about = element("span");
  const pictures = makePictures(data, (k) => { shown = k; request(); });
  const say = element("div", { class: "course-loop-say", "aria-live": "polite" });
  const alarm = element("div", { class: "course-loop-alarm", role: "status" });
  const scoresBox = element("div", { class: "course-loop-scores" }, element("div", { class: "course-loop-chosen" }, portrait, about), scores.canvas);
  root.append(controls.bar, element("div", { class: "course-loop-grid" }, code.box, batch.box, scoresBox,
    element("div", { class: "course-loop-curves" }, curves.canvas), pictures.box), element("div", { class: "course-loop-foot" }, say, alarm));
  let colours = inks(root);

  function reset() {
    run = advance(begin(data), rate());
    [selected, shown] = [0, run.batchLabels[0]];
    pictures.picker.value = shown;
  }

  function wholeBatch() {
    do advance(run, rate(), code.forget.checked); while (run.phase !== STEP);
  }

  function start() {
    [playing, since] = [true, 0];
    write(controls.play, "Pause");
    requestAnimationFrame(tick);
  }

  function pause() {
    playing = false;
    write(controls.play, "Play");
    request();
  }

  function tick(now) {
    if (!playing || stopped) return;
    const [, pause_, lines] = SPEEDS[controls.speed.value];
    if (now - since >= 1000 * pause_ && root.offsetParent) {
      since = now;
      if (lines === 1) advance(run, rate(), code.forget.checked);
      else wholeBatch();
      draw();
      if (health(run) === "broken" || run.losses.length >= LONGEST) pause();
    }
    requestAnimationFrame(tick);
  }

  function draw() {
    write(controls.shown, figures(rate()));
    controls.slider.setAttribute("aria-valuetext", figures(rate()));
    code.lines.forEach((line, k) => {
      if (k === run.phase) line.setAttribute("aria-current", "step");
      else line.removeAttribute("aria-current");
    });
    code.lines[CLEAR].classList.toggle("course-loop-out", code.forget.checked);
    selected = Math.min(selected, run.images.length - 1);
    drawTiles(batch, run, data, selected);
    const size = data.height * data.width;
    const image = run.images[selected];
    paint(portrait, data.pixels.subarray(image * size, (image + 1) * size), data, grey);
    drawScores(scores, run, data, selected, colours);
    drawCurves(curves, run, colours);
    drawPictures(pictures, run, data, shown);
    write(alarm, warning(run));
    tell();
  }

  function tell() {
    const truth = data.names[run.batchLabels[selected]];
    const guess = prediction(run, selected);
    const text = `true class ${truth}, ` + (guess === null ? "not predicted yet" : `predicted ${data.names[guess]}`);
    write(about, `Image ${selected + 1} of the batch: ${text}`);
    portrait.setAttribute("aria-label", `the selected image, ${truth}`);
    scores.canvas.setAttribute("aria-label", `logits and probabilities of image ${selected + 1}; ${text}`);
    curves.canvas.setAttribute("aria-label", `curves over ${run.losses.length} batches: loss ${figures(run.losses.at(-1) ?? NaN)}, gradient norm ${figures(run.norms.at(-1) ?? NaN)}`);
    say.setAttribute("aria-live", playing ? "off" : "polite");
    write(say, describe(run, rate(), code.forget.checked));
  }

  const request = onceAFrame(draw);
  const takeRate = () => { controls.slider.value = Math.log10(model.get("learning_rate")); request(); };
  model.on("change:learning_rate", takeRate);
  const stopWatching = watchLook(root, () => { colours = inks(root); scores.fit(); curves.fit(); request(); });
  reset();
  request();
  return () => { stopped = true; request.cancel(); stopWatching(); model.off("change:learning_rate", takeRate); };
}

export default { render };
