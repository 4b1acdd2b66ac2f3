// A question that keeps the reader's guess, and the guess beside what was measured.

/** A whole number as it is, another to four figures, as Python's number_text. */
export function plain(value) {
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(4)));
}

/** The same sentences as `sentence` in prediction.py. */
export function sentence(value, measured, unit = "") {
  if (typeof measured === "string") {
    if (value === null) return `No guess was written down. The answer: ${measured}.`;
    return `Your guess: ${value}. ` + (value === measured ? "That is the answer." : `It is: ${measured}.`);
  }
  const ending = unit ? ` ${unit}` : "";
  const found = `Measured: ${plain(measured)}${ending}.`;
  if (value === null) return `No guess was written down. ${found}`;
  const difference = value - measured;
  const distance = Math.abs(difference) <= 0.01 * Math.abs(measured) ? "They agree to one per cent."
    : `Your guess is ${plain(Math.abs(difference))}${ending} ${difference > 0 ? "above" : "below"} that.`;
  return `Your guess: ${plain(value)}${ending}. ${found} ${distance}`;
}

/** What is wrong with a typed guess, or "" where it can be kept. */
export function objection(text, low, high) {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) return "Type a number first.";
  const [above, below] = [low === null || value >= low, high === null || value <= high];
  if (above && below) return "";
  if (low !== null && high !== null) return `A number from ${plain(low)} to ${plain(high)}, please.`;
  return above ? `At most ${plain(high)}, please.` : `At least ${plain(low)}, please.`;
}

let fields = 0;

/** The field for a number, with its unit and a button. */
function numberField(model, keep) {
  const [low, high, unit] = [model.get("low"), model.get("high"), model.get("unit")];
  const id = `course-prediction-${++fields}`;
  const input = control("input", { id, type: "number", step: "any", min: low ?? undefined, max: high ?? undefined });
  const submit = () => keep(objection(input.value, low, high), Number(input.value));
  input.addEventListener("keydown", (event) => { if (event.key === "Enter") submit(); });
  const box = element("span", { class: "course-prediction-answer" }, input, unit,
    button("Keep my guess", submit, "course-main"));
  const show = (value) => { if (value !== null) input.value = plain(value); };
  return { box, id, show };
}

/** One radio button for each choice. */
function choiceField(model, keep) {
  const name = `course-prediction-${++fields}`;
  const inputs = model.get("choices").map((choice) =>
    control("input", { type: "radio", name, value: choice, onchange: () => keep("", choice) }));
  const box = element("span", { class: "course-prediction-answer" },
    ...inputs.map((input) => element("label", {}, input, ` ${input.value}`)));
  const show = (value) => inputs.forEach((input) => { input.checked = input.value === value; });
  return { box, show };
}

function renderQuestion(model, el) {
  const root = stage(el, "course-prediction", `Your guess: ${model.get("question")}`);
  const note = element("span", { class: "course-prediction-note", "aria-live": "polite" });
  const keep = (problem, value) => {
    write(note, problem);
    if (problem) return;
    model.set("value", value);
    model.save_changes();
    update();
  };
  const field = (model.get("choices").length ? choiceField : numberField)(model, keep);
  const update = () => {
    const value = model.get("value");
    field.show(value);
    const shown = typeof value === "number" ? plain(value) : value;
    write(note, value === null ? "" : `\u2713 Your guess is kept: ${shown}.`);
  };
  root.append(element("div", { class: "course-heading" }, "Predict, then run"),
    element("label", { class: "course-prediction-question", for: field.id }, model.get("question")),
    element("div", { class: "course-prediction-row" }, field.box, note));
  model.on("change:value", update);
  update();
  return () => model.off("change:value", update);
}

/** Two marks on one axis: the guess and the measurement. */
function drawGuess(sheet, colours, guess, measured, low, high) {
  const { g, width, height } = sheet.begin();
  const values = [guess, measured, ...[low, high].filter((value) => value !== null)];
  const [first, last] = [Math.min(...values), Math.max(...values)];
  const margin = last > first ? 0 : 1;
  const px = (value) => 50 + (value - first + margin) / (last - first + 2 * margin) * (width - 100);
  const middle = height / 2;
  g.font = fontOf(12);
  g.lineWidth = 2;
  g.strokeStyle = colours.line;
  g.beginPath();
  g.moveTo(50, middle);
  g.lineTo(width - 50, middle);
  g.stroke();
  g.textAlign = "center";
  g.textBaseline = "middle";
  g.fillStyle = colours.quiet;
  if (low !== null) g.fillText(plain(low), px(low) - 24, middle);
  if (high !== null) g.fillText(plain(high), px(high) + 24, middle);
  for (const [value, color, word, y] of [[guess, COLORS.before, "guess", middle - 16], [measured, COLORS.after, "measured", middle + 17]]) {
    g.fillStyle = color;
    g.beginPath();
    g.arc(px(value), middle, 7, 0, 7);
    g.fill();
    g.fillStyle = colours.ink;
    g.fillText(`${word} ${plain(value)}`, px(value), y);
  }
}

async function renderComparison(model, el) {
  const question = await model.widget_manager.get_model(model.get("prediction").replace("IPY_MODEL_", ""));
  const root = stage(el, "course-comparison", "Your guess and the measurement");
  const text = element("div", { class: "course-comparison-text", "aria-live": "polite" });
  const sheet = paper({ class: "course-comparison-axis", "aria-label": "the guess and the measurement on one axis" });
  root.append(text, sheet.canvas);
  const measured = model.get("answer") ?? model.get("measured");
  const update = () => {
    const value = question.get("value");
    write(text, sentence(value, measured, question.get("unit")));
    sheet.canvas.hidden = value === null || typeof measured === "string";
    if (sheet.canvas.hidden) return;
    sheet.fit();
    if (sheet.canvas.clientWidth) drawGuess(sheet, inks(root), value, measured, question.get("low"), question.get("high"));
  };
  question.on("change:value", update);
  const stopWatching = watchLook(root, onceAFrame(update));
  update();
  return () => { question.off("change:value", update); stopWatching(); };
}

function render({ model, el }) {
  return model.get("question") === undefined ? renderComparison(model, el) : renderQuestion(model, el);
}

export default { render };
