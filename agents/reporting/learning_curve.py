"""The figure of one run, drawn from `metrics.jsonl` alone, and what figures of runs share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from agents.analysis.jsonl import read_rows
from agents.analysis.style import BLUE, GREY, ORANGE, PURPLE, count_steps, frame, write
from agents.analysis.tables import Row, of_kind
from agents.training.log import METRICS

Vector = npt.NDArray[np.float64]

RECENT = 10
"""Episodes in a running median or mean."""


def plot_run(run_dir: Path) -> Path:
    """Draws one run on one page, `learning.png` in its directory.

    From top to bottom: the return of every training episode with its running median, and the frozen
    evaluation as a diamond (IQM) with its 95 % interval; the planned and the realised return of the
    first plan of each episode over its horizon, and that plan's penalty; errors of each fit on
    held-out episodes. What there is no data for stays empty and says so.

    Args:
        run_dir: directory of a run, finished or not.

    Raises:
        UserError: the directory has no readable `metrics.jsonl`.
    """
    rows = read_rows(run_dir / METRICS)
    episodes, fits = of_kind(rows, "episode"), of_kind(rows, "fit")

    figure = Figure(figsize=(9, 10.5), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1))
    figure.suptitle(run_dir.resolve().name)
    grid = figure.add_gridspec(3, 6, height_ratios=(1.25, 1, 0.85))
    _draw_returns(figure.add_subplot(grid[0, :]), episodes, of_kind(rows, "evaluation"))
    _draw_planned(figure.add_subplot(grid[1, :3]), episodes)
    _draw(
        figure.add_subplot(grid[1, 3:]),
        "Penalty of the first plan (0 familiar, 1 unusual)",
        episodes,
        [("penalty", "penalty", PURPLE, "o")],
        legend=False,
    )
    _draw(
        figure.add_subplot(grid[2, :2]),
        "Dynamics: held-out nll",
        fits,
        [("dynamics_nll", "nll", BLUE, "-")],
        legend=False,
    )
    _draw(
        figure.add_subplot(grid[2, 2:4]),
        "Reward: held-out rmse",
        fits,
        [("reward_rmse", "rmse", BLUE, "-")],
        legend=False,
    )
    _draw(
        figure.add_subplot(grid[2, 4:]),
        "Regulariser: held-out mse",
        fits,
        [
            ("regularizer_copy_mse", "copying its input", GREY, "--"),
            ("regularizer_mse", "denoising", BLUE, "-"),
        ],
        from_zero=True,
    )
    end = max((row["env_steps"] for row in rows), default=1)
    for axes in figure.axes:
        axes.set_xlim(0, 1.03 * end)
    return write(figure, run_dir / "learning.png")


def points(rows: Sequence[Row], key: str) -> tuple[Vector, Vector]:
    """Steps and values of the rows that have the value."""
    pairs = [(row["env_steps"], row[key]) for row in rows if row.get(key) is not None]
    steps, values = np.array(pairs, np.float64).reshape(-1, 2).T
    return steps, values


def running(function: Callable[[Vector], Any], values: Vector) -> Vector:
    """`function` of each value and the nine before it, of fewer at the start."""
    return np.array([function(values[max(0, i - RECENT + 1) : i + 1]) for i in range(len(values))])


def _draw_returns(axes: Axes, episodes: Sequence[Row], evaluations: Sequence[Row]) -> None:
    random = [row for row in episodes if row.get("planned_return") is None]
    planned = [row for row in episodes if row.get("planned_return") is not None]
    for rows, label, colour in ((random, "random", GREY), (planned, "planned", BLUE)):
        steps, returns = points(rows, "return")
        if len(steps):
            axes.plot(steps, returns, "o", ms=4, alpha=0.5, mew=0, color=colour, label=label)
    steps, returns = points(episodes, "return")
    if len(steps):
        median = running(np.median, returns)
        axes.plot(steps, median, color=BLUE, lw=2, label=f"median of last {RECENT}")
    for row in evaluations[-1:]:
        low, high = row["iqm_ci95"]
        label = f"frozen evaluation: mean {row['mean']:.0f}, IQM {row['iqm']:.0f}"
        if low is not None and high is not None:  # null after a single episode
            axes.plot([row["env_steps"]] * 2, [low, high], color=ORANGE, lw=4, alpha=0.6)
            label += f" (95 % interval {low:.0f} to {high:.0f})"
        axes.plot(row["env_steps"], row["iqm"], "D", ms=9, color=ORANGE, mec="white", label=label)
    axes.set_title("Return of each episode")
    finish(axes, legend=True)


def _draw_planned(axes: Axes, episodes: Sequence[Row]) -> None:
    both = [row for row in episodes if row.get("planned_return") is not None]
    realised = [row for row in both if row.get("realised_return") is not None]
    _draw(
        axes,
        "First plan of an episode, return over its horizon",
        both,
        [("planned_return", "planned", ORANGE, "^"), ("realised_return", "realised", BLUE, "o")],
    )
    for row in realised:
        pair = [row["planned_return"], row["realised_return"]]
        axes.plot([row["env_steps"]] * 2, pair, color=GREY, lw=0.6, alpha=0.4, zorder=1)


def _draw(
    axes: Axes,
    title: str,
    rows: Sequence[Row],
    series: Sequence[tuple[str, str, str, str]],
    *,
    legend: bool = True,
    from_zero: bool = False,
) -> None:
    """Draws columns of rows over environment steps: points, or lines where the mark says so."""
    for key, label, colour, mark in series:
        steps, values = points(rows, key)
        if not len(steps):
            continue
        if mark in ("-", "--"):
            axes.plot(steps, values, mark, color=colour, lw=1.8, label=label)
            axes.plot(steps, values, ".", ms=4, color=colour)
        else:
            axes.plot(steps, values, mark, ms=5, alpha=0.7, mew=0, color=colour, label=label)
    axes.set_title(title, fontsize="medium")
    finish(axes, legend=legend)
    if from_zero and axes.has_data():
        axes.set_ylim(bottom=0)


def finish(axes: Axes, *, legend: bool) -> None:
    """Frames axes over environment steps; without data they say so."""
    frame(axes)
    axes.set_xlabel("environment steps", fontsize="small")
    count_steps(axes)
    if not axes.has_data():
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color=GREY)
        axes.set_yticks([])
    elif legend:
        axes.legend(frameon=False, fontsize="small")
