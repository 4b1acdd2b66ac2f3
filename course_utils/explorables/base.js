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

/** The colours of text and lines under the current theme, from base.css. */
function inks(root) {
  const style = getComputedStyle(root);
  const read = (name) => style.getPropertyValue(`--course-${name}`).trim();
  return { ink: read("ink"), quiet: read("quiet"), line: read("line"), fill: read("fill") };
}

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
