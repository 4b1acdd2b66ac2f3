// The landscape's explorable: its parts, and what its controls do. The arithmetic is in
// landscape_arithmetic.js, sentences in landscape_words.js, drawing in landscape_drawing.js.

const SHARES = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999, 0.9999];
const DECAYS = [0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
const STEPS_A_SECOND = 12;

/** How the position of a slider and its value belong together. */
const evenly = (step) => ({ step, place: (value) => value, value: (place) => place });
const powers = (step) => ({ step, place: Math.log10, value: (place) => Number((10 ** place).toPrecision(3)) });
const listed = (list) => ({
  step: 1, value: (place) => list[place],
  place: (value) => list.reduce((best, one, k) => (Math.abs(one - value) < Math.abs(list[best] - value) ? k : best), 0),
});
const SETTINGS = {
  eta: ["learning rate η", powers(0.01)], mu: ["momentum μ", listed(SHARES)], rho: ["memory ρ", listed(SHARES)],
  beta1: ["β₁", listed(SHARES)], beta2: ["β₂", listed(SHARES)], eps: ["ε", powers(0.5)],
  decay: ["decay λ", listed(DECAYS)], steepness: ["steepness", powers(0.01)], angle: ["turned by", evenly(5)],
  noise: ["gradient noise", evenly(0.05)], steps: ["steps", evenly(1)],
};

/** A labelled slider for a setting with its value; `set(value)` moves it. */
function makeSlider(name, [low, high], changed) {
  const [words, scale] = SETTINGS[name];
  const text = element("span", {}, words);
  const shown = element("output");
  const input = control("input", {
    type: "range", min: scale.place(low), max: scale.place(high), step: scale.step, "aria-label": words,
    oninput: () => changed(scale.value(Number(input.value))),
  });
  const mark = element("i", { class: "course-landscape-limit", "aria-hidden": "true", hidden: true });
  const track = element("span", { class: "course-landscape-track" }, input, mark);
  const set = (value, unit = "") => {
    const place = scale.place(value);
    if (scale.value(Number(input.value)) !== value) input.value = place;
    input.setAttribute("aria-valuetext", figures(value, 4) + unit);
    write(shown, figures(value, 4) + unit);
  };
  /** Mark a value on the track; one beyond its ends, or none, is not marked. */
  const limit = (value) => {
    mark.hidden = value === null || !(value >= low && value <= high);
    if (mark.hidden) return;
    mark.style.setProperty("--at", (scale.place(value) - scale.place(low)) / (scale.place(high) - scale.place(low)));
  };
  return { box: element("label", {}, text, track, shown), input, text, set, limit };
}

/** What belongs to one optimizer: its name or a choice of names, its sliders, a sentence. */
class Panel {
  constructor(k, model, act) {
    this.title = element("b");
    this.select = control("select", { "aria-label": k ? "second optimizer" : "optimizer", onchange: () => act.choose(k, this.select.value) },
      ...Object.keys(model.get("choices")).map((name) => element("option", { value: name }, name)));
    this.swatch = element("span", { class: `course-landscape-swatch course-landscape-swatch-${k}`, "aria-hidden": "true" });
    this.sliders = Object.fromEntries(["eta", "mu", "rho", "beta1", "beta2", "eps", "decay"].map((name) =>
      [name, makeSlider(name, model.get("ranges")[name], (value) => act.set(k, name, value))]));
    this.say = steady("course-landscape-say");
    write(this.say.room, LONGEST_SENTENCE);
    const head = model.get("choose") ? this.select : this.title;
    this.box = element("div", { class: "course-landscape-panel", role: "group", "aria-label": k ? "second optimizer" : "optimizer" },
      element("div", { class: "course-landscape-head" }, this.swatch, head),
      element("div", { class: "course-landscape-sliders" }, ...Object.values(this.sliders).map((slider) => slider.box)), this.say.box);
  }

  draw({ optimizer, path, limit, curvature }, quadratic, dark) {
    const { name } = optimizer;
    write(this.title, name);
    this.select.value = name;
    this.swatch.style.borderColor = colourOf(name, dark);
    for (const [setting, slider] of Object.entries(this.sliders)) {
      slider.box.hidden = !(setting in optimizer);
      if (setting in optimizer) slider.set(optimizer[setting]);
    }
    this.sliders.eta.limit(limit);
    this.box.classList.toggle("course-landscape-above", path.exploded !== null || (limit !== null && optimizer.eta > limit));
    write(this.say.node, limitSentence(optimizer, limit, curvature, path, quadratic));
  }
}

/** The map, with a button over it that takes the pointer and the arrow keys. */
function makeMap(move) {
  const sheet = paper({ class: "course-landscape-map" });
  const pick = control("button", { type: "button", class: "course-pick course-landscape-pick", "aria-label": "the start of the path; arrow keys move it" });
  const place = (event) => {
    const box = pick.getBoundingClientRect();
    move.to((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  pick.addEventListener("pointerdown", (event) => {
    pick.setPointerCapture(event.pointerId);
    place(event);
  });
  pick.addEventListener("pointermove", (event) => event.buttons & 1 && place(event));
  pick.addEventListener("pointerup", move.done);
  pick.addEventListener("keydown", (event) => {
    const way = arrowOf(event);
    if (way) move.by(way.map((part) => part * (event.shiftKey ? 0.1 : 0.01)));
  });
  return { sheet, box: element("div", { class: "course-landscape-view" }, sheet.canvas, pick) };
}

class LandscapeView extends View {
  constructor(model, el) {
    super(model, el, "course-landscape", "Explorable: paths of optimizers over a landscape");
    this.first = this.traits("surface", "steepness", "angle", "start", "noise", "seed", "steps", "optimizers");
    this.ground = new Ground();
    this.makeParts();
    this.start(this.map.sheet, this.losses);
  }

  makeParts() {
    const { model } = this;
    const slider = (name) => makeSlider(name, model.get("ranges")[name], (value) => this.keep({ [name]: value }));
    this.surface = control("select", { "aria-label": "landscape", onchange: () => this.travel(this.surface.value) },
      ...Object.entries(model.get("surfaces")).map(([name, { title }]) => element("option", { value: name }, title)));
    [this.steepness, this.angle, this.noise] = ["steepness", "angle", "noise"].map(slider);
    this.steps = makeSlider("steps", [0, model.get("most_steps")], (value) => { this.pause(); this.keep({ steps: value }); });
    this.again = button("New noise", () => this.keep({ seed: (model.get("seed") + 1) % 2 ** 31 }));
    this.playing = button("Play", () => (this.timer ? this.pause() : this.play()));
    this.panels = model.get("optimizers").map((_, k) => new Panel(k, model, {
      choose: (n, name) => this.change(n, { name, ...model.get("choices")[name] }),
      set: (n, name, value) => this.change(n, { ...model.get("optimizers")[n], [name]: value }),
    }));
    this.map = makeMap({ to: (x, y) => this.moveTo(x, y), by: (part) => this.moveBy(part), done: () => model.save_changes() });
    this.losses = paper({ class: "course-landscape-losses" });
    this.places = element("div", { class: "course-landscape-places", role: "status" });
    this.root.append(
      element("div", { class: "course-bar course-landscape-bar" }, element("label", {}, "landscape ", this.surface),
        this.steepness.box, this.angle.box, this.noise.box, this.again),
      element("div", { class: "course-landscape-grid" },
        element("div", { class: "course-landscape-side" }, this.map.box,
          element("div", { class: "course-bar course-landscape-run" }, button("Step", () => this.step(), "course-main"), this.playing,
            button("Start over", () => { this.pause(); this.keep({ steps: 0 }); }),
            button("Reset", () => { this.pause(); this.keep(this.first); }), this.steps.box)),
        element("div", { class: "course-landscape-side" }, ...this.panels.map((panel) => panel.box), this.losses.canvas)),
      this.places,
      element("div", { class: "course-heading" }, `Drag the start, or move it with the arrow keys. + is a minimum.${this.panels.length > 1 ? " Both paths get the same noise." : ""}`));
  }

  change(k, optimizer) {
    this.keep({ optimizers: this.model.get("optimizers").map((old, n) => (n === k ? optimizer : old)) });
  }

  travel(surface) {
    const { steepness, start } = this.model.get("surfaces")[surface];
    this.pause();
    this.keep({ surface, steepness, start });
  }

  /** Put the start at parts of the width and of the height of the map. */
  moveTo(x, y, save = false) {
    const [left, right, bottom, top] = this.place().view;
    const within = (part) => Math.min(1, Math.max(0, part));
    const tidy = (value) => Number(value.toFixed(4));
    this.keep({ start: [tidy(left + within(x) * (right - left)), tidy(top - within(y) * (top - bottom))] }, save);
  }

  moveBy([across, up]) {
    const [left, right, bottom, top] = this.place().view;
    const [x, y] = this.model.get("start");
    this.moveTo((x - left) / (right - left) + across, (top - y) / (top - bottom) - up, true);
  }

  place() {
    return this.model.get("surfaces")[this.model.get("surface")];
  }

  step() {
    this.pause();
    this.keep({ steps: Math.min(this.model.get("most_steps"), this.model.get("steps") + 1) });
  }

  play() {
    if (this.model.get("steps") >= this.model.get("most_steps")) this.keep({ steps: 0 }, false);
    write(this.playing, "Pause");
    this.timer = setInterval(() => this.tick(), 1000 / STEPS_A_SECOND);
  }

  /** One step of playing; nothing moves while the slide or cell is out of sight. */
  tick() {
    if (!this.root.offsetParent) return;
    const steps = this.model.get("steps") + 1;
    this.keep({ steps }, false);
    const over = this.runs.every(({ path }) => path.exploded !== null);
    if (over || steps >= this.model.get("most_steps")) this.pause();
  }

  pause() {
    if (this.timer) this.model.save_changes();
    clearInterval(this.timer);
    this.timer = null;
    write(this.playing, "Play");
  }

  draw() {
    const { surface: name, steepness, angle, steps, optimizers } = this.traits("surface", "steepness", "angle", "steps", "optimizers");
    const place = this.place();
    const setting = { name, steepness, angle: name === "bowl" ? angle : 0 };
    const options = this.traits("start", "noise", "seed");
    const { steepest } = surfaceOf(setting);
    const runs = this.runs = optimizers.map((optimizer) => {
      const path = follow(setting, optimizer, options, steps);
      const curvature = steepest(path.points.at(-1));
      return { optimizer, path, curvature, limit: stableRate(optimizer, curvature) };
    });
    const [dark, colours] = [isDark(this.root), inks(this.root)];
    this.surface.value = name;
    write(this.steepness.text, place.words);
    this.steepness.input.setAttribute("aria-label", place.words);
    this.steepness.set(steepness);
    this.angle.box.hidden = name !== "bowl";
    this.angle.set(angle, "°");
    this.noise.set(options.noise);
    this.again.disabled = options.noise === 0;
    this.steps.set(steps);
    this.panels.forEach((panel, k) => panel.draw(runs[k], name === "bowl", dark));
    this.losses.fit();                                 // another optimizer has other sliders
    drawMap(this.map.sheet, this.ground, { setting, place, runs, start: options.start }, dark);
    drawLosses(this.losses, runs, steps, colours, dark);
    const alike = new Set(runs.map(({ optimizer }) => optimizer.name)).size < runs.length;
    const said = runs.map(({ optimizer, path }, k) =>
      placeSentence(optimizer.name + (alike ? [" (solid)", " (dashed)"][k] : ""), path, place.view));
    this.map.sheet.canvas.setAttribute("aria-label", `map of the ${place.title}; ${said.join("; ")}`);
    this.losses.canvas.setAttribute("aria-label", `loss against the step; ${said.join("; ")}`);
    this.places.setAttribute("aria-live", this.timer ? "off" : "polite");
    write(this.places, `${said.join(". ")}.`);
  }

  stop() {
    this.pause();
    super.stop();
  }
}

export default shows(LandscapeView);
