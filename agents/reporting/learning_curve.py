"""Figures of runs, drawn from `metrics.jsonl` alone.

Colours are those of Okabe and Ito, which readers with any kind of colour vision can tell apart.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from agents.errors import UserError, shown
from agents.training.log import METRICS

__all__ = ["frame", "of_kind", "plot_comparison", "plot_run", "read_metrics", "write"]

Row = dict[str, Any]
Vector = npt.NDArray[np.float64]

_BLUE, _ORANGE, _GREEN, _PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
CYCLE = (_BLUE, _ORANGE, _GREEN, _PURPLE, "#E69F00", "#56B4E9", "#000000")
MARKERS = "oDs^vPX*"
LINES = ("-", "--", "-.")  # where labels outnumber colours
_RECENT = 10  # episodes in a running median or mean
_DPI = 120


def plot_run(run_dir: str | os.PathLike[str]) -> Path:
    """Draws one run on one page, `learning.png` in its directory.

    From top to bottom: the return of every training episode with its running median, and the frozen
    evaluation as a diamond (IQM) with its 95 % interval; what the first plan of each episode
    promised over its horizon against what that horizon brought, and the penalty of that plan;
    errors of each fit on held-out episodes. What there is no data for stays empty and says so.

    Args:
        run_dir: directory of a run, finished or not.

    Raises:
        UserError: the directory has no readable `metrics.jsonl`.
    """
    run_dir = Path(run_dir)
    rows = read_metrics(run_dir)
    episodes, fits = of_kind(rows, "episode"), of_kind(rows, "fit")

    figure = Figure(figsize=(9, 10.5), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1))
    figure.suptitle(run_dir.resolve().name)
    grid = figure.add_gridspec(3, 6, height_ratios=(1.25, 1, 0.85))
    _draw_returns(figure.add_subplot(grid[0, :]), episodes, of_kind(rows, "evaluation"))
    _draw_promises(figure.add_subplot(grid[1, :3]), episodes)
    _draw(
        figure.add_subplot(grid[1, 3:]),
        "Penalty of the first plan (0 familiar, 1 unusual)",
        episodes,
        [("penalty", "penalty", _PURPLE, "o")],
        legend=False,
    )
    _draw(
        figure.add_subplot(grid[2, :2]),
        "Dynamics: held-out nll",
        fits,
        [("dynamics_nll", "nll", _BLUE, "-")],
        legend=False,
    )
    _draw(
        figure.add_subplot(grid[2, 2:4]),
        "Reward: held-out rmse",
        fits,
        [("reward_rmse", "rmse", _BLUE, "-")],
        legend=False,
    )
    _draw(
        figure.add_subplot(grid[2, 4:]),
        "Regulariser: held-out mse",
        fits,
        [
            ("regularizer_copy_mse", "copying its input", GREY, "--"),
            ("regularizer_mse", "denoising", _BLUE, "-"),
        ],
        from_zero=True,
    )
    end = max((row["env_steps"] for row in rows), default=1)
    for axes in figure.axes:
        axes.set_xlim(0, 1.03 * end)
    return write(figure, run_dir / "learning.png")


def plot_comparison(
    runs: Mapping[str, Sequence[str | os.PathLike[str]]],
    path: str | os.PathLike[str],
    *,
    random: Mapping[str, Any] | None = None,
    solved_at: float | None = None,
) -> Path:
    """Draws groups of runs, one colour and marker a label: how they learned, what they reached.

    On the left a run's curve at a step is the mean return of the ten episodes that had finished
    last by then (thin). The thick line is the mean of the curves of a label, the band reaches from
    the lowest to the highest: with a few seeds a standard error would promise more than is known.
    Both end where the shortest run ends. On the right each run's frozen evaluation: its IQM, with
    the 95 % interval where there is one.

    Args:
        runs: for each label the directories of its runs, usually one a seed.
        path: of the PNG to write, 900 pixels wide.
        random: `mean` and `iqm` of the random policy, drawn as a dashed line: the mean beside the
            curves, the IQM beside the evaluations.
        solved_at: return from which an episode counts as solved, drawn as a dotted line.

    Raises:
        UserError: a directory has no readable `metrics.jsonl`, or no finished episode.
    """
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2.1, 1))
    handles: list[Artist] = []
    for index, (label, run_dirs) in enumerate(runs.items()):
        colour, marker = CYCLE[index % len(CYCLE)], MARKERS[index % len(MARKERS)]
        line = LINES[index // len(CYCLE) % len(LINES)]
        tables = [read_metrics(Path(run_dir)) for run_dir in run_dirs]
        curves = [
            _curve(of_kind(rows, "episode"), run_dir)
            for rows, run_dir in zip(tables, run_dirs, strict=True)
        ]
        _draw_curves(left, curves, colour, line)
        finals = [row for rows in tables for row in of_kind(rows, "evaluation")[-1:]]
        _draw_evaluations(right, finals, index, colour, marker)
        text = f"{label} ({len(run_dirs)} run{'s' * (len(run_dirs) > 1)})".replace("$", r"\$")
        handles.append(Line2D([], [], color=colour, ls=line, lw=2, marker=marker, label=text))
    levels: list[tuple[str, str, float, float]] = []
    if random is not None:
        levels.append(("random policy", "--", random["mean"], random["iqm"]))
    if solved_at is not None:
        levels.append((f"solved at {solved_at:g}", ":", solved_at, solved_at))
    for text, style, mean, iqm in levels:
        for axes, value in ((left, mean), (right, iqm)):
            axes.axhline(value, color=GREY, ls=style, lw=1.4, zorder=1)
        handles.append(Line2D([], [], color=GREY, ls=style, lw=1.4, label=text))
    left.set_title(f"Training: mean return of the last {_RECENT} episodes", fontsize="medium")
    right.set_title("Evaluation: IQM, 95% interval", fontsize="medium")
    _finish(left, legend=False)
    frame(right)
    right.set_xticks([])
    right.set_xlim(-0.5, len(runs) - 0.5)
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = min(max(105 // (longest + 9), 1), 3)  # 105 characters a line, 9 for a handle
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
    return write(figure, Path(path))


# --- reading -------------------------------------------------------------------------------------


def read_metrics(run_dir: Path) -> list[Row]:
    """The rows of a run's `metrics.jsonl`, without one that is still being written.

    Raises:
        UserError: the file cannot be read, or a line is not JSON.
    """
    path = run_dir / METRICS
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {shown(str(path))}: {type(error).__name__}") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.endswith("\n"):
            break  # a row that is being written, or whose writer was killed
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise UserError(
                f"{shown(str(path))}, line {number} is not JSON: {error.msg}"
            ) from error
    return rows


def of_kind(rows: Iterable[Row], kind: str) -> list[Row]:
    """Those of one kind: `episode`, `fit` or `evaluation`."""
    return [row for row in rows if row["kind"] == kind]


def _points(rows: Sequence[Row], key: str) -> tuple[Vector, Vector]:
    """Steps and values of the rows that have the value."""
    pairs = [(row["env_steps"], row[key]) for row in rows if row.get(key) is not None]
    steps, values = np.array(pairs, np.float64).reshape(-1, 2).T
    return steps, values


def _running(function: Any, values: Vector) -> Vector:
    """`function` of each value and the nine before it, of fewer at the start."""
    return np.array([function(values[max(0, i - _RECENT + 1) : i + 1]) for i in range(len(values))])


def _curve(episodes: Sequence[Row], run_dir: str | os.PathLike[str]) -> tuple[Vector, Vector]:
    steps, returns = _points(episodes, "return")
    if not len(steps):
        raise UserError(f"no episode has finished in {shown(os.fspath(run_dir))}")
    return steps, _running(np.mean, returns)


def _at(grid: Vector, steps: Vector, values: Vector) -> Vector:
    """The latest value at each step of the grid; the first one before there is any."""
    return values[np.maximum(np.searchsorted(steps, grid, side="right") - 1, 0)]


# --- drawing -------------------------------------------------------------------------------------


def _draw_returns(axes: Axes, episodes: Sequence[Row], evaluations: Sequence[Row]) -> None:
    random = [row for row in episodes if row.get("planned_return") is None]
    planned = [row for row in episodes if row.get("planned_return") is not None]
    for rows, label, colour in ((random, "random", GREY), (planned, "planned", _BLUE)):
        steps, returns = _points(rows, "return")
        if len(steps):
            axes.plot(steps, returns, "o", ms=4, alpha=0.5, mew=0, color=colour, label=label)
    steps, returns = _points(episodes, "return")
    if len(steps):
        median = _running(np.median, returns)
        axes.plot(steps, median, color=_BLUE, lw=2, label=f"median of last {_RECENT}")
    for row in evaluations[-1:]:
        low, high = row["iqm_ci95"]
        label = f"frozen evaluation: mean {row['mean']:.0f}, IQM {row['iqm']:.0f}"
        if low is not None and high is not None:  # null after a single episode
            axes.plot([row["env_steps"]] * 2, [low, high], color=_ORANGE, lw=4, alpha=0.6)
            label += f" (95 % interval {low:.0f} to {high:.0f})"
        axes.plot(row["env_steps"], row["iqm"], "D", ms=9, color=_ORANGE, mec="white", label=label)
    axes.set_title("Return of each episode")
    _finish(axes, legend=True)


def _draw_curves(
    axes: Axes, curves: Sequence[tuple[Vector, Vector]], colour: str, line: str
) -> None:
    first = max(steps[0] for steps, _ in curves)
    last = min(steps[-1] for steps, _ in curves)
    grid = np.linspace(min(first, last), last, 400)
    values = np.stack([_at(grid, steps, means) for steps, means in curves])
    if len(curves) > 1:
        axes.fill_between(grid, values.min(0), values.max(0), color=colour, alpha=0.15, lw=0)
        for steps, means in curves:
            axes.step(steps, means, where="post", color=colour, ls=line, lw=0.7, alpha=0.5)
    axes.plot(grid, values.mean(0), line, color=colour, lw=2)


def _draw_evaluations(
    axes: Axes, rows: Sequence[Row], place: int, colour: str, marker: str
) -> None:
    """Draws the evaluations of a label side by side around `place`."""
    gap = min(0.2, 0.7 / max(len(rows), 1))
    for number, row in enumerate(rows):
        x = place + gap * (number - (len(rows) - 1) / 2)
        low, high = row["iqm_ci95"]
        if low is not None and high is not None:  # null after a single episode
            axes.plot([x, x], [low, high], color=colour, lw=2.5, alpha=0.5)
        axes.plot(x, row["iqm"], marker, ms=8, color=colour, mec="white", mew=0.7)


def _draw_promises(axes: Axes, episodes: Sequence[Row]) -> None:
    both = [row for row in episodes if row.get("planned_return") is not None]
    realised = [row for row in both if row.get("realised_return") is not None]
    _draw(
        axes,
        "First plan of an episode, return over its horizon",
        both,
        [("planned_return", "planned", _ORANGE, "^"), ("realised_return", "realised", _BLUE, "o")],
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
        steps, values = _points(rows, key)
        if not len(steps):
            continue
        if mark in ("-", "--"):
            axes.plot(steps, values, mark, color=colour, lw=1.8, label=label)
            axes.plot(steps, values, ".", ms=4, color=colour)
        else:
            axes.plot(steps, values, mark, ms=5, alpha=0.7, mew=0, color=colour, label=label)
    axes.set_title(title, fontsize="medium")
    _finish(axes, legend=legend)
    if from_zero and axes.has_data():
        axes.set_ylim(bottom=0)


def _finish(axes: Axes, *, legend: bool) -> None:
    frame(axes)
    axes.set_xlabel("environment steps", fontsize="small")
    count_steps(axes)
    if not axes.has_data():
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color=GREY)
        axes.set_yticks([])
    elif legend:
        axes.legend(frameon=False, fontsize="small")


def frame(axes: Axes) -> None:
    """A light grid and two spines."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def count_steps(axes: Axes) -> None:
    """Marks the x axis at a few round numbers of steps."""
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    # More of them run into each other, and steps of 8,000 end short of 30,000.
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10], integer=True))


def write(figure: Figure, path: Path) -> Path:
    """Writes a figure as a PNG file and returns its path."""
    # A canvas of its own instead of pyplot: nothing global, and no window system is asked for.
    FigureCanvasAgg(figure).print_figure(path, dpi=_DPI, facecolor="white")
    return path
