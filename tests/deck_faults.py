"""Go through a deck in Chromium and say, line by line, what is wrong with it."""

from pathlib import Path

from course_utils.slides.packages import package_file

SLIDE_FAULTS = Path(__file__).with_name("slide_faults.js").read_text(encoding="utf-8")
LOOK = """(place) => place.innerText +
  [...place.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()).join()"""
SETTLED = """() => [...Reveal.getCurrentSlide().querySelectorAll("[data-model]")]
  .every((place) => /running|failed/.test(place.dataset.state))"""
NUMBER = "Reveal.getSlides().indexOf(Reveal.getCurrentSlide()) + 1"
HEADING = """(Reveal.getCurrentSlide().querySelector("h1, h2, .running-head") ?? {})
  .innerText ?? "no heading" """


def open_deck(visit, deck, query=""):
    """Load a deck and wait until it can be presented."""
    visit.page.goto(deck.as_uri() + query)
    visit.page.wait_for_selector(".reveal.ready")


def walk(page):
    """Go through an open deck; yields "slide 3 (heading)", every step revealed."""
    while True:
        while page.evaluate("Reveal.availableFragments().next"):
            page.evaluate("Reveal.nextFragment()")
        page.wait_for_function(SETTLED)
        yield f"slide {page.evaluate(NUMBER)} ({page.evaluate(HEADING)})"
        if page.evaluate("Reveal.isLastSlide()"):
            return
        page.evaluate("Reveal.next()")


def deck_faults(visit, deck, math):
    """Everything that is wrong with a deck, a line for each fault."""
    page, faults = visit.page, []
    open_deck(visit, deck)
    for place in walk(page):
        found = page.evaluate(SLIDE_FAULTS)
        explorables = page.locator("section.present > .slide [data-state=running]")
        if explorables.count():
            found += accessibility_faults(page)
        for one in explorables.all():
            found += reaction_faults(page, one)
        faults += [f"{place}: {fault}" for fault in found]
    if math and not page.locator(".slide mjx-container").count():
        faults.append("the chapter has formulas and the deck shows none")
    open_deck(visit, deck, "?view=print")
    faults += accessibility_faults(page)
    faults += [f"outside request: {address}" for address in visit.external]
    return faults + visit.errors


def accessibility_faults(page):
    """Serious and critical findings of axe-core about what is visible now."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(package_file("axe-core/axe.min.js").read_text(encoding="utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
    found = page.evaluate("(tags) => axe.run(document, { runOnly: tags })", tags)
    return [
        f"axe: {rule['id']}: {rule['help']}: {rule['nodes'][0]['html'][:120]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
    ]


def reaction_faults(page, place):
    """Use every control of an explorable until what it shows changes."""
    place = place.element_handle()
    before, slide = page.evaluate(LOOK, place), page.evaluate(NUMBER)
    controls = place.query_selector_all("input, select, button")
    changed = False
    for control in controls:
        if changed or page.evaluate(NUMBER) != slide:
            break
        if control.is_visible() and control.is_enabled():
            _use(page, control)
            page.wait_for_timeout(150)
            changed = page.evaluate(LOOK, place) != before
    faults = [] if changed or not controls else ["explorable does not react"]
    if page.evaluate(NUMBER) != slide:
        faults.append("a key pressed in the explorable turned the slide")
    return faults


def _use(page, control):
    kind = control.evaluate("(it) => it.type")
    if kind == "range":
        control.focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowRight"):
            page.keyboard.press(key)
    elif kind in ("number", "text"):
        control.fill("1")
        control.press("Enter")
    elif kind.startswith("select"):
        control.select_option(index=len(control.query_selector_all("option")) - 1)
    else:
        control.click()
