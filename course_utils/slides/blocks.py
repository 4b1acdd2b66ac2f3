"""A notebook cell to blocks: the pieces of HTML that a slide is laid out from."""

import ast
import base64
import re
import struct
from dataclasses import dataclass, replace
from html import escape

from nbconvert.filters import ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer, TextLexer, get_lexer_by_name
from pygments.util import ClassNotFound

BARE_WIDGET = re.compile(
    r"\w+\(|<.* object at |\s*\d*%\|"
)  # its name, or a progress bar
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
SHORT_CODE = 15  # a mirrored definition longer than this is shown without docstring
PICTURES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/svg+xml": "SVG"}


@dataclass
class Block:
    """One piece of a slide.

    kind is text, code, output, table, figure or explorable; lines and columns measure
    code and output in characters, width and height a figure in pixels; step is the
    number of the click that reveals the block, None for at once.
    """

    kind: str
    html: str
    lines: int = 0
    columns: int = 0
    width: int = 0
    height: int = 0
    described: bool = True
    caption: str = ""
    step: int | None = None


def cell_blocks(cell, folder, explorables):
    """The blocks of a visible cell; `explorables` are the ids that can run here."""
    if cell.cell_type == "markdown":
        return [text_block(cell.source, folder, cell.get("attachments"))]
    if cell.cell_type != "code":
        return []
    course = cell.metadata.get("course", {})
    shown = course.get("slide", "both")
    blocks = []
    if shown != "output" and cell.source.strip():
        blocks.append(code_block(cell.source, mirrored="source" in course))
    if shown != "code":
        blocks += output_blocks(cell.outputs, folder, explorables)
    return blocks


class _Renderer(IPythonRenderer):
    """nbconvert's renderer, with code as on the other slides, and open HTML left open.

    Embedding pictures parses every piece of HTML by itself: it would close a <details>
    before its content, so pieces without a picture go around it.
    """

    def block_code(self, code, info=None):
        language = (info or "text").split()[0]
        try:
            return _highlighted(code.rstrip("\n"), get_lexer_by_name(language))
        except ClassNotFound:
            return _highlighted(code.rstrip("\n"), TextLexer())

    def _html_embed_images(self, html):
        return super()._html_embed_images(html) if "<img" in html else html


def text_block(source, folder, attachments=None):
    """Markdown as HTML, with its pictures inside and links to decks, not notebooks."""
    renderer = _Renderer(
        escape=False,
        embed_images=True,
        exclude_anchor_links=True,
        path=str(folder),
        attachments=attachments or {},
    )
    html = MarkdownWithMath(renderer=renderer).render(source)
    html = re.sub(r'(<a href="[\w./-]*)\.ipynb', r"\1.html", html)
    described = not re.search(r'<img(?![^>]*alt="[^"]+")', html)
    return Block("text", html, described=described)


def code_block(source, mirrored=False):
    """Highlighted code; a long mirrored definition goes without its docstring."""
    source = re.sub(r"\n{3,}", "\n\n", source.strip("\n"))
    if mirrored and source.count("\n") >= SHORT_CODE:
        source = without_docstring(source)
    return _measured("code", source, _highlighted(source, PythonLexer()))


def _highlighted(source, lexer):
    html = highlight(source, lexer, HtmlFormatter(nowrap=True))
    return f'<pre class="code"><code>{html}</code></pre>\n'


def without_docstring(source):
    """The source without the docstring of its first definition."""
    try:
        first = ast.parse(source).body[0]
    except (SyntaxError, IndexError):
        return source
    if not isinstance(first, (ast.FunctionDef, ast.ClassDef)):
        return source
    if ast.get_docstring(first) is None or len(first.body) == 1:
        return source
    lines = source.split("\n")
    rest = lines[first.body[0].end_lineno :]
    while rest and not rest[0].strip():
        rest.pop(0)
    return "\n".join([*lines[: first.body[0].lineno - 1], *rest])


def output_blocks(outputs, folder, explorables):
    """The blocks of a cell's outputs; stderr and progress bars are left out."""
    blocks = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stdout":
                blocks.append(_terminal_block(output.text))
        elif output.output_type == "error":
            blocks.append(_terminal_block(f"{output.ename}: {output.evalue}"))
        elif output.metadata.get("course", {}).get("progress"):
            continue
        elif output.metadata.get("course", {}).get("caption"):
            caption = text_block(output.data["text/markdown"], folder).html
            if blocks:
                blocks[-1].caption += caption
            else:
                blocks.append(Block("text", caption))
        else:
            blocks.append(_rich_block(output, folder, explorables))
    return [block for block in blocks if block is not None]


def _rich_block(output, folder, explorables):
    """The richest form of a display that works without a kernel; None for no form."""
    view = output.data.get(WIDGET_VIEW)
    if view and view["model_id"] in explorables:
        return _explorable_block(view["model_id"], output, folder)
    return _still_block(output, folder)


def _still_block(output, folder):
    """A display as it stands still: HTML, a picture, or text; None for nothing."""
    data = output.data
    if "text/html" in data:
        kind = "table" if "<table" in data["text/html"] else "output"
        return Block(kind, f'<div class="rich">{data["text/html"]}</div>')
    for mime in PICTURES:
        if mime in data:
            return _figure_block(output, mime)
    if "text/markdown" in data:
        return text_block(data["text/markdown"], folder)
    if "text/latex" in data:
        return Block("text", f"<p>{escape(data['text/latex'])}</p>")
    text = data.get("text/plain", "")
    bare = WIDGET_VIEW in data and BARE_WIDGET.match(text)
    return None if bare else _terminal_block(text)


def _terminal_block(text):
    """Printed text as a terminal would leave it; None when nothing is left."""
    lines = [line.rsplit("\r", 1)[-1] for line in text.rstrip().split("\n")]
    text = "\n".join(lines)
    if not text:
        return None
    html = f'<pre class="printed"><samp>{ansi2html(text)}</samp></pre>'
    return _measured("output", text, html)


def _figure_block(output, mime):
    """A picture with the alt text that the notebook stores beside it."""
    data = output.data[mime]
    if mime == "image/svg+xml":
        data = base64.b64encode("".join(data).encode()).decode()
    about = output.metadata.get(mime, {})
    alt = about.get("alt", "")
    width, height = _png_size(data) if mime == "image/png" else (0, 0)
    size = f' width="{width}" height="{height}"' if width else ""
    described = f' alt="{escape(alt)}"' if alt else ""
    source = "".join(data.split())
    html = f'<img src="data:{mime};base64,{source}"{described}{size}>'
    return Block("figure", html, width=width, height=height, described=bool(alt))


def _explorable_block(model_id, output, folder):
    """A place for an explorable, which holds its still until it runs."""
    still = _still_block(output, folder) or Block("text", "")
    label = output.metadata.get("image/png", {}).get("alt")
    label = label or output.data.get("text/plain", "")
    html = (
        f'<div class="place" data-model="{escape(model_id)}" role="group" '
        f'aria-label="{escape(label)}"><div class="still">{still.html}</div></div>'
    )
    return replace(still, kind="explorable", html=html, described=bool(label))


def _measured(kind, text, html):
    lines = text.split("\n")
    return Block(kind, html, lines=len(lines), columns=max(map(len, lines)))


def _png_size(data):
    """Width and height in pixels, from the header of a base64-encoded PNG."""
    header = base64.b64decode(data[:64])
    return struct.unpack(">II", header[16:24]) if len(header) >= 24 else (0, 0)
