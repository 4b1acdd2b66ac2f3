// The convolution on a grid: its parts, and what its controls do. The arithmetic is in
// convolution_arithmetic.js, the grids in convolution_drawing.js, sums and sentences in
// convolution_words.js.

const MODES = { forward: "Forward", backward: "Backward to x", weights: "Backward to w" };
const CONTROLS = [
  ["kernel_size", "kernel K", 1, LARGEST_KERNEL], ["stride", "stride S", 1, 3],
  ["padding", "padding P", 0, MOST_PADDING], ["dilation", "dilation D", 1, 3],
];
const NUMBERS = ["input", "kernel", "error"];
const SYMBOL = { forward: "y", backward: "\u2202L/\u2202x", weights: "\u2202L/\u2202w" };

/** The buttons of the modes, the four sliders, and the way back to the first numbers. */
function makeControls(act) {
  const modes = Object.entries(MODES).map(([mode, text]) =>
    control("button", { type: "button", onclick: () => act.mode(mode), "data-mode": mode }, text));
  const sliders = CONTROLS.map(([name, text, min, max]) => {
    const shown = element("output");
    const input = control("input", { type: "range", min, max, step: 1, oninput: () => act.setting(name, Number(input.value)) });
    return { name, input, shown, box: element("label", {}, `${text} `, input, shown) };
  });
  const reset = button("Reset", act.reset);
  const box = element("div", { class: "course-bar course-convolution-bar" },
    element("div", { class: "course-toggles course-convolution-modes", role: "group", "aria-label": "direction" }, ...modes),
    ...sliders.map((slider) => slider.box), reset);
  return { box, modes, sliders };
}

/** The grids of a mode, from left to right, as options of Panel. */
function layout(setting, mode) {
  const { height, width, kernel, padding, dilation } = setting;
  const [rows, columns] = outputShape(setting);
  const by = (a, b = a) => `${a} \u00d7 ${b}`;
  const padded = padding ? `, padded ${by(height + 2 * padding, width + 2 * padding)}` : "";
  const made = rows ? by(rows, columns) : "none";
  const input = { rows: height, columns: width, ring: padding };
  const square = { rows: kernel, columns: kernel };
  const spans = dilation > 1 && kernel > 1 ? `, spans ${by(span(setting))}` : "";
  const numbers = { ...input, kind: "edit", label: "input", title: "input x", detail: by(height, width) + padded };
  const weights = { ...square, kind: "edit", label: "kernel", title: "kernel w", detail: by(kernel) + spans };
  const error = { rows, columns, kind: "edit", label: "error", title: `error \u2202L/\u2202y`, detail: made };
  const css = "course-convolution-gradient";
  if (mode === "forward")
    return { input: numbers, kernel: weights, target: { rows, columns, kind: "choose", label: "output", title: "output y", detail: made } };
  if (mode === "weights")
    return { input: numbers, target: { ...square, kind: "choose", label: "gradient of the kernel", title: `gradient ${SYMBOL.weights}`, detail: by(kernel), css }, error };
  const full = { rows: height + span(setting) - 1, columns: width + span(setting) - 1 };
  const last = {
    full: { ...full, kind: "show", label: "errors with zeros between and around them, under the turned kernel",
      title: "the same as a full convolution", detail: `${by(full.rows, full.columns)}, kernel turned by 180\u00b0` },
  };
  return {
    target: { ...input, ring: 0, kind: "choose", label: "gradient of the input", title: `gradient ${SYMBOL.backward}`, detail: by(height, width), css },
    kernel: weights, error, ...(rows ? last : {}),
  };
}

/** The sign before each grid but the first: which way the numbers flow. */
const FLOW = { forward: ["\u2217", "\u2192"], backward: ["\u2190", "\u2217", "="], weights: ["\u2192", "\u2190"] };

class ConvolutionView extends View {
  constructor(model, el) {
    super(model, el, "course-convolution", "Explorable: a convolution on a small grid");
    this.chosen = { forward: [1, 1], backward: [2, 2], weights: [0, 1] };
    this.first = this.traits(...NUMBERS, ...CONTROLS.map(([name]) => name));
    this.hovered = null;
    this.controls = makeControls({
      mode: (mode) => this.keep({ mode, chosen: this.chosen[mode] }), setting: (name, value) => this.keep({ [name]: value }), reset: () => this.keep(this.first),
    });
    this.body = element("div", { class: "course-convolution-body" });
    this.sum = steady("course-convolution-sum");
    this.say = steady("course-say course-convolution-say", { "aria-live": "polite" });
    this.size = element("div", { class: "course-convolution-size", role: "status" });
    this.hint = element("div", { class: "course-heading" });
    this.words = element("div", { class: "course-convolution-words" }, this.sum.box, this.say.box, this.size, this.hint);
    this.root.append(this.controls.box, this.body);
    this.start();
  }

  setting() {
    return { ...this.traits("height", "width", "stride", "padding", "dilation"), kernel: this.model.get("kernel_size") };
  }

  tables() {
    const { width } = this.setting();
    const widths = { input: width, kernel: LARGEST_KERNEL, error: width + 2 * MOST_PADDING };
    return Object.fromEntries(NUMBERS.map((name) => [name, { values: this.model.get(name), width: widths[name] }]));
  }

