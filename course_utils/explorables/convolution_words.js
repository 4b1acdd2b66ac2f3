// The words of a convolution: the sum written out, the output size, a sentence.

/** The cell of a mode's grid whose sum takes the most letters, and its products. */
function longestSum(setting, tables, mode, all) {
  const [rows, columns] = targetShape(setting, mode);
  let longest = { letters: -1 };
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const products = productsOf(all, mode, [row, column]);
      const letters = writeSum(tables, mode, products).terms.join(" + ").length;
      if (letters > longest.letters) longest = { letters, products, place: [row, column] };
    }
  return longest;
}

/** The sum of a cell, term by term; terms of one row of a window keep together. */
function drawSum(box, name, { terms, left, total }, products, group) {
  const lines = [];
  terms.forEach((term, k) => {
    const { inside } = products[k];
    const quiet = inside ? "" : " course-convolution-zero";
    if (k % group === 0) lines.push(element("span", { class: "course-convolution-group" }));
    lines.at(-1).append(k ? " + " : "",
      element("span", { class: `course-convolution-term${quiet}` }, term));
  });
  if (left) lines.push(element("span", { class: "course-convolution-group" }, `+ ${left} more`));
  const result = element("span", { class: "course-convolution-group" }, `${terms.length ? "" : "nothing "}= `, element("b", {}, total));
  box.replaceChildren(element("span", { class: "course-convolution-group" }, element("b", {}, name), " ="), ...lines, result);
}

/** The formula of the output size with its numbers, or why there is no output. */
export function sizeText(setting) {
  const { height, width, kernel, stride, padding, dilation } = setting;
  const reach = span(setting);
  const small = Math.min(height, width);
  if (reach > small + 2 * padding) {
    const gaps = dilation > 1 ? `, D(K \u2212 1) + 1 = ${dilation}\u00b7(${kernel} \u2212 1) + 1,` : "";
    const room = padding ? ` even with ${padding} of padding on each side` : "";
    return `The kernel does not fit: it spans ${reach} cells${gaps} and the input has ${small + 2 * padding}${room}. ` +
      "Take a smaller kernel or dilation, or more padding.";
  }
  const line = (letter, size) => `${letter}\u2032 = \u230a(${letter} + 2P \u2212 D(K \u2212 1) \u2212 1) / S\u230b + 1 = ` +
    `\u230a(${size} + 2\u00b7${padding} \u2212 ${dilation}\u00b7(${kernel} \u2212 1) \u2212 1) / ${stride}\u230b + 1 = ${outputSize(size, setting)}`;
  return line("H", height) + (width === height ? "" : `; ${line("W", width)}`);
}

/** A sentence about the chosen cell. */
export function describe(setting, mode, [row, column], products, unreadCount) {
  const { height, width, stride, dilation, padding } = setting;
  const at = `[${row}, ${column}]`;
  const zeros = products.filter(({ inside }) => !inside).length;
  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const missed = unreadCount ? ` ${plural(unreadCount, "input cell")} (hatched) ${unreadCount === 1 ? "is" : "are"} read by no output.` : "";
  if (mode === "forward") {
    const padded = zeros ? `; ${zeros} of them ${zeros === 1 ? "is" : "are"} padding, a zero` : "";
    return `Output ${at} reads the ${plural(products.length, "cell")} under the kernel${padded}.${missed}`;
  }
  if (mode === "weights") {
    const padded = zeros ? ` (${zeros} of them in the padding)` : "";
    return `Weight ${at} met ${plural(products.length, "pair")} of input and error${padded}. On the input the errors lie ` +
      `S = ${stride} apart, as a kernel with dilation ${stride} does; the next weight moves them by D = ${dilation}.`;
  }
  if (!products.length) return `No output read input ${at}: the kernel never lay on it. Its gradient is 0.`;
  const around = span(setting) - 1 - padding;
  const rims = [stride > 1 ? `${plural(stride - 1, "zero")} between them` : "",
    around > 0 ? `${plural(around, "zero")} around them` : "", around < 0 ? `${-around} cut off on each side` : ""];
  const [below, right] = [height, width].map((size) => (size + 2 * padding - span(setting)) % stride);
  const more = below || right ? ` (${below} more below and ${right} more on the right, for the rest that the stride left)` : "";
  const layout = (rims.filter(Boolean).join(" and ") || "no zeros between or around them") + more;
  return `Input ${at} was read by ${plural(products.length, "output")}: ${products.length === 1 ? "it" : "each"} sends back its error times the weight between them. ` +
    `The last grid has the same sum: the errors, with ${layout}, under the kernel turned by 180\u00b0.${missed}`;
}
