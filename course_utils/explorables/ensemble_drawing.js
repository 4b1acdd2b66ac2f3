// What the ensemble looks like: bars for the classes, and the distance to the pass without
// dropout against the number of passes.

const FONT = fontOf(13);
const [LINE, FOOT] = [30, 40];                         // heights: of a class, of the axis

const heightFor = (classes) => classes * LINE + FOOT;

/** A text, shortened to a width. */
function shorten(g, text, room) {
  if (g.measureText(text).width <= room) return text;
  let kept = text;
  while (kept && g.measureText(`${kept}…`).width > room) kept = kept.slice(0, -1);
  return `${kept}…`;
}

/** Bars of the mean with a dot for each pass, and below each the pass without dropout. */
function drawBars(sheet, { rows, mean, spread, whole, labels, truth }, colours, dark) {
  const { g, width } = sheet.begin();
  const [x0, x1] = [Math.min(120, 0.28 * width), width - 92];
  const px = (value) => x0 + value * (x1 - x0);
  const bottom = labels.length * LINE;
  g.font = FONT;
  g.textBaseline = "middle";
  g.textAlign = "center";
  for (const value of [0, 0.25, 0.5, 0.75, 1]) {
    g.fillStyle = colours.line;
    g.fillRect(px(value), 0, 1, bottom);
    g.fillStyle = colours.quiet;
    g.fillText(String(value), px(value), bottom + 11);
  }
  g.fillText("probability", (x0 + x1) / 2, bottom + 29);
  labels.forEach((label, k) => {
    const top = k * LINE;
    g.font = k === truth ? `bold ${FONT}` : FONT;
    g.textAlign = "right";
    g.fillStyle = colours.ink;
    g.fillText(shorten(g, label, x0 - 8), x0 - 7, top + LINE / 2);
    g.font = FONT;
    drawPasses(g, { rows, mean: mean[k], spread: spread[k], k, middle: top + 9.5, px }, colours, dark);
    g.fillStyle = colourOf("validation", dark);
    g.fillRect(px(0), top + 18, px(whole[k]) - px(0), 8);
    g.textAlign = "left";
    g.fillStyle = colours.ink;
    const text = mean[k].toFixed(2) + (rows.length > 1 ? ` ± ${spread[k].toFixed(2)}` : "");
    g.fillText(text, x1 + 10, top + LINE / 2);
  });
}

/** One class: the bar of the mean, dots at heights that keep them apart, the spread. */
function drawPasses(g, { rows, mean, spread, k, middle, px }, colours, dark) {
  g.fillStyle = colourOf("train", dark);
  g.globalAlpha = 0.4;
  g.fillRect(px(0), middle - 7, px(mean) - px(0), 14);
  g.globalAlpha = Math.max(0.35, Math.min(0.9, 12 / rows.length));
  rows.forEach((row, m) => {
    g.beginPath();
    g.arc(px(row[k]), middle + (m * 0.618 % 1 - 0.5) * 11, 2, 0, 7);
    g.fill();
  });
  g.globalAlpha = 1;
  if (rows.length < 2) return;
  g.fillStyle = colours.ink;
  const [low, high] = [px(Math.max(0, mean - spread)), px(Math.min(1, mean + spread))];
  g.fillRect(low, middle - 0.75, high - low, 1.5);
  g.fillRect(px(mean) - 1, middle - 7, 2, 14);
}

/** The distance between the mean of the first m passes and the pass without dropout. */
function drawDistances(sheet, found, count, colours, dark) {
  const { g, width, height } = sheet.begin();
  const [x0, x1, y0, y1] = [46, width - 12, 10, height - 36];
  const top = Math.max(0.05, ...found) * 1.08;
  const px = (m) => (found.length === 1 ? x0 : x0 + (m - 1) / (found.length - 1) * (x1 - x0));
  const py = (value) => y1 - value / top * (y1 - y0);
  g.font = FONT;
  g.textBaseline = "middle";
  g.textAlign = "right";
  for (const value of ticks(top, 3)) {
    g.fillStyle = colours.line;
    g.fillRect(x0, py(value), x1 - x0, 1);
    g.fillStyle = colours.quiet;
    g.fillText(figures(value), x0 - 6, py(value));
  }
  g.textAlign = "center";
  for (const m of new Set([1, ...ticks(found.length, 4).slice(1)])) g.fillText(String(m), px(m), y1 + 12);
  g.fillText("passes", (x0 + x1) / 2, y1 + 28);
  g.strokeStyle = g.fillStyle = colourOf("train", dark);
  g.lineWidth = 2;
  g.beginPath();
  found.forEach((value, m) => g.lineTo(px(m + 1), py(value)));
  g.stroke();
  g.beginPath();
  g.arc(px(count), py(found[count - 1]), 5, 0, 7);
  g.fill();
}
