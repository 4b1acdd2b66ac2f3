"""What all explorables share: widgets that compute and draw in the browser.

How to write one (loop.py with loop.js is the model to follow):

1. `explorables/NAME.js` ends in `export default { render }`, where
   `render({ model, el })` fills the element `el` and returns a function that stops
   what it started. Arithmetic goes into exported functions of plain numbers and
   typed arrays at the top, so that a test can run them under node and compare them
   with PyTorch. There is no bundler: Python puts `base.js` and the colours of
   `course_utils.plots` (as the constant COLORS) in front of the file, so it calls
   `element`, `paper`, `diverging`, ... without importing them, and must not define
   those names again. Styles shared by all are in `base.css`; `NAME.css`, where there
   is one, follows it.
2. `explorables/NAME.py` holds a subclass of Explorable that sets `script = "NAME"`,
   declares what the browser needs as traits with `.tag(sync=True)` (arrays as
   `traitlets.Bytes`), sets `alt`, and draws a static `picture()` with the same
   arithmetic. Add the class to `course_utils/explore.py`.
3. A notebook's saved state carries the script, the styles and the traits: stay below
   300 KB. The widget must work with no kernel behind it: nothing may wait for Python.
"""

import base64
import io
import itertools
import json
from pathlib import Path

import anywidget
import traitlets
from ipywidgets import Layout
from PIL import Image

from course_utils.plots import COLORS, to_png

FOLDER = Path(__file__).parent
COLORS_OF_STILL = 128  # keeps it below 60 KB: a notebook carries it beside the widget


def script_text(name):
    """The module the browser loads: the colours, base.js, then NAME.js."""
    parts = [f"const COLORS = {json.dumps(COLORS)};"]
    parts += [
        (FOLDER / f"{part}.js").read_text(encoding="utf-8") for part in ("base", name)
    ]
    return "\n".join(parts)


def style_text(name):
    """base.css, followed by NAME.css where there is one."""
    paths = [FOLDER / "base.css", FOLDER / f"{name}.css"]
    return "\n".join(
        path.read_text(encoding="utf-8") for path in paths if path.exists()
    )


class Explorable(anywidget.AnyWidget):
    """An interactive figure that runs in the browser, with a still for elsewhere.

    JupyterLab, decks and HTML pages run the script, with or without a kernel. GitHub,
    print, and notebooks that are not trusted show `picture()`; text tools get `alt`.
    See the module's docstring for how to write one.
    """

    script = None  # the name of the subclass's files in this folder
    alt = traitlets.Unicode().tag(sync=True)

    _made = itertools.count(1)

    def __init_subclass__(cls, **kwargs):
        # anywidget makes a further subclass for each instance: it names no script.
        if "script" in vars(cls):
            cls._esm = script_text(cls.script)
            cls._css = style_text(cls.script)
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
        picture, width = to_png(self.picture())
        small = io.BytesIO()
        image = Image.open(io.BytesIO(picture)).convert("RGB")
        image.quantize(COLORS_OF_STILL).save(small, "png", optimize=True)
        encoded = base64.b64encode(small.getvalue()).decode("ascii")
        data = {"image/png": encoded, "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": width}}

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        still_data, still_metadata = self.still()
        return {**data, **still_data}, {**metadata, **still_metadata}

    def __repr__(self):
        return self.alt
