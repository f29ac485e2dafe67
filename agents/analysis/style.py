"""The style of every figure: colours, marks, axes and the size of a dot.

Colours are those of Okabe and Ito, which readers with any kind of colour vision can distinguish.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from agents.directories import writable

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, "#E69F00", "#56B4E9", "#000000")
MARKERS = "oDs^vPX*"
LINES = ("-", "--", "-.")
"""Line styles, for more labels than there are colours."""

_DPI = 120


def frame(axes: Axes) -> None:
    """A light grid and two spines."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def count_steps(axes: Axes) -> None:
    """Marks the x axis at a few round numbers of steps."""
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    # More of them run into each other, and steps of 8,000 end short of 30,000.
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10], integer=True))


@contextmanager
def drawable(figure: Figure) -> Iterator[None]:
    """A block in which a figure can be drawn, whatever a `matplotlibrc` says.

    One of them may ask for LaTeX, which need not be there.
    """
    for text in figure.findobj(Text):
        text.set_usetex(False)
    kept = {"backend", "backend_fallback", "interactive", "toolbar"}
    with mpl.rc_context({k: v for k, v in mpl.rcParamsDefault.items() if k not in kept}):
        yield


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    # A canvas of its own instead of pyplot: nothing global, and no window system is asked for.
    content = io.BytesIO()
    with drawable(figure):
        FigureCanvasAgg(figure).print_figure(content, dpi=_DPI, facecolor="white")
    return content.getvalue()


def write(figure: Figure, path: Path) -> Path:
    """Writes a figure as a PNG file and returns its path.

    Raises:
      UnwritableError: the operating system refused.
    """
    content = png(figure)
    with writable(path):
        path.write_bytes(content)
    return path


def series(number: int) -> dict[str, Any]:
    """Colour and marker of a figure's line `number`, as keyword arguments of `Axes.plot`."""
    return {"color": CYCLE[number % len(CYCLE)], "marker": MARKERS[number % len(MARKERS)]}
