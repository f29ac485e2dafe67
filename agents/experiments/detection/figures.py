"""How well does each penalty detect rollouts that went wrong? The figure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from agents.analysis.style import CYCLE, GREY, MARKERS, frame, write
from agents.analysis.tables import Row

_PANELS = (
    ("replayed", "replayed actions"),
    ("planned", "plans made without a penalty"),
    ("within", "several plans of the same state"),
)


def plot_detection(rows: Sequence[Row], path: Path) -> Path:
    """How well penalties detect rollouts that went wrong, over the age of the model.

    Lines are means over runs, points the runs.

    Args:
      rows: of `agents.experiments.detection.study.detect_in_run`.
      path: of the PNG file.
    """
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    names = _penalising(rows)
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
            axes.set_ylabel("chance that the worse one is penalised more")
            axes.legend(frameon=False, fontsize="small", loc="lower right")
    return write(figure, path)


def _penalising(rows: Sequence[Row]) -> list[str]:
    """The regularisers but `none`, in order."""
    return [name for name in dict.fromkeys(row["regularizer"] for row in rows) if name != "none"]
