"""The map of the course: its chapters, their questions, and what each takes to run.

The minutes are those that the last execution of a notebook wrote into its metadata
(see notebooks.py); a chapter without a notebook is shown as coming.
"""

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path

from matplotlib.patches import FancyBboxPatch

from course_utils.notebooks import chapter_paths
from course_utils.plots import COLORS, new_figure

PARTS = {
    0: "training",
    8: "convolution",
    10: "architectures",
    16: "generative models",
    19: "scale",
}
TITLES_AND_QUESTIONS = """
Start here: Does everything work, and how is this course used?
The training loop: What exactly happens between data and a trained model?
Generalization: Why does a model that fits not always predict?
Gradient descent: What does following the gradient do, and what does noise add?
Optimizers: What does each optimizer fix, and at what price?
Initialization and normalization: Why do deep networks start at all?
Regularization: How to make a model that could memorise choose not to?
Hyperparameter search: How to choose what the gradient cannot?
Convolution forward: What does a convolution compute, and why for images?
Convolution backward: How does the error travel back through a convolution?
AlexNet: What changed in 2012?
VGG: How small can a kernel be?
Network in network and GoogLeNet: How to go wider and cheaper at once?
ResNet: Why would a deeper network train worse, and what cures it?
DenseNet: What if every layer could read all before it?
Architectures compared: Which one, under one budget?
Generative models: What does it mean to model the data itself?
GAN: Can two networks teach each other to draw?
Better GANs: What makes the game stable, and how do we measure it?
Training at scale: How does the same loop use a whole GPU, and then eight?
"""


@dataclass(frozen=True)
class Chapter:
    """One chapter: "07", its title and question, and its notebook or None."""

    number: str
    title: str
    question: str
    path: Path | None = None

    @property
    def minutes(self) -> float | None:
        """Minutes of its last recorded execution; None where there is none."""
        if self.path is None:
            return None
        notebook = json.loads(self.path.read_text(encoding="utf-8"))
        return notebook["metadata"].get("course", {}).get("minutes")


def chapters() -> list[Chapter]:
    """All chapters in order, with the notebooks that are there."""
    paths = {path.name[:2]: path for path in chapter_paths()}
    found = []
    for i, line in enumerate(TITLES_AND_QUESTIONS.strip().splitlines()):
        title, _, question = line.partition(": ")
        number = f"{i:02}"
        found.append(Chapter(number, title, question, paths.get(number)))
    return found


class CourseMap(str):
    """A Markdown table that Jupyter shows as a table."""

    def _repr_markdown_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return str(self)


def course_map() -> CourseMap:
    """The chapters as a table: title with link, question, measured minutes."""
    lines = ["| | chapter | question | minutes to run |", "|---|---|---|---|"]
    for chapter in chapters():
        title = chapter.title
        if chapter.path is None:
            minutes = "coming"
        else:
            title = f"[{title}]({chapter.path.name})"
            measured = chapter.minutes
            minutes = "not measured yet" if measured is None else f"{measured:.1f}"
        lines.append(f"| {chapter.number} | {title} | {chapter.question} | {minutes} |")
    return CourseMap("\n".join(lines))


def draw_course_map(columns=5):
    """The chapters as boxes in reading order; filled where the notebook is there."""
    everything = chapters()
    rows = -(-len(everything) // columns)
    figure, axes = new_figure(size=(7, 0.95 * rows))
    axes.set(xlim=(0, columns), ylim=(rows, 0))
    axes.axis("off")
    for i, chapter in enumerate(everything):
        row, column = divmod(i, columns)
        ready = chapter.path is not None
        axes.add_patch(
            FancyBboxPatch(
                (column + 0.03, row + 0.28), 0.94, 0.64,
                boxstyle="round,pad=0,rounding_size=0.05", linewidth=1.5,
                edgecolor=COLORS["after"] if ready else COLORS["before"],
                facecolor="#D9EAF5" if ready else "white",
            )
        )  # fmt: skip
        title = "\n".join([chapter.number, *textwrap.wrap(chapter.title, 18)])
        axes.text(column + 0.5, row + 0.6, title, ha="center", va="center", size=8.5)
        if i in PARTS:
            axes.text(
                column + 0.03, row + 0.2, PARTS[i], size=10, weight="bold",
                color=COLORS["grey"],
            )  # fmt: skip
    return figure
