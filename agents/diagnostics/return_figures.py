"""Figures of planned against realised returns, from a document of `agents.diagnostics.returns`.

`scatter`, `by_step` and `calibration` show one regulariser, the run's own where it was measured;
`trade_off` and `costs` show all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter, SymmetricalLogLocator

from agents.analysis.style import CYCLE, GREY, MARKERS, frame, write
from agents.analysis.tables import Row, grouped

Document = Mapping[str, Any]

_BINS = 5
_BIAS = "bias (planned - realised)"
_KINDS = {"real": CYCLE[0], "planned": CYCLE[1], "noise": CYCLE[3]}


def plot_returns(document: Document, directory: Path) -> list[Path]:
    """Writes every figure as `returns-<name>.png` and returns the paths."""
    return [
        write(draw(document), directory / f"returns-{name}.png") for name, draw in FIGURES.items()
    ]


def shown_regularizer(document: Document) -> str:
    """The regulariser that figures of a single one show: the run's own, or the first measured."""
    names = [row["regularizer"] for row in document["summary"]]
    own = document["about"]["regularizer"]
    return own if own in names else names[0]


def scatter(document: Document) -> Figure:
    """Planned against realised return of every plan, a panel a weight; no error: the diagonal."""
    name, weights = _shown(document, "pairs")
    figure, panels = _panels(len(weights), "planned return", "realised return", sharex=True)
    both = _numbers([row for _, rows in weights for row in rows], "planned", "realised")
    low, high = np.nanmin(both), np.nanmax(both)
    edge = 0.05 * max(high - low, 1.0)
    for axes, (weight, rows) in zip(panels, weights, strict=True):
        planned, realised, ended = _numbers(rows, "planned", "realised", "ended")
        axes.axline((0.0, 0.0), slope=1.0, color=GREY, lw=1, ls="--")
        for which, marker, colour, label in (
            (ended < 0.5, "o", CYCLE[0], "continued"),
            (ended >= 0.5, "x", CYCLE[1], "ended within"),
        ):
            axes.plot(
                planned[which], realised[which], marker, ms=5, alpha=0.7, mew=1.2, color=colour,
                label=label,
            )  # fmt: skip
        axes.set(xlim=(low - edge, high + edge), ylim=(low - edge, high + edge))
        axes.set_title(f"weight {weight:g}: bias {np.mean(planned - realised):+.0f}", fontsize=10)
    panels[0].legend(frameon=False, fontsize="small", loc="upper left")
    figure.suptitle(f"{name}: planned and realised returns", fontsize=11)
    return figure


def by_step(document: Document) -> Figure:
    """Bias up to each decision of a plan, a line a weight, with its interval."""
    name, weights = _shown(document, "by_step")
    figure, axes = _single(f"{name}: bias along the plan")
    axes.axhline(0.0, color=GREY, lw=1, ls="--")
    for number, (weight, rows) in enumerate(weights):
        steps, bias, low, high = _numbers(rows, "step", "bias", "bias_low", "bias_high")
        colour = _shade(number, len(weights))
        axes.plot(steps, bias, color=colour, label=f"{weight:g}")
        if number in (0, len(weights) - 1):  # bands of all of them would hide each other
            axes.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="decisions of the plan", ylabel=f"{_BIAS}, so far")
    axes.legend(title="weight", frameon=False, fontsize="small", ncols=2)
    return figure


def calibration(document: Document) -> Figure:
    """Mean realised against mean planned return, by fifths of the plans; no error: the diagonal."""
    name, weights = _shown(document, "pairs")
    figure, axes = _single(f"{name}: calibration of planned returns")
    axes.axline((0.0, 0.0), slope=1.0, color=GREY, lw=1, ls="--")
    for number, (weight, rows) in enumerate(weights):
        planned, realised = _numbers(rows, "planned", "realised")
        fifths = np.array_split(np.argsort(planned), min(_BINS, len(planned)))
        axes.plot(
            [planned[fifth].mean() for fifth in fifths],
            [realised[fifth].mean() for fifth in fifths],
            color=_shade(number, len(weights)), marker=MARKERS[number % len(MARKERS)], ms=5,
            label=f"{weight:g}",
        )  # fmt: skip
    axes.set(xlabel="planned return, by fifths of the plans", ylabel="realised return")
    axes.legend(title="weight", frameon=False, fontsize="small", ncols=2)
    return figure


