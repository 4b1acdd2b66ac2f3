// What a run of the training loop looks like: tiles, bars, curves, pictures, sentences.

const FONT = fontOf(12);
/** Whether image n of the batch is predicted right. */
const isRight = (run, n) => prediction(run, n) === run.batchLabels[n];
const countRight = (run) => run.images.filter((_, n) => isRight(run, n)).length;
const tick = (good) => (good ? "\u2713" : "\u2717");

function pixelsOf({ pixels, height, width }, image) {
  return pixels.subarray(image * height * width, (image + 1) * height * width);
}

/** The images of the batch with their true and predicted classes. */
function drawTiles({ title, tiles }, run, data, selected) {
  const batches = Math.ceil(data.labels.length / data.batchSize);
  const right = run.logits ? `: ${countRight(run)} of ${run.images.length} right` : "";
  write(title, `Epoch ${run.epoch}, batch ${run.batch + 1} of ${batches}${right} (below each image: true class, predicted class)`);
  tiles.forEach(({ box, canvas, mark, truth, guess }, n) => {
    box.hidden = n >= run.images.length;
    if (box.hidden) return;
    const image = run.images[n];
    if (canvas.dataset.image !== String(image)) {
      paint(canvas, pixelsOf(data, image), data, grey);
      canvas.dataset.image = image;
    }
    const guessed = prediction(run, n);
    const good = isRight(run, n);
    write(truth, data.names[run.batchLabels[n]]);
    write(guess, guessed === null ? "?" : data.names[guessed]);
    write(mark, guessed === null ? "" : tick(good));
    box.classList.toggle("course-loop-wrong", guessed !== null && !good);
    box.setAttribute("aria-pressed", String(n === selected));
  });
}

/** The selected image and its logits and probabilities, as bars with numbers. */
function drawScores({ portrait, about, sheet }, run, data, n, colours) {
  const truth = data.names[run.batchLabels[n]];
  const guess = prediction(run, n);
  const text = `true class ${truth}, ${guess === null ? "not predicted yet" : `predicted ${data.names[guess]}`}`;
  paint(portrait, pixelsOf(data, run.images[n]), data, grey);
  portrait.setAttribute("aria-label", `the selected image, ${truth}`);
  write(about, `Image ${n + 1} of the batch: ${text}`);
  sheet.canvas.setAttribute("aria-label", `logits and probabilities of image ${n + 1}; ${text}`);
  const { g, width, height } = sheet.begin();
  const [names, number, gap, top] = [94, 46, 12, 18];
  const reach = 0.27 * (width - names - 2 * number - gap);
  const zero = names + reach;
  const chance = zero + reach + number + gap;
  const place = { names, number, reach, zero, chance, wide: width - number - chance, right: width };
  g.font = FONT;
  g.textBaseline = "middle";
  g.fillStyle = colours.quiet;
  g.textAlign = "center";
  g.fillText("logit", zero, 8);
  g.textAlign = "left";
  g.fillText("probability", chance, 8);
  const row = (height - top - 2) / data.names.length;
  data.names.forEach((_, k) => drawRow(g, place, { y: top + k * row, row, k }, run, data, n, colours));
  g.strokeStyle = colours.quiet;
  g.beginPath();
  g.moveTo(zero, top);
  g.lineTo(zero, height - 2);
  g.stroke();
}

/** The bars of class k; the true class is bold and blue, the predicted one is ticked. */
function drawRow(g, place, { y, row, k }, run, data, n, colours) {
  const classes = data.names.length;
  const isTrue = k === run.batchLabels[n];
  const middle = y + row / 2;
  g.textAlign = "right";
  g.fillStyle = colours.ink;
  g.font = isTrue ? `bold ${FONT}` : FONT;
  g.fillText((k === prediction(run, n) ? `${tick(isTrue)} ` : "") + data.names[k], place.names - 8, middle);
  g.fillStyle = colours.fill;
  g.fillRect(place.zero - place.reach, y + 2, 2 * place.reach, row - 4);
  g.fillRect(place.chance, y + 2, place.wide, row - 4);
  if (!run.logits) return;
  const logits = run.logits.subarray(n * classes, (n + 1) * classes);
  const longest = logits.reduce((most, logit) => Math.max(most, Math.abs(logit)), 1);
  const probability = run.probabilities[n * classes + k];
  g.fillStyle = isTrue ? COLORS.train : COLORS.grey;
  g.fillRect(place.zero, y + 2, logits[k] / longest * place.reach, row - 4);
  g.fillRect(place.chance, y + 2, probability * place.wide, row - 4);
  g.fillStyle = colours.ink;
  g.fillText(probability.toFixed(3), place.right, middle);
  const short = Math.abs(logits[k]) < 100 ? logits[k].toFixed(2).replace("-", "\u2212") : figures(logits[k]);
  g.fillText(short, place.zero + place.reach + place.number, middle);
}

