// The training loop's explorable: its parts, and what its buttons do. The arithmetic is in
// loop_arithmetic.js, the drawing in loop_drawing.js.

const SPEEDS = [["3 lines/s", 1 / 3, true], ["2 batches/s", 1 / 2, false], ["60 batches/s", 0, false]];
const LONGEST = 3000;                                  // batches after which playing stops

/** What the browser got from Python, as typed arrays. */
function readData(model) {
  const bytes = (name) => bytesOf(model.get(name)).slice();
  const names = model.get("classes");
  const [height, width] = [model.get("height"), model.get("width")];
  const [mean, std] = [model.get("mean"), model.get("std")];
  const pixels = bytes("images");
  const start = bytes("weights");
  return {
    names, height, width, pixels,
    inputs: Float64Array.from(pixels, (value) => (value / 255 - mean) / std),
    labels: bytes("labels"),
    weights: start.length ? new Float32Array(start.buffer) : new Float32Array(names.length * height * width),
    bias: new Float64Array(names.length),
    batchSize: model.get("batch_size"),
  };
}

/** The buttons, the speed and the learning rate. */
function makeControls(actions, rate) {
  const play = button("Play", actions.play);
  const speed = control("select", { "aria-label": "speed of playing" },
    ...SPEEDS.map(([text], k) => element("option", { value: k, selected: k === 1 }, text)));
  const slider = control("input", {
    type: "range", min: -4, max: 1, step: 0.05, value: Math.log10(rate), oninput: actions.rate, onchange: actions.keepRate,
  });
  const shown = element("output", { class: "course-loop-rate" });
  const bar = element("div", { class: "course-bar course-loop-bar" },
    element("span", { class: "course-loop-buttons" }, button("Next line", actions.next, "course-main"),
      button("One whole batch", actions.batch), play, speed, button("Reset", actions.reset)),
    element("label", { class: "course-loop-slider" }, "learning rate η ", slider, shown));
  return { bar, play, speed, slider, shown };
}

/** The six lines of the loop, of which one is marked and one can be left out. */
function makeCode(changed) {
  const forget = control("input", { type: "checkbox", onchange: changed });
  const lines = PHASES.map((text) => element("li", {}, element("code", {}, text)));
  lines[CLEAR].append(element("label", {}, forget, " leave out"));
  const box = element("ol", { class: "course-loop-code", "aria-label": "the six lines of the loop" }, ...lines);
  return { box, lines, forget };
}

/** One button for each image of the batch, with its true and its predicted class. */
function makeTiles(count, choose) {
  const tiles = Array.from({ length: count }, (_, n) => {
    const [canvas, mark] = [element("canvas"), element("b", { class: "course-loop-mark" })];
    const [truth, guess] = [element("span"), element("span", { class: "course-loop-guess" })];
    const box = control("button", { type: "button", class: "course-loop-tile", onclick: () => choose(n) },
      element("span", { class: "course-loop-thumb" }, canvas, mark), truth, guess);
    return { box, canvas, mark, truth, guess };
  });
  const title = element("div", { class: "course-heading" });
  const grid = element("div", { class: "course-loop-tiles" }, ...tiles.map((tile) => tile.box));
  return { box: element("div", { class: "course-loop-batch" }, title, grid), title, tiles };
}

/** The selected image and the sheet for its logits and probabilities. */
function makeScores() {
  const portrait = element("canvas", { class: "course-loop-portrait", role: "img" });
  const about = element("span");
  const sheet = paper({ class: "course-loop-bars" });
  const chosen = element("div", { class: "course-loop-chosen" }, portrait, about);
  return { box: element("div", { class: "course-loop-scores" }, chosen, sheet.canvas), portrait, about, sheet };
}

/** The weights of one class and their gradient as pictures, each with its own scale. */
function makePictures(data, choose) {
  const picker = control("select", { onchange: (event) => choose(Number(event.target.value)) },
    ...data.names.map((name, k) => element("option", { value: k }, name)));
  const side = (title, css) => {
    const canvas = element("canvas", { role: "img" });
    const scale = element("span", { class: "course-heading" });
    return { box: element("figure", { class: css }, element("figcaption", {}, title), canvas, scale), canvas, scale };
  };
  const [weights, slope] = [side("weights", "course-loop-weights"), side("their gradient", "course-loop-gradient")];
  slope.canvas.style.borderColor = COLORS.gradient;
  const box = element("div", { class: "course-loop-pictures" }, element("label", {}, "class ", picker),
    element("div", { class: "course-loop-pair" }, weights.box, slope.box),
    element("div", { class: "course-heading" }, "blue below 0, white 0, red above"));
  return { box, picker, weights, slope };
}

