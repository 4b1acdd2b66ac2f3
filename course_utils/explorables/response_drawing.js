// What the response surface looks like: the map with the points, and the curves.

const FONT = fontOf(13);
const EDGES = { left: 82, right: 14, top: 12, bottom: 46 };   // around the map
const [COLUMNS, ROWS, BANDS] = [150, 120, 10];         // cells and shades of the map
const LOOKS = { random: "test", TPE: "train" };        // the roles of the colours
const NAMES = { random: "random search", TPE: "TPE" };

/** The shades of the whole map on a canvas of their own, kept while the theme stays. */
class Shades {
  constructor() {
    this.picture = element("canvas");
  }

  prepare(surface, range, dark) {
    if (this.dark === dark) return;
    this.dark = dark;
    const heights = Float64Array.from({ length: COLUMNS * ROWS }, (_, n) =>
      heightOf(valueAt(surface, [(n % COLUMNS + 0.5) / COLUMNS, 1 - (Math.floor(n / COLUMNS) + 0.5) / ROWS]), range));
    paint(this.picture, heights, { width: COLUMNS, height: ROWS }, (height) => grey(shadeOf(height, dark)));
  }
}

/** The grey of a height: steps, so that their borders are contours. */
function shadeOf(height, dark) {
  const step = Math.min(BANDS - 1, Math.floor(height * BANDS)) / (BANDS - 1);
  return Math.round(dark ? 110 - 90 * step : 255 - 140 * step);
}

/** The place of the map in a sheet, and functions from parts of it to pixels. */
function frameOf({ width, height }) {
  const [x0, x1, y0, y1] = [EDGES.left, width - EDGES.right, EDGES.top, height - EDGES.bottom];
  return { x0, x1, y0, y1, put: ([u, v]) => [x0 + u * (x1 - x0), y1 - v * (y1 - y0)] };
}

function drawAxes(g, { x0, x1, y0, y1, put }, { x, y }, colours) {
  const [across, up] = [knotRange(x.at), knotRange(y.at)];
  g.strokeStyle = colours.line;
  g.lineWidth = 1;
  g.strokeRect(x0, y0, x1 - x0, y1 - y0);
  g.fillStyle = colours.quiet;
  g.textAlign = "center";
  for (const mark of logTicks(x.at[0], x.at.at(-1))) {
    const [px] = put([across(mark), 0]);
    g.fillRect(px - 0.5, y1, 1, 4);
    g.fillText(figures(mark), px, y1 + 13);
  }
  g.textAlign = "right";
  for (const mark of logTicks(y.at[0], y.at.at(-1))) {
    const [, py] = put([0, up(mark)]);
    g.fillRect(x0 - 4, py - 0.5, 4, 1);
    g.fillText(figures(mark), x0 - 7, py);
  }
  g.fillStyle = colours.ink;
  g.textAlign = "center";
  g.fillText(x.name, (x0 + x1) / 2, y1 + 33);
  g.save();
  g.translate(9, (y0 + y1) / 2);
  g.rotate(-Math.PI / 2);
  g.fillText(y.name, 0, 0);
  g.restore();
}

const knotRange = (at) => (mark) => Math.log(mark / at[0]) / Math.log(at.at(-1) / at[0]);

/** A mark of a search: a circle for the reader, a square or a triangle for the others. */
function drawMark(g, [x, y], who, colour, rim, radius = 5.5) {
  g.beginPath();
  if (who === "random") g.rect(x - radius + 1, y - radius + 1, 2 * radius - 2, 2 * radius - 2);
  else if (who === "TPE") [[0, -1.15], [1, 0.8], [-1, 0.8]].forEach(([a, b], k) => g[k ? "lineTo" : "moveTo"](x + a * radius, y + b * radius));
  else g.arc(x, y, radius, 0, 7);
  g.closePath();
  g.fillStyle = colour;
  g.fill();
  g.strokeStyle = rim;
  g.lineWidth = 1.5;
  g.stroke();
}

