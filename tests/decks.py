"""Notebooks for tests of the slide decks, written by hand: no kernel runs."""

import base64
import io
import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from course_utils.slides.outline import STATE

FOLDER = Path(__file__).parent
VIEW = "application/vnd.jupyter.widget-view+json"
SLIDER = """
export default { render({ model, el }) {
  const bytes = model.get("data");
  el.innerHTML = `<label>rate <input type="range" min="0" max="9" value="1"></label>
    <output></output><canvas width="300" height="150" role="img"></canvas>`;
  const [input, output, canvas] = el.querySelectorAll("input, output, canvas");
  canvas.setAttribute("aria-label", "bar");
  function draw() {
    output.textContent = `byte ${bytes.getUint8(0)}, rate ${input.value}`;
    const paper = canvas.getContext("2d");
    paper.clearRect(0, 0, 300, 150);
    paper.fillRect(10, 10, 25 * input.value, 100);
  }
  input.addEventListener("input", draw);
  draw();
} };
"""


def text(source, role="slide", **course):
    """A markdown cell with a slide role and course metadata."""
    return new_markdown_cell(source, metadata=_metadata(role, course))


def code(source, *outputs, role="-", **course):
    """A code cell with these outputs."""
    return new_code_cell(
        source, metadata=_metadata(role, course), outputs=list(outputs)
    )


def _metadata(role, course):
    metadata = {"slideshow": {"slide_type": role}}
    return {**metadata, "course": course} if course else metadata


def shown(data, **metadata):
    """A display_data output."""
    return new_output("display_data", data=data, metadata=metadata)


def picture(alt="A grey field.", width=300, height=200):
    """An output with a PNG, and alternative text unless it is empty."""
    buffer = io.BytesIO()
    Image.new("L", (width, height), 128).save(buffer, "png")
    about = {"image/png": {"alt": alt}} if alt else {}
    data = {"image/png": base64.b64encode(buffer.getvalue()).decode() + "\n"}
    return shown({**data, "text/plain": alt or "a figure"}, **about)


def caption(words):
    """The output that holds the caption of the figure before it."""
    return shown({"text/markdown": f"*{words}*"}, course={"caption": True})


def explorable(model_id="bar", alt="A bar as long as the rate."):
    """The output of a widget, with the PNG that stands in for it."""
    output = picture(alt)
    output.data[VIEW] = {"model_id": model_id, "version_major": 2, "version_minor": 0}
    return output


def widget(script=SLIDER, module="anywidget"):
    """The saved state of a widget with one binary trait, whose first byte is 7."""
    data = base64.b64encode(bytes([7, 8])).decode()
    return {
        "model_module": module,
        "model_name": "AnyModel",
        "state": {"_esm": script, "_css": ".live output { color: #333 }", "rate": 1},
        "buffers": [{"path": ["data"], "encoding": "base64", "data": data}],
    }


def notebook(*cells, **widgets):
    """A notebook with these cells and widget states."""
    made = new_notebook(cells=list(cells))
    if widgets:
        saved = {"version_major": 2, "version_minor": 0, "state": widgets}
        made.metadata["widgets"] = {STATE: saved}
    return nbformat.from_dict(made)


def example():
    """A small chapter that uses everything a deck has to hold."""
    folded = "<details><summary>Hint</summary>\n\nMultiply by $n$.\n\n</details>"
    solution = "\n".join(f"line_{i} = {i}" for i in range(30))
    return notebook(
        text("# 01 The training loop\n\nWhat happens between data and model?"),
        text("Say hello, and that $a^2$ is a square.", "notes"),
        text("## Softmax\n\n$$p_k = \\frac{e^{z_k}}{\\sum_j e^{z_j}}$$"),
        text("It sums to one.", "fragment"),
        code("import secret", role="skip"),
        text("## A figure", cut=50),
        code("draw()", picture(), caption("A field."), slide="output"),
        code(
            "for i in range(3):\n    print(i)",
            new_output("stream", name="stdout", text="0\n1\n2\n"),
            new_output("stream", name="stderr", text="50%|#####     | 1/2\n"),
            role="subslide",
        ),
        text("## Play"),
        code("Bar()", explorable(), slide="output"),
        text(f"## Try\n\n{folded}\n\n<details><summary>Solution</summary>\n\n"
             f"```python\n{solution}\n```\n\n</details>"),
        text("## Summary\n\n- One.\n- Two.", summary=True),
        bar=widget(),
    )  # fmt: skip


def save(made, folder, name="01_training_loop"):
    """Write a notebook; returns its path."""
    path = folder / f"{name}.ipynb"
    nbformat.write(made, path)
    return path


def has_math(made):
    """Whether a cell that is shown holds a formula."""
    formula = re.compile(r"\$[^$]+\$|\\begin\{")
    return any(
        cell.cell_type == "markdown"
        and cell.metadata.slideshow.slide_type not in ("skip", "notes")
        and formula.search(cell.source)
        for cell in made.cells
    )
