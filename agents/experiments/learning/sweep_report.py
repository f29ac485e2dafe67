"""The report of a sweep: a table, a figure, and a page that holds both and the configuration.

Everything is read from the directories of the trials, so that it can be written at any moment.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import ValidationError

from agents.analysis.statistics import mean_ci95
from agents.analysis.style import frame, series, write
from agents.analysis.tables import Row, grouped, markdown, write_csv, writing
from agents.analysis.text import compared, is_clear, short_commit, with_interval
from agents.config import dump
from agents.errors import UserError, shown
from agents.experiments.learning.trials import SUMMARY, Study, Trial
from agents.reporting.comparison import Summary
from agents.reporting.page import image, render

_RESULTS = ("mean", "sd", "iqm", "planned", "realised", "bias", "wall_seconds", "commit")
_MEANS = ("mean", "iqm", "planned", "realised", "bias")


def rows_of(study: Study, failures: Mapping[str, str]) -> list[Row]:
    """A row a trial, by regulariser, weight and seed; what is not known yet is None.

    Args:
      study: a sweep, finished or not.
      failures: why trials failed, by name.

    Returns:
      `regularizer`, `weight` (None for `none`), `seed`; of the evaluation's episodes `mean`, `sd`
      and `iqm` of the return; `planned` and `realised`, means over episodes of the return of the
      first plan over its horizon, as planned and as realised, and `bias`, their difference;
      `wall_seconds`, `commit` and `status`: `finished`, `failed` or `unfinished`.

    Raises:
      UserError: a summary cannot be read.
    """
    return [
        _row(trial, failures)
        for label in dict.fromkeys(trial.contender.label for trial in study.trials)
        for trial in study.trials
        if trial.contender.label == label
    ]


def _row(trial: Trial, failures: Mapping[str, str]) -> Row:
    penalty = trial.config.regularizer
    unfinished = "failed" if trial.name in failures else "unfinished"
    return {
        "regularizer": penalty.name,
        "weight": None if penalty.name == "none" else penalty.weight,
        "seed": trial.seed,
        **(_results(trial) if trial.finished else dict.fromkeys(_RESULTS)),
        "status": "finished" if trial.finished else unfinished,
    }


def _results(trial: Trial) -> Row:
    """The columns `_RESULTS` of a finished trial, from its summary."""
    file = trial.run_dir / SUMMARY
    try:
        summary = Summary.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise UserError(f"{shown(str(file))} cannot be read: {type(error).__name__}") from None
    known = {**summary.evaluation.model_dump(), **summary.model_dump(), "bias": None}
    if summary.planned is not None and summary.realised is not None:
        known["bias"] = summary.planned - summary.realised
    return {key: known[key] for key in _RESULTS}


def over_seeds(rows: Sequence[Row]) -> list[Row]:
    """A row a regulariser and weight: means over the seeds that are finished.

    Returns:
      `regularizer`, `weight`, `seeds` (finished), `trials` (all); the means of `mean`, `iqm`,
      `planned`, `realised` and `bias`, and of `change`, `mean` less that of the same seed without a
      penalty; each with `_low` and `_high`, the ends of Student's 95 % interval over seeds: NaN for
      one seed. A figure that some seed lacks is None.
    """
    found = []
    without = _without_penalty(rows)
    for (name, weight), group in grouped(rows, "regularizer", "weight").items():
        done = [row for row in group if row["status"] == "finished"]
        means: Row = {
            "regularizer": name,
            "weight": weight,
            "seeds": len(done),
            "trials": len(group),
        }
        known = {key: [row[key] for row in done] for key in _MEANS}
        known["change"] = [
            row["mean"] - without[row["seed"]] for row in done if row["seed"] in without
        ]
        for key, values in known.items():
            mean, low, high = None, None, None
            if values and None not in values:
                mean, (low, high) = float(np.mean(values)), mean_ci95(values)
            means |= {key: mean, f"{key}_low": low, f"{key}_high": high}
        found.append(means)
    return found


def _without_penalty(rows: Sequence[Row]) -> dict[int, float]:
    """The mean return by seed of `none`, or of weight 0 where there is no such trial."""
    done = [row for row in rows if row["status"] == "finished" and not row["weight"]]
    done.sort(key=lambda row: row["weight"] is None)  # those of `none` replace the others
    return {row["seed"]: row["mean"] for row in done}


def verdict(rows: Sequence[Row]) -> str:
    """Which weight has the highest return, and whether that is more than without a penalty."""
    weighted = [row for row in over_seeds(rows) if row["weight"] and row["change"] is not None]
    if not weighted:
        return (
            "No weight can be compared with no penalty yet: that takes finished trials of one seed"
            " with weight 0 and with another weight."
        )
    best = max(weighted, key=itemgetter("change"))
    name = f"{best['regularizer']} at weight {best['weight']:g}"
    if not any(is_clear(row, "change") for row in weighted):
        return (
            "Inconclusive: no weight has a mean return clearly different from that without a"
            f" penalty. The largest difference is {with_interval(best, 'change')}, of {name}; more"
            " --seeds make the intervals shorter."
        )
    return (
        f"Best is {name}: its mean return is"
        f" {compared(best, 'change', 'that of the same seeds without a penalty')}."
    )


def write_sweep_report(study: Study, failures: Mapping[str, str]) -> list[str]:
    """Writes `sweep.csv`, `sweep.png` and `sweep.html` into the directory of a sweep.

    Args:
      study: the sweep, finished or not.
      failures: why trials failed, by name.

    Returns:
      The means over seeds, the verdict, and where the files are, as lines for the terminal.

    Raises:
      UserError: a summary cannot be read, or the directory cannot be written to.
    """
    rows = rows_of(study, failures)
    csv, png, html = (study.out / f"sweep.{ending}" for ending in ("csv", "png", "html"))
    with writing(study.out):
        write_csv(csv, rows)
        _draw(rows, png)
        html.write_text(_page(study, rows, failures, png), encoding="utf-8")
    return [
        *markdown(_HEADINGS, _cells(rows), aligned=True),
        verdict(rows),
        *(f"results    {file}" for file in (csv, png, html)),
    ]


# --- the table -----------------------------------------------------------------------------------

_HEADINGS = (
    "regularizer", "weight", "seeds", "mean return", "IQM", "planned", "realised", "bias",
    "against no penalty",
)  # fmt: skip


def _cells(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The means over seeds as text, in the order of the headings."""
    return [
        (
            row["regularizer"],
            "-" if row["weight"] is None else f"{row['weight']:g}",
            f"{row['seeds']}" + f" of {row['trials']}" * (row["seeds"] != row["trials"]),
            *(with_interval(row, key) for key in (*_MEANS, "change")),
        )
        for row in over_seeds(rows)
    ]