/** Values beside the reader's points, the best and the newest first, where there is room. */
function drawValues(g, spots, frame, colours, paperColour) {
  const taken = spots.map(({ at: [x, y] }) => [x - 7, y - 7, x + 7, y + 7]);
  for (const { at: [x, y], text, strong } of spots) {
    g.font = strong ? `bold ${FONT}` : FONT;
    const wide = g.measureText(text).width;
    const ways = [[9, -8], [-9 - wide, -8], [-wide / 2, -25], [-wide / 2, 9]];
    const box = ways.map(([dx, dy]) => [x + dx, y + dy, x + dx + wide, y + dy + 16]).find((one) =>
      one[0] > frame.x0 && one[2] < frame.x1 && one[1] > frame.y0 && one[3] < frame.y1 &&
      !taken.some((other) => one[0] < other[2] && one[2] > other[0] && one[1] < other[3] && one[3] > other[1]));
    if (!box) continue;
    taken.push(box);
    g.textAlign = "left";
    g.lineWidth = 3;
    g.strokeStyle = paperColour;
    g.strokeText(text, box[0], box[1] + 8);
    g.fillStyle = colours.ink;
    g.fillText(text, box[0], box[1] + 8);
  }
  g.font = FONT;
}

/** The map: hidden or in shades, the points, and the cursor. */
function drawMap(sheet, shades, scene, colours, dark) {
  const { g, width, height } = sheet.begin();
  const frame = frameOf({ width, height });
  const { x0, x1, y0, y1, put } = frame;
  const paperColour = dark ? "#17181a" : "#ffffff";
  g.font = FONT;
  g.textBaseline = "middle";
  g.fillStyle = colours.fill;
  g.fillRect(x0, y0, x1 - x0, y1 - y0);
  if (scene.revealed) {
    shades.prepare(scene.surface, scene.range, dark);
    g.imageSmoothingEnabled = false;
    g.drawImage(shades.picture, x0, y0, x1 - x0, y1 - y0);
  }
  drawAxes(g, frame, scene, colours);
  for (const [name, { places }] of Object.entries(scene.rivals))
    for (const place of places) drawMark(g, put(place), name, colourOf(LOOKS[name], dark), paperColour);
  const best = scene.scores.indexOf(scene.best);
  const order = scene.picked.map((_, k) => k).sort((a, b) => (b === best) - (a === best) || b - a);
  for (const k of [...order].reverse())
    drawMark(g, put(scene.picked[k]), "you", k === best ? colours.ink : paperColour, k === best ? paperColour : colours.ink, k === best ? 7 : 5.5);
  drawValues(g, order.map((k) => ({ at: put(scene.picked[k]), text: figures(scene.scores[k]), strong: k === best })), frame, colours, paperColour);
  if (scene.revealed) drawCross(g, put(scene.peak), colours.ink);
  else if (scene.cursor) drawCursor(g, put(scene.cursor), frame, colours.quiet);
}

/** A plus: the best place of the whole map. */
function drawCross(g, [x, y], colour) {
  g.fillStyle = colour;
  g.fillRect(x - 8, y - 1.25, 16, 2.5);
  g.fillRect(x - 1.25, y - 8, 2.5, 16);
}

function drawCursor(g, [x, y], { x0, x1, y0, y1 }, colour) {
  g.strokeStyle = colour;
  g.lineWidth = 1;
  g.setLineDash([4, 3]);
  g.beginPath();
  g.moveTo(x0, y);
  g.lineTo(x1, y);
  g.moveTo(x, y0);
  g.lineTo(x, y1);
  g.stroke();
  g.setLineDash([]);
}

/** Heights of labels, moved apart so that none covers another. */
export function apart(heights, room) {
  const order = heights.map((_, k) => k).sort((a, b) => heights[a] - heights[b]);
  const found = [...heights];
  for (let n = 1; n < order.length; n++)
    found[order[n]] = Math.max(found[order[n]], found[order[n - 1]] + room);
  return found;
}

