// A photograph under a 3 x 3 kernel: its parts, and what its controls do. The arithmetic
// is in filters_arithmetic.js.

const PADDINGS = { zeros: "zeros", replicate: "the edge repeated", reflect: "mirrored", none: "none: two rows fewer" };
const DISPLAYS = { clipped: "cut to 0 \u2026 255", signed: "signed, in colour", absolute: "absolute value" };
const MOST_TIMES = 8;

/** A picture with a title above and its grey or coloured scale below. */
function makePicture(title, act) {
  const canvas = element("canvas", { role: "img" });
  const mark = element("span", { class: "course-filters-mark" });
  const [shape, text, ends] = [element("span", { class: "course-heading" }), element("span"), element("span")];
  const bar = element("div", { class: "course-filters-scale" });
  const pick = control("button", { type: "button", class: "course-pick course-filters-pick", "aria-label": `choose a pixel of the ${title}; arrow keys move it` });
  const place = (event) => {
    const box = pick.getBoundingClientRect();
    const share = (at, from, size) => Math.min(0.9999, Math.max(0, (at - from) / size));
    act.pick([share(event.clientY, box.top, box.height), share(event.clientX, box.left, box.width)]);
  };
  pick.addEventListener("pointermove", place);
  pick.addEventListener("pointerdown", place);
  pick.addEventListener("keydown", (event) => {
    const way = arrowOf(event);
    const far = event.shiftKey ? 10 : 1;
    if (way) act.step([-way[1] * far, way[0] * far]);
  });
  const box = element("div", { class: "course-filters-picture" },
    element("div", { class: "course-filters-title" }, element("b", {}, title), " ", shape),
    element("div", { class: "course-filters-view" }, canvas, mark, pick),
    bar, element("div", { class: "course-filters-ends" }, ends), element("div", { class: "course-heading" }, text));
  return { box, canvas, mark, shape, text, ends, bar, title };
}

/** Paint a picture and the scale that its colours follow. */
function drawPicture({ canvas, shape, text, ends, bar, title }, picture, { colour, reach, ends: marks, text: words }) {
  paint(canvas, picture.values, picture, colour);
  const css = Array.from({ length: 11 }, (_, k) => colour(reach[0] + k / 10 * (reach[1] - reach[0])))
    .map((value) => `rgb(${value & 255}, ${(value >> 8) & 255}, ${(value >> 16) & 255})`);
  bar.style.background = `linear-gradient(to right, ${css.join(", ")})`;
  ends.replaceChildren(...marks.map((mark) => element("span", {}, mark)));
  write(shape, `${picture.height} \u00d7 ${picture.width}`);
  write(text, words);
  canvas.setAttribute("aria-label", `the ${title}, ${picture.height} by ${picture.width} pixels; ${words}`);
}

/** A select whose options are texts by their names. */
function makeChoice(label, options, changed) {
  const select = control("select", { onchange: () => changed(select.value) },
    ...Object.entries(options).map(([value, text]) => element("option", { value }, text)));
  return { select, box: element("label", {}, element("span", {}, label), select) };
}

/** The kernel's nine fields, its divisor, and how it is used. */
function makeControls(presets, act) {
  const field = (label, changed) => control("input", { type: "number", step: "any", "aria-label": label, oninput: (event) => changed(event.target) });
  const cells = Array.from({ length: 9 }, (_, k) =>
    field(`weight, row ${Math.floor(k / 3)}, column ${k % 3}`, (input) => act.weight(k, input)));
  const divisor = field("divided by", act.divisor);
  const times = control("input", { type: "range", min: 1, max: MOST_TIMES, step: 1, oninput: () => act.keep({ times: Number(times.value) }) });
  const flip = control("input", { type: "checkbox", onchange: () => act.keep({ flip: flip.checked }) });
  const counted = element("output");
  const padding = makeChoice("padding", PADDINGS, (value) => act.keep({ padding: value }));
  const display = makeChoice("shown", DISPLAYS, (value) => act.keep({ display: value }));
  const buttons = presets.map(({ name, weights, divisor, display }) =>
    button(name, () => act.keep({ weights, divisor, display })));
  const [sum, turned] = [element("div", { class: "course-filters-words" }), element("div", { class: "course-filters-words" })];
  const box = element("div", { class: "course-filters-controls" },
    element("div", { class: "course-filters-kernel" },
      element("div", { class: "course-filters-cells", role: "group", "aria-label": "kernel" }, ...cells),
      element("label", {}, "divided by ", divisor)),
    element("div", { class: "course-filters-options" }, padding.box, display.box,
      element("label", {}, element("span", {}, "applied"), element("span", { class: "course-filters-times" }, times, counted)),
      element("label", { class: "course-filters-flip" }, flip, " flip the kernel (180\u00b0)")),
    element("div", { class: "course-filters-said" }, sum, turned));
  const bar = element("div", { class: "course-bar course-toggles course-filters-bar", role: "group", "aria-label": "kernels" }, ...buttons);
  return { box, bar, buttons, cells, divisor, times, counted, flip, padding, display, sum, turned };
}

