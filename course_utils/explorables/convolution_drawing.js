// The grids of a convolution: cells of numbers that are shown, chosen or edited, and what
// each cell looks like in each mode.

/** A light colour of a signed value: blue below 0, white at 0, red above. */
function tint(value, limit) {
  const [red, green, blue] = diverging(limit ? value / limit : 0).map((channel) => Math.round(255 - (255 - channel) / 2));
  return `rgb(${red}, ${green}, ${blue})`;
}

/** A light grey of an input value, darker where it is smaller, as in a grey picture. */
function shade(value, low, high) {
  const level = Math.round(high > low ? 170 + 85 * (value - low) / (high - low) : 255);
  return `rgb(${level}, ${level}, ${level})`;
}

const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** A colour for every value of a grid, by what the grid holds. */
function colouring(values, isInput) {
  if (!isInput) {
    const limit = largest(values);
    return (value) => tint(value, limit);
  }
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  return (value) => shade(value, low, high);
}

/** One cell: a field to type in, a button to choose, or just a number. */
function makeCell({ kind, label, row, column, inside }) {
  const place = `${label}, row ${row}, column ${column}`;
  const share = { class: "course-convolution-number", tabindex: -1, "data-row": row, "data-column": column };
  let number = element("span", { class: "course-convolution-number" });
  if (inside && kind === "edit")
    number = control("input", { ...share, type: "text", inputmode: "decimal", autocomplete: "off", "aria-label": place });
  if (inside && kind === "choose") number = control("button", { ...share, type: "button", "aria-label": place });
  const factor = element("span", { class: "course-convolution-factor" });
  const box = element("div", { class: "course-convolution-cell", role: kind === "show" ? undefined : "gridcell" }, number, factor);
  if (!inside) box.classList.add("course-convolution-padding");
  return { box, number, factor, place, row, column, inside };
}

/** A titled grid of cells. `ring` cells of padding lie around it.
 *  act.choose(place), act.hover(place or null) and act.edit(place, text) tell of readers. */
class Panel {
  constructor({ kind, label, rows, columns, ring = 0, title, detail, css = "" }, act) {
    Object.assign(this, { kind, rows, columns, ring, label, act });
    const across = columns + 2 * ring;
    this.frameBox = element("div", { class: "course-convolution-frame" });
    this.grid = element("div", {
      class: "course-convolution-grid", role: kind === "show" ? "img" : "grid", "aria-label": label,
    }, this.frameBox);
    this.grid.style.setProperty("--columns", across);
    this.cells = [];
    for (let row = -ring; row < rows + ring; row++) {
      const line = element("div", { class: "course-convolution-line", role: kind === "show" ? undefined : "row" });
      for (let column = -ring; column < columns + ring; column++) {
        const inside = row >= 0 && row < rows && column >= 0 && column < columns;
        const cell = makeCell({ kind, label, row, column, inside });
        this.cells.push(cell);
        line.append(cell.box);
      }
      this.grid.append(line);
    }
    this.detail = element("div", { class: "course-heading" }, detail);
    this.box = element("div", { class: `course-convolution-panel ${css}` },
      element("div", { class: "course-convolution-title" }, element("b", {}, title), this.detail), this.grid);
    if (kind !== "show" && rows) this.listen();
  }

  listen() {
    const { grid, act, kind } = this;
    const placeOf = ({ target: { dataset } }) => (dataset?.row ? [Number(dataset.row), Number(dataset.column)] : null);
    this.reach(this.at(0, 0));
    grid.addEventListener("keydown", (event) => this.move(event, placeOf(event)));
    grid.addEventListener("focusin", (event) => {
      const place = placeOf(event);
      this.reach(this.at(...place));
      if (kind === "edit") event.target.select();
      else act.choose(place);
    });
    if (kind === "choose") {
      grid.addEventListener("click", (event) => { if (placeOf(event)) act.choose(placeOf(event)); });
      grid.addEventListener("pointerover", (event) => { if (event.pointerType === "mouse") act.hover(placeOf(event)); });
      grid.addEventListener("pointerleave", () => act.hover(null));
    } else {
      grid.addEventListener("input", (event) => act.edit(placeOf(event), event.target.value));
      grid.addEventListener("focusout", () => act.edit(null));
    }
  }

  at(row, column) {
    const { ring, columns } = this;
    return this.cells[(row + ring) * (columns + 2 * ring) + column + ring];
  }

  /** The one cell of the grid that the tab key reaches. */
  reach(cell) {
    for (const { number, inside } of this.cells) if (inside) number.setAttribute("tabindex", "-1");
    cell.number.setAttribute("tabindex", "0");
  }

  /** Arrow keys go from cell to cell, to the next row at the end of one. */
  move(event, [row, column]) {
    const { rows, columns } = this;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    let next = step && row * columns + column + step;
    if (event.key === "Home") next = row * columns;
    if (event.key === "End") next = row * columns + columns - 1;
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (next >= 0 && next < rows * columns) this.at(Math.floor(next / columns), next % columns).number.focus();
  }

