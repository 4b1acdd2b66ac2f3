// What the polynomial fit looks like: the points with the curves, and the two errors.

const FONT = fontOf(14);
const REACH = 2;                                       // values from -REACH to REACH
const ERRORS = [0.001, 10];                            // the axis of the errors
const OTHER = "#56B4E9";                               // the fits to other samples
const DECADES = [0.001, 0.01, 0.1, 1, 10];

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function stroke(g, x, y, { color, width = 2, dash = [], alpha = 1 }) {
  g.strokeStyle = color;
  g.lineWidth = width;
  g.setLineDash(dash);
  g.globalAlpha = alpha;
  g.beginPath();
  x.forEach((place, i) => g.lineTo(place, y[i]));
  g.stroke();
  g.setLineDash([]);
  g.globalAlpha = 1;
}

function label(g, text, x, y, color, align = "left") {
  g.fillStyle = color;
  g.textAlign = align;
  g.fillText(text, x, y);
}

/** The points, the function they come from, the fit, and fits to other samples. */
export function drawFit(sheet, { sample, found, others }, degree, colours) {
  const { g, width, height } = sheet.begin();
  const [left, right, top, bottom] = [30, width - 8, 10, height - 24];
  const px = (x) => left + (x + 1) / 2 * (right - left);
  const py = (y) => clamp(bottom - (y + REACH) / (2 * REACH) * (bottom - top), -50, height + 50);
  g.font = FONT;
  g.textBaseline = "middle";
  for (const value of [-1, 0, 1]) {
    stroke(g, [left, right], [py(value), py(value)], { color: colours.fill, width: 1 });
    label(g, String(value).replace("-", "\u2212"), left - 5, py(value), colours.quiet, "right");
    label(g, String(value).replace("-", "\u2212"), clamp(px(value), left + 5, right - 5), height - 10, colours.quiet, "center");
  }
  g.save();
  g.beginPath();
  g.rect(left, top, right - left, bottom - top);
  g.clip();
  const across = Array.from(PLACES, px);
  for (const fit of others) stroke(g, across, Array.from(fit.atPlaces, py), { color: OTHER, width: 1.3, alpha: 0.7 });
  stroke(g, across, Array.from(PLACES, (x) => py(truth(x))), { color: colours.quiet, dash: [7, 5] });
  stroke(g, across, Array.from(found[degree].atPlaces, py), { color: colours.ink, width: 2.5 });
  g.restore();
  g.fillStyle = COLORS.train;
  sample.x.forEach((x, i) => {
    const y = sample.y[i];
    g.beginPath();
    if (Math.abs(y) <= REACH) g.arc(px(x), py(y), 4, 0, 7);
    else pointOut(g, px(x), y > 0 ? top : bottom, Math.sign(y));
    g.fill();
  });
}

/** A small triangle at the rim for what lies beyond it. */
function pointOut(g, x, y, sign) {
  g.moveTo(x, y);
  g.lineTo(x - 5, y + sign * 9);
  g.lineTo(x + 5, y + sign * 9);
}

/** Train and test error against the degree, on a logarithmic axis, the chosen one marked. */
export function drawErrors(sheet, { measured }, degree, noise, colours) {
  const { g, width, height } = sheet.begin();
  const [left, right, top, bottom] = [50, width - 42, 10, height - 24];
  const px = (k) => left + k / MOST_DEGREE * (right - left);
  const part = (error) => Math.log(clamp(error, ...ERRORS) / ERRORS[0]) / Math.log(ERRORS[1] / ERRORS[0]);
  const py = (error) => bottom - part(error) * (bottom - top);
  g.font = FONT;
  g.textBaseline = "middle";
  for (const value of DECADES) {
    stroke(g, [left, right], [py(value), py(value)], { color: colours.fill, width: 1 });
    label(g, String(value), left - 6, py(value), colours.quiet, "right");
  }
  for (const k of [0, 2, 4, 6, 8, 10, 12, 14]) label(g, k, px(k), height - 10, colours.quiet, "center");
  stroke(g, [px(degree), px(degree)], [top, bottom], { color: colours.line, width: 2 });
  if (noise > 0) {
    stroke(g, [left, right], [py(noise ** 2), py(noise ** 2)], { color: colours.quiet, dash: [7, 5], width: 1.5 });
    label(g, "noise", left + 4, py(noise ** 2) + 9, colours.quiet);
  }
  for (const role of ["train", "test"]) {
    const values = measured.map((one) => one[role]);
    stroke(g, values.map((_, k) => px(k)), values.map(py), { color: COLORS[role], width: 2.5 });
    g.fillStyle = COLORS[role];
    g.beginPath();
    g.arc(px(degree), py(values[degree]), 5, 0, 7);
    g.fill();
    label(g, role, right + 6, py(values.at(-1)), COLORS[role]);
  }
}
