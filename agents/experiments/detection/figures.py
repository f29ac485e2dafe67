"""How well does each penalty detect rollouts that went wrong? The figure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from agents.analysis.style import GREY, frame, series, write
from agents.analysis.tables import Row, grouped

_PANELS = {
    "replayed": "replayed actions",
    "planned": "plans made without a penalty",
    "within": "several plans of the same state",
}


def plot_detection(rows: Sequence[Row], path: Path) -> Path:
    """How well penalties detect rollouts that went wrong, over the age of the model.

    Lines are means over runs, points the runs.

    Args:
      rows: of `agents.experiments.detection.study.detect_in_run`.
      path: of the PNG file.
    """
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    variants = grouped((row for row in rows if row["regularizer"] != "none"), "regularizer")
    ages = sorted({row["env_steps"] for row in rows})
    panels = figure.subplots(1, len(_PANELS))
    for axes, (key, title) in zip(panels, _PANELS.items(), strict=True):
        axes.axhline(0.5, color=GREY, lw=1, ls="--")
        for index, (name, mine) in enumerate(variants.items()):
            runs = grouped(mine, "env_steps")
            values = [[row[key] for row in runs[age]] for age in ages]
            places = np.arange(len(ages)) + 0.09 * (index - (len(variants) - 1) / 2)
            style = series(index)
            axes.plot(places, [np.mean(each) for each in values], ms=6, lw=1.2, label=name, **style)
            for place, each in zip(places, values, strict=True):
                axes.plot([place] * len(each), each, ".", ms=4, alpha=0.6, color=style["color"])
        frame(axes)
        axes.set_xticks(np.arange(len(ages)), [f"{age:,}" for age in ages])
        axes.set_xlabel("environment steps learned from")
        axes.set_ylim(0.0, 1.02)
        axes.set_title(title, fontsize="medium")
    panels[0].set_ylabel("chance that the worse one is penalised more")
    panels[0].legend(frameon=False, fontsize="small", loc="lower right")
    return write(figure, path)
