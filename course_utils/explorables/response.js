// The response surface's explorable: its parts, and what its controls do. Arithmetic is
// in response_arithmetic.js, the drawing in response_drawing.js.

const STEP = 0.02;                                     // of an axis, of an arrow key
const SAME = 0.002;                                    // points so near are one

/** What the reader is told. `trial` is null before the first point. */
export function tellTrials({ count, budget, trial, best, what }) {
  if (!count) return `${budget} points to try. Where is the best ${what}?`;
  const left = count < budget ? "" : " That was the last.";
  return `Point ${count} of ${budget}, ${trial.at}: ${figures(trial.score)}. Best so far: ${figures(best.score)}, point ${best.number}.${left}`;
}

/** How the reader's best compares with the runs of random search and of TPE. */
export function tellOutcome({ count, best, rivals, better, top }) {
  const map = `The best of the whole map (+) is ${figures(top)}.`;
  if (!count) return `Revealed before the first point. ${map}`;
  const than = Object.keys(NAMES).map((name) => {
    const { curves } = rivals[name];
    return `${beaten(curves, count, best.score, better)} of ${curves.length} runs of ${NAMES[name]}`;
  });
  return `Your best after ${count} point${count === 1 ? "" : "s"}, ${figures(best.score)} at ${best.at}, is better than ${than.join(" and ")} with as many points. ${map}`;
}

class ResponseView extends View {
  constructor(model, el) {
    super(model, el, "course-response", "Explorable: searching a hidden surface");
    this.surface = { values: model.get("values"), across: knotsOf(model.get("x").at), up: knotsOf(model.get("y").at) };
    this.findEnds();
    this.cursor = [0.5, 0.5];
    this.shades = new Shades();
    this.makeParts();
    this.start(this.map, this.curves);
  }

  /** The best and the worst of the map lie on measured points: bilinear has no others. */
  findEnds() {
    const { values, across, up } = this.surface;
    const flat = values.flat();
    const ends = [Math.min(...flat), Math.max(...flat)];
    this.range = this.model.get("better") === "lower" ? ends : ends.reverse();
    const best = flat.indexOf(this.range[0]);
    this.peak = [across[best % across.length], up[Math.floor(best / across.length)]];
  }

  makeParts() {
    this.reveal = button("Reveal", () => this.keep({ revealed: true }), "course-main");
    const again = button("Start again", () => { this.cursor = [0.5, 0.5]; this.moved = this.repeated = false; this.keep({ picked: [], revealed: false }); });
    this.boxes = Object.fromEntries(Object.keys(NAMES).map((name) =>
      [name, control("input", { type: "checkbox", checked: true, onchange: () => this.request() })]));
    this.marks = Object.fromEntries(Object.keys(NAMES).map((name) =>
      [name, element("i", { class: `course-response-mark course-response-${name.toLowerCase()}`, "aria-hidden": "true" })]));
    const legends = Object.entries(this.boxes).map(([name, box]) => element("label", {}, box, this.marks[name], NAMES[name]));
    this.curves = paper({ class: "course-response-curves" });
    this.said = steady("course-response-said", { role: "status" });
    this.outcome = steady("course-response-said", { "aria-live": "polite" });
    this.keepRoom();
    const panel = (title, ...parts) => element("div", { class: "course-panel" }, element("div", { class: "course-heading" }, title), ...parts);
    this.root.append(
      element("div", { class: "course-bar course-response-bar" }, this.reveal, again, ...legends),
      element("div", { class: "course-columns course-response-grid" },
        panel(`${this.model.get("what")}, once revealed: lighter is better`, this.makeMap()),
        panel("best so far · line: median of the runs · band: eight of ten runs", this.curves.canvas)),
      this.said.box, this.outcome.box,
      element("div", { class: "course-heading" }, "Click on the map to try a point, or move the cursor with the arrow keys (Shift: far) and press Enter."));
  }

  /** The map, with a button over it that takes the pointer and the keys. */
  makeMap() {
    this.map = paper({ class: "course-response-map" });
    this.pick = control("button", {
      type: "button", class: "course-pick course-response-pick",
      onclick: (event) => this.clicked(event), onkeydown: (event) => this.pressed(event),
      onfocus: () => this.request(), onblur: () => this.request(),
    });
    for (const [side, width] of Object.entries(EDGES)) this.pick.style[side] = `${width}px`;
    return element("div", { class: "course-response-view" }, this.map.canvas, this.pick);
  }

