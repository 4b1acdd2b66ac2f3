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
  const sheet = paper({ class: "course-polynomial-sheet" });
  const words = element("div", { class: "course-heading" }, title);
  return { box: element("div", { class: "course-polynomial-panel" }, words, sheet.canvas), words, ...sheet };
}

class PolynomialView {
  constructor(model, el) {
    this.model = model;
    this.root = stage(el, "course-polynomial", "Explorable: a polynomial fitted to noisy points");
    this.request = onceAFrame(() => this.draw());
    this.makeParts();
    this.colours = inks(this.root);
    this.follow = () => { this.computed = null; this.request(); };
    model.on("change", this.follow);
    this.stopWatching = watchLook(this.root, () => this.fit());
    this.request();
  }

  makeParts() {
    const keep = (traits) => this.keep(traits);
    this.sliders = Object.fromEntries(Object.keys(RANGES).map((name) => [name, makeSlider(name, keep)]));
    const again = control("button", {
      type: "button", class: "course-main", onclick: () => keep({ seed: (this.model.get("seed") + 1) % 1000 }),
    }, "New sample");
    this.others = control("input", { type: "checkbox", onchange: () => keep({ others: this.others.checked }) });
    this.left = makeSheet("");
    this.right = makeSheet("mean squared error against the degree");
    this.say = steady("course-polynomial-say");
    this.say.node.setAttribute("aria-live", "polite");
    write(this.say.room, sentenceOf({ degree: MOST_DEGREE, train: 0.00123, test: 1.23e+12, best: MOST_DEGREE, floor: 0.0025 }));
    this.root.append(
      element("div", { class: "course-polynomial-bar" }, ...Object.values(this.sliders).map(({ box }) => box), again,
        element("label", {}, this.others, ` fits to ${OTHERS} other samples`)),
      element("div", { class: "course-polynomial-grid" }, this.left.box, this.right.box), this.say.box);
  }

  keep(traits) {
    for (const [name, value] of Object.entries(traits)) this.model.set(name, value);
    this.model.save_changes();
    this.follow();
  }

  fit() {
    this.colours = inks(this.root);
    this.left.fit();
    this.right.fit();
    this.request();
  }

  compute() {
    const [noise, points, seed] = ["noise", "points", "seed"].map((name) => this.model.get(name));
    const sample = draw(points, noise, seed);
    const found = fits(sample, MOST_DEGREE);
    this.computed = { sample, found, measured: errors(sample, found, noise) };
  }

  /** The fits of the chosen degree to other samples; empty unless they are asked for. */
  otherFits(degree) {
    if (!this.model.get("others")) return [];
    const [noise, points, seed] = ["noise", "points", "seed"].map((name) => this.model.get(name));
    return Array.from({ length: OTHERS }, (_, k) => fits(draw(points, noise, seed + 1000 * (k + 1)), degree)[degree]);
  }

  draw() {
    if (!this.computed) this.compute();
    const { model, sliders, computed, colours } = this;
    const [degree, noise] = [model.get("degree"), model.get("noise")];
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

  stop() {
    this.request.cancel();
    this.stopWatching();
    this.model.off("change", this.follow);
  }
}

/** The numbers of the chosen degree in words. */
function sentenceOf({ degree, train, test, best, floor }) {
  const small = (value) => (value < 1e-9 ? "0" : figures(value));
  return `Degree ${degree}: train error ${small(train)}, test error ${small(test)}. `
    + `The noise alone costs ${small(floor)}. For this sample degree ${best} has the smallest test error.`;
}

function render({ model, el }) {
  const view = new PolynomialView(model, el);
  return () => view.stop();
}

export default { render };
