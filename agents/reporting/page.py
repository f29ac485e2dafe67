"""Pages of HTML from templates, for a run and for a sweep.

A page holds everything that it shows and loads nothing: images are embedded, and there is no
script. Templates escape every text that they are given.
"""

import base64
import io
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from agents.analysis.style import drawable
from agents.analysis.text import number, short_commit

TEMPLATES = Environment(
    loader=PackageLoader("agents.reporting"),
    autoescape=True,
    undefined=StrictUndefined,  # a name that is not given is an error, not an empty text
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"number": number, "short_commit": short_commit}


def render(template: str, **values: Any) -> str:
    """A page as text.

    Args:
      template: the name of its file, which extends `page.html`.
      values: what the template names; texts are escaped there.
    """
    return TEMPLATES.get_template(template).render(values)


def image(data: bytes, kind: str) -> str:
    """An image as an address that holds it; `kind` is `png`, `gif` or `svg+xml`."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def drawing(figure: Figure, name: str) -> str:
    """A figure as an SVG image, its text as text; one name, one file to the last bit."""
    buffer = io.BytesIO()
    with drawable(figure), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return image(buffer.getvalue(), "svg+xml")
