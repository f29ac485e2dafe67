"""The figure of a task: returns by episode beside the paper's, and the gap of the plans.

Lines are means of returns and medians of gaps over seeds: one early model that is wrong by
thousands would hide all the others. The scale of the gaps is logarithmic beyond 10 for that reason.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from agents.analysis.style import GREY, frame, series, write
from agents.analysis.tables import Row, grouped
from agents.experiments.reproduction.paper import CURVES

_PANELS = {"return": "return of an episode", "gap": "planned less realised return"}
_PAPER_LINES = (":", "-.", "--")
_SMALL = 10.0
"""Gaps up to here are drawn on a linear scale."""


def plot_study(rows: Sequence[Row], path: Path, task: str, steps: int) -> Path:
    """Draws a row of panels a planner: a line over seeds, and every seed as a point.

    Args:
      rows: of `episodes.csv`, of one task and length of episode.
      path: of the PNG.
      task: named above.
      steps: of an episode.
    """
    planners = grouped(rows, "planner")
    figure = Figure(figsize=(9, 3.6 * len(planners)), layout="constrained")
    grid = figure.subplots(len(planners), 2, squeeze=False)
    for line, (planner, mine) in zip(grid, planners.items(), strict=True):
        for axes, (key, title) in zip(line, _PANELS.items(), strict=True):
            for index, (arm, of_arm) in enumerate(
                grouped(mine, "penalty", "weight", "members").items()
            ):
                _draw(axes, of_arm, key, _label(*arm), index)
            axes.axhline(0, color=GREY, lw=0.8, zorder=0)
            axes.set_title(f"{task}, {planner}: {title}", loc="left", fontsize=10)
            axes.set_xlabel("episode")
            frame(axes)
        if any(abs(row["gap"] or 0.0) > _SMALL for row in mine):
            line[1].set_yscale("symlog", linthresh=_SMALL)
            line[1].yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        _draw_paper(line[0], task, steps, planner)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    return write(figure, path)


def _draw(axes: Axes, rows: Sequence[Row], key: str, label: str, index: int) -> None:
    known = [row for row in rows if row[key] is not None]
    episodes = grouped(known, "episode")
    style = series(index)
    centre = np.mean if key == "return" else np.median
    middles = [centre([row[key] for row in mine]) for mine in episodes.values()]
    seeds = len({row["seed"] for row in rows})
    axes.plot(list(episodes), middles, lw=2, label=f"{label} ({seeds} seeds)", **style)
    axes.plot(
        [row["episode"] for row in known], [row[key] for row in known],
        ls="", ms=3, alpha=0.45, **style,
    )  # fmt: skip


def _draw_paper(axes: Axes, task: str, steps: int, planner: str) -> None:
    """Curves of the paper that are of this planner, or of PETS, which plans by CEM."""
    curves = CURVES.get((task, steps), {})
    mine = [label for label in curves if label.lower().startswith(planner) or label == "PETS"]
    for label, line in zip(mine, _PAPER_LINES, strict=False):
        # The paper's first planned episode is its episode 1; ours is number 2.
        episodes = [episode + 1 for episode in curves[label]]
        axes.plot(
            episodes, list(curves[label].values()), ls=line, color=GREY, label=f"paper: {label}"
        )


def _label(penalty: str, weight: float, members: int) -> str:
    text = penalty if penalty == "none" else f"{penalty} {weight:g}"
    return text if members == 1 else f"{text}, {members} members"
