"""The figure of a comparison: groups of runs, drawn from the rows of their `metrics.jsonl`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from agents.analysis.style import CYCLE, GREY, LINES, MARKERS, frame, write
from agents.analysis.tables import Row, of_kind
from agents.reporting.learning_curve import RECENT, Vector, finish, points, running


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
        _draw_curves(left, group, colour, line)
        finals = [row for rows in group for row in of_kind(rows, "evaluation")[-1:]]
        _draw_evaluations(right, finals, index, colour, marker)
        text = f"{label} ({len(group)} run{'s' * (len(group) > 1)})".replace("$", r"\$")
        handles.append(Line2D([], [], color=colour, ls=line, lw=2, marker=marker, label=text))
    levels = [("random policy", "--", random["mean"], random["iqm"])]
    if solved_at is not None:
        levels.append((f"solved at {solved_at:g}", ":", solved_at, solved_at))
    for text, style, mean, iqm in levels:
        for axes, value in ((left, mean), (right, iqm)):
            axes.axhline(value, color=GREY, ls=style, lw=1.4, zorder=1)
        handles.append(Line2D([], [], color=GREY, ls=style, lw=1.4, label=text))
    left.set_title(f"Training: mean return of the last {RECENT} episodes", fontsize="medium")
    right.set_title("Evaluation: IQM, 95% interval", fontsize="medium")
    finish(left, legend=False)
    frame(right)
    right.set_xticks([])
    right.set_xlim(-0.5, len(runs) - 0.5)
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = min(max(105 // (longest + 9), 1), 3)  # 105 characters a line, 9 for a handle
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
    return write(figure, path)


def _at(grid: Vector, steps: Vector, values: Vector) -> Vector:
    """The latest value at each step of the grid; the first one before there is any."""
    return values[np.maximum(np.searchsorted(steps, grid, side="right") - 1, 0)]


def _draw_curves(axes: Axes, group: Sequence[Sequence[Row]], colour: str, line: str) -> None:
    returns = [points(of_kind(rows, "episode"), "return") for rows in group]
    curves = [(steps, running(np.mean, values)) for steps, values in returns]
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
