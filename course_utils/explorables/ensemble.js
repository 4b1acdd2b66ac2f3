// The ensemble's explorable: its parts, and what its controls do. The arithmetic is in
// ensemble_arithmetic.js, the drawing in ensemble_drawing.js.

/** Mean and single pass in words. */
export function tell({ rows, mean, spread, whole, labels, truth, rate, gap }) {
  const [top, alone] = [largest(mean), largest(whole)];
  const count = rows.length;
  const share = (value) => value.toFixed(2);
  const passes = count === 1
    ? `One pass with p = ${figures(rate)}: ${labels[top]} ${share(mean[top])}.`
    : `Mean of ${count} passes with p = ${figures(rate)}: ${labels[top]} ${share(mean[top])} ± ${share(spread[top])}; ${votes(rows, top)} of the ${count} passes put ${labels[top]} first.`;
  const known = truth < 0 ? "" : ` The label is ${labels[truth]}.`;
  return `${passes} One pass without dropout: ${labels[alone]} ${share(whole[alone])}. Distance: ${figures(gap, 2)}.${known}`;
}

class EnsembleView extends View {
  constructor(model, el) {
    super(model, el, "course-ensemble", "Explorable: dropout as an ensemble");
    this.numbers = new Uint16Array(bytesOf(model.get("passed")).slice().buffer);
    this.makeParts();
    this.start(this.bars, this.distances);
  }

  makeParts() {
    const { model } = this;
    const [rates, most, classes] = model.get("shape");
    this.rate = this.makeSlider("chosen", "dropout rate p", 0, rates - 1);
    this.passes = this.makeSlider("passes", "passes averaged", 1, most);
    this.bars = paper({ class: "course-ensemble-bars", style: `height: ${heightFor(classes)}px` });
    this.distances = paper({ class: "course-ensemble-distances" });
    this.say = steady("course-say course-ensemble-say", { "aria-live": "polite" });
    this.keepRoom();
    this.marks = ["mean", "whole"].map((name) => element("i", { class: `course-ensemble-${name}`, "aria-hidden": "true" }));
    const key = (mark, words) => element("span", { class: "course-ensemble-key" }, mark, words);
    this.root.append(
      element("div", { class: "course-columns course-ensemble-grid" },
        element("div", { class: "course-panel" }, ...this.makeImage(), this.rate.box, this.passes.box,
          element("div", { class: "course-heading" }, "distance of their mean from the pass without dropout: half the summed differences"), this.distances.canvas),
        element("div", { class: "course-panel" },
          element("div", { class: "course-ensemble-keys" }, key(this.marks[0], "mean of the passes ± standard deviation; a dot is a pass"),
            key(this.marks[1], "one pass without dropout")),
          this.bars.canvas)),
      this.say.box);
  }

  makeImage() {
    const { labels, truth, image, sides } = this.traits("labels", "truth", "image", "sides");
    const words = truth < 0 ? [] : [element("figcaption", {}, `label: ${labels[truth]}`)];
    if (!sides.length) return words.length ? [element("div", { class: "course-heading" }, `label: ${labels[truth]}`)] : [];
    const [channels, height, width] = sides;
    const canvas = element("canvas", { class: "course-ensemble-image", role: "img", "aria-label": "the image" });
    showImage(canvas, bytesOf(image), { channels, height, width });
    return [element("figure", {}, canvas, ...words)];
  }

  makeSlider(name, words, min, max) {
    return slider(words, { min, max, step: 1, disabled: min === max }, (value) => this.keep({ [name]: value }));
  }

  /** The sentence keeps the room of one with the longest names. */
  keepRoom() {
    const { labels, truth, shape: [, most] } = this.traits("labels", "truth", "shape");
    const longest = labels.reduce((one, other) => (other.length > one.length ? other : one));
    const numbers = { rows: Array.from({ length: Math.max(2, most) }, () => [1]), mean: [1], spread: [0.55], whole: [1], gap: 0.055, rate: 0.55 };
    write(this.say.room, tell({ ...numbers, labels: [longest], truth: Math.min(0, truth) }));
  }

  draw() {
    const { shape, chosen, passes: count, whole: wholes, rates, labels, truth } =
      this.traits("shape", "chosen", "passes", "whole", "rates", "labels", "truth");
    const all = rowsOf(this.numbers, shape, chosen, shape[1]);
    const rows = all.slice(0, count);
    const whole = wholes[chosen];
    const found = distances(all, whole);
    const scene = { rows, mean: meanOf(rows), spread: spreadOf(rows), whole, labels, truth,
      rate: rates[chosen], gap: found[count - 1] };
    const [dark, colours] = [isDark(this.root), inks(this.root)];
    this.rate.set(chosen, figures(scene.rate));
    this.passes.set(count, String(count));
    this.marks.forEach((mark, k) => { mark.style.background = colourOf(["train", "validation"][k], dark); });
    drawBars(this.bars, scene, colours, dark);
    drawDistances(this.distances, found, count, colours, dark);
    const words = tell(scene);
    write(this.say.node, words);
    this.bars.canvas.setAttribute("aria-label", `probabilities of the classes; ${words}`);
    this.distances.canvas.setAttribute("aria-label", `distance against the number of passes: ${figures(scene.gap, 2)} after ${count}, ${figures(found.at(-1), 2)} after ${found.length}`);
  }
}

export default shows(EnsembleView);
