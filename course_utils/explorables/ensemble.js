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

class EnsembleView {
  constructor(model, el) {
    this.model = model;
    this.root = stage(el, "course-ensemble", "Explorable: dropout as an ensemble");
    const view = model.get("passed");
    this.numbers = new Uint16Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
    this.request = onceAFrame(() => this.draw());
    this.makeParts();
    this.follow = () => this.request();
    model.on("change", this.follow);
    this.stopWatching = watchLook(this.root, () => this.fit());
    this.fit();
  }

  makeParts() {
    const { model } = this;
    const [rates, most, classes] = model.get("shape");
    this.rate = this.makeSlider("chosen", "dropout rate p", 0, rates - 1);
    this.passes = this.makeSlider("passes", "passes averaged", 1, most);
    this.bars = paper({ class: "course-ensemble-bars", style: `height: ${heightFor(classes)}px` });
    this.distances = paper({ class: "course-ensemble-distances" });
    this.say = steady("course-ensemble-say");
    this.say.node.setAttribute("aria-live", "polite");
    this.keepRoom();
    this.marks = ["mean", "whole"].map((name) => element("i", { class: `course-ensemble-${name}`, "aria-hidden": "true" }));
    const key = (mark, words) => element("span", { class: "course-ensemble-key" }, mark, words);
    this.root.append(
      element("div", { class: "course-ensemble-grid" },
        element("div", { class: "course-ensemble-side" }, ...this.makeImage(), this.rate.box, this.passes.box,
          element("div", { class: "course-heading" }, "distance of their mean from the pass without dropout: half the summed differences"), this.distances.canvas),
        element("div", { class: "course-ensemble-panel" },
          element("div", { class: "course-ensemble-keys" }, key(this.marks[0], "mean of the passes ± standard deviation; a dot is a pass"),
            key(this.marks[1], "one pass without dropout")),
          this.bars.canvas)),
      this.say.box);
  }

  makeImage() {
    const [labels, truth, view, sides] = ["labels", "truth", "image", "sides"].map((name) => this.model.get(name));
    const words = truth < 0 ? [] : [element("figcaption", {}, `label: ${labels[truth]}`)];
    if (!sides.length) return words.length ? [element("div", { class: "course-heading" }, `label: ${labels[truth]}`)] : [];
    const [channels, height, width] = sides;
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const size = height * width;
    const canvas = element("canvas", { class: "course-ensemble-image", role: "img", "aria-label": "the image" });
    const colour = (i) => (channels === 1 ? grey(bytes[i]) : packed([bytes[i], bytes[size + i], bytes[2 * size + i]]));
    paint(canvas, Uint32Array.from({ length: size }, (_, i) => i), { height, width }, colour);
    return [element("figure", {}, canvas, ...words)];
  }

  makeSlider(name, words, min, max) {
    const input = control("input", {
      type: "range", min, max, step: 1, "aria-label": words, disabled: min === max, oninput: () => this.keep({ [name]: Number(input.value) }),
    });
    const shown = element("output");
    const set = (value, text) => {
      input.value = value;
      input.setAttribute("aria-valuetext", text);
      write(shown, text);
    };
    return { set, box: element("label", {}, element("span", {}, words), input, shown) };
  }

  /** The sentence keeps the room of one with the longest names. */
  keepRoom() {
    const [labels, truth, [, most]] = ["labels", "truth", "shape"].map((name) => this.model.get(name));
    const longest = labels.reduce((one, other) => (other.length > one.length ? other : one));
    const numbers = { rows: Array.from({ length: Math.max(2, most) }, () => [1]), mean: [1], spread: [0.55], whole: [1], gap: 0.055, rate: 0.55 };
    write(this.say.room, tell({ ...numbers, labels: [longest], truth: Math.min(0, truth) }));
  }

  keep(traits) {
    for (const [name, value] of Object.entries(traits)) this.model.set(name, value);
    this.model.save_changes();
    this.request();
  }

  fit() {
    this.bars.fit();
    this.distances.fit();
    this.request();
  }

  draw() {
    const read = (name) => this.model.get(name);
    const [shape, chosen, count] = ["shape", "chosen", "passes"].map(read);
    const all = rowsOf(this.numbers, shape, chosen, shape[1]);
    const rows = all.slice(0, count);
    const whole = read("whole")[chosen];
    const found = distances(all, whole);
    const scene = { rows, mean: meanOf(rows), spread: spreadOf(rows), whole, labels: read("labels"), truth: read("truth"),
      rate: read("rates")[chosen], gap: found[count - 1] };
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

  stop() {
    this.request.cancel();
    this.stopWatching();
    this.model.off("change", this.follow);
  }
}

function render({ model, el }) {
  const view = new EnsembleView(model, el);
  return () => view.stop();
}

export default { render };
