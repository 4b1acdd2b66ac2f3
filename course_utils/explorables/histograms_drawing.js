// What the layers' histograms look like: a column of bars for each layer, the sizes of
// its numbers on a logarithmic axis, and a dot at their standard deviation.

const FONT = fontOf(14);
const [LOWEST, HIGHEST, BINS] = [-9, 3, 24];          // of log10 |number|
const MOST_LAYERS = 10;                                // drawn of a network
const RAISED = { "-": "\u207b", 0: "\u2070", 1: "\u00b9", 2: "\u00b2", 3: "\u00b3", 6: "\u2076", 9: "\u2079" };

/** The layers of a network that are drawn, from 1: at most ten, evenly spread. */
export function layersShown(depth) {
  const count = Math.min(depth, MOST_LAYERS);
  return Array.from({ length: count }, (_, k) => (count === 1 ? 1 : Math.round(1 + k * (depth - 1) / (count - 1))));
}

/** What the controls ask for, out of all that torch computed: for activations and for
 *  gradients, the shares [layers][BINS + 1] and the standard deviations [layers]. */
export function choose({ shares, spreads }, { activation, norm, depth, gain }, { depths, gains }, layers) {
  const setting = ((activation * 2 + norm) * depths + depth) * gains + gain;
  return [0, 1].map((side) => {
    const first = (setting * 2 + side) * MOST_LAYERS;
    return Array.from({ length: layers }, (_, k) => {
      const at = (first + k) * (BINS + 1);
      return {
        shares: Array.from(shares.subarray(at, at + BINS), (share) => share / 255),
        zeros: shares[at + BINS] / 255,
        std: spreads[first + k],
      };
    });
  });
}

const power = (exponent) => "10" + [...String(exponent)].map((sign) => RAISED[sign]).join("");

/** One side's layers, with the places of the layers that are named below. */
export function drawLayers(sheet, found, layers, color, colours) {
  const { g, width, height } = sheet.begin();
  const [left, right, top, bottom] = [44, width - 6, 10, height - 46];
  const pitch = (right - left) / layers.length;
  const py = (exponent) => bottom - (exponent - LOWEST) / (HIGHEST - LOWEST) * (bottom - top);
  g.font = FONT;
  g.textBaseline = "middle";
  for (let exponent = LOWEST; exponent <= HIGHEST; exponent += 3) {
    g.fillStyle = exponent ? colours.fill : colours.line;
    g.fillRect(left, py(exponent) - 0.5, right - left, 1);
    g.fillStyle = colours.quiet;
    g.textAlign = "right";
    g.fillText(exponent ? power(exponent) : "1", left - 6, py(exponent));
  }
  g.textAlign = "center";
  const tall = (bottom - top) / BINS;
  found.forEach(({ shares, zeros, std }, k) => {
    const middle = left + (k + 0.5) * pitch;
    const most = Math.max(...shares, 1e-9);
    g.fillStyle = color;
    shares.forEach((share, i) => {
      const wide = share / most * pitch * 0.9;
      if (share > 0) g.fillRect(middle - wide / 2, bottom - (i + 1) * tall, wide, tall);
    });
    g.fillStyle = colours.ink;
    if (std > 0) {
      g.beginPath();
      g.arc(middle, py(Math.min(HIGHEST, Math.max(LOWEST, Math.log10(std)))), 4, 0, 7);
      g.fill();
    }
    g.fillStyle = colours.quiet;
    g.fillRect(middle - pitch * 0.4, bottom + 3, pitch * 0.8 * zeros, 6);
    if (layers.length < 7 || k % 2 === 0 || k === layers.length - 1) g.fillText(layers[k], middle, bottom + 20);
  });
  g.fillText("layer", (left + right) / 2, height - 8);
}