  /** Show in each cell what look(row, column, inside) says: value, colour, factor, marks. */
  draw(look) {
    for (const cell of this.cells) {
      const { value = null, colour = "", factor = "", lit, chosen, unread, hollow } = look(cell.row, cell.column, cell.inside);
      const text = value === null ? "" : short(value);
      if (cell.number.matches("input")) {
        if (cell.number !== cell.number.getRootNode().activeElement) {
          cell.number.value = text;
          cell.number.removeAttribute("aria-invalid");
        }
      } else write(cell.number, text);
      write(cell.factor, factor);
      cell.box.style.background = colour;
      const marks = { lit, chosen, unread, hollow, paired: factor !== "", long: text.length > 4, dense: factor.length > 5 };
      for (const [mark, on] of Object.entries(marks)) cell.box.classList.toggle(`course-convolution-${mark}`, Boolean(on));
      if (cell.number.matches("button")) {
        cell.number.setAttribute("aria-label", `${cell.place}: ${text}${unread ? ", read by no output" : ""}`);
        cell.number.setAttribute("aria-pressed", String(Boolean(chosen)));
      }
    }
  }

  /** A dashed frame from the cell [row, column], padding counted; none where null. */
  frame(place, size) {
    this.frameBox.hidden = !place;
    if (!place) return;
    const [row, column] = place;
    const values = { row: row + this.ring, column: column + this.ring, high: size[0], wide: size[1] };
    for (const [name, value] of Object.entries(values)) this.frameBox.style.setProperty(`--${name}`, value);
  }
}

/** What the cells of every grid look like, given the products of the chosen cell. */
class Looks {
  constructor(setting, tables, mode, { products, chosen, missed }) {
    Object.assign(this, { setting, tables, mode, chosen, missed });
    this.lit = { input: new Map(), kernel: new Map(), error: new Map(), full: new Map() };
    const times = (value) => `\u00d7\u2009${short(value)}`;
    for (const product of products) {
      const { r, c, a, b, i, j } = product;
      const [first, second] = factors(tables, mode, product);
      if (mode !== "backward") this.lit.input.set(`${r},${c}`, times(mode === "forward" ? first : second));
      this.lit.kernel.set(`${a},${b}`, "");
      this.lit.error.set(`${i},${j}`, mode === "backward" ? times(first) : "");
    }
    if (mode === "backward" && chosen) this.turnKernel(times);
  }

  /** The weights of the kernel turned by 180 degrees, on the cells of the full convolution. */
  turnKernel(times) {
    const { setting: { kernel, dilation }, tables: { kernel: { values, width } }, chosen: [r, c] } = this;
    for (let a = 0; a < kernel; a++)
      for (let b = 0; b < kernel; b++) {
        const place = [r + (kernel - 1 - a) * dilation, c + (kernel - 1 - b) * dilation];
        this.lit.full.set(String(place), times(values[a * width + b]));
      }
  }

  of(name) {
    if (name === "target") return this.target();
    if (name === "full") return this.full();
    const { values, width } = this.tables[name];
    const [rows, columns] = this.used(name);
    const used = values.filter((_, k) => k % width < columns && Math.floor(k / width) < rows);
    const colour = colouring(used, name === "input");
    return (row, column, inside) => {
      const key = `${row},${column}`;
      const [lit, factor] = [this.lit[name].has(key), this.lit[name].get(key)];
      if (!inside) return { value: 0, lit, factor };
      const value = values[row * width + column];
      return { value, colour: colour(value), lit, factor, unread: name === "input" && this.missed.has(key) };
    };
  }

  /** [rows, columns] of a table that the setting uses. */
  used(name) {
    const { height, width, kernel } = this.setting;
    return { input: [height, width], kernel: [kernel, kernel], error: outputShape(this.setting) }[name];
  }

  target() {
    const { values, width } = gather(this.setting, this.tables, this.mode);
    const colour = colouring(values, false);
    return (row, column, inside) => {
      if (!inside) return {};
      const value = values[row * width + column];
      const chosen = this.chosen?.[0] === row && this.chosen[1] === column;
      const unread = this.mode === "backward" && this.missed.has(`${row},${column}`);
      return { value, colour: colour(value), chosen, unread };
    };
  }

  full() {
    const { columns, cells } = stretch(this.setting, this.tables.error);
    const colour = colouring(cells.map(({ value }) => value), false);
    return (row, column) => {
      const { value, real } = cells[row * columns + column];
      const factor = this.lit.full.get(`${row},${column}`);
      return { value, colour: real ? colour(value) : "", lit: factor !== undefined, factor, hollow: !real };
    };
  }

  /** Where the dashed frame of a grid lies, and its size in cells. */
  frame(name) {
    const { mode, chosen, setting } = this;
    const { stride, dilation, padding } = setting;
    if (!chosen || name !== (mode === "backward" ? "full" : "input")) return [null];
    if (mode === "backward") return [chosen, [span(setting), span(setting)]];
    const pitch = mode === "forward" ? stride : dilation;
    const corner = chosen.map((cell) => cell * pitch - padding);
    if (mode === "forward") return [corner, [span(setting), span(setting)]];
    return [corner, outputShape(setting).map((count) => (count - 1) * stride + 1)];
  }
}