  /** The sentences keep the room of the longest ones there can be. */
  keepRoom() {
    const { budget, what, rivals, better } = this.traits("budget", "what", "rivals", "better");
    const best = { score: 0.0123, number: budget, at: `${this.tellPlace([0.5123, 0.5123])}00` };
    write(this.said.room, tellTrials({ count: budget, budget, trial: best, best, what }));
    write(this.outcome.room, tellOutcome({ count: budget, best, rivals, better, top: 0.0123 }));
  }

  tellPlace(place) {
    const said = ["x", "y"].map((name, k) => {
      const { name: words, at } = this.model.get(name);
      return `${words} ${figures(positionAt(at, place[k]), 2)}`;
    });
    return said.join(", ");
  }

  /** A click of the pointer tries the place below it, one of a key that of the cursor. */
  clicked(event) {
    if (this.model.get("revealed")) return;
    if (event.detail) {
      const box = this.pick.getBoundingClientRect();
      const part = (value) => Number(Math.min(1, Math.max(0, value)).toFixed(4));
      this.cursor = [part((event.clientX - box.left) / box.width), part((box.bottom - event.clientY) / box.height)];
    }
    const picked = this.model.get("picked");
    this.repeated = picked.some((one) => one.every((value, k) => Math.abs(value - this.cursor[k]) < SAME));
    this.moved = false;
    if (this.repeated) return this.request();
    const all = [...picked, this.cursor];
    this.keep({ picked: all, revealed: all.length >= this.model.get("budget") });
  }

  pressed(event) {
    const way = arrowOf(event);
    if (!way) return;
    const far = event.shiftKey ? 5 * STEP : STEP;
    this.cursor = this.cursor.map((value, k) => Number(Math.min(1, Math.max(0, value + far * way[k])).toFixed(4)));
    this.moved = true;
    this.repeated = false;
    this.request();
  }

  /** All that is drawn and said, from the model. */
  scene() {
    const given = this.traits("picked", "revealed", "better", "rivals", "x", "y", "budget");
    const { picked, revealed, better } = given;
    const scores = picked.map((place) => valueAt(this.surface, place));
    const best = bestSoFar(scores, better).at(-1);
    const rivals = Object.fromEntries(Object.keys(NAMES).filter((name) => revealed && this.boxes[name].checked)
      .map((name) => [name, given.rivals[name]]));
    const cursor = this.pick.matches(":focus") || this.moved ? this.cursor : null;
    return { ...given, surface: this.surface, range: this.range, peak: this.peak, scores, best, rivals, cursor };
  }

  draw() {
    const scene = this.scene();
    const [dark, colours] = [isDark(this.root), inks(this.root)];
    for (const box of Object.values(this.boxes)) box.disabled = !scene.revealed;
    for (const [name, mark] of Object.entries(this.marks)) mark.style.background = colourOf(LOOKS[name], dark);
    this.reveal.disabled = scene.revealed;
    this.pick.classList.toggle("course-response-over", scene.revealed);
    drawMap(this.map, this.shades, scene, colours, dark);
    drawCurves(this.curves, scene, colours, dark);
    this.speak(scene);
  }

  speak({ scores, picked, best, budget, better, revealed }) {
    const count = scores.length;
    const first = scores.indexOf(best);
    const found = count ? { score: best, number: first + 1, at: this.tellPlace(picked[first]) } : null;
    const trial = count ? { score: scores.at(-1), at: this.tellPlace(picked.at(-1)) } : null;
    const tried = tellTrials({ count, budget, trial, best: found, what: this.model.get("what") });
    const here = this.tellPlace(this.cursor);
    const cursor = !revealed && this.moved ? `Cursor: ${here}. Enter tries it.` : "";
    write(this.said.node, cursor || (this.repeated ? `You have tried ${here} already. It costs no point.` : tried));
    const outcome = revealed ? tellOutcome({ count, best: found, rivals: this.model.get("rivals"), better, top: this.range[0] }) : "";
    write(this.outcome.node, outcome);
    this.pick.setAttribute("aria-label", `map; try the point at the cursor, ${here}`);
    this.map.canvas.setAttribute("aria-label", `map of ${count} tried points${revealed ? `; the best of all lies at ${this.tellPlace(this.peak)}` : ""}`);
    this.curves.canvas.setAttribute("aria-label", `best so far against the number of points; ${outcome || tried}`);
  }
}

export default shows(ResponseView);
