// Start the deck, fit every slide to its frame, and share the keyboard.

const TEXT = { large: 34, preferred: 28, least: 22 }; // large: text alone, with room to spare
const CODE = { preferred: 22, least: 16 };

/** Does anything on the slide need more room than it has? */
function overflows(slide) {
  const wider = (box) => box.scrollWidth > box.clientWidth + 1;
  const boxes = [...slide.querySelectorAll(".body, .column")];
  return (
    boxes.some((box) => wider(box) || box.scrollHeight > box.clientHeight + 1) ||
    [...slide.querySelectorAll("pre, .block")].some((box) => box.checkVisibility() && wider(box))
  );
}

/** Does a slide of text alone leave a third of its body free? */
function isSparse(slide) {
  const [body, last] = [slide.querySelector(".body"), slide.querySelector(".body > .block:last-child")];
  const alone = !slide.querySelector(".block:not(.text, .table), pre, .body img");
  if (!alone || !last || slide.matches(".title")) return false;
  const used = last.offsetTop + last.offsetHeight - body.offsetTop;
  return used < 0.67 * body.offsetHeight && !overflows(slide);
}

/** Fit a visible slide: wide formulas first, then smaller code, and only where that is
 *  not enough smaller text; such a slide is marked as crowded. Pictures get the rest. */
function fit(slide) {
  const size = (name, pixels) => slide.style.setProperty(`--${name}`, `${pixels}px`);
  const pictures = slide.querySelectorAll(".figure > img, .still > img, .live");
  for (const picture of pictures) picture.hidden = true;
  slide.classList.add("fitting");
  slide.classList.remove("wrap");
  delete slide.dataset.crowded;
  const formulas = slide.querySelectorAll('mjx-container[display="true"]');
  for (const text of [TEXT.large, TEXT.preferred]) {
    size("text", text);
    for (const formula of formulas) narrow(formula);
    if (isSparse(slide)) break;
  }
  let code = CODE.preferred;
  size("code", code);
  while (overflows(slide) && code > CODE.least) size("code", --code);
  if (overflows(slide)) slide.classList.add("wrap");
  for (let text = TEXT.preferred; overflows(slide) && text > TEXT.least; ) {
    size("text", --text);
    slide.dataset.crowded = text;
  }
  slide.classList.remove("fitting");
  for (const picture of pictures) enlarge(picture);
}

/** Make a displayed formula as narrow as its line. */
function narrow(formula) {
  formula.style.fontSize = "";
  const share = formula.clientWidth / formula.scrollWidth;
  const preferred = parseFloat(getComputedStyle(formula).fontSize);
  if (share < 1) formula.style.fontSize = `${Math.floor(preferred * share)}px`;
}

/** Show a picture, or a running explorable, as large as its place allows. */
function enlarge(picture) {
  const place = picture.closest(".figure, .place");
  const caption = place.querySelector(":scope > figcaption");
  const height = place.clientHeight - (caption ? caption.offsetHeight + 8 : 0);
  picture.hidden = false;
  if (picture.matches(".live")) return scaleToPlace(place);
  const [wide, high] = [picture.naturalWidth, picture.naturalHeight];
  const scale = Math.min(place.clientWidth / wide, height / high, 2);
  picture.style.width = `${Math.floor(wide * scale)}px`;
  picture.style.height = `${Math.floor(high * scale)}px`;
}

/** Fit the slide that is now shown and start its explorables. */
function show(section) {
  const slide = section.querySelector(":scope > .slide");
  if (!slide) return;
  fit(slide);
  for (const place of slide.querySelectorAll("[data-model]")) run(place);
}

const FIELDS = "input, select, textarea, [contenteditable]";
const PRESSED = "button, summary, a";

/** May reveal.js have this key? Not while it belongs to what has the focus. */
function keyIsFree(event) {
  const target = event.target instanceof Element ? event.target : document.body;
  if (target.closest(FIELDS) || target.closest("[data-model]")) return false;
  return !(target.closest(PRESSED) && [" ", "Enter"].includes(event.key));
}

/** Keys that leave a control: Escape; and page up and down, which presenters send,
 *  turn the slide wherever the focus is. */
function leaveControl(event) {
  const within = event.target instanceof Element && event.target.closest(`${FIELDS}, [data-model]`);
  if (!within || !["Escape", "PageUp", "PageDown"].includes(event.key)) return;
  event.preventDefault();
  event.stopPropagation();
  event.target.blur();
  if (event.key === "PageDown") Reveal.next();
  if (event.key === "PageUp") Reveal.prev();
}

document.addEventListener("keydown", leaveControl, true);
document.addEventListener("toggle", (event) => fit(event.target.closest(".slide")), true);

await MathJax.startup.promise;
await Promise.allSettled([...document.images].map((image) => image.decode()));
// The speaker view copies the notes without this page's styles: leave one form of math.
for (const twin of document.querySelectorAll(".notes mjx-assistive-mml")) twin.remove();

Reveal.on("ready", ({ currentSlide }) => show(currentSlide));
Reveal.on("slidechanged", ({ currentSlide }) => show(currentSlide));
Reveal.on("pdf-ready", () => document.querySelectorAll(".slide").forEach(fit));
await Reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0,
  center: false,
  hash: true,
  navigationMode: "linear",
  transition: "none",
  controlsTutorial: false,
  keyboardCondition: keyIsFree,
  scrollActivationWidth: null,
  pdfMaxPagesPerSlide: 1,
  pdfSeparateFragments: false,
  plugins: [RevealNotes],
});
