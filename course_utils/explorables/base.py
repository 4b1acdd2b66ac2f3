"""What all explorables share: widgets that compute and draw in the browser.

How to write one (loop.py with loop.js is the model to follow):

1. `explorables/NAME.js` holds a subclass of View (base.js), which fills the element it
   is given and draws what the model holds, and ends in `export default shows(...)`
   of it. Arithmetic goes into exported functions of plain numbers and
   typed arrays, in a file of its own where it is long, so that a test can run them
   under node and compare them with PyTorch. There is no bundler: Python joins the
   colours of `course_utils.plots` (as the constant COLORS), `base.js` and the class's
   `scripts` into one module, so every file uses what the files before it define
   (`element`, `paper`, `diverging`, ...) without importing it, and no name may be
   defined twice. Styles and layouts that several share (`course-bar`, ...) are in
   `base.css`; `NAME.css`, named like the last script, follows it.
2. `explorables/NAME.py` holds a subclass of Explorable that sets
   `scripts = ("NAME",)`, declares what the browser needs as traits with
   `.tag(sync=True)` (arrays as `traitlets.Bytes`), sets `alt`, and draws a static
   `picture()` with the same arithmetic. Add the class to `course_utils/explore.py`.
3. A notebook's saved state carries the script, the styles and the traits: stay below
   300 KB. The widget must work with no kernel behind it: nothing may wait for Python.
"""

import base64
import itertools
import json
from numbers import Integral
from pathlib import Path

import anywidget
import traitlets
from ipywidgets import Layout

from course_utils.plots import COLORS, to_png

FOLDER = Path(__file__).parent
COLORS_OF_STILL = 128  # keeps it below 60 KB: a notebook carries it beside the widget


def read_script(scripts):
    """The module the browser loads: the colours, base.js, then these scripts."""
    paths = [FOLDER / f"{name}.js" for name in ("base", *scripts)]
    colours = f"const COLORS = {json.dumps(COLORS)};"
    return "\n".join([colours, *(path.read_text(encoding="utf-8") for path in paths)])


def read_style(scripts):
    """base.css, followed by the style named like the last script, if there is one."""
    paths = [FOLDER / f"{name}.css" for name in ("base", scripts[-1])]
    texts = [path.read_text(encoding="utf-8") for path in paths if path.exists()]
    return "\n".join(texts)


class Explorable(anywidget.AnyWidget):
    """An interactive figure that runs in the browser, with a still for elsewhere.

    JupyterLab, decks and HTML pages run the script, with or without a kernel. GitHub,
    print, and notebooks that are not trusted show `picture()`; text tools get `alt`.
    See the module's docstring for how to write one.
    """

    scripts = ()  # names of .js files in this folder; the last one exports render
    alt = traitlets.Unicode().tag(sync=True)

    _made = itertools.count(1)

    def __init_subclass__(cls, **kwargs):
        # anywidget makes a further subclass for each instance: it names no scripts.
        if "scripts" in vars(cls):
            cls._esm = read_script(cls.scripts)
            cls._css = read_style(cls.scripts)
            cls._made = itertools.count(1)
        super().__init_subclass__(**kwargs)

    def __init__(self, **traits):
        # The n-th widget of a class has the same id in every run of the notebook: saved
        # outputs then find their saved state again, and a new run changes no line.
        identity = f"{type(self).__name__}-{next(self._made)}"
        layout = Layout(model_id=f"{identity}-layout")
        super().__init__(model_id=identity, layout=layout, **traits)

    def picture(self):
        """A matplotlib Figure of what the widget shows; see plots.new_figure."""
        raise NotImplementedError(f"{type(self).__name__} needs a picture()")

    def still(self):
        """What places without widgets show: a MIME bundle and its metadata."""
        picture, width = to_png(self.picture(), COLORS_OF_STILL)
        encoded = base64.b64encode(picture).decode("ascii")
        data = {"image/png": encoded, "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": width}}

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        still_data, still_metadata = self.still()
        return {**data, **still_data}, {**metadata, **still_metadata}

    def __repr__(self):
        return self.alt


def check_whole(name, value, low, high):
    """ValueError unless the value is a whole number from low to high."""
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or not low <= value <= high:
        raise ValueError(
            f"{name} must be a whole number from {low} to {high}, got {value!r}"
        )
