"""What does a denoiser restore? A window, its restoration and the error; and the blog's forms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.analysis.style import CYCLE, LINES, frame, write

_SHOWN = 3


@dataclass(frozen=True)
class Example:
    """One window of observations `[T, O]`, in standardised units."""

    title: str
    clean: np.ndarray
    corrupted: np.ndarray
    restored: np.ndarray


def plot_denoising(examples: Sequence[Example], names: Sequence[str], path: Path) -> Path:
    """Three rows a window: true and corrupted; reconstruction; error. A column an example.

    Args:
      examples: with observations of the same size.
      names: of the numbers of an observation, a colour each.
      path: of the PNG file.
    """
    figure = Figure(figsize=(3.9 * len(examples) + 1.8, 7.2), layout="constrained")
    grid = figure.subplots(3, len(examples), sharex=True, sharey="col", squeeze=False)
    for column, example in enumerate(examples):
        top, middle, bottom = grid[:, column]
        top.set_title(example.title, fontsize="medium")
        _lines(top, example.clean, names)
        for number in range(len(names)):
            color = _style(number)["color"]
            top.plot(example.corrupted[:, number], ".", ms=4, alpha=0.7, color=color)
        _lines(middle, example.restored, names)
        _lines(bottom, example.restored - example.clean, names)
        after, before = (
            np.mean((window - example.clean) ** 2)
            for window in (example.restored, example.corrupted)
        )
        text = f"mean square {after:.3g}" + (f", before {before:.3g}" if before else "")
        bottom.annotate(text, (0.02, 0.94), xycoords="axes fraction", fontsize="small", va="top")
        bottom.set_xlabel("decision")
    for axes, label in zip(
        grid[:, 0], ("true, corrupted (dots)", "reconstruction", "error"), strict=True
    ):
        axes.set_ylabel(f"{label}\n[sd]")
    _legend(figure, grid[0, 0])
    return write(figure, path)


def plot_blog(curves: Mapping[str, np.ndarray], names: Sequence[str], path: Path) -> Path:
    """The same trajectories as each form restores them, a row a form and a column a trajectory.

    Args:
      curves: `[M, T, O]` by form, raw; M >= 1, of which the first few are shown.
      names: of the numbers of an observation.
      path: of the PNG file.
    """
    columns = min(_SHOWN, len(next(iter(curves.values()))))
    figure = Figure(figsize=(3.6 * columns + 1.8, 1.9 * len(curves)), layout="constrained")
    grid = figure.subplots(len(curves), columns, sharex=True, sharey=True, squeeze=False)
    for row, (form, values) in zip(grid, curves.items(), strict=True):
        for column, axes in enumerate(row):
            _lines(axes, values[column], names)
        row[0].set_ylabel(form.replace(", ", ",\n"), fontsize="small")
    for column in range(columns):
        grid[0, column].set_title(f"unseen trajectory {column + 1}", fontsize="medium")
        grid[-1, column].set_xlabel("step")
    _legend(figure, grid[0, 0])
    return write(figure, path)


def _style(number: int) -> dict[str, Any]:
    return {
        "color": CYCLE[number % len(CYCLE)],
        "linestyle": LINES[number // len(CYCLE) % len(LINES)],
    }


def _lines(axes: Axes, values: np.ndarray, names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        axes.plot(values[:, number], lw=1.4, label=name, **_style(number))
    frame(axes)


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize="small")
