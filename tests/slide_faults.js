// What is wrong with the slide that a deck shows now: a list of faults in words.
() => {
  const slide = Reveal.getCurrentSlide().querySelector(":scope > .slide");
  const scale = Reveal.getScale(), faults = [];
  let worst = { over: 0 };
  const name = (element) => `<${element.tagName.toLowerCase()} class="${element.className}">`;
  const hidden = (element) => element.closest("mjx-assistive-mml, mjx-container svg *");
  const clipped = (element) => {
    for (let box = element.parentElement; box !== slide; box = box.parentElement)
      if (/auto|scroll|hidden|clip/.test(getComputedStyle(box).overflow)) return true;
    return false;
  };
  for (const element of slide.querySelectorAll("*")) {
    if (hidden(element) || !element.checkVisibility()) continue;
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    if (/auto|scroll/.test(style.overflow) && !element.matches("input, select, textarea") &&
        (element.scrollHeight > element.clientHeight + 2 || element.scrollWidth > element.clientWidth + 2))
      faults.push(`${name(element)} scrolls`);
    if (!box.width || !box.height || clipped(element)) continue;
    const room = (element.parentElement.closest(".column, .body") ?? slide).getBoundingClientRect();
    const over = Math.max(room.left - box.left, room.top - box.top, box.right - room.right, box.bottom - room.bottom) / scale;
    if (over > Math.max(2, worst.over)) worst = { over, element };
  }
  if (worst.element)
    faults.push(`${name(worst.element)} overflows by ${Math.round(worst.over)} pixels; start a new slide before it, or make it shorter`);
  if (slide.dataset.crowded)
    faults.push(`crowded: its text had to shrink to ${slide.dataset.crowded} pixels; move some of it to the notes`);
  for (const image of slide.querySelectorAll("img")) {
    if (!image.alt.trim()) faults.push("a picture has no alt text");
    if (!image.closest(".running") && !image.naturalWidth) faults.push("a picture does not load");
  }
  const walker = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest("pre, code, samp, style, script, mjx-container, .live")) continue;
    const raw = node.data.match(/\$\$|\\begin\{|\\[a-zA-Z]+[{ ^_]|\$[^$\s][^$]*\$/);
    if (raw) faults.push(`raw TeX: ${raw[0]}`);
  }
  if (slide.querySelector('[data-mml-node="merror"]')) faults.push("MathJax cannot read a formula");
  for (const place of slide.querySelectorAll("[data-model]"))
    if (place.dataset.state !== "running") faults.push(`explorable ${place.dataset.model} does not run`);
  return [...new Set(faults)];
}
