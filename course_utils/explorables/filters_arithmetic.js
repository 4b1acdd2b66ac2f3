// A 3 x 3 kernel on a grey picture. A picture is { values, height, width }: numbers row
// after row. As in deep learning the kernel is not turned unless asked (cross-correlation).

/** Where a pixel just outside 0..size - 1 is read from; null for a zero. */
const OUTSIDE = {
  zeros: () => null,
  replicate: (place, size) => Math.max(0, Math.min(size - 1, place)),
  reflect: (place, size) => (place < 0 ? -place : 2 * (size - 1) - place),
};

/** The picture with one more row and column on each side; as it is for padding "none". */
export function pad({ values, height, width }, padding) {
  if (padding === "none") return { values, height, width };
  const padded = new Float64Array((height + 2) * (width + 2));
  const read = (place, size) => (place >= 0 && place < size ? place : OUTSIDE[padding](place, size));
  const [left, right] = [read(-1, width), read(width, width)];
  for (let row = -1; row <= height; row++) {
    const from = read(row, height);
    if (from === null) continue;
    const line = values.subarray(from * width, (from + 1) * width);
    const start = (row + 1) * (width + 2) + 1;
    padded.set(line, start);
    if (left !== null) padded[start - 1] = line[left];
    if (right !== null) padded[start + width] = line[right];
  }
  return { values: padded, height: height + 2, width: width + 2 };
}

/** The sum of nine products at every place that the kernel fits: two rows and columns
 *  fewer. weights: nine numbers, row after row. */
export function correlate({ values, height, width }, weights) {
  const [rows, columns] = [height - 2, width - 2];
  const result = new Float64Array(rows * columns);
  const [a, b, c, d, e, f, g, h, i] = weights;
  for (let row = 0; row < rows; row++)
    for (let column = 0, top = row * width; column < columns; column++, top++) {
      const [middle, low] = [top + width, top + 2 * width];
      result[row * columns + column] =
        a * values[top] + b * values[top + 1] + c * values[top + 2] +
        d * values[middle] + e * values[middle + 1] + f * values[middle + 2] +
        g * values[low] + h * values[low + 1] + i * values[low + 2];
    }
  return { values: result, height: rows, width: columns };
}

/** The kernel as it is laid on the picture: divided, and turned by 180 degrees for the
 *  convolution of mathematics. */
export function effective(weights, divisor, flip) {
  const divided = weights.map((weight) => weight / divisor);
  return flip ? divided.reverse() : divided;
}

/** The picture, padded and correlated with the kernel `times` times in a row. */
export function applyKernel(picture, weights, { padding, times }) {
  let result = { ...picture, values: Float64Array.from(picture.values) };
  for (let turn = 0; turn < times; turn++) result = correlate(pad(result, padding), weights);
  return result;
}

/** Smallest and largest value, and the mean of the outermost pixels. */
export function measure({ values, height, width }) {
  let [low, high, rim, count] = [Infinity, -Infinity, 0, 0];
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const value = values[row * width + column];
      if (value < low) low = value;
      if (value > high) high = value;
      if (row === 0 || column === 0 || row === height - 1 || column === width - 1) {
        rim += value;
        count += 1;
      }
    }
  return { low, high, rim: rim / count };
}

/** The size that 99 of 100 values stay below, from every fourth: the end of a colour scale
 *  that a few strong edges do not make faint. */
export function ninetyNinth({ values }) {
  const sizes = new Float64Array(Math.ceil(values.length / 4));
  for (let k = 0; k < sizes.length; k++) sizes[k] = Math.abs(values[4 * k]);
  sizes.sort();
  return sizes[Math.floor(0.99 * sizes.length)] || sizes.at(-1) || 1;
}

/** How a result is shown: a colour for each value, where its scale ends, and in words. */
export function showing(display, picture) {
  const clip = (value, low, high) => Math.max(low, Math.min(high, value));
  if (display === "clipped") {
    const { low, high } = measure(picture);
    const beyond = low < -0.5 || high > 255.5 ? "; what lies beyond is cut off" : "";
    return { colour: (value) => grey(Math.round(clip(value, 0, 255))), reach: [0, 255], ends: ["0", "255"], text: `black 0, white 255${beyond}` };
  }
  const most = ninetyNinth(picture);
  const end = figures(most);
  if (display === "signed")
    return { colour: (value) => signed(clip(value / most, -1, 1)), reach: [-most, most], ends: [`\u2264 \u2212${end}`, "0", `\u2265 ${end}`],
      text: "blue below 0, white 0, red above" };
  return { colour: (value) => grey(Math.round(clip(Math.abs(value) / most, 0, 1) * 255)), reach: [0, most], ends: ["0", `\u2265 ${end}`],
    text: "size without sign, black 0" };
}

/** What the weights add up to, and what that means. */
export function sumSentence(weights) {
  const sum = Number(weights.reduce((total, weight) => total + weight, 0).toFixed(4)) || 0;
  const written = figures(sum);
  if (sum === 1) return "The weights add up to 1: an even area keeps its brightness.";
  if (sum === 0) return "The weights add up to 0: an even area becomes 0.";
  return `The weights add up to ${written}: an even area is multiplied by ${written}.`;
}

/** What the kernel does turned or not, and what turning does to these nine weights. */
export function flipSentence(weights, flip) {
  const turned = [...weights].reverse();
  const name = flip ? "Flipped: the convolution of mathematics." : "Not flipped: cross-correlation, which deep learning calls convolution.";
  if (weights.every((weight, k) => weight === turned[k])) return `${name} Flipping does not change this kernel.`;
  if (weights.every((weight, k) => weight === -turned[k])) return `${name} Flipping changes the sign of this kernel.`;
  return `${name} Flipping makes another kernel of this one.`;
}
