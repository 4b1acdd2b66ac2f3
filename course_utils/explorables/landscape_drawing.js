// The map of the landscape with its paths, and the loss against the step.

const FONT = fontOf(12);
const [COLUMNS, ROWS] = [120, 80];                     // cells of the map
const [POWERS, LINES] = [3, 12];                       // the contours span so many powers of ten
const [LOWEST, HIGHEST] = [1e-12, 1e15];               // losses beyond these lie on the edge
const FARTHEST = 20;                                   // a path ends so many maps away
const DASHES = [[], [7, 4]];

/** Losses at the corners of the cells, row after row from the top, and the largest. */
function sample({ loss }, [left, right, bottom, top]) {
  const values = new Float64Array((COLUMNS + 1) * (ROWS + 1));
  let largest = 0;
  for (let r = 0, n = 0; r <= ROWS; r++)
    for (let c = 0; c <= COLUMNS; c++, n++) {
      values[n] = loss([left + (right - left) * c / COLUMNS, top - (top - bottom) * r / ROWS]);
      largest = Math.max(largest, values[n]);
    }
  return { values, largest };
}

/** The contour lines as one path, in units of cells: each cell is cut into two triangles,
 *  and a level crosses a triangle in a straight line or not at all. Levels grow evenly or
 *  by a factor. */
function contours({ values, largest }, even) {
  const lines = new Path2D();
  const levels = Array.from({ length: LINES }, (_, k) =>
    largest * (even ? (k + 1) / LINES : 10 ** (-POWERS * (1 - k / (LINES - 1)))));
  const corner = (c, r) => [c, r, values[r * (COLUMNS + 1) + c]];
  const cut = (one, other, third) => {
    const [low, middle, high] = [one, other, third].sort((a, b) => a[2] - b[2]);
    for (const level of levels) {
      if (level <= low[2] || level > high[2]) continue;
      const side = level <= middle[2] ? [low, middle] : [middle, high];
      [[low, high], side].forEach(([a, b], k) => {
        const part = (level - a[2]) / (b[2] - a[2]);
        lines[k ? "lineTo" : "moveTo"](a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1]));
      });
    }
  };
  for (let r = 0; r < ROWS; r++)
    for (let c = 0; c < COLUMNS; c++) {
      cut(corner(c, r), corner(c + 1, r), corner(c, r + 1));
      cut(corner(c + 1, r + 1), corner(c + 1, r), corner(c, r + 1));
    }
  return lines;
}

/** The ground of a map, kept until the surface or the theme changes: shades, darker
 *  (on dark paper lighter) where the loss is larger, and contours. */
class Ground {
  constructor() {
    this.picture = element("canvas");
  }

  prepare(setting, { view, even }, dark) {
    const key = JSON.stringify([setting, dark]);
    if (key === this.key) return;
    this.key = key;
    const samples = sample(surfaceOf(setting), view);
    this.lines = contours(samples, even);
    const shade = (value) => {
      const part = Math.max(value, 1e-300) / samples.largest;
      const height = even ? part : Math.max(0, 1 + Math.log10(part) / POWERS);
      return grey(Math.round(dark ? 23 + 62 * height : 255 - 62 * height));
    };
    paint(this.picture, samples.values, { height: ROWS + 1, width: COLUMNS + 1 }, shade);
  }

  draw(g, width, height, dark) {
    g.drawImage(this.picture, 0, 0, width, height);
    g.save();
    g.scale(width / COLUMNS, height / ROWS);
    g.lineWidth = 0.8 * COLUMNS / width;
    g.strokeStyle = dark ? "#7d7d7d" : "#a3a3a3";
    g.stroke(this.lines);
    g.restore();
  }
}