/** What the height of the curves must hold: beside rivals no first points, which would squeeze the rest. */
export function heightsToShow(own, bands, budget) {
  const start = bands.length ? Math.floor(budget / 4) : 0;
  return [...own.slice(start), ...own.slice(-1), ...bands.flatMap(({ low, middle, high }) => [low.at(-1), high.at(-1), middle[start]])];
}

/** Best so far against the number of points: the reader's, and the shown rivals'. */
function drawCurves(sheet, { scores, rivals, budget, better }, colours, dark) {
  const { g, width, height } = sheet.begin();
  const [x0, x1, y0, y1] = [58, width - 62, 12, height - 46];
  const own = bestSoFar(scores, better);
  const bands = Object.fromEntries(Object.entries(rivals).map(([name, { curves }]) => [name, bandOf(curves)]));
  const seen = heightsToShow(own, Object.values(bands), budget);
  const [least, most] = [Math.min(...seen), Math.max(...seen)];
  const room = (most - least || Math.abs(most) || 1) * 0.06;
  const [low, high] = [least - room, most + room];
  const px = (count) => x0 + (x1 - x0) * (count - 1) / (budget - 1);
  const py = (value) => y1 - (y1 - y0) * Math.min(1.02, Math.max(-0.02, (value - low) / (high - low)));
  g.font = FONT;
  g.textBaseline = "middle";
  g.fillStyle = colours.quiet;
  g.textAlign = "center";
  for (const count of ticks(budget, 5)) if (count) g.fillText(String(count), px(count), y1 + 13);
  g.fillStyle = colours.ink;
  g.fillText("points tried", (x0 + x1) / 2, y1 + 33);
  g.fillStyle = colours.line;
  g.fillRect(x0, y1, x1 - x0, 1);
  if (!seen.length) return;
  g.textAlign = "right";
  for (const value of ticksBetween(low, high)) {
    g.fillStyle = colours.fill;
    g.fillRect(x0, py(value), x1 - x0, 1);
    g.fillStyle = colours.quiet;
    g.fillText(figures(value), x0 - 7, py(value));
  }
  const ends = [];
  for (const [name, band] of Object.entries(bands)) {
    drawBand(g, band, px, py, colourOf(LOOKS[name], dark), name === "random" ? [7, 4] : []);
    ends.push({ text: name, colour: colourOf(LOOKS[name], dark), at: [px(budget), py(band.middle.at(-1))] });
  }
  if (own.length) ends.push({ text: "you", colour: colours.ink, at: [px(own.length), py(own.at(-1))] });
  drawSteps(g, own.map((value, k) => [px(k + 1), py(value)]), colours.ink);
  const heights = apart(ends.map(({ at }) => at[1]), 15);
  g.textAlign = "left";
  ends.forEach(({ text, colour, at }, k) => {
    g.fillStyle = colour;
    g.fillText(text, at[0] + 8, heights[k]);
  });
}

function ticksBetween(low, high) {
  const [, pitch] = ticks(high - low, 4);
  const first = Math.ceil(low / pitch);
  return Array.from({ length: Math.floor(high / pitch) - first + 1 }, (_, k) => Number(((first + k) * pitch).toPrecision(12)));
}

function drawBand(g, { low, middle, high }, px, py, colour, dash) {
  g.fillStyle = g.strokeStyle = colour;
  g.globalAlpha = 0.2;
  g.beginPath();
  low.forEach((value, k) => g.lineTo(px(k + 1), py(value)));
  for (let k = high.length - 1; k >= 0; k--) g.lineTo(px(k + 1), py(high[k]));
  g.fill();
  g.globalAlpha = 1;
  g.lineWidth = 2;
  g.setLineDash(dash);
  g.beginPath();
  middle.forEach((value, k) => g.lineTo(px(k + 1), py(value)));
  g.stroke();
  g.setLineDash([]);
}

function drawSteps(g, points, colour) {
  g.fillStyle = g.strokeStyle = colour;
  g.lineWidth = 2.5;
  g.beginPath();
  for (const [x, y] of points) g.lineTo(x, y);
  g.stroke();
  for (const [x, y] of points) {
    g.beginPath();
    g.arc(x, y, 3, 0, 7);
    g.fill();
  }
}
