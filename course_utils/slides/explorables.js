// Explorables (anywidgets) in a deck: their saved state, their script, no kernel.

const states = JSON.parse(document.getElementById("explorable-states").textContent);
const models = new Map();
const styles = new Set();

/** The part of a Jupyter widget's model that an anywidget uses. Nothing is sent. */
class Model {
  constructor(values) {
    this.values = values;
    this.handlers = [];
    this.widget_manager = { get_model: async (id) => modelOf(id.replace("IPY_MODEL_", "")) };
  }
  get(name) {
    return this.values[name];
  }
  set(name, value) {
    const changes = typeof name === "object" ? name : { [name]: value };
    const changed = Object.keys(changes).filter((key) => this.values[key] !== changes[key]);
    Object.assign(this.values, changes);
    for (const key of changed) this.trigger(`change:${key}`, changes[key]);
    if (changed.length) this.trigger("change");
  }
  on(names, handler) {
    for (const name of names.split(" ")) this.handlers.push({ name, handler });
  }
  off(names, handler) {
    const kept = (entry) =>
      (names && !names.split(" ").includes(entry.name)) || (handler && entry.handler !== handler);
    this.handlers = this.handlers.filter(kept);
  }
  trigger(name, value) {
    for (const entry of [...this.handlers]) if (entry.name === name) entry.handler(this, value);
  }
  save_changes() {}
  send() {}
}

/** The bytes that Jupyter stores beside the state, back in their places as DataViews. */
function restore({ state, buffers }) {
  for (const { path, data } of buffers) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const holder = path.slice(0, -1).reduce((place, key) => place[key], state);
    holder[path.at(-1)] = new DataView(bytes.buffer);
  }
  return state;
}

/** The one model with this id: two views of a widget share it. */
function modelOf(id) {
  if (!models.has(id)) {
    const model = new Model(restore(states[id]));
    models.set(id, { model, definition: define(model) });
  }
  return models.get(id).model;
}

/** Import a widget's script and let it initialize; gives its definition. */
async function define(model) {
  const address = URL.createObjectURL(new Blob([model.get("_esm")], { type: "text/javascript" }));
  const script = await import(address);
  URL.revokeObjectURL(address);
  let definition = script.default ?? { render: script.render };
  if (typeof definition === "function") definition = await definition();
  await definition.initialize?.({ model, signal: new AbortController().signal });
  return definition;
}

function addStyle(text) {
  if (!text || styles.has(text)) return;
  styles.add(text);
  const style = document.createElement("style");
  style.textContent = text;
  document.head.append(style);
}

/** Put a running explorable in the place of its picture, once. The place must be visible.
 *  If that fails the picture stays and the console says why. */
async function run(place) {
  if (place.dataset.state) return;
  place.dataset.state = "starting";
  const live = document.createElement("div");
  live.className = "live";
  try {
    const model = modelOf(place.dataset.model);
    addStyle(model.get("_css"));
    const definition = await models.get(place.dataset.model).definition;
    place.append(live);
    place.classList.add("running");
    live.style.width = "720px";
    await definition.render({ model, el: live, signal: new AbortController().signal });
    place.dataset.state = "running";
    new ResizeObserver(() => scaleToPlace(place)).observe(live, { box: "border-box" });
    scaleToPlace(place, [380, 460, 560, 640, 720, 800, 960, 1120]);
  } catch (error) {
    live.remove();
    place.classList.remove("running");
    place.dataset.state = "failed";
    console.error(`explorable ${place.dataset.model} does not run`, error);
  }
}

/** Scale a running explorable to its place; of several widths for its layout, take the
 *  one that shows it largest. */
function scaleToPlace(place, widths) {
  const live = place.querySelector(":scope > .live");
  const [width, height] = [place.clientWidth, place.clientHeight];
  if (!live || !width || !height) return;
  const scaleAt = (layout) => {
    live.style.width = `${layout}px`;
    return Math.min(width / Math.max(layout, live.scrollWidth), height / live.scrollHeight, 2.2);
  };
  const now = parseInt(live.style.width);
  const best = (widths ?? [now]).reduce((a, b) => (scaleAt(b) > scaleAt(a) ? b : a));
  const scale = scaleAt(best);
  const left = Math.max(0, (width - scale * best) / 2);
  live.style.transform = `translate(${left}px, 0) scale(${scale})`;
}
