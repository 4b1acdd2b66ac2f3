// The augmentations' explorable: its parts, and what its controls do. The arithmetic is in
// augmentations_arithmetic.js.

const DRAWS = 8;
const SLIDERS = {                                      // words, step, highest, unit
  padding: ["crop: padding", 1, 8, "px"],
  flip: ["flip: probability", 0.05, 1, ""],
  erase: ["erase: square", 1, 0, "px"],
  noise: ["noise: std. deviation", 2, 100, ""],
  mixup: ["mixup: partner weight", 0.05, 0.5, ""],
};

/** The strengths in words, and what they came to in these draws. */
export function tell({ padding, flip, erase, noise, mixup }, flipped, draws) {
  const parts = [];
  if (padding) parts.push(`moved by up to ${padding} pixel${padding === 1 ? "" : "s"} each way (${(2 * padding + 1) ** 2} places)`);
  if (flip) parts.push(`mirrored with probability ${figures(flip)} (here ${flipped} of ${draws})`);
  if (erase) parts.push(`a square of ${erase} × ${erase} pixels erased, cut off at the rim`);
  if (noise) parts.push(`noise of standard deviation ${figures(noise)} grey levels`);
  if (mixup) parts.push(`a partner with weight ${figures(mixup)}, and its label with the same weight`);
  return parts.length ? `Each draw: ${parts.join("; ")}.` : "All strengths are 0: each draw is the original.";
}

/** The label of a draw: that of its image, or of both in a blend. */
export function labelOf(labels, chosen, partner, weight) {
  if (!labels.length) return "";
  if (partner === null || labels[partner] === labels[chosen]) return labels[chosen];
  return `${figures(1 - weight)} ${labels[chosen]} + ${figures(weight)} ${labels[partner]}`;
}

/** A canvas with a line of text below it. */
function makeFigure(css) {
  const canvas = element("canvas", { class: "course-augmentations-image", role: "img" });
  const words = element("figcaption");
  return { canvas, words, box: element("figure", { class: css }, canvas, words) };
}

class AugmentationsView extends View {
  constructor(model, el) {
    super(model, el, "course-augmentations", "Explorable: random draws of augmented images");
    this.first = this.traits(...Object.keys(SLIDERS), "seed", "chosen");
    this.readImages();
    this.lucks = new Map();
    this.makeParts();
    this.start();
  }

  readImages() {
    const [count, channels, height, width] = this.model.get("shape");
    const bytes = bytesOf(this.model.get("pixels"));
    const size = channels * height * width;
    this.images = Array.from({ length: count }, (_, n) => ({ values: bytes.subarray(n * size, (n + 1) * size), channels, height, width }));
  }

  makeParts() {
    const { model, images } = this;
    this.sliders = Object.fromEntries(Object.keys(SLIDERS).map((name) => [name, this.makeSlider(name)]));
    this.sliders.mixup.box.hidden = images.length < 2;
    this.choices = images.map((image, n) => {
      const canvas = element("canvas", { class: "course-augmentations-image", "aria-hidden": "true" });
      showImage(canvas, image.values, image);
      const name = `image ${n + 1}${model.get("labels").length ? `, ${model.get("labels")[n]}` : ""}`;
      return control("button", { type: "button", class: "course-augmentations-choice", "aria-label": name, onclick: () => this.keep({ chosen: n }) }, canvas);
    });
    this.original = makeFigure("course-augmentations-original");
    this.draws = Array.from({ length: DRAWS }, () => makeFigure("course-augmentations-draw"));
    this.root.classList.toggle("course-augmentations-bare", !model.get("labels").length);
    this.say = steady("course-say course-augmentations-say", { "aria-live": "polite" });
    write(this.say.room, tell({ padding: 8, flip: 0.55, erase: 28, noise: 100, mixup: 0.55 }, DRAWS, DRAWS));
    this.root.append(
      element("div", { class: "course-bar course-augmentations-bar" },
        element("div", { class: "course-bar course-augmentations-choices", role: "group", "aria-label": "image" }, ...this.choices),
        button("Draw again", () => this.keep({ seed: (model.get("seed") + 1) % 10000 }), "course-main"),
        button("Reset", () => this.keep(this.first))),
      element("div", { class: "course-columns course-augmentations-grid" },
        element("div", { class: "course-augmentations-sliders" }, ...Object.values(this.sliders).map(({ box }) => box)), this.original.box,
        element("div", { class: "course-augmentations-draws" }, ...this.draws.map(({ box }) => box))),
      this.say.box,
      element("div", { class: "course-heading" }, "The random numbers stay while a slider moves; “Draw again” takes new ones."));
  }

  makeSlider(name) {
    const [words, step, most, unit] = SLIDERS[name];
    const [{ height, width }] = this.images;
    const max = name === "erase" ? Math.min(height, width) : most;
    const made = slider(words, { min: 0, max, step }, (value) => this.keep({ [name]: value }));
    return { ...made, set: (value) => made.set(value, `${figures(value)}${unit && `\u00a0${unit}`}`) };
  }

  /** The chance of a stream: kept, for it stays the same while a slider moves. */
  luck(stream) {
    if (this.lucks.size > 4 * DRAWS) this.lucks.clear();
    if (!this.lucks.has(stream)) this.lucks.set(stream, luckOf(stream, this.images[0].values.length));
    return this.lucks.get(stream);
  }

  draw() {
    const { chosen, seed, labels } = this.traits("chosen", "seed", "labels");
    const settings = this.traits(...Object.keys(SLIDERS));
    for (const [name, { set }] of Object.entries(this.sliders)) set(settings[name]);
    this.choices.forEach((choice, n) => choice.setAttribute("aria-pressed", String(n === chosen)));
    const image = this.images[chosen];
    showImage(this.original.canvas, image.values, image);
    this.original.canvas.setAttribute("aria-label", `the original${labels.length ? `, ${labels[chosen]}` : ""}`);
    write(this.original.words, labels.length ? `original: ${labels[chosen]}` : "original");
    let flipped = 0;
    this.draws.forEach(({ canvas, words }, k) => {
      const found = drawOf(this.images, chosen, seed, k, settings, (stream) => this.luck(stream));
      showImage(canvas, found.values, image);
      const label = labelOf(labels, chosen, found.partner, settings.mixup);
      canvas.setAttribute("aria-label", `draw ${k + 1}${found.flipped ? ", mirrored" : ""}${label && `: ${label}`}`);
      write(words, settings.mixup ? label : "");
      flipped += found.flipped;
    });
    write(this.say.node, tell(settings, flipped, DRAWS));
  }
}

export default shows(AugmentationsView);
