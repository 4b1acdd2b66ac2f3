// For texts whose length changes while a reader points at things: what lies below them,
// and on a slide everything, would move under the pointer.

/** A text that keeps the room of a longer one: `room` takes the longest text there can be
 *  and stays invisible behind `node`, which has the attributes. `box` holds both. */
function steady(css, attributes = {}) {
  const node = element("div", { class: css, ...attributes });
  const room = element("div", { class: css, "aria-hidden": "true" });
  const stack = element("div", {}, room, node);
  stack.style.display = "grid";
  for (const one of [node, room]) one.style.gridArea = "1 / 1";
  room.style.visibility = "hidden";
  return { node, room, box: element("div", {}, stack) };
}