  /** Build the grids anew where the mode or a size has changed; then draw. */
  follow() {
    const [setting, mode] = [this.setting(), this.model.get("mode")];
    const shape = targetShape(setting, mode);
    this.chosen[mode] = this.model.get("chosen").map((cell, axis) => Math.max(0, Math.min(cell, shape[axis] - 1)));
    const key = JSON.stringify([setting, mode]);
    if (key !== this.arranged) {
      this.arranged = key;
      this.hovered = null;
      this.build(setting, mode);
    }
    this.request();
  }

  build(setting, mode) {
    const options = layout(setting, mode);
    this.grids = Object.fromEntries(Object.entries(options).map(([name, option]) => [name, new Panel(option, {
      choose: (place) => this.choose(place),
      hover: (place) => { this.hovered = place; this.request(); },
      edit: (place, text) => this.edit(name, place, text),
    })]));
    const [rows, columns] = outputShape(setting);
    this.place(Object.values(this.grids), mode, mode === "weights" ? rows * columns : setting.kernel ** 2);
    this.body.style.setProperty("--kernel", setting.kernel);
    this.root.dataset.mode = mode;
    for (const { name, input, shown } of this.controls.sliders) {
      input.value = this.model.get(name);
      write(shown, String(this.model.get(name)));
    }
    for (const button of this.controls.modes) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    const names = { forward: "an output", backward: "a cell of the gradient", weights: "a cell of the gradient" };
    const typed = { forward: "input or kernel", backward: "kernel or error", weights: "input or error" };
    write(this.hint, `Point at ${names[mode]}, or choose it with a click or the arrow keys. Numbers of ${typed[mode]} can be typed over.`);
    const [row, column] = this.chosen[mode];
    if (this.grids.target.rows) this.grids.target.reach(this.grids.target.at(row, column));
  }

  /** Lay the grids out side by side and the words below the lower ones of them. The style
   *  makes the cells as large as the width allows. */
  place(panels, mode, terms) {
    const flow = (k) => element("span", { class: "course-convolution-flow", "aria-hidden": "true" }, FLOW[mode][k - 1]);
    const row = (first, last) => element("div", { class: "course-convolution-row" },
      ...panels.slice(first, last).flatMap((panel, k) => (k ? [flow(first + k), panel.box] : [panel.box])));
    const side = (...parts) => element("div", { class: "course-convolution-side" }, ...parts);
    const full = panels[3] ? [flow(3), panels[3].box] : [];
    if (mode === "backward") this.body.replaceChildren(side(row(0, 3), this.words), ...full);
    else if (terms > 16) this.body.replaceChildren(panels[0].box, flow(1), row(1), this.words);
    else this.body.replaceChildren(panels[0].box, flow(1), side(row(1), this.words));
    const columns = panels.map((panel) => Math.max(2.7, panel.columns + 2 * panel.ring));
    const [first, second, third, fourth = 0] = columns;
    const narrow = mode === "backward" ? Math.max(first + second + third, fourth) : first + Math.max(second, third);
    const style = { across: first + second + third + fourth, gaps: panels.length - 1, narrow, "narrow-gaps": mode === "backward" ? 2 : 1 };
    for (const [name, value] of Object.entries(style)) this.body.style.setProperty(`--${name}`, value);
  }

  choose(place) {
    this.chosen[this.model.get("mode")] = place;
    this.model.set("chosen", place);
    this.model.save_changes();
    this.request();
  }

  /** Take a number from a field as it is typed; leaving the field shows what is kept. */
  edit(name, place, text) {
    if (!place) return this.request();
    const { values, width } = this.tables()[name];
    const value = typedNumber(text);
    this.grids[name].at(...place).number.setAttribute("aria-invalid", String(value === null));
    if (value === null) return;
    this.keep({ [name]: values.map((old, k) => (k === place[0] * width + place[1] ? value : old)) });
  }

  draw() {
    const [setting, tables, mode] = [this.setting(), this.tables(), this.model.get("mode")];
    const fits = outputShape(setting)[0] > 0;
    write(this.size, sizeText(setting));
    this.size.classList.toggle("course-convolution-alarm", !fits);
    const all = triples(setting);
    const missed = unread(setting, all);
    const chosen = this.hovered ?? this.chosen[mode];
    const products = productsOf(all, mode, chosen);
    const looks = new Looks(setting, tables, mode, { products, chosen: fits ? chosen : null, missed });
    for (const [name, panel] of Object.entries(this.grids)) {
      panel.draw(looks.of(name));
      panel.frame(...looks.frame(name));
    }
    this.sum.box.hidden = this.say.box.hidden = !fits;
    if (!fits) return;
    const group = mode === "forward" ? setting.kernel : mode === "weights" ? outputShape(setting)[1] : 1;
    const put = (place, found, sum, say) => {
      const name = `${SYMBOL[mode]}[${place.join(", ")}]`;
      drawSum(sum, name, writeSum(tables, mode, found), found, Math.min(group, 4));
      write(say, describe(setting, mode, place, found, missed.size));
    };
    put(chosen, products, this.sum.node, this.say.node);
    const key = JSON.stringify([setting, mode, tables]);
    if (key === this.reserved) return;
    this.reserved = key;
    const longest = longestSum(setting, tables, mode, all);
    put(longest.place, longest.products, this.sum.room, this.say.room);
  }
}

export default shows(ConvolutionView);
