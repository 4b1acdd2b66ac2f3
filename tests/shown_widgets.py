"""One explorable on a slide in Chromium, for tests that use it as a reader does.

with show_widget(browser, ConvolutionGrid(), tmp_path) as (page, root):
    root.get_by_role("button", name="Reset").click()
"""

from contextlib import contextmanager

import decks
from browser import open_page
from deck_faults import open_deck

from course_utils import lecture

NEXT_FRAME = "() => new Promise((go) => requestAnimationFrame(() => setTimeout(go)))"
WIDEN = "(root, width) => { root.parentElement.style.width = `${width}px` }"
OVER = """
    (root) => [...root.querySelectorAll("*")].filter((one) => one.checkVisibility() &&
      one.getBoundingClientRect().right > root.getBoundingClientRect().right + 1).length
"""


def widget_deck(widget, folder):
    """A deck of a title and the widget, with its state as a notebook saves it."""
    data, metadata = widget._repr_mimebundle_()
    state = type(widget).get_manager_state(widgets=[widget])["state"]
    made = decks.notebook(
        decks.text("# 08 Title"),
        decks.text("## The widget"),
        decks.code("widget", decks.shown(data, **metadata), slide="output"),
        decks.text("## End"),
        **{widget.model_id: state[widget.model_id]},
    )
    return lecture.build_deck(decks.save(made, folder), folder)[0]


@contextmanager
def show_widget(browser, widget, folder):
    """The page and the running widget's root; no error, nothing from outside."""
    deck = widget_deck(widget, folder)
    with open_page(browser) as visit:
        open_deck(visit, deck)
        visit.page.keyboard.press("ArrowRight")
        visit.page.wait_for_selector("section.present [data-state=running]")
        root = visit.page.locator("section.present .course-explorable")
        visit.page.evaluate(NEXT_FRAME)
        yield visit.page, root
        assert visit.errors == [] and visit.external == []


def is_too_wide(root, width):
    """How many elements stick out of the widget where its place has this width."""
    root.evaluate(WIDEN, width)
    root.page.evaluate(NEXT_FRAME)
    return root.evaluate(OVER)