# --- the figure ----------------------------------------------------------------------------------


def _draw(rows: Sequence[Row], path: Path) -> None:
    """Returns, and the bias of planned returns, over the weight: means, intervals, seeds."""
    drawn = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = drawn.subplots(1, 2)
    weights = sorted({row["weight"] for row in rows}, key=lambda w: np.inf if w is None else w)
    places = {weight: place for place, weight in enumerate(weights)}
    titles = {"mean": "Mean return of the evaluation", "bias": "First plan: planned less realised"}
    for axes, (key, title) in zip((left, right), titles.items(), strict=True):
        _draw_means(axes, rows, key, places)
        axes.set_title(title, fontsize="medium")
        frame(axes)
        axes.set_xticks(list(places.values()), ["none" if w is None else f"{w:g}" for w in places])
        axes.set_xlim(-0.5, len(places) - 0.5)
        axes.set_xlabel("weight of the penalty")
    right.axhline(0, color="black", lw=0.8)
    left.legend(frameon=False, fontsize="small")
    write(drawn, path)


def _draw_means(
    axes: Axes, rows: Sequence[Row], key: str, places: Mapping[float | None, int]
) -> None:
    names = grouped(rows, "regularizer")
    for index, (name, mine) in enumerate(names.items()):
        style, shift = series(index), 0.12 * (index - (len(names) - 1) / 2)
        known = [row for row in over_seeds(mine) if row[key] is not None]
        known.sort(key=lambda row: places[row["weight"]])
        spots = [places[row["weight"]] + shift for row in known]
        axes.plot(spots, [row[key] for row in known], label=name, **style)
        for spot, row in zip(spots, known, strict=True):
            axes.plot(
                [spot] * 2, [row[f"{key}_low"], row[f"{key}_high"]], color=style["color"], lw=2
            )
        seeds = [row for row in mine if row[key] is not None]
        axes.plot(
            [places[row["weight"]] + shift + 0.05 for row in seeds],  # bars would hide them
            [row[key] for row in seeds],
            ".", ms=7, color=style["color"], alpha=0.6, mew=0,
        )  # fmt: skip


# --- the page ------------------------------------------------------------------------------------


def _page(study: Study, rows: Sequence[Row], failures: Mapping[str, str], png: Path) -> str:
    """The whole page, which refers to no other file."""
    assert study.base is not None
    sections = {
        "means": "Over seeds",
        "failed": "Failed" if failures else "",
        "trials": "Trials",
        "configuration": "Configuration",
    }
    return render(
        "sweep.html",
        title=f"Sweep: {study.base.env.id}",
        sections={name: heading for name, heading in sections.items() if heading},
        steps=study.base.env_steps,
        verdict=verdict(rows),
        headings=_HEADINGS,
        means=_cells(rows),
        figure_source=image(png.read_bytes(), "png"),
        failures=list(failures.items()),
        rows=rows,
        trials=[[_cell(*each) for each in row.items()] for row in rows],
        configuration=dump(study.base),
    )


def _cell(column: str, value: Any) -> str | tuple[str, str]:
    if value is None:
        return "n/a"
    if column == "commit":
        return short_commit(value), value
    return f"{value:.5g}" if isinstance(value, float) else str(value)
