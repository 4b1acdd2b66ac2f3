// Shared by all explorables: Python puts this text in front of each one's own scripts
// (see base.py), so its functions are simply there. COLORS comes from course_utils.plots.

/** Make an element: element("button", { class: "x", onclick: f }, "text", child, ...). */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** The outermost element of an explorable. Keys pressed in it stay in it: neither
 *  JupyterLab's command mode nor a slide deck may take the arrows or the space bar. */
function stage(el, name, label) {
  const root = element("div", { class: `course-explorable ${name}`, role: "group", "aria-label": label });
  root.addEventListener("keydown", (event) => {
    if (event.target.matches("button, input, select") && !event.ctrlKey && !event.metaKey && event.key !== "Escape")
      event.stopPropagation();
  });
  el.append(root);
  return root;
}

/** A control whose keys JupyterLab leaves alone. */
function control(tag, attributes, ...children) {
  return element(tag, { "data-lm-suppress-shortcuts": "true", ...attributes }, ...children);
}

function button(text, action, css) {
  return control("button", { type: "button", class: css, onclick: action }, text);
}

/** A slider below its words and its value; `range` has min, max and step, `set` moves it. */
function slider(words, range, changed) {
  const input = control("input", { type: "range", "aria-label": words, ...range, oninput: () => changed(Number(input.value)) });
  const shown = element("output");
  const set = (value, text) => {
    input.value = value;
    input.setAttribute("aria-valuetext", text);
    write(shown, text);
  };
  return { set, box: element("label", { class: "course-slider" }, element("span", {}, words), input, shown) };
}

const ARROWS = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

/** The way of an arrow key, [across, up], which then does nothing else; else undefined. */
function arrowOf(event) {
  const way = ARROWS[event.key];
  if (!way || event.ctrlKey || event.metaKey) return undefined;
  event.preventDefault();
  return way;
}

/** Set a text only where it changed: cheap enough for every frame. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Group calls: however often the result is called, `draw` runs once a frame. */
function onceAFrame(draw) {
  let waiting = 0;
  const request = () => {
    waiting ||= requestAnimationFrame(() => { waiting = 0; draw(); });
  };
  request.cancel = () => cancelAnimationFrame(waiting);
  return request;
}

/** A canvas that keeps its CSS size and is sharp on dense screens and scaled slides.
 *  `begin()` clears it and returns { g, width, height } in CSS pixels. */