class LoopView extends View {
  constructor(model, el) {
    super(model, el, "course-loop", "Explorable: the training loop, one line at a time");
    this.data = readData(model);
    this.playing = false;
    this.makeParts();
    this.reset();
    this.start(this.scores.sheet, this.curves);
  }

  follow() {
    this.controls.slider.value = Math.log10(this.model.get("learning_rate"));
    this.request();
  }

  makeParts() {
    this.controls = makeControls({
      next: () => { this.pause(); this.nextLine(); },
      batch: () => { this.pause(); this.wholeBatch(); },
      play: () => (this.playing ? this.pause() : this.play()),
      reset: () => this.reset(),
      rate: () => this.request(),
      keepRate: () => this.keepRate(),
    }, this.model.get("learning_rate"));
    this.code = makeCode(() => this.request());
    this.batch = makeTiles(this.data.batchSize, (n) => { this.selected = n; this.request(); });
    this.scores = makeScores();
    this.curves = paper({ class: "course-loop-lines" });
    this.pictures = makePictures(this.data, (k) => { this.shown = k; this.request(); });
    this.say = element("div", { class: "course-loop-say", "aria-live": "polite" });
    this.alarm = element("div", { class: "course-loop-alarm", role: "status" });
    this.root.append(
      this.controls.bar,
      element("div", { class: "course-loop-grid" }, this.code.box, this.batch.box, this.scores.box,
        element("div", { class: "course-loop-curves" }, this.curves.canvas), this.pictures.box),
      element("div", { class: "course-loop-foot" }, this.say, this.alarm));
  }

  rate() {
    return 10 ** Number(this.controls.slider.value);
  }

  keepRate() {
    this.keep({ learning_rate: Number(this.rate().toPrecision(3)) });
  }

  reset() {
    this.pause();
    this.run = advance(begin(this.data), this.rate());
    [this.selected, this.shown] = [0, this.run.batchLabels[0]];
    this.pictures.picker.value = this.shown;
  }

  nextLine() {
    advance(this.run, this.rate(), this.code.forget.checked);
  }

  wholeBatch() {
    do this.nextLine(); while (this.run.phase !== STEP);
  }

  play() {
    [this.playing, this.since] = [true, 0];
    write(this.controls.play, "Pause");
    requestAnimationFrame((now) => this.frame(now));
  }

  pause() {
    this.playing = false;
    write(this.controls.play, "Play");
    this.request();
  }

  /** One frame of playing; nothing moves while the slide or cell is out of sight. */
  frame(now) {
    if (!this.playing) return;
    const [, seconds, byLine] = SPEEDS[this.controls.speed.value];
    if (now - this.since >= 1000 * seconds && this.root.offsetParent) {
      this.since = now;
      if (byLine) this.nextLine();
      else this.wholeBatch();
      this.draw();
      if (this.run.losses.length >= LONGEST) this.pause();
    }
    requestAnimationFrame((next) => this.frame(next));
  }

  draw() {
    const { run, data, code, controls } = this;
    const colours = inks(this.root);
    const forget = code.forget.checked;
    this.selected = Math.min(this.selected, run.images.length - 1);
    write(controls.shown, figures(this.rate()));
    controls.slider.setAttribute("aria-valuetext", figures(this.rate()));
    code.lines.forEach((line, k) => {
      if (k === run.phase) line.setAttribute("aria-current", "step");
      else line.removeAttribute("aria-current");
    });
    code.lines[CLEAR].classList.toggle("course-loop-out", forget);
    drawTiles(this.batch, run, data, this.selected);
    drawScores(this.scores, run, data, this.selected, colours);
    drawCurves(this.curves, run, colours);
    drawPictures(this.pictures, run, data, this.shown);
    this.say.setAttribute("aria-live", this.playing ? "off" : "polite");
    write(this.say, describe(run, this.rate(), forget));
    write(this.alarm, overshoots(run) ? "\u26a0 Overshooting: worse than guessing. Lower \u03b7." : "");
  }

  stop() {
    this.playing = false;
    super.stop();
  }
}

export default shows(LoopView);
