"""Chapters as slide decks: one HTML file each that needs no network.

python -m course_utils.lecture             build the deck of every chapter
python -m course_utils.lecture 01          build that chapter's deck
python -m course_utils.lecture --open 01   present it, built anew if it is out of date

A deck opens in any browser from slides/NN_name.html. Arrow keys turn the slides, S
opens the speaker view with the notes, Escape the overview, ? lists all keys. With
?print-pdf after the address the browser prints one slide a page.
"""

import argparse
import json
import os
import re
import sys
import webbrowser
from pathlib import Path

import jinja2
import nbformat

from course_utils.notebooks import chapter_paths
from course_utils.runtime import REPOSITORY
from course_utils.slides import outline
from course_utils.slides.packages import PackagesUnavailable, package_file

COURSE = "From Gradients to GANs"
DECKS = REPOSITORY / "slides"
SOURCES = Path(__file__).parent / "slides"
LIBRARIES = (
    "reveal.js/dist/reveal.js",
    "reveal.js/dist/plugin/notes.js",
    "mathjax/es5/tex-svg-full.js",
)


def build_deck(notebook_path, folder=DECKS):
    """Write the deck of one notebook; returns its path and a list of warnings.

    Raises ValueError where no cell is shown, PackagesUnavailable where reveal.js and
    MathJax are neither installed nor to be had.
    """
    notebook = nbformat.read(notebook_path, as_version=4)
    slides = outline.read_slides(notebook, notebook_path.parent)
    html = render_deck(notebook, slides, notebook_path.stem)
    folder.mkdir(parents=True, exist_ok=True)
    deck = folder / f"{notebook_path.stem}.html"
    temporary = folder / f".{deck.name}.{os.getpid()}.tmp"
    temporary.write_text(html, encoding="utf-8", newline="\n")
    os.replace(temporary, deck)
    return deck, outline.warnings(slides)


def render_deck(notebook, slides, name):
    """The slides as one HTML page with its scripts, styles and explorables inside."""
    first, chapter = slides[0], name[:2]
    first.heading = re.sub(r"^(chapter )?\d+\W+", "", first.heading, flags=re.I)
    page = jinja2.Template((SOURCES / "deck.html.j2").read_text(encoding="utf-8"))
    return page.render(
        course=COURSE,
        chapter=chapter,
        title=first.title or name[3:].replace("_", " "),
        stacks=stacks(slides),
        count=len(slides),
        summary=next((slide for slide in slides if slide.summary), None),
        pictures=outline.pictures,
        states=as_script(json.dumps(shown_states(notebook, slides))),
        style=read(package_file("reveal.js/dist/reveal.css"), SOURCES / "deck.css"),
        libraries=[as_script(read(package_file(name))) for name in LIBRARIES],
        script=as_script(read(SOURCES / "explorables.js", SOURCES / "deck.js")),
    )


def stacks(slides):
    """The slides in groups: a slide with the subslides under it."""
    groups = []
    for slide in slides:
        if slide.level == "slide":
            groups.append([])
        groups[-1].append(slide)
    return groups


def shown_states(notebook, slides):
    """States of the widgets that the deck shows, and of those they refer to."""
    states = outline.explorable_states(notebook)
    html = "".join(block.html for slide in slides for block in slide.blocks)
    wanted = re.findall(r'data-model="([^"]+)"', html)
    shown = {}
    while wanted:
        model_id = wanted.pop()
        if model_id in states and model_id not in shown:
            shown[model_id] = states[model_id]
            wanted += re.findall(r'"IPY_MODEL_([^"]+)"', json.dumps(states[model_id]))
    return shown


def read(*paths):
    """The texts of these files, one after the other."""
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def as_script(text):
    """A script, or data for one, that cannot end the script element it is put in."""
    return re.sub(r"<(?=/script|!--|script)", r"\\u003C", text, flags=re.I)


def is_current(deck, notebook_path):
    """Whether the deck is newer than everything it was made from."""
    if not deck.is_file():
        return False
    made_from = [notebook_path, Path(__file__), *SOURCES.glob("*.*")]
    return deck.stat().st_mtime >= max(path.stat().st_mtime for path in made_from)


def present(deck):
    """Open a deck in the default browser, or say how to."""
    print(f"opening {deck}")
    if not webbrowser.open(deck.as_uri()):
        print(f"no browser could be started; open this address in one: {deck.as_uri()}")


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.lecture", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "chapters", nargs="*", help="such as 01; all when none is named"
    )
    parser.add_argument("--open", action="store_true", help="present the chapter named")
    options = parser.parse_args(arguments)
    if options.open and len(options.chapters) != 1:
        parser.error("name one chapter to present, such as: --open 01")
    for path in chapter_paths(options.chapters):
        deck = DECKS / f"{path.stem}.html"
        if not (options.open and is_current(deck, path)):
            try:
                deck, warnings = build_deck(path, DECKS)
            except (PackagesUnavailable, ValueError) as error:
                raise SystemExit(f"{path.stem}: {error}") from None
            print(f"{DECKS.name}/{deck.name}  {deck.stat().st_size / 1e6:.1f} MB")
            for warning in warnings:
                print(f"warning: {path.stem}, {warning}", file=sys.stderr)
        if options.open:
            present(deck)


if __name__ == "__main__":
    main()
