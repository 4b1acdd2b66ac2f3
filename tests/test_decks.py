"""Every deck in a real browser, offline: presented, read, played with, printed."""

import re

import decks
import nbformat
import pytest
from browser import chromium, open_page, skip_or_fail
from deck_faults import accessibility_faults, deck_faults, open_deck, walk
from nbformat.v4 import new_output

from course_utils import lecture
from course_utils.notebooks import chapter_paths
from course_utils.slides import packages

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        try:
            packages.fetch_packages()
        except packages.PackagesUnavailable as error:
            skip_or_fail(str(error))
        yield running


@pytest.fixture
def visit(browser):
    with open_page(browser) as opened:
        yield opened


@pytest.fixture
def example(tmp_path):
    return lecture.build_deck(decks.save(decks.example(), tmp_path), tmp_path)[0]


@pytest.mark.parametrize("path", chapter_paths(), ids=lambda path: path.stem)
def test_every_deck_can_be_presented(visit, path, tmp_path):
    made = nbformat.read(path, as_version=4)
    deck, _ = lecture.build_deck(path, tmp_path)
    assert deck_faults(visit, deck, decks.has_math(made)) == []


def test_the_example_has_no_fault(visit, example):
    assert deck_faults(visit, example, math=True) == []


# --- each check finds its fault ---

BROKEN = decks.shown(
    {"image/png": "iVBORw0KGgoAAAANSUhEUg=="}, **{"image/png": {"alt": "A field."}}
)
SCROLLING = '<div style="overflow: auto; height: 40px">' + "line<br>" * 9 + "</div>"
DEAD = decks.SLIDER.replace('addEventListener("input"', 'addEventListener("never"')
STEALING = decks.SLIDER.replace(
    'input.addEventListener("input", draw);',
    'input.addEventListener("keydown", () => Reveal.next());',
)


def html(source):
    return decks.code("x", decks.shown({"text/html": source}))


