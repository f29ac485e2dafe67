"""How fast are plans, and how do score and realised return depend on their cost? The figures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from agents.analysis.style import CYCLE, GREY, MARKERS, frame, write
from agents.analysis.tables import Row


def plot_speed(rows: Sequence[Row], ceiling: str, path: Path) -> Path:
    """Rate against size, a line a process: how close small and large plans come to the ceiling.

    Args:
      rows: of `agents.experiments.planners.speed.measure`, over workloads of several sizes.
      ceiling: the process that the others are compared with.
      path: of the PNG file.
    """
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.add_subplot()
    limits = [row["gflops"] for row in rows if row["contender"] == ceiling]
    axes.axhline(float(np.median(limits)), color=GREY, ls="--", lw=1.5)
    axes.annotate(
        "one product of 2048 x 2048 matrices, all cores",
        (0.01, float(np.median(limits))),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        color=GREY,
        fontsize="small",
    )
    names = dict.fromkeys(row["contender"] for row in rows if row["contender"] != ceiling)
    for number, name in enumerate(names):
        for line, layers in zip(
            ("-", "--"), dict.fromkeys(r["layers"] for r in rows), strict=False
        ):
            mine = [r for r in rows if (r["contender"], r["layers"]) == (name, layers)]
            sizes = sorted({row["population"] for row in mine})
            rates = [[r["gflops"] for r in mine if r["population"] == size] for size in sizes]
            middle = [float(np.median(rate)) for rate in rates]
            spread = [
                [m - min(rate) for m, rate in zip(middle, rates, strict=True)],
                [max(rate) - m for m, rate in zip(middle, rates, strict=True)],
            ]
            axes.errorbar(
                sizes, middle, yerr=spread, ls=line, marker=MARKERS[number], ms=6, capsize=2,
                color=CYCLE[number], label=f"{name}, {layers}",
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
    rows = [row for row in rows if "," not in row["label"]]
    panels = [
        ("score", "Score of the plan, evaluated afresh"),
        ("realised", "Realised return of an episode"),
    ]
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    for number, (key, title) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), number + 1)
        for index, label in enumerate(dict.fromkeys(row["label"] for row in rows)):
            mine = [row for row in rows if row["label"] == label and row[key] is not None]
            costs = sorted({row["evaluations"] for row in mine})
            values = [[row[key] for row in mine if row["evaluations"] == cost] for cost in costs]
            colour = CYCLE[index % len(CYCLE)]
            means = [float(np.mean(value)) for value in values]
            axes.errorbar(
                costs, means, yerr=[np.std(value) for value in values], capsize=2, lw=1.5,
                marker=MARKERS[index % len(MARKERS)], ms=6, color=colour, label=label,
            )  # fmt: skip
            if label == reference:
                axes.axhline(max(means), color=colour, lw=1, ls="--")
        _log(axes)
        axes.set_xlabel("evaluations of the model per plan")
        axes.set_title(title)
        if number == 0:
            axes.legend(frameon=False, fontsize="small")
    return write(figure, path)


def _log(axes: Axes) -> None:
    frame(axes)
    axes.set_xscale("log")