/** The map: ground, minima, paths, and the start that can be moved. */
function drawMap(sheet, ground, { setting, place, runs, start }, dark) {
  const { g, width, height } = sheet.begin();
  const [left, right, bottom, top] = place.view;
  ground.prepare(setting, place, dark);
  ground.draw(g, width, height, dark);
  const put = ([x, y]) => [(x - left) / (right - left) * width, (top - y) / (top - bottom) * height];
  g.strokeStyle = dark ? "#ffffff" : "#000000";
  g.lineWidth = 1.6;
  for (const [x, y] of place.minima.map(put)) {
    g.beginPath();
    g.moveTo(x - 6, y);
    g.lineTo(x + 6, y);
    g.moveTo(x, y - 6);
    g.lineTo(x, y + 6);
    g.stroke();
  }
  runs.forEach(({ optimizer, path }, k) => {
    const points = path.points.map(put);
    const gone = points.findIndex((point) => Math.max(...point.map(Math.abs)) > FARTHEST * width);
    drawPath(g, gone < 0 ? points : points.slice(0, gone + 1), k, colourOf(optimizer.name, dark));
  });
  const [x, y] = put(start);
  g.fillStyle = dark ? "#000000" : "#ffffff";
  g.strokeStyle = dark ? "#ffffff" : "#000000";
  g.lineWidth = 2;
  g.beginPath();
  g.arc(x, y, 7, 0, 7);
  g.fill();
  g.stroke();
}

/** A path: a line, a dot after each step, a larger one where it is now. The first is solid
 *  with round dots, the second dashed with square ones. */
function drawPath(g, points, k, colour) {
  g.strokeStyle = g.fillStyle = colour;
  g.lineWidth = 2;
  g.setLineDash(DASHES[k]);
  g.beginPath();
  for (const [x, y] of points) g.lineTo(x, y);
  g.stroke();
  g.setLineDash([]);
  points.forEach((point, n) => drawDot(g, point, k, n === points.length - 1 ? 5.5 : 2.6));
}

function drawDot(g, [x, y], k, radius) {
  g.beginPath();
  if (k) g.rect(x - radius, y - radius, 2 * radius, 2 * radius);
  else g.arc(x, y, radius, 0, 7);
  g.fill();
}

/** The powers of ten from below the lowest to above the highest loss, thinned out. */
function powersOfTen(losses) {
  const seen = losses.map((loss) => Math.log10(Math.max(LOWEST, Math.min(HIGHEST, loss))));
  const low = Math.floor(Math.min(...seen) - 1e-9);
  const high = Math.max(low + 1, Math.ceil(Math.max(...seen)));
  const pitch = Math.ceil((high - low) / 5);
  const marks = [];
  for (let power = high; power >= low; power -= pitch) marks.push(power);
  return { low: marks.at(-1), high, marks };
}

const RAISED = { "-": "\u207b", 0: "\u2070", 1: "\u00b9", 2: "\u00b2", 3: "\u00b3", 4: "\u2074", 5: "\u2075", 6: "\u2076", 7: "\u2077", 8: "\u2078", 9: "\u2079" };
const tenTo = (power) => `10${[...String(power)].map((sign) => RAISED[sign]).join("")}`;

/** The loss of each path against the step, with a logarithmic axis. */
function drawLosses(sheet, runs, count, colours, dark) {
  const { g, width, height } = sheet.begin();
  const [x0, x1, y0, y1] = [44, width - 10, 22, height - 20];
  const { low, high, marks } = powersOfTen(runs.flatMap(({ path }) => path.losses));
  const longest = Math.max(10, count);
  const px = (step) => x0 + (x1 - x0) * step / longest;
  const py = (loss) => y1 - (y1 - y0) * (Math.log10(Math.max(LOWEST, Math.min(HIGHEST, loss))) - low) / (high - low);
  g.font = FONT;
  g.textBaseline = "middle";
  g.lineWidth = 1;
  g.strokeStyle = colours.line;
  g.fillStyle = colours.quiet;
  g.textAlign = "right";
  for (const power of marks) {
    g.beginPath();
    g.moveTo(x0, py(10 ** power));
    g.lineTo(x1, py(10 ** power));
    g.stroke();
    g.fillText(tenTo(power), x0 - 6, py(10 ** power));
  }
  g.textAlign = "left";
  g.fillText("loss", x0, 8);
  g.textAlign = "center";
  for (const step of ticks(longest, 4)) g.fillText(String(step), Math.min(px(step), x1 - 8), y1 + 12);
  g.textAlign = "right";
  g.fillText("step", x1, 8);
  runs.forEach(({ optimizer, path }, k) => {
    g.strokeStyle = g.fillStyle = colourOf(optimizer.name, dark);
    g.lineWidth = 2;
    g.setLineDash(DASHES[k]);
    g.beginPath();
    path.losses.forEach((loss, step) => g.lineTo(px(step), py(loss)));
    g.stroke();
    g.setLineDash([]);
    drawDot(g, [px(path.losses.length - 1), py(path.losses.at(-1))], k, 4.5);
  });
}