def trade_off(document: Document) -> Figure:
    """Realised return against bias: a point a weight, a line a regulariser; best: top, at 0."""
    figure, axes = _single("Realised return against bias, open loop; numbers are weights")
    axes.axvline(0.0, color=GREY, lw=1, ls="--")
    regularizers = grouped(_open(document["summary"]), "regularizer")
    for number, (name, rows) in enumerate(regularizers.items()):
        rows = sorted(rows, key=itemgetter("weight"))
        bias, realised = _numbers(rows, "bias", "realised")
        colour = CYCLE[number % len(CYCLE)]
        axes.plot(
            bias, realised, color=colour, marker=MARKERS[number % len(MARKERS)], ms=5, lw=1.2,
            label=name,
        )  # fmt: skip
        for row, x, y in zip(rows, bias, realised, strict=True):
            axes.annotate(
                f"{row['weight']:g}", (x, y), xytext=(4, 4), textcoords="offset points",
                fontsize=7, color=colour,
            )  # fmt: skip
    axes.set(xlabel=_BIAS, ylabel="realised return")
    axes.legend(frameon=False, fontsize="small")
    return figure


def costs(document: Document) -> Figure:
    """Penalties of real windows, of plans and of noise, a panel a regulariser."""
    regularizers = grouped(document["costs"], "regularizer")
    label = "mean penalty per decision, logarithmic beyond 1"
    figure, panels = _panels(len(regularizers), label, "cumulative share")
    for axes, (name, rows) in zip(panels, regularizers.items(), strict=True):
        for kind, colour in _KINDS.items():
            values = np.sort(
                [
                    value
                    for row in rows
                    if row["kind"] == kind
                    for value in row["values"]
                    if value is not None
                ]
            )
            shares = np.arange(1, len(values) + 1) / len(values)
            axes.step(values, shares, color=colour, label=kind)
        axes.set_xscale("symlog", linthresh=1.0)
        decades = axes.get_xlim()[1] > 50
        axes.xaxis.set_major_locator(
            SymmetricalLogLocator(base=10, linthresh=1.0, subs=(1,) if decades else (1, 2, 5))
        )
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.axvline(1.0, color=GREY, lw=1, ls=":")
        axes.set_ylim(0, 1.02)
        axes.set_title(name, fontsize=10)
    panels[0].legend(frameon=False, fontsize="small", loc="lower right")
    figure.suptitle("Penalties of real windows, of plans and of noise", fontsize=10)
    return figure


FIGURES: dict[str, Callable[[Document], Figure]] = {
    "scatter": scatter,
    "by-step": by_step,
    "trade-off": trade_off,
    "costs": costs,
    "calibration": calibration,
}
"""By the name of their file."""


def _single(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    frame(axes)
    axes.set_title(title, fontsize=10)
    return figure, axes


def _panels(count: int, x: str, y: str, *, sharex: bool = False) -> tuple[Figure, Sequence[Axes]]:
    """Panels of one vertical axis, three to a line (of four, two), with labels that they share."""
    columns = 2 if count == 4 else min(3, count)
    lines = -(-count // columns)
    figure = Figure(figsize=(max(3.2 * columns, 6.4), 3.1 * lines + 0.3), layout="constrained")
    grid = figure.subplots(lines, columns, sharex=sharex, sharey=True, squeeze=False).ravel()
    for axes in grid:
        frame(axes)
    for axes in grid[count:]:
        axes.set_axis_off()
    figure.supxlabel(x, fontsize=10)
    figure.supylabel(y, fontsize=10)
    return figure, list(grid[:count])


def _open(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["comparison"] == "open loop"]


def _shown(document: Document, table: str) -> tuple[str, list[tuple[float, list[Row]]]]:
    """The shown regulariser, and its rows of a table in the open loop, by weight."""
    name = shown_regularizer(document)
    rows = [row for row in _open(document[table]) if row["regularizer"] == name]
    return name, sorted(grouped(rows, "weight").items())


def _shade(number: int, count: int) -> Any:
    """From dark, no penalty, to light: weights have an order, and so have their colours."""
    return mpl.colormaps["viridis"](0.9 * number / max(count - 1, 1))


def _numbers(rows: Sequence[Row], *names: str) -> np.ndarray:
    """`[names, rows]`: columns; what does not exist, null in JSON, is NaN."""
    return np.asarray([[row[name] for row in rows] for name in names], np.float64)
