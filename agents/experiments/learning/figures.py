"""The figure of a learning benchmark: returns of frozen contenders over their training steps."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.analysis.style import GREY, count_steps, frame, series, write
from agents.analysis.tables import Row, grouped

_PANELS = {"mean": "Mean return of frozen evaluations", "iqm": "Interquartile mean"}
_FIXED_LINES = ("--", ":")


def plot_learning(
    summary: Sequence[Row], evaluations: Sequence[Row], path: Path, *, solved_at: float | None
) -> Path:
    """Draws the mean, with every seed as a point, and the interquartile mean, side by side.

    A line is over all seeds and episodes of a contender, its band the 95 % interval over both.
    Policies that do not learn are horizontal lines.

    Args:
      summary: rows of `agents.experiments.learning.results.summarise`.
      evaluations: of every trial and age.
      path: of the PNG.
      solved_at: the return that counts as solved, where there is one.
    """
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (key, title) in zip(panels, _PANELS.items(), strict=True):
        _draw(axes, summary, key, evaluations if key == "mean" else ())
        if solved_at is not None:
            axes.axhline(solved_at, color=GREY, lw=0.8, zorder=0)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("simulator steps")
        count_steps(axes)
        axes.set_xlim(left=0)
        frame(axes)
    if solved_at is not None:
        panels[0].annotate(
            "solved", (0.01, solved_at), xycoords=("axes fraction", "data"), va="bottom",
            fontsize=8, color=GREY,
        )  # fmt: skip
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return write(figure, path)


def _draw(axes: Axes, summary: Sequence[Row], key: str, evaluations: Sequence[Row]) -> None:
    """Draws a statistic of every contender over the steps, and the means of single evaluations."""
    fixed = itertools.cycle(_FIXED_LINES)
    points = grouped(evaluations, "label")
    for index, (label, rows) in enumerate(grouped(summary, "label").items()):
        text, count, style = label.replace("$", r"\$"), rows[-1]["seeds"], series(index)
        if not rows[0]["env_steps"]:
            axes.axhline(rows[0][key], color=GREY, ls=next(fixed), lw=1.4, label=text)
            continue
        text += f" ({count} seed{'s' * (count > 1)})"
        steps = [row["env_steps"] for row in rows]
        axes.plot(steps, [row[key] for row in rows], lw=2, label=text, **style)
        if count > 1:
            low, high = ([row[f"{key}_{end}"] for row in rows] for end in ("low", "high"))
            axes.fill_between(steps, low, high, color=style["color"], alpha=0.15, lw=0)
        axes.plot(
            [row["env_steps"] for row in points.get(label, ())],
            [np.mean(row["returns"]) for row in points.get(label, ())],
            ls="", ms=4, mfc="none", alpha=0.6, zorder=2.1, **style,  # above the lines
        )  # fmt: skip