function paper(attributes) {
  const canvas = element("canvas", { role: "img", ...attributes });
  const size = { width: 0, height: 0 };
  function begin() {
    const scale = Math.max(2, window.devicePixelRatio || 1);
    if (!size.width) fit();
    const [width, height] = [Math.round(size.width * scale), Math.round(size.height * scale)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const g = canvas.getContext("2d");
    g.setTransform(scale, 0, 0, scale, 0, 0);
    g.clearRect(0, 0, size.width, size.height);
    return { g, ...size };
  }
  function fit() {
    [size.width, size.height] = [canvas.clientWidth, canvas.clientHeight];
  }
  return { canvas, begin, fit };
}

/** Call `changed` when `root` gets another size or the page another theme. Returns a stop. */
function watchLook(root, changed) {
  const resize = new ResizeObserver(changed);
  resize.observe(root);
  const theme = new MutationObserver(changed);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"] });
  return () => { resize.disconnect(); theme.disconnect(); };
}

/** What views have in common. A subclass makes its parts in the constructor, calls `start`
 *  last, and has a method `draw()`, which runs once a frame when it was requested. */
class View {
  constructor(model, el, name, label) {
    this.model = model;
    this.root = stage(el, `course-view ${name}`, label);
    this.request = onceAFrame(() => this.draw());
  }

  /** Follow the model from now on. `sheets` are measured when size or theme change. */
  start(...sheets) {
    this.sheets = sheets;
    this.changed = () => this.follow();
    this.model.on("change", this.changed);
    if (sheets.length) this.stopWatching = watchLook(this.root, () => this.fit());
    this.follow();
  }

  /** What to do when a trait has another value. */
  follow() {
    this.request();
  }

  /** The values of these traits by their names. */
  traits(...names) {
    return Object.fromEntries(names.map((name) => [name, this.model.get(name)]));
  }

  /** Keep traits in the model, from where they are drawn, and tell Python. */
  keep(traits, save = true) {
    for (const [name, value] of Object.entries(traits)) this.model.set(name, value);
    if (save) this.model.save_changes();
    this.follow();
  }

  fit() {
    for (const sheet of this.sheets) sheet.fit();
    this.request();
  }

  stop() {
    this.request.cancel();
    this.stopWatching?.();
    this.model.off("change", this.changed);
  }
}

/** What a script exports for a kind of View: its `render`, which returns what stops it. */
function shows(Kind) {
  const render = ({ model, el }) => {
    const view = new Kind(model, el);
    return () => view.stop();
  };
  return { render };
}

/** The colours of text and lines under the current theme, from base.css. */
function inks(root) {
  const style = getComputedStyle(root);
  const read = (name) => style.getPropertyValue(`--course-${name}`).trim();
  return { ink: read("ink"), quiet: read("quiet"), line: read("line"), fill: read("fill") };
}

const isDark = (root) => parseInt(inks(root).ink.slice(1, 3), 16) > 128;

/** The colour of a role, lighter on dark paper. */
function colourOf(role, dark) {
  const channels = [1, 3, 5].map((k) => parseInt(COLORS[role].slice(k, k + 2), 16));
  return `rgb(${channels.map((value) => Math.round(dark ? value + 0.45 * (255 - value) : value))})`;
}

/** The font of texts on a canvas. */
const fontOf = (size) => `${size}px "DejaVu Sans", system-ui, "Segoe UI", Helvetica, Arial, sans-serif`;

// Anchors of ColorBrewer's RdBu from blue to red, as matplotlib's "RdBu_r" has them.
const RED_BLUE = [
  [5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247],
  [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31],
];

/** [r, g, b] of a signed value in -1..1: blue below zero, white at zero, red above. */
function diverging(value) {
  const place = (Math.min(1, Math.max(-1, value)) + 1) * 5;
  const index = Math.min(9, Math.floor(place));
  const [low, high, part] = [RED_BLUE[index], RED_BLUE[index + 1], place - index];
  return low.map((channel, k) => Math.round(channel + part * (high[k] - channel)));
}

// Colours as ImageData keeps them in a Uint32Array, for painting many pixels a frame.
const packed = ([red, green, blue]) => (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
const GREYS = Uint32Array.from({ length: 256 }, (_, value) => packed([value, value, value]));
const SIGNED = Uint32Array.from({ length: 513 }, (_, k) => packed(diverging(k / 256 - 1)));
const grey = (value) => GREYS[value];                                       // 0..255
const signed = (value) => SIGNED[Math.round((value + 1) * 256)];            // -1..1

/** Paint values [height, width], through `colour`, onto a canvas of just that many pixels. */
function paint(canvas, values, { height, width }, colour) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const g = canvas.getContext("2d");
  const image = g.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = colour(values[i]);
  g.putImageData(image, 0, 0);
}

/** The bytes of an array that Python sent. */
const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** Paint an image of bytes, channel after channel, grey or in colour. */
function showImage(canvas, values, { channels, height, width }) {
  const size = height * width;
  const colour = (i) => (channels === 1 ? grey(values[i]) : packed([values[i], values[size + i], values[2 * size + i]]));
  paint(canvas, Uint32Array.from({ length: size }, (_, i) => i), { height, width }, colour);
}

/** A number of three figures for people: 0.0312, 2.3, -14.2, 1,250, 3.1e+6. */
function figures(value, digits = 3) {
  if (!Number.isFinite(value)) return "not a number";
  const rounded = Number(value.toPrecision(digits));
  const size = Math.abs(rounded);
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) return rounded.toExponential().replace("-", "\u2212");
  return rounded.toLocaleString("en-US", { maximumFractionDigits: 10 }).replace("-", "\u2212");
}

/** Round numbers from 0 to about `top`: at most `count` of them after 0. */
function ticks(top, count = 3) {
  const rough = top / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const pitch = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  return Array.from({ length: Math.floor(top / pitch + 1e-9) + 1 }, (_, k) => k * pitch);
}
