"""How fast are plans, and how do score and realised return depend on their cost? The figures."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from agents.analysis.style import GREY, frame, series, write
from agents.analysis.tables import Row, grouped

_PANELS = {
    "score": "Score of the plan, evaluated afresh",
    "realised": "Realised return of an episode",
}


def plot_speed(rows: Sequence[Row], ceiling: str, path: Path) -> Path:
    """Rate against size, a line a process: how close small and large plans come to the ceiling.

    Args:
      rows: of `agents.experiments.planners.speed.measure`, over workloads of several sizes.
      ceiling: the process that the others are compared with.
      path: of the PNG file.
    """
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.add_subplot()
    processes = grouped(rows, "contender")
    limit = float(np.median([row["gflops"] for row in processes.pop(ceiling)]))
    axes.axhline(limit, color=GREY, ls="--", lw=1.5)
    axes.annotate(
        "one product of 2048 x 2048 matrices, all cores",
        (0.01, limit),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        color=GREY,
        fontsize="small",
    )
    for number, (name, mine) in enumerate(processes.items()):
        networks = grouped(mine, "layers").items()
        for line, (layers, timed) in zip(("-", "--"), networks, strict=False):
            rates = _by(timed, "population", "gflops")
            middle = np.array([np.median(rate) for rate in rates.values()])
            lowest, highest = ([end(rate) for rate in rates.values()] for end in (min, max))
            axes.errorbar(
                list(rates), middle, yerr=[middle - lowest, highest - middle], ls=line, ms=6,
                capsize=2, label=f"{name}, {layers}", **series(number),
            )  # fmt: skip
    _log(axes)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel("candidates an iteration (x 5 members)")
    axes.set_ylabel("GFLOP/s in matrix products")
    axes.set_title("Rate of a plan against its size")
    axes.legend(frameon=False, fontsize="small")
    return write(figure, path)


def plot_study(rows: Sequence[Row], path: Path, reference: str) -> Path:
    """Score and realised return against evaluations of the model, a line a planner.

    Points are means over seeds, bars their standard deviations.

    Args:
      rows: of `study.measure_settings`; ablations, whose labels have a comma, are left out.
      path: of the PNG file.
      reference: label of the setting whose best mean is drawn across.
    """
    planners = grouped((row for row in rows if "," not in row["label"]), "label")
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    panels = figure.subplots(1, len(_PANELS))
    for axes, (key, title) in zip(panels, _PANELS.items(), strict=True):
        for index, (label, mine) in enumerate(planners.items()):
            values = _by((row for row in mine if row[key] is not None), "evaluations", key)
            means = [float(np.mean(value)) for value in values.values()]
            style = series(index)
            axes.errorbar(
                list(values), means, yerr=[np.std(value) for value in values.values()],
                capsize=2, lw=1.5, ms=6, label=label, **style,
            )  # fmt: skip
            if label == reference:
                axes.axhline(max(means), color=style["color"], lw=1, ls="--")
        _log(axes)
        axes.set_xlabel("evaluations of the model per plan")
        axes.set_title(title)
    panels[0].legend(frameon=False, fontsize="small")
    return write(figure, path)


def _by(rows: Iterable[Row], column: str, key: str) -> dict[float, list[float]]:
    """All values of `key` by the number in a column, in ascending order of these."""
    return {x: [row[key] for row in same] for x, same in sorted(grouped(rows, column).items())}


def _log(axes: Axes) -> None:
    frame(axes)
    axes.set_xscale("log")
