"""Figures of regularisers: what they find, and what their weights do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.plots import CYCLE, GREY, MARKERS, frame, write
from agents.statistics import mean_ci95
from agents.tables import Row

_PANELS = (
    ("replayed", "replayed actions"),
    ("planned", "plans made without a penalty"),
    ("within", "several plans of the same state"),
)


def plot_detection(rows: Sequence[Row], path: Path) -> Path:
    """How well penalties find rollouts that went wrong, over the age of the model.

    Lines are means over runs, points the runs.

    Args:
      rows: of `agents.detection.detect_in_run`.
      path: of the PNG file.
    """
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    names = _judges(rows)
    ages = sorted({row["env_steps"] for row in rows})
    for number, (key, title) in enumerate(_PANELS):
        axes = figure.add_subplot(1, len(_PANELS), number + 1)
        axes.axhline(0.5, color=GREY, lw=1, ls="--")
        for index, name in enumerate(names):
            mine = [row for row in rows if row["regularizer"] == name]
            values = [[row[key] for row in mine if row["env_steps"] == age] for age in ages]
            places = np.arange(len(ages)) + 0.09 * (index - (len(names) - 1) / 2)
            colour, marker = CYCLE[index % len(CYCLE)], MARKERS[index % len(MARKERS)]
            means = [float(np.mean(value)) for value in values]
            axes.plot(places, means, marker=marker, ms=6, lw=1.2, color=colour, label=name)
            for place, value in zip(places, values, strict=True):
                axes.plot([place] * len(value), value, ".", ms=4, alpha=0.6, color=colour)
        frame(axes)
        axes.set_xticks(np.arange(len(ages)), [f"{age:,}" for age in ages])
        axes.set_xlabel("environment steps learned from")
        axes.set_ylim(0.0, 1.02)
        axes.set_title(title, fontsize="medium")
        if number == 0:
            axes.set_ylabel("chance that the wrong one costs more")
            axes.legend(frameon=False, fontsize="small", loc="lower right")
    return write(figure, path)


def plot_weights(rows: Sequence[Row], path: Path) -> Path:
    """What a weight changes in the promise, the outcome and the return, a line a regulariser.

    Points are means over runs of the change against no penalty in the same run, bars their 95 %
    intervals.

    Args:
      rows: of `agents.weight_study.with_changes`.
      path: of the PNG file.
    """
    panels = [
        ("change_in_bias", "planned less realised, open loop"),
        ("change_in_realised", "realised return of a plan, open loop"),
        ("change_in_episode_return", "return of an episode"),
    ]
    panels = [panel for panel in panels if panel[0] in rows[0]]
    figure = Figure(figsize=(4.8 * len(panels), 4.4), layout="constrained")
    for number, (key, title) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), number + 1)
        axes.axhline(0.0, color=GREY, ls="--", lw=1.2, label="none")
        for index, name in enumerate(_judges(rows)):
            _draw_weights(axes, [row for row in rows if row["regularizer"] == name], key, index)
        frame(axes)
        axes.set_xscale("log")
        axes.set_xlabel("weight")
        axes.set_title(title, fontsize="medium")
        if number == 0:
            axes.set_ylabel("change against no penalty")
            axes.legend(frameon=False, fontsize="small")
    return write(figure, path)


def _judges(rows: Sequence[Row]) -> list[str]:
    """The regularisers but `none`, in order."""
    return [name for name in dict.fromkeys(row["regularizer"] for row in rows) if name != "none"]


def _draw_weights(axes: Axes, rows: Sequence[Row], key: str, index: int) -> None:
    weights = sorted({row["weight"] for row in rows if row["weight"] > 0})
    values = [[row[key] for row in rows if row["weight"] == weight] for weight in weights]
    # Side by side, so that bars do not hide each other.
    places = np.asarray(weights) * 1.06 ** (index - 2)
    means = [float(np.mean(value)) for value in values]
    halves = [mean_ci95(value)[1] - mean for value, mean in zip(values, means, strict=True)]
    axes.errorbar(
        places, means, yerr=halves, capsize=2, lw=1.2, ms=5, marker=MARKERS[index % len(MARKERS)],
        color=CYCLE[index % len(CYCLE)], label=rows[0]["regularizer"],
    )  # fmt: skip
