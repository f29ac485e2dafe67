"""Pages of HTML that hold everything they show: style sheet, sections, figures and tables.

A page loads nothing: images are embedded, and there is no script. Arguments named `text` or `title`
are escaped here; those named `content` are HTML already.
"""

import base64
import io
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light; --ink: #1c2330; --soft: #5c6675; --line: #e3e6ea; --blue: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem 4rem; background: #fff;
  color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--line); }
p, figcaption { color: var(--soft); max-width: 44rem; }
nav { margin: 1rem 0 0; } nav a { margin-right: 1rem; color: var(--blue); text-decoration: none;
  white-space: nowrap; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem;
  margin: 1.4rem 0; }
.card { border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; }
.card b { display: block; font-size: 1.5rem; line-height: 1.2; }
.card span { color: var(--soft); font-size: .85rem; }
figure { margin: 1rem 0 2rem; } figure img { max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--soft); font-weight: 500; } td:first-child, th:first-child { text-align: left; }
td small { color: var(--soft); }
pre { background: #f6f7f9; padding: 1rem; border-radius: .6rem; overflow-x: auto;
  font-size: .8rem; }
code { background: #f6f7f9; padding: .1rem .3rem; border-radius: .25rem; }
summary { cursor: pointer; }
"""


class Section(NamedTuple):
    """A part of a page; `name` is what links to it point at."""

    name: str
    title: str
    content: str


def page(title: str, content: str, sections: Sequence[Section]) -> str:
    """A whole page, with links to its sections.

    Args:
      title: of the window and at the top.
      content: below the title.
      sections: in order.
    """
    links = "".join(f'<a href="#{each.name}">{escape(each.title)}</a>' for each in sections)
    body = "".join(
        f'<section id="{each.name}"><h2>{escape(each.title)}</h2>{each.content}</section>'
        for each in sections
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<header><h1>{escape(title)}</h1>{content}<nav>{links}</nav></header>{body}</body></html>\n"
    )


def paragraph(text: str, code: str = "") -> str:
    """A paragraph, with something to type at its end."""
    command = f" <code>{escape(code)}</code>" if code else ""
    return f"<p>{escape(text)}{command}</p>"


def cards(pairs: Iterable[tuple[str, str]]) -> str:
    """Figures in large type, each with a few words below."""
    each = (
        f'<div class="card"><b>{escape(figure)}</b><span>{escape(text)}</span></div>'
        for figure, text in pairs
    )
    return f'<div class="cards">{"".join(each)}</div>'


def table(headings: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table, its first column to the left; an interval at the end of a cell is set small.

    Args:
      headings: one a column; none at all for a table without.
      body: rows of texts, such as `1.5 [1.2, 1.8]`.
    """
    rows = [_row(headings, "th")] if headings else []
    rows += [_row(cells, "td") for cells in body]
    return f'<div class="scroll"><table>{"".join(rows)}</table></div>'


def _row(cells: Sequence[str], tag: str) -> str:
    each = (re.sub(r" \[[^\]]*\]$", r"<small>\g<0></small>", escape(cell)) for cell in cells)
    return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in each)}</tr>"


def preformatted(text: str) -> str:
    """The text of a file."""
    return f"<pre>{escape(text)}</pre>"


def folded(text: str, content: str) -> str:
    """Content that opens with a click on its summary."""
    return f"<details><summary>{escape(text)}</summary>{content}</details>"


def figure(content: str, text: str) -> str:
    """An image with its caption."""
    return f"<figure>{content}<figcaption>{escape(text)}</figcaption></figure>"


def image(data: bytes, kind: str, text: str) -> str:
    """An embedded image.

    Args:
      data: of its file.
      kind: `png`, `gif` or `svg+xml`.
      text: for those who do not see it.
    """
    encoded = base64.b64encode(data).decode("ascii")
    return f'<img alt="{escape(text)}" src="data:image/{kind};base64,{encoded}">'


def drawing(figure: Figure, name: str) -> str:
    """A figure as an embedded SVG image, its text as text; one name, one file to the last bit."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return image(buffer.getvalue(), "svg+xml", name)