/** Lines at round numbers, with the numbers to the left of them. */
function drawAxis(g, { x0, x1, py, top, count }, colours) {
  g.textBaseline = "middle";
  g.textAlign = "right";
  g.lineWidth = 1;
  g.strokeStyle = colours.fill;
  g.fillStyle = colours.quiet;
  for (const value of ticks(top, count)) {
    drawLevel(g, x0, x1, py(value));
    g.fillText(figures(value), x0 - 5, py(value));
  }
}

function drawLevel(g, x0, x1, y) {
  g.beginPath();
  g.moveTo(x0, y);
  g.lineTo(x1, y);
  g.stroke();
}

/** One curve with its axis between x0 and x1, y0 and y1. `mark` is a dashed level. */
function drawCurve(g, values, { x0, x1, y0, y1, color, title, mark, longest, count }, colours) {
  const points = thin(values);
  const floor = mark ? 1.4 * mark.value : values.length ? 1e-9 : 1;
  const top = 1.08 * points.reduce((most, point) => Math.max(most, point.high), floor);
  const px = (x) => x0 + x / longest * (x1 - x0);
  const py = (y) => y1 - y / top * (y1 - y0);
  drawAxis(g, { x0, x1, py, top, count }, colours);
  if (mark) {
    g.strokeStyle = colours.quiet;
    g.setLineDash([5, 4]);
    drawLevel(g, x0, x1, py(mark.value));
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
  const last = values.at(-1);
  if (values.length) {
    g.beginPath();
    g.arc(px(values.length), py(last), 4, 0, 7);
    g.fill();
  }
  g.fillRect(x0, y0 - 11, 16, 3);
  g.textAlign = "left";
  g.fillStyle = colours.ink;
  g.fillText(values.length ? `${title} ${figures(last)}` : title, x0 + 22, y0 - 10);
}

/** The losses above, the gradient norms below, over the batches seen. */
function drawCurves(sheet, run, colours) {
  const { g, width, height } = sheet.begin();
  const seen = run.losses.length;
  sheet.canvas.setAttribute("aria-label", `loss and gradient norm over ${seen} batches` +
    (seen ? `; the last loss is ${figures(run.losses[seen - 1])}` : ""));
  g.font = FONT;
  const guessing = Math.log(run.bias.length);
  const longest = Math.max(40, seen * 1.02);
  const [x0, x1] = [44, width - 8];
  const middle = height * 0.6;
  drawCurve(g, run.losses, {
    x0, x1, y0: 20, y1: middle - 8, color: COLORS.train, longest, count: 4, title: "loss of the batch",
    mark: { value: guessing, text: `guessing: ln ${run.bias.length} = ${guessing.toFixed(2)}` },
  }, colours);
  drawCurve(g, run.norms, {
    x0, x1, y0: middle + 26, y1: height - 18, color: COLORS.gradient, longest, count: 2, title: "gradient norm",
  }, colours);
  g.fillStyle = colours.quiet;
  g.textAlign = "right";
  g.fillText(`${seen} batches`, x1, height - 7);
}

/** The weights of the class `shown` and their gradient, each on a scale of its own. */
function drawPictures(pictures, run, data, shown) {
  const size = data.height * data.width;
  const both = [[pictures.weights, run.weights, "weights"], [pictures.slope, run.gradient.weights, "gradient"]];
  for (const [side, all, what] of both) {
    const values = all.subarray(shown * size, (shown + 1) * size);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    paint(side.canvas, values, data, (value) => signed(largest ? value / largest : 0));
    const range = largest ? `\u00b1${figures(largest, 2)}` : "all 0";
    write(side.scale, range);
    side.canvas.setAttribute("aria-label", `${what} of the class ${data.names[shown]}: ${range}`);
  }
}

/** A sentence about the line that ran last. */
function describe(run, rate, forget) {
  const count = run.images.length;
  const guessing = Math.log(run.bias.length).toFixed(2);
  return [
    () => `Line 1 took ${count} images and their labels. Nothing is predicted yet.`,
    () => forget
      ? "Line 2 was left out: the old gradient stays, and the next one will be added to it."
      : "Line 2 set the gradient to zero.",
    () => `Line 3 computed ${run.bias.length} logits for each image: ${countRight(run)} of ${count} have their largest logit at the true class.`,
    () => `Line 4 made one number of the logits and the labels: the loss is ${figures(run.loss)}; guessing has ${guessing}.`,
    () => `Line 5 computed the gradient of that number for every weight${forget ? " and added it to the old one" : ""}: its norm is ${figures(run.norm)}.`,
    () => `Line 6 moved every weight against its gradient: weights \u2212 ${figures(rate)} \u00d7 gradient.`,
  ][run.phase]();
}
