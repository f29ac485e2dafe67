"""Figure of the detection study: how well penalties order rollouts, beside the yardsticks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from agents.analysis.style import GREY, frame, series, write
from agents.analysis.tables import Row, grouped
from agents.experiments.detection.yardsticks import CONSTANT, FUTURE, best

_PANELS = {
    "within": "plans of the same state",
    "within_equal": "of the same state and length",
    "planned": "across states: plans",
    "replayed": "across states: actions taken",
}
_YARDSTICKS = {
    CONSTANT: {"ls": "-", "color": "black"},
    best("start"): {"ls": ":", "color": "black"},
    best("last"): {"ls": "-.", "color": "black"},
    FUTURE: {"ls": "-", "color": GREY, "lw": 3, "alpha": 0.5},
}


def plot_detection(rows: Sequence[Row], path: Path) -> Path:
    """How well penalties order rollouts by their error, over the age of the model.

    Lines are means over runs, points the runs; yardsticks are drawn in black, as means alone.

    Args:
      rows: a row a run, age and penalty.
      path: of the PNG file.
    """
    figure = Figure(figsize=(14, 4.8), layout="constrained")
    lines = grouped(rows, "penalty")
    penalties = [name for name, mine in lines.items() if mine[0]["kind"] == "regulariser"]
    penalties = [name for name in penalties if name != "none"]  # it is the line of chance
    ages = sorted({row["env_steps"] for row in rows})
    panels = figure.subplots(1, len(_PANELS))
    for axes, (key, title) in zip(panels, _PANELS.items(), strict=True):
        axes.axhline(0.5, color=GREY, lw=1, ls="--")
        for name in [*_YARDSTICKS, *penalties]:
            runs = grouped(lines[name], "env_steps")
            values = [[row[key] for row in runs[age]] for age in ages]
            means = [np.mean(each) for each in values]
            if name in _YARDSTICKS:
                axes.plot(range(len(ages)), means, label=name, **{"lw": 1.4} | _YARDSTICKS[name])
                continue
            index = penalties.index(name)
            places = np.arange(len(ages)) + 0.09 * (index - (len(penalties) - 1) / 2)
            style = series(index)
            axes.plot(places, means, ms=6, lw=1.2, label=name, **style)
            for place, each in zip(places, values, strict=True):
                axes.plot([place] * len(each), each, ".", ms=4, alpha=0.6, color=style["color"])
        frame(axes)
        axes.set_xticks(np.arange(len(ages)), [f"{age:,}" for age in ages])
        axes.set_xlabel("environment steps learned from")
        axes.set_ylim(0.0, 1.02)
        axes.set_title(title, fontsize="medium")
    panels[0].set_ylabel("chance that the worse one scores higher")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    return write(figure, path)
