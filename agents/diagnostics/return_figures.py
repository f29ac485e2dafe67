"""Figures of planned against realised returns, from a document of `agents.diagnostics.returns`.

`scatter`, `by_step` and `calibration` show one regulariser, the run's own where it was measured;
`trade_off` and `costs` show all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from agents.analysis.style import CYCLE, GREY, MARKERS, frame, write
from agents.analysis.tables import Row

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
    names = list(dict.fromkeys(row["regularizer"] for row in document["summary"]))
    own = document["about"]["regularizer"]
    return own if own in names else names[0]


def scatter(document: Document) -> Figure:
    """Planned against realised return of every plan, a panel a weight; no error: the diagonal."""
    name, rows = _shown(document, "pairs")
    weights = _weights(rows)
    columns = min(3, len(weights))
    lines = -(-len(weights) // columns)
    figure = Figure(figsize=(3.3 * columns, 3.1 * lines + 0.3), layout="constrained")
    both = _numbers(rows, "planned"), _numbers(rows, "realised")
    low, high = min(map(np.nanmin, both)), max(map(np.nanmax, both))
    edge = 0.05 * max(high - low, 1.0)
    limits = low - edge, high + edge
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(weights) :]:
        axes.set_axis_off()
    for axes, weight in zip(grid.flat, weights, strict=False):
        mine = [row for row in rows if row["weight"] == weight]
        planned, realised = _numbers(mine, "planned"), _numbers(mine, "realised")
        ended = _numbers(mine, "ended") >= 0.5
        axes.axline((0.0, 0.0), slope=1.0, color=GREY, lw=1, ls="--")
        for which, marker, label in ((~ended, "o", "continued"), (ended, "x", "ended within")):
            axes.plot(
                planned[which], realised[which], marker, ms=5, alpha=0.7, label=label,
                color=CYCLE[0] if marker == "o" else CYCLE[1], mew=1.2,
            )  # fmt: skip
        axes.set(xlim=limits, ylim=limits)
        axes.set_title(f"weight {weight:g}: bias {np.mean(planned - realised):+.0f}", fontsize=10)
        frame(axes)
    for axes in grid[-1]:
        axes.set_xlabel("planned return")
    for axes in grid[:, 0]:
        axes.set_ylabel("realised return")
    grid[0, 0].legend(frameon=False, fontsize="small", loc="upper left")
    figure.suptitle(f"{name}: planned and realised returns", fontsize=11)
    return figure


def by_step(document: Document) -> Figure:
    """Bias up to each decision of a plan, a line a weight, with its interval."""
    name, rows = _shown(document, "by_step")
    figure, axes = _single()
    axes.axhline(0.0, color=GREY, lw=1, ls="--")
    weights = _weights(rows)
    for number, weight in enumerate(weights):
        mine = [row for row in rows if row["weight"] == weight]
        steps, colour = _numbers(mine, "step"), _shade(number, len(weights))
        axes.plot(steps, _numbers(mine, "bias"), color=colour, label=f"{weight:g}")
        if number in (0, len(weights) - 1):  # bands of all of them would hide each other
            low, high = _numbers(mine, "bias_low"), _numbers(mine, "bias_high")
            axes.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="decisions of the plan", ylabel=f"{_BIAS}, so far")
    axes.legend(title="weight", frameon=False, fontsize="small", ncols=2)
    return _titled(figure, axes, f"{name}: bias along the plan")


def calibration(document: Document) -> Figure:
    """Mean realised against mean planned return, by fifths of the plans; no error: the diagonal."""
    name, rows = _shown(document, "pairs")
    figure, axes = _single()
    axes.axline((0.0, 0.0), slope=1.0, color=GREY, lw=1, ls="--")
    weights = _weights(rows)
    for number, weight in enumerate(weights):
        mine = [row for row in rows if row["weight"] == weight]
        planned, realised = _numbers(mine, "planned"), _numbers(mine, "realised")
        groups = np.array_split(np.argsort(planned), min(_BINS, len(planned)))
        axes.plot(
            [planned[group].mean() for group in groups],
            [realised[group].mean() for group in groups],
            color=_shade(number, len(weights)), marker=MARKERS[number % len(MARKERS)], ms=5,
            label=f"{weight:g}",
        )  # fmt: skip
    axes.set(xlabel="planned return, by fifths of the plans", ylabel="realised return")
    axes.legend(title="weight", frameon=False, fontsize="small", ncols=2)
    return _titled(figure, axes, f"{name}: calibration of planned returns")


def trade_off(document: Document) -> Figure:
    """Realised return against bias: a point a weight, a line a regulariser; best: top, at 0."""
    rows = _open(document["summary"])
    figure, axes = _single()
    axes.axvline(0.0, color=GREY, lw=1, ls="--")
    for number, name in enumerate(_names(rows)):
        mine = sorted(
            (row for row in rows if row["regularizer"] == name), key=lambda row: row["weight"]
        )
        bias, realised = _numbers(mine, "bias"), _numbers(mine, "realised")
        colour = CYCLE[number % len(CYCLE)]
        axes.plot(
            bias, realised, color=colour, marker=MARKERS[number % len(MARKERS)], ms=5, lw=1.2,
            label=name,
        )  # fmt: skip
        for row, x, y in zip(mine, bias, realised, strict=True):
            axes.annotate(
                f"{row['weight']:g}", (x, y), xytext=(4, 4), textcoords="offset points",
                fontsize=7, color=colour,
            )  # fmt: skip
    axes.set(xlabel=_BIAS, ylabel="realised return")
    axes.legend(frameon=False, fontsize="small")
    return _titled(figure, axes, "Realised return against bias, open loop; numbers are weights")


def costs(document: Document) -> Figure:
    """Penalties of real windows, of plans and of noise, a panel a regulariser."""
    rows = document["costs"]
    names = _names(rows)
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(max(3.2 * columns, 6.4), 3.0 * lines + 0.4), layout="constrained")
    for number, name in enumerate(names):
        axes = figure.add_subplot(lines, columns, number + 1)
        for kind, colour in _KINDS.items():
            values = np.sort(
                [
                    value
                    for row in rows
                    if (row["regularizer"], row["kind"]) == (name, kind)
                    for value in row["values"]
                    if value is not None
                ]
            )
            if len(values):
                axes.step(
                    values, np.arange(1, len(values) + 1) / len(values), color=colour, label=kind
                )
        axes.set_xscale("symlog", linthresh=1.0)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.axvline(1.0, color=GREY, lw=1, ls=":")
        axes.set(xlabel="mean penalty per decision", ylim=(0, 1.02))
        axes.set_title(name, fontsize=10)
        frame(axes)
        if number % columns == 0:
            axes.set_ylabel("cumulative share")
        if number == 0:
            axes.legend(frameon=False, fontsize="small", loc="lower right")
    figure.suptitle("Penalties: 0 is a familiar step, 1 an unusual one", fontsize=10)
    return figure


FIGURES: dict[str, Callable[[Document], Figure]] = {
    "scatter": scatter,
    "by-step": by_step,
    "trade-off": trade_off,
    "costs": costs,
    "calibration": calibration,
}
"""By the name of their file."""


def _single() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    return figure, figure.add_subplot()


def _titled(figure: Figure, axes: Axes, title: str) -> Figure:
    frame(axes)
    axes.set_title(title, fontsize=10)
    return figure


def _open(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["comparison"] == "open loop"]


def _shown(document: Document, table: str) -> tuple[str, list[Row]]:
    """The shown regulariser, and its rows of a table in the open loop."""
    name = shown_regularizer(document)
    return name, [row for row in _open(document[table]) if row["regularizer"] == name]


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["regularizer"] for row in rows))


def _weights(rows: Sequence[Row]) -> list[float]:
    return sorted({row["weight"] for row in rows})


def _shade(number: int, count: int) -> Any:
    """From dark, no penalty, to light: weights have an order, and so have their colours."""
    return mpl.colormaps["viridis"](0.9 * number / max(count - 1, 1))


def _numbers(rows: Sequence[Row], name: str) -> np.ndarray:
    """A column; what does not exist, null in JSON, is NaN."""
    return np.asarray([np.nan if row[name] is None else row[name] for row in rows], np.float64)