class FilterView extends View {
  constructor(model, el) {
    super(model, el, "course-filters", "Explorable: a photograph under a kernel of 3 by 3 weights");
    this.photo = { values: bytesOf(model.get("pixels")), ...this.traits("height", "width") };
    this.chosen = [0.42, 0.44];                        // parts of height and width
    this.controls = makeControls(model.get("presets"), {
      keep: (traits) => this.keep(traits), weight: (k, input) => this.type(input, (value) => this.weight(k, value)),
      divisor: (input) => this.type(input, (value) => value !== 0 && this.keep({ divisor: value })),
    });
    const act = { pick: (place) => { this.chosen = place; this.request(); }, step: (step) => this.step(step) };
    this.before = makePicture("photograph", act);
    this.after = makePicture("result", act);
    this.say = steady("course-filters-say", { "aria-live": "polite" });
    this.root.append(this.controls.bar,
      element("div", { class: "course-filters-grid" }, this.before.box, this.controls.box, this.after.box), this.say.box,
      element("div", { class: "course-heading" }, model.get("source")));
    drawPicture(this.before, this.photo, showing("clipped", this.photo));
    this.photoRim = figures(measure(this.photo).rim);
    this.start();
  }

  follow() {
    this.computed = null;
    this.request();
  }

  /** Take a number as it is typed; what is no number is marked and not taken. */
  type(input, take) {
    const value = Number(input.value);
    const taken = input.value.trim() !== "" && Math.abs(value) <= 1000 && take(value) !== false;
    input.setAttribute("aria-invalid", String(!taken));
  }

  weight(k, value) {
    this.keep({ weights: this.model.get("weights").map((old, place) => (place === k ? value : old)) });
  }

  step([down, right]) {
    const { height, width } = this.computed;
    const move = (part, step, size) => (Math.min(size - 1, Math.max(0, Math.floor(part * size) + step)) + 0.5) / size;
    this.chosen = [move(this.chosen[0], down, height), move(this.chosen[1], right, width)];
    this.request();
  }

  draw() {
    if (!this.computed) this.compute();
    this.drawPixel();
  }

  compute() {
    const { controls, photo } = this;
    const { weights, divisor, flip, padding, times, display, presets } =
      this.traits("weights", "divisor", "flip", "padding", "times", "display", "presets");
    this.kernel = effective(weights, divisor, flip);
    this.computed = applyKernel(photo, this.kernel, { padding, times });
    drawPicture(this.after, this.computed, showing(display, this.computed));
    const fields = [...controls.cells.map((input, k) => [input, weights[k]]), [controls.divisor, divisor]];
    for (const [input, value] of fields)
      if (input !== input.getRootNode().activeElement || Number(input.value) !== value) {
        input.value = Number(value.toPrecision(4));
        input.removeAttribute("aria-invalid");
      }
    const largest = Math.max(...weights.map(Math.abs)) || 1;
    controls.cells.forEach((input, k) => {
      const [red, green, blue] = diverging(weights[k] / largest).map((channel) => 255 - (255 - channel) / 2);
      input.style.background = `rgb(${red}, ${green}, ${blue})`;
    });
    controls.buttons.forEach((button, k) => {
      const preset = presets[k];
      const same = preset.divisor === divisor && preset.weights.every((weight, place) => weight === weights[place]);
      button.setAttribute("aria-pressed", String(same));
    });
    [controls.padding.select.value, controls.display.select.value] = [padding, display];
    [controls.times.value, controls.flip.checked] = [times, flip];
    write(controls.counted, times === 1 ? "once" : `${times} times`);
    write(controls.sum, sumSentence(this.kernel));
    write(controls.turned, flipSentence(weights, flip));
    this.rim = `Mean of the outermost pixels: photograph ${this.photoRim}, result ${figures(measure(this.computed).rim)}.`;
  }

  /** The chosen pixel of the result, and the pixels of the photograph that it depends on. */
  drawPixel() {
    const { computed: { values, height, width }, photo, model } = this;
    const [row, column] = [Math.floor(this.chosen[0] * height), Math.floor(this.chosen[1] * width)];
    const times = model.get("times");
    const corner = model.get("padding") === "none" ? 0 : -times;
    const reach = 2 * times + 1;
    setMark(this.after.mark, [row, column], 1, { height, width });
    setMark(this.before.mark, [row + corner, column + corner], reach, photo);
    const value = figures(values[row * width + column], 4);
    if (times === 1) {
      const window = pad(photo, model.get("padding"));
      this.write(row, column, value, (k) => window.values[(row + Math.floor(k / 3)) * window.width + column + k % 3]);
    } else write(this.say.node, `Result [${row}, ${column}] = ${value}: it depends on ${reach} \u00d7 ${reach} pixels of the photograph. ${this.rim}`);
  }

  /** The sum of nine products at a pixel, and the longest there can be, for its room. */
  write(row, column, value, pixel) {
    const weights = this.kernel.map((weight) => (weight < 0 ? `(${figures(weight)})` : figures(weight)));
    const sum = (read) => weights.map((weight, k) => (this.kernel[k] ? `${weight} \u00d7 ${read(k)}` : "")).filter(Boolean).join(" + ") || "nothing";
    write(this.say.node, `Result [${row}, ${column}] = ${sum(pixel)} = ${value}. ${this.rim}`);
    write(this.say.room, `Result [100, 100] = ${sum(() => 255)} = \u22121,000.0. ${this.rim}`);
  }
}

/** Put a mark around `reach` pixels from [row, column] of a picture, cut at its edges. */
function setMark(mark, [row, column], reach, { height, width }) {
  const share = (from, size) => [100 * Math.max(0, from) / size, 100 * (Math.min(size, from + reach) - Math.max(0, from)) / size];
  const [[top, high], [left, wide]] = [share(row, height), share(column, width)];
  Object.assign(mark.style, { top: `${top}%`, left: `${left}%`, width: `${wide}%`, height: `${high}%` });
}

export default shows(FilterView);
