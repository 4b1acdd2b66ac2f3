// The polynomial fit's explorable: its parts, and what its controls do. The arithmetic is
// in polynomial_arithmetic.js, the drawing in polynomial_drawing.js.

const OTHERS = 20;                                     // further samples, drawn faintly
const RANGES = { degree: [0, MOST_DEGREE, 1], noise: [0, 1, 0.05], points: [15, 200, 1] };
const NAMES = { degree: "degree", noise: "noise σ", points: "points N" };

/** A slider for one trait, with its value beside it. */
function makeSlider(name, changed) {
  const [min, max, step] = RANGES[name];
  const input = control("input", { type: "range", min, max, step, oninput: () => changed({ [name]: Number(input.value) }) });
  const shown = element("output", { class: "course-polynomial-value" });
  return { input, shown, box: element("label", {}, `${NAMES[name]} `, input, shown) };
}

/** A titled sheet to draw on. */
function makeSheet(title) {
  const sheet = paper({ class: "course-sheet" });
  const words = element("div", { class: "course-heading" }, title);
  return { box: element("div", { class: "course-panel" }, words, sheet.canvas), words, ...sheet };
}

class PolynomialView extends View {
  constructor(model, el) {
    super(model, el, "course-polynomial", "Explorable: a polynomial fitted to noisy points");
    this.makeParts();
    this.start(this.left, this.right);
  }

  follow() {
    this.computed = null;
    this.request();
  }

  makeParts() {
    const keep = (traits) => this.keep(traits);
    this.sliders = Object.fromEntries(Object.keys(RANGES).map((name) => [name, makeSlider(name, keep)]));
    const again = button("New sample", () => keep({ seed: (this.model.get("seed") + 1) % 1000 }), "course-main");
    this.others = control("input", { type: "checkbox", onchange: () => keep({ others: this.others.checked }) });
    this.left = makeSheet("");
    this.right = makeSheet("mean squared error against the degree");
    this.say = steady("course-say course-polynomial-say", { "aria-live": "polite" });
    write(this.say.room, sentenceOf({ degree: MOST_DEGREE, train: 0.00123, test: 1.23e+12, best: MOST_DEGREE, floor: 0.0025 }));
    this.root.append(
      element("div", { class: "course-bar course-polynomial-bar" }, ...Object.values(this.sliders).map(({ box }) => box), again,
        element("label", {}, this.others, ` fits to ${OTHERS} other samples`)),
      element("div", { class: "course-columns" }, this.left.box, this.right.box), this.say.box);
  }

  compute() {
    const { noise, points, seed } = this.traits("noise", "points", "seed");
    const sample = draw(points, noise, seed);
    const found = fits(sample, MOST_DEGREE);
    this.computed = { sample, found, measured: errors(sample, found, noise) };
  }

  /** The fits of the chosen degree to other samples; empty unless they are asked for. */
  otherFits(degree) {
    if (!this.model.get("others")) return [];
    const { noise, points, seed } = this.traits("noise", "points", "seed");
    return Array.from({ length: OTHERS }, (_, k) => fits(draw(points, noise, seed + 1000 * (k + 1)), degree)[degree]);
  }

  draw() {
    if (!this.computed) this.compute();
    const { model, sliders, computed } = this;
    const { degree, noise } = this.traits("degree", "noise");
    const colours = inks(this.root);
    for (const [name, { input, shown }] of Object.entries(sliders)) {
      input.value = model.get(name);
      write(shown, figures(model.get(name)));
    }
    this.others.checked = model.get("others");
    write(this.left.words, `thick: the fit · dashed: the truth${model.get("others") ? " · thin: other samples" : ""}`);
    drawFit(this.left, { ...computed, others: this.otherFits(degree) }, degree, colours);
    drawErrors(this.right, computed, degree, noise, colours);
    const words = sentenceOf({ degree, ...computed.measured[degree], best: bestDegree(computed.measured), floor: noise ** 2 });
    write(this.say.node, words);
    this.left.canvas.setAttribute("aria-label", `${model.get("points")} points and the fit of degree ${degree}`);
    this.right.canvas.setAttribute("aria-label", words);
  }
}

/** The numbers of the chosen degree in words. */
function sentenceOf({ degree, train, test, best, floor }) {
  const small = (value) => (value < 1e-9 ? "0" : figures(value));
  return `Degree ${degree}: train error ${small(train)}, test error ${small(test)}. `
    + `The noise alone costs ${small(floor)}. For this sample degree ${best} has the smallest test error.`;
}

export default shows(PolynomialView);
