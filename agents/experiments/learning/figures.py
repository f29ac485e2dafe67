"""The figure of a learning benchmark: what frozen contenders reach against the steps they took."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.analysis.style import CYCLE, GREY, MARKERS, count_steps, frame, write
from agents.analysis.tables import Row

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
        _draw(axes, summary, key)
        if key == "mean":
            _seeds(axes, summary, evaluations)
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


def _draw(axes: Axes, summary: Sequence[Row], key: str) -> None:
    fixed = 0
    for index, label in enumerate(dict.fromkeys(row["label"] for row in summary)):
        rows = [row for row in summary if row["label"] == label]
        text = label.replace("$", r"\$")
        if not rows[0]["env_steps"]:
            line = _FIXED_LINES[fixed % len(_FIXED_LINES)]
            axes.axhline(rows[0][key], color=GREY, ls=line, lw=1.4, label=text)
            fixed += 1
            continue
        steps = [row["env_steps"] for row in rows]
        colour, marker = CYCLE[index % len(CYCLE)], MARKERS[index % len(MARKERS)]
        count = rows[-1]["seeds"]
        told = f"{text} ({count} seed{'s' * (count > 1)})"
        axes.plot(steps, [row[key] for row in rows], color=colour, marker=marker, lw=2, label=told)
        low, high = ([row[f"{key}_{end}"] for row in rows] for end in ("low", "high"))
        if count > 1:
            axes.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)


def _seeds(axes: Axes, summary: Sequence[Row], evaluations: Sequence[Row]) -> None:
    for index, label in enumerate(dict.fromkeys(row["label"] for row in summary)):
        rows = [row for row in evaluations if row["label"] == label and row["env_steps"]]
        axes.plot(
            [row["env_steps"] for row in rows], [np.mean(row["returns"]) for row in rows],
            ls="", marker=MARKERS[index % len(MARKERS)], ms=4, mfc="none",
            color=CYCLE[index % len(CYCLE)], alpha=0.6,
        )  # fmt: skip
