// The explorable of activations and gradients in deep networks before any training: its
// parts, and what its controls do. torch has computed everything it can show.

const SIDES = [["activations", COLORS.train], ["gradients", COLORS.gradient]];

/** A slider over a list of values, with the chosen one beside it. */
function makeSlider(name, count, moved) {
  const input = control("input", { type: "range", min: 0, max: count - 1, step: 1, oninput: () => moved(Number(input.value)) });
  const shown = element("output", { class: "course-histograms-value" });
  return { input, shown, box: element("label", {}, `${name} `, input, shown) };
}

/** How the gain is written: √2 is He's. */
function nameOf(gain) {
  if (Math.abs(gain - Math.SQRT2) < 1e-6) return "√2 / √n (He)";
  if (gain === 1) return "1 / √n (Xavier)";
  return `${figures(gain)} / √n`;
}

class HistogramsView extends View {
  constructor(model, el) {
    super(model, el, "course-histograms", "Explorable: activations and gradients through a deep network");
    this.lists = this.traits("depths", "gains", "activations");
    this.tables = {
      shares: bytesOf(model.get("shares")),
      spreads: new Float64Array(bytesOf(model.get("spreads")).slice().buffer),
    };
    this.makeParts();
    this.start(...this.papers);
  }

  makeParts() {
    const { depths, gains, activations } = this.lists;
    this.depth = makeSlider("depth", depths.length, (k) => this.keep({ depth: depths[k] }));
    this.gain = makeSlider("std of weights", gains.length, (k) => this.keep({ gain: gains[k] }));
    this.activation = control("select", { onchange: () => this.keep({ activation: this.activation.value }) },
      ...activations.map((name) => element("option", { value: name }, name)));
    this.norm = control("input", { type: "checkbox", onchange: () => this.keep({ norm: this.norm.checked }) });
    this.papers = SIDES.map(([name]) => {
      const sheet = paper({ class: "course-sheet" });
      return { ...sheet, box: element("div", { class: "course-panel" }, element("div", { class: "course-heading" }, name), sheet.canvas) };
    });
    this.say = steady("course-say course-histograms-say", { "aria-live": "polite" });
    const widest = { shares: [], zeros: 0.888, std: 8.88e-88 };
    write(this.say.room, sentenceOf(88, [[widest, widest], [widest, widest]]));
    this.root.append(
      element("div", { class: "course-bar course-histograms-bar" }, this.depth.box, this.gain.box,
        element("label", {}, "activation ", this.activation), element("label", {}, this.norm, " batch norm")),
      element("div", { class: "course-columns course-histograms-grid" }, ...this.papers.map(({ box }) => box)),
      element("div", { class: "course-histograms-key" },
        "bars: how many numbers have this size · dot: their standard deviation · grey bar below: the share that is exactly 0"),
      this.say.box);
  }

  draw() {
    const { depths, gains, activations } = this.lists;
    const { depth, gain, activation, norm } = this.traits("depth", "gain", "activation", "norm");
    const colours = inks(this.root);
    const place = {
      depth: depths.indexOf(depth), gain: gains.indexOf(gain),
      activation: activations.indexOf(activation), norm: Number(norm),
    };
    this.depth.input.value = place.depth;
    this.gain.input.value = place.gain;
    write(this.depth.shown, `${depth} layers`);
    write(this.gain.shown, nameOf(gain));
    this.depth.input.setAttribute("aria-valuetext", `${depth} layers`);
    this.gain.input.setAttribute("aria-valuetext", nameOf(gain));
    this.activation.value = activation;
    this.norm.checked = norm;
    const layers = layersShown(depth);
    const found = choose(this.tables, place, { depths: depths.length, gains: gains.length }, layers.length);
    SIDES.forEach(([name, color], side) => {
      drawLayers(this.papers[side], found[side], layers, color, colours);
      const words = layers.map((layer, k) => `layer ${layer} ${figures(found[side][k].std, 2)}`).join(", ");
      this.papers[side].canvas.setAttribute("aria-label", `Standard deviations of the ${name}: ${words}`);
    });
    write(this.say.node, sentenceOf(depth, found));
  }
}

/** The first and the last layer in words. */
function sentenceOf(depth, [activations, gradients]) {
  const spread = (layer) => figures(layer.std, 2);
  return `Standard deviation of the activations: ${spread(activations[0])} in layer 1, ${spread(activations.at(-1))} in layer ${depth}. `
    + `Of the gradients: ${spread(gradients.at(-1))} in layer ${depth}, ${spread(gradients[0])} in layer 1. `
    + `Exactly 0 in layer ${depth}: ${Math.round(100 * activations.at(-1).zeros)} % of the activations.`;
}

export default shows(HistogramsView);
