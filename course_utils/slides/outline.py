"""A notebook to an outline: its slides in order, with layout, notes and warnings."""

import re
from dataclasses import dataclass, field
from html import unescape

from course_utils.slides.blocks import cell_blocks

STATE = "application/vnd.jupyter.widget-state+json"
NEW_SLIDE = ("slide", "subslide")
HEADING = re.compile(r"\s*<h([1-6])>(.*?)</h\1>", re.DOTALL)

# A slide is 1280 x 720 pixels; deck.css leaves this much of it to the blocks, and
# deck.js does the exact fitting. The estimates here choose the layout and warn.
WIDTH, HEIGHT, GAP = 1168, 628, 20
HEADING_HEIGHT, RUNNING_HEIGHT = 66, 49
TEXT_SIZE, SMALLEST_CODE = 28, 16
CHARACTER = 0.602  # width of a character of code, in sizes of its font
LEAST_FIGURE = 220


@dataclass
class Slide:
    """One slide: its heading, its blocks, and what the lecturer says."""

    level: str
    number: int
    heading: str = ""
    heading_level: int = 0
    running: str = ""
    blocks: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    cut: int | None = None
    summary: bool = False
    left: int = 0  # width of the left column in pixels; 0 for one column

    @property
    def title(self):
        """The heading as plain text, or the one that still holds from before."""
        return plain(self.heading) or self.running


def plain(html):
    """HTML as the text a reader sees."""
    return unescape(re.sub(r"<[^>]+>", "", html)).strip()


def explorable_states(notebook):
    """The saved state of every anywidget of a notebook, by its model's id."""
    saved = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    return {
        model_id: {"state": model["state"], "buffers": model.get("buffers", [])}
        for model_id, model in saved.items()
        if model.get("model_module") == "anywidget" and "_esm" in model["state"]
    }


def read_slides(notebook, folder):
    """The slides of a notebook whose cells carry slide roles.

    Raises ValueError where every cell is a note or skipped.
    """
    explorables = explorable_states(notebook)
    slides, early_notes, step = [], [], None
    for cell in notebook.cells:
        role = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        if role == "skip":
            continue
        blocks = cell_blocks(cell, folder, explorables)
        if role == "notes":
            notes = slides[-1].notes if slides else early_notes
            notes.extend(block.html for block in blocks)
            continue
        if role in NEW_SLIDE or not slides:
            level = "subslide" if slides and role == "subslide" else "slide"
            slides.append(Slide(level, len(slides) + 1))
            step = None
        if role == "fragment":
            step = 0 if step is None else step + 1
        _add_cell(slides[-1], cell, blocks, step)
    if not slides:
        raise ValueError("no cell of this notebook is shown on a slide")
    slides[0].notes[:0] = early_notes
    _finish(slides)
    return slides


def _add_cell(slide, cell, blocks, step):
    course = cell.metadata.get("course", {})
    slide.cut = course.get("cut", slide.cut)
    slide.summary = slide.summary or bool(course.get("summary"))
    for block in blocks:
        block.step = step
    slide.blocks += blocks


def _finish(slides):
    """Lift headings out of their blocks, let them run on, and choose layouts."""
    running = ""
    for slide in slides:
        first = slide.blocks[0] if slide.blocks else None
        found = HEADING.match(first.html) if first and first.kind == "text" else None
        if found and first.step is None:
            slide.heading_level, slide.heading = int(found[1]), found[2].strip()
            first.html = first.html[found.end() :]
        slide.running = running
        slide.blocks = [block for block in slide.blocks if block.html.strip()]
        slide.left = _left_column(slide)
        if slide.heading_level > 1:
            running = plain(slide.heading)


def pictures(slide):
    """The blocks that take the room that the others leave."""
    return [block for block in slide.blocks if block.kind in ("figure", "explorable")]


def _left_column(slide):
    """Width of a left column for text and code, where the picture gains by it."""
    shown = pictures(slide)
    others = [block for block in slide.blocks if block not in shown]
    if len(shown) != 1 or not others or not shown[0].width:
        return 0
    room = _room(slide) - 40 * bool(shown[0].caption)
    aspect = shown[0].width / shown[0].height
    below = min(WIDTH, (room - _height(others, WIDTH, 20)) * aspect)
    widest = max(block.columns for block in others)
    left = max(440, round(widest * CHARACTER * 19) + 56)
    beside = min(WIDTH - left - 40, room * aspect)
    fits = left <= 640 and _height(others, left, 19) <= room
    return left if fits and beside > 1.1 * below else 0


def _room(slide):
    """Height that the heading leaves to the blocks, in pixels."""
    if slide.heading:
        return HEIGHT - HEADING_HEIGHT
    return HEIGHT - RUNNING_HEIGHT * bool(slide.running)


def _height(blocks, width, code_size):
    """Estimated height of text, code and output in a column, in pixels."""
    return sum(_block_height(block, width, code_size) + GAP for block in blocks) - GAP


def _block_height(block, width, code_size):
    if block.kind in ("code", "output"):
        return block.lines * code_size * 1.35 + 28
    if block.kind == "table":
        return 36 * block.html.count("<tr") + 20
    displayed = block.html.count("$$") // 2 + block.html.count("\\begin{")
    pieces = re.split(r"</(?:p|li|h\d|summary|tr)>", block.html)
    letters_a_line = width / (TEXT_SIZE * 0.5)
    lines = sum(-(-len(plain(piece)) // letters_a_line) for piece in pieces)
    return lines * TEXT_SIZE * 1.4 + displayed * 70


def warnings(slides):
    """What the author should change, a line for each finding, numbered as shown."""
    found = []
    for slide in slides:
        place = f"slide {slide.number} ({slide.title or 'no heading'})"
        found += [f"{place}: {message}" for message in _complaints(slide)]
    cuts = [slide for slide in slides if slide.cut]
    if cuts and not any(slide.summary for slide in slides):
        found.append(
            f"the cut at {cuts[0].cut} minutes has nowhere to go: give the summary's "
            'cell the metadata {"course": {"summary": true}}'
        )
    return found


def _complaints(slide):
    if not slide.blocks and not slide.heading:
        yield "shows nothing; was the notebook executed?"
    for block in slide.blocks:
        if not block.described:
            yield "a picture has no alt text; course_utils.plots.show takes alt=..."
    code = [block for block in slide.blocks if block.kind in ("code", "output")]
    if code:
        yield from _code_complaints(slide, code)


def _code_complaints(slide, code):
    advice = (
        'show half of the cell (metadata {"course": {"slide": "output"}} or "code"), '
        "split it, or make it a notes or skip cell"
    )
    if len(code) > 1:
        advice = f"start a new slide before one of its cells (subslide), {advice}"
    smallest, column = SMALLEST_CODE, slide.left or WIDTH
    widest = max(block.columns for block in code)
    if widest * CHARACTER * smallest + 44 > column:
        yield f"a line of {widest} characters does not fit; break it, or {advice}"
    shown = pictures(slide)
    stacked = LEAST_FIGURE + GAP if shown and not slide.left else 0
    others = [block for block in slide.blocks if block not in shown]
    if _height(others, column, smallest) > _room(slide) - stacked:
        lines = sum(block.lines for block in code)
        yield f"{lines} lines of code and output do not fit; {advice}"
