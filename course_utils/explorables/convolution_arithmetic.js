// One convolution of one channel, and its two gradients, product by product.
// A setting is { height, width, kernel, stride, padding, dilation }, whole numbers all.
// A table is { values, width }: numbers row after row; it may be larger than what is used.

const LARGEST_KERNEL = 4, MOST_PADDING = 3;

/** How many cells the kernel spans along an axis: its own and the gaps between them. */
export const span = ({ kernel, dilation }) => dilation * (kernel - 1) + 1;

/** Outputs along an axis of `size` cells; 0 where the kernel does not fit. */
export function outputSize(size, setting) {
  const room = size + 2 * setting.padding - span(setting);
  return room < 0 ? 0 : Math.floor(room / setting.stride) + 1;
}

/** [rows, columns] of the output; [0, 0] where the kernel does not fit. */
export function outputShape(setting) {
  const shape = [outputSize(setting.height, setting), outputSize(setting.width, setting)];
  return shape.includes(0) ? [0, 0] : shape;
}

/** Every product of the convolution: input [r, c] meets weight [a, b] for output [i, j].
 *  `inside` is false where [r, c] lies in the padding. */
export function triples(setting) {
  const { height, width, kernel, stride, padding, dilation } = setting;
  const [rows, columns] = outputShape(setting);
  const found = [];
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      for (let a = 0; a < kernel; a++)
        for (let b = 0; b < kernel; b++) {
          const r = i * stride + a * dilation - padding;
          const c = j * stride + b * dilation - padding;
          found.push({ r, c, a, b, i, j, inside: r >= 0 && r < height && c >= 0 && c < width });
        }
  return found;
}

/** What each mode sums up for: the cell that a product counts towards. */
const TARGET = {
  forward: ({ i, j }) => [i, j],
  backward: ({ r, c }) => [r, c],
  weights: ({ a, b }) => [a, b],
};

/** [rows, columns] of the grid that a mode computes. */
export function targetShape(setting, mode) {
  if (mode === "forward") return outputShape(setting);
  return mode === "backward" ? [setting.height, setting.width] : [setting.kernel, setting.kernel];
}

/** The products that cell [row, column] of a mode's grid is the sum of. */
export function productsOf(all, mode, [row, column]) {
  return all.filter((product) => {
    const [p, q] = TARGET[mode](product);
    return p === row && q === column && (mode !== "backward" || product.inside);
  });
}

/** The two numbers of a product, in the order in which they are written. */
export function factors({ input, kernel, error }, mode, { r, c, a, b, i, j, inside }) {
  const at = ({ values, width }, row, column) => values[row * width + column];
  const value = inside ? at(input, r, c) : 0;
  if (mode === "forward") return [at(kernel, a, b), value];
  return [mode === "backward" ? at(kernel, a, b) : value, at(error, i, j)];
}

/** The grid that a mode computes: the output, or the gradient of input or kernel. */
export function gather(setting, tables, mode) {
  const [rows, columns] = targetShape(setting, mode);
  const values = new Float64Array(rows * columns);
  for (const product of triples(setting)) {
    if (mode === "backward" && !product.inside) continue;
    const [row, column] = TARGET[mode](product);
    const [first, second] = factors(tables, mode, product);
    values[row * columns + column] += first * second;
  }
  return { values, width: columns };
}

/** The errors as the full convolution reads them: S - 1 zeros between them, and around
 *  them D (K - 1) - P (cropped where that is negative). [r, c] of the gradient of the
 *  input is then the turned kernel, its corner on [r, c]. `real` marks errors. */
export function stretch(setting, { values, width }) {
  const [rows, columns] = outputShape(setting);
  const before = span(setting) - 1 - setting.padding;
  const shape = [setting.height, setting.width].map((size) => size + span(setting) - 1);
  const place = (cell, count) => {
    const k = (cell - before) / setting.stride;
    return Number.isInteger(k) && k >= 0 && k < count ? k : null;
  };
  const cells = [];
  for (let row = 0; row < shape[0]; row++)
    for (let column = 0; column < shape[1]; column++) {
      const [i, j] = [place(row, rows), place(column, columns)];
      const real = i !== null && j !== null;
      cells.push({ row, column, real, value: real ? values[i * width + j] : 0 });
    }
  return { rows: shape[0], columns: shape[1], cells };
}

/** Input cells that no output reads: "r,c" of each. */
export function unread(setting, all) {
  const read = new Set(all.map(({ r, c }) => `${r},${c}`));
  const cells = [];
  for (let r = 0; r < setting.height; r++)
    for (let c = 0; c < setting.width; c++) if (!read.has(`${r},${c}`)) cells.push(`${r},${c}`);
  return new Set(cells);
}

/** A typed number, two decimals, from -99 to 99; null where it is none. */
export function typedNumber(text) {
  const plain = text.trim().replace("\u2212", "-").replace(",", ".");
  const value = Number(plain);
  return plain === "" || !(Math.abs(value) <= 99) ? null : Math.round(value * 100) / 100 || 0;
}

/** A number as it is written in a cell: at most two decimals, a true minus sign. */
export function short(value) {
  return String(Number(value.toFixed(2)) || 0).replace("-", "\u2212");
}

/** A sum as it is written out: its terms, and what they add up to. Padding terms are 0.
 *  Beyond `most` terms it is cut, and `left` says how many are not shown. */
export function writeSum(tables, mode, products, most = 48) {
  const bracket = (value) => (value < 0 ? `(${short(value)})` : short(value));
  const pairs = products.map((product) => factors(tables, mode, product));
  const terms = pairs.slice(0, most).map(([first, second]) => `${bracket(first)} \u00d7 ${bracket(second)}`);
  const total = pairs.reduce((sum, [first, second]) => sum + first * second, 0);
  return { terms, left: pairs.length - terms.length, total: String(Number(total.toFixed(4)) || 0).replace("-", "\u2212") };
}