FAULTY = {
    "overflows by": decks.code("x = 1\n" * 60),
    "crowded": decks.text("## Words\n\n" + "word " * 230),
    "scrolls": decks.text(SCROLLING),
    "no alt text": decks.code("draw()", decks.picture(alt="")),
    "does not load": decks.code("draw()", BROKEN),
    "raw TeX": decks.text("the sum \\frac{a}{b} and $$ x"),
    "MathJax cannot read": decks.text("$$\\nosuchmacro{a}$$"),
    "deck shows none": decks.text("only `$words$` and no formula"),
    "outside request: http://a.invalid": html('<img alt="a" src="http://a.invalid/b">'),
    "console: told": html("<script>console.error('told')</script>"),
    "uncaught": html("<script>throw Error('told')</script>"),
    "axe: color-contrast": decks.text('<p style="color: #bbb">pale words</p>'),
}
FAULTY_EXPLORABLES = {
    "does not run": "export default { render() { throw Error('no') } };",
    "does not react": DEAD,
    "turned the slide": STEALING,
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_faulty_slide_is_found(visit, tmp_path, fault):
    made = decks.notebook(decks.text("# 01 Title"), FAULTY[fault])
    made.cells[1].metadata["slideshow"]["slide_type"] = "slide"
    deck, _ = lecture.build_deck(decks.save(made, tmp_path), tmp_path)
    faults = deck_faults(visit, deck, math="shows none" in fault)
    assert any(fault in found for found in faults), faults


@pytest.mark.parametrize("fault", FAULTY_EXPLORABLES)
def test_a_faulty_explorable_is_found(visit, tmp_path, fault):
    made = decks.notebook(
        decks.text("# 01 Title"),
        decks.code("Bar()", decks.explorable(), role="slide"),
        decks.text("## End"),
        bar=decks.widget(FAULTY_EXPLORABLES[fault]),
    )
    deck, _ = lecture.build_deck(decks.save(made, tmp_path), tmp_path)
    faults = deck_faults(visit, deck, math=False)
    assert any(fault in found for found in faults), faults


# --- presenting ---


def current(page):
    return page.evaluate("Reveal.getSlides().indexOf(Reveal.getCurrentSlide())")


def go_to(page, selector):
    """Turn to the first slide that holds this element."""
    for _ in walk(page):
        found = page.locator(f"section.present > .slide {selector}")
        if found.count():
            return found.first
    raise AssertionError(f"no slide holds {selector}")


def test_keys_turn_slides_but_not_inside_an_explorable(visit, example):
    page = visit.page
    open_deck(visit, example)
    page.keyboard.press("ArrowRight")
    assert current(page) == 1
    slider = go_to(page, "input[type=range]")
    here = current(page)
    slider.focus()
    for key in ("ArrowRight", "ArrowDown", " ", "ArrowRight"):
        page.keyboard.press(key)
    assert current(page) == here and slider.input_value() == "2"
    assert "byte 7, rate 2" in page.locator(".present output").inner_text()
    page.keyboard.press("PageDown")  # what a presenter's remote sends
    assert current(page) == here + 1
    page.keyboard.press("ArrowLeft")
    assert current(page) == here
    slider.focus()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert current(page) == here + 1


def test_the_cut_jumps_to_the_summary(visit, example):
    open_deck(visit, example)
    go_to(visit.page, ".cut").click()
    visit.page.wait_for_selector("section#summary.present")


def test_an_open_solution_stays_within_its_slide(visit, example):
    page = visit.page
    open_deck(visit, example)
    go_to(page, "details")
    solution = page.locator("section.present summary", has_text="Solution")
    solution.click()
    bottom = "(element) => element.getBoundingClientRect().bottom"
    text = page.locator("section.present .block.text")
    page.wait_for_function("document.querySelector('.present details[open]')")
    footer = page.locator("section.present footer")
    assert text.evaluate(bottom) <= footer.bounding_box()["y"] + 1
    assert page.locator("section.present pre").is_visible()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("section#summary.present")


def test_the_speaker_view_shows_the_notes(visit, example):
    open_deck(visit, example)
    with visit.page.context.expect_page() as opened:
        visit.page.keyboard.press("s")
    notes = opened.value.locator(".speaker-controls-notes")
    notes.get_by_text("Say hello").wait_for()
    assert notes.locator("svg").count() == 1 and not visit.errors
    assert visit.external == []


def test_a_late_explorable_that_grows_is_scaled_again(visit, tmp_path):
    script = decks.SLIDER.replace(
        "draw();\n} };",
        """draw();
      setTimeout(() => { el.append("more"); el.style.paddingBottom = "900px"; }, 100);
    } };""",
    )
    made = decks.notebook(decks.text("# 1 T"), decks.code("b", decks.explorable()),
                          bar=decks.widget(script))  # fmt: skip
    deck, _ = lecture.build_deck(decks.save(made, tmp_path), tmp_path)
    open_deck(visit, deck)
    visit.page.wait_for_selector("text=more")
    visit.page.wait_for_timeout(200)
    place, live = (
        visit.page.locator(name).bounding_box() for name in (".place", ".live")
    )
    assert live["height"] <= place["height"] + 1 and live["height"] > 200


@pytest.mark.parametrize("query", ["?print-pdf", "?view=print"])
def test_print_gives_a_page_for_each_slide(visit, example, query):
    page = visit.page
    open_deck(visit, example, query)
    page.wait_for_selector(".pdf-page")
    page.wait_for_function(
        "document.querySelector('.pdf-page .figure > img').width > 300"
    )
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    slides = page.evaluate("Reveal.getTotalSlides()")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == slides == 7
    assert page.locator(".place.running").count() == 0  # the still is printed
    assert accessibility_faults(page) == []


def test_output_that_ends_in_spaces_and_colours_is_readable(visit, tmp_path):
    colours = "\x1b[31mred\x1b[0m \x1b[1mbold\x1b[0m \x1b[33myellow\x1b[0m   \n"
    printed = new_output("stream", name="stdout", text=colours)
    made = decks.notebook(decks.text("# 1 T"), decks.code("print(x)", printed))
    deck, _ = lecture.build_deck(decks.save(made, tmp_path), tmp_path)
    assert deck_faults(visit, deck, math=False) == []
