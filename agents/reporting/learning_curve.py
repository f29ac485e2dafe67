"""Learning curves of one run and of groups of runs, drawn from `metrics.jsonl` alone."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from agents.analysis.jsonl import read_rows
from agents.analysis.style import (
    BLUE,
    CYCLE,
    GREY,
    LINES,
    MARKERS,
    ORANGE,
    PURPLE,
    count_steps,
    frame,
    png,
    write,
)
from agents.analysis.tables import Row, of_kind
from agents.logs.log import METRICS

_Vector = npt.NDArray[np.float64]

_RECENT = 10  # episodes in a running median or mean


def plot_run(run_dir: Path) -> Path:
    """Writes `picture_of` a run as `learning.png` in its directory; raises as that does."""
    return write(_drawn(run_dir), run_dir / "learning.png")


def picture_of(run_dir: Path) -> bytes:
    """Draws one run on one page, as a PNG file.

    From top to bottom: the return of every training episode with its running median, and the frozen
    evaluation as a diamond (IQM) with its 95 % interval; the planned and the realised return of the
    first plan of each episode over its horizon, and that plan's penalty; errors of each fit on
    held-out episodes. What there is no data for stays empty and says so.

    Args:
        run_dir: directory of a run, finished or not.

    Raises:
        UserError: the directory has no readable `metrics.jsonl`.
    """
    return png(_drawn(run_dir))


def _drawn(run_dir: Path) -> Figure:
    rows = read_rows(run_dir / METRICS)
    episodes, fits = of_kind(rows, "episode"), of_kind(rows, "fit")
    planned = [row for row in episodes if row.get("planned_return") is not None]

    figure = Figure(figsize=(9, 10.5), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1))
    figure.suptitle(run_dir.resolve().name)
    grid = figure.add_gridspec(3, 6, height_ratios=(1.25, 1, 0.85))
    _draw_returns(figure.add_subplot(grid[0, :]), episodes, of_kind(rows, "evaluation"))
    for place, title, shown, series in (
        (
            grid[1, :3],
            "First plan of an episode, return over its horizon",
            planned,
            [
                ("planned_return", "planned", ORANGE, "^"),
                ("realised_return", "realised", BLUE, "o"),
            ],
        ),
        (
            grid[1, 3:],
            "Penalty of the first plan, summed over its decisions",
            episodes,
            [("penalty", "penalty", PURPLE, "o")],
        ),
        (grid[2, :2], "Dynamics: held-out nll", fits, [("dynamics_nll", "nll", BLUE, ".-")]),
        (grid[2, 2:4], "Reward: held-out rmse", fits, [("reward_rmse", "rmse", BLUE, ".-")]),
        (
            grid[2, 4:],
            "Regulariser: held-out mse",
            fits,
            [
                ("regularizer_copy_mse", "copying its input", GREY, ".--"),
                ("regularizer_mse", "denoising", BLUE, ".-"),
            ],
        ),
    ):
        axes = figure.add_subplot(place)
        axes.set_title(title, fontsize="medium")
        for key, label, colour, style in series:
            _draw_points(axes, shown, key, label, colour, style)
    for row in planned:
        if row.get("realised_return") is not None:  # a thin line from the one to the other
            pair = [row["planned_return"], row["realised_return"]]
            figure.axes[1].plot(
                [row["env_steps"]] * 2, pair, color=GREY, lw=0.6, alpha=0.4, zorder=1
            )
    figure.axes[-1].set_ylim(bottom=0)
    end = max((row.get("env_steps", 1) for row in rows), default=1)
    for axes in figure.axes:
        _finish(axes)
        axes.set_xlim(0, 1.03 * end)
    return figure


def plot_comparison(
    runs: Mapping[str, Sequence[Sequence[Row]]],
    path: Path,
    *,
    random: Row,
    solved_at: float | None,
) -> Path:
    """Draws groups of runs, one colour and marker a label: learning curves and evaluations.

    On the left a run's curve at a step is the mean return of the ten episodes that had finished
    last by then (thin). The thick line is the mean of the curves of a label, the band reaches from
    the lowest to the highest: a standard error of a few seeds would be too narrow. Both end where
    the shortest run ends. On the right each run's frozen evaluation: its IQM, with the 95 %
    interval where there is one.

    Args:
        runs: for each label the rows of its runs, usually one a seed, with an episode at least.
        path: of the PNG to write, 900 pixels wide.
        random: `mean` and `iqm` of the random policy, drawn as a dashed line: the mean beside the
            curves, the IQM beside the evaluations.
        solved_at: return from which an episode counts as solved, drawn as a dotted line; None where
            there is none.
    """
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2.1, 1))
    handles: list[Artist] = []
    for index, (label, group) in enumerate(runs.items()):
        colour, marker = CYCLE[index % len(CYCLE)], MARKERS[index % len(MARKERS)]
        line = LINES[index // len(CYCLE) % len(LINES)]
        _draw_group(left, group, colour, line)
        finals = [row for rows in group for row in of_kind(rows, "evaluation")[-1:]]
        gap = min(0.2, 0.7 / max(len(finals), 1))
        for number, row in enumerate(finals):
            x = index + gap * (number - (len(finals) - 1) / 2)
            _draw_evaluation(right, x, row, colour, marker)
        text = f"{label} ({len(group)} run{'s' * (len(group) > 1)})".replace("$", r"\$")
        handles.append(Line2D([], [], color=colour, ls=line, lw=2, marker=marker, label=text))
    levels = [("random policy", "--", random["mean"], random["iqm"])]
    if solved_at is not None:
        levels.append((f"solved at {solved_at:g}", ":", solved_at, solved_at))
    for text, style, mean, iqm in levels:
        left.axhline(mean, color=GREY, ls=style, lw=1.4, zorder=1)
        right.axhline(iqm, color=GREY, ls=style, lw=1.4, zorder=1)
        handles.append(Line2D([], [], color=GREY, ls=style, lw=1.4, label=text))
    left.set_title(f"Training: mean return of the last {_RECENT} episodes", fontsize="medium")
    right.set_title("Evaluation: IQM, 95% interval", fontsize="medium")
    _finish(left)
    frame(right)
    right.set_xticks([])
    right.set_xlim(-0.5, len(runs) - 0.5)
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = min(max(105 // (longest + 9), 1), 3)  # 105 characters a line, 9 for a handle
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
    return write(figure, path)


def _points(rows: Sequence[Row], key: str) -> tuple[_Vector, _Vector]:
    """Steps and values of the rows that have the value."""
    pairs = [(row["env_steps"], row[key]) for row in rows if row.get(key) is not None]
    steps, values = np.array(pairs, np.float64).reshape(-1, 2).T
    return steps, values


def _running(function: Callable[[_Vector], Any], values: _Vector) -> _Vector:
    """`function` of each value and the nine before it, of fewer at the start."""
    return np.array([function(values[max(0, i - _RECENT + 1) : i + 1]) for i in range(len(values))])


def _was_planned(row: Row) -> bool:
    """Whether a row `episode` is of planned actions; a plan that diverged has no return either."""
    return row.get("planned_return") is not None or bool(row.get("diverged"))


def _draw_returns(axes: Axes, episodes: Sequence[Row], evaluations: Sequence[Row]) -> None:
    axes.set_title("Return of each episode")
    planned = [row for row in episodes if _was_planned(row)]
    random = [row for row in episodes if not _was_planned(row)]
    _draw_points(axes, random, "return", "random", GREY, "o")
    _draw_points(axes, planned, "return", "planned", BLUE, "o")
    if episodes:
        steps, returns = _points(episodes, "return")
        median = _running(np.median, returns)
        axes.plot(steps, median, color=BLUE, lw=2, label=f"median of last {_RECENT}")
    for row in evaluations[-1:]:
        label = f"frozen evaluation: mean {row['mean']:.0f}, IQM {row['iqm']:.0f}"
        if None not in row["iqm_ci95"]:
            label += " (95 % interval {:.0f} to {:.0f})".format(*row["iqm_ci95"])
        _draw_evaluation(axes, row["env_steps"], row, ORANGE, "D", label)


def _draw_points(
    axes: Axes, rows: Sequence[Row], key: str, label: str, colour: str, style: str
) -> None:
    """Draws a column of rows, if any row has it, over environment steps."""
    steps, values = _points(rows, key)
    marks = {"ms": 4, "lw": 1.8} if "-" in style else {"ms": 5, "alpha": 0.7, "mew": 0}
    if len(steps):
        axes.plot(steps, values, style, color=colour, label=label, **marks)


def _draw_evaluation(
    axes: Axes, x: float, row: Row, colour: str, marker: str, label: str | None = None
) -> None:
    """Draws the IQM of an evaluation, and its interval, which a single episode does not have."""
    if None not in row["iqm_ci95"]:
        axes.plot([x, x], row["iqm_ci95"], color=colour, lw=3, alpha=0.5)
    axes.plot(x, row["iqm"], marker, ms=8, color=colour, mec="white", mew=0.7, label=label)


def _draw_group(axes: Axes, group: Sequence[Sequence[Row]], colour: str, line: str) -> None:
    """Draws the curves of the runs of a label, their mean and the band from lowest to highest."""
    returns = [_points(of_kind(rows, "episode"), "return") for rows in group]
    curves = [(steps, _running(np.mean, values)) for steps, values in returns]
    first = max(steps[0] for steps, _ in curves)
    last = min(steps[-1] for steps, _ in curves)
    grid = np.linspace(min(first, last), last, 400)
    # The latest mean at each step of the grid; the first one before there is any.
    values = np.stack(
        [
            means[np.maximum(np.searchsorted(steps, grid, side="right") - 1, 0)]
            for steps, means in curves
        ]
    )
    if len(curves) > 1:
        axes.fill_between(grid, values.min(0), values.max(0), color=colour, alpha=0.15, lw=0)
        for steps, means in curves:
            axes.step(steps, means, where="post", color=colour, ls=line, lw=0.7, alpha=0.5)
    axes.plot(grid, values.mean(0), line, color=colour, lw=2)


def _finish(axes: Axes) -> None:
    """Frames axes over environment steps; without data they say so."""
    frame(axes)
    axes.set_xlabel("environment steps", fontsize="small")
    count_steps(axes)
    if not axes.has_data():
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color=GREY)
        axes.set_yticks([])
    elif len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(frameon=False, fontsize="small")
