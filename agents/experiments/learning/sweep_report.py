"""The report of a sweep: a table, a figure, and a page that holds both and the configuration.

Everything is read from the directories of the trials, so that it can be written at any moment.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import ValidationError

from agents.analysis.page import Section, figure, image, page, paragraph, preformatted, table
from agents.analysis.statistics import mean_ci95
from agents.analysis.style import CYCLE, MARKERS, frame, write
from agents.analysis.tables import Row, write_csv, writing
from agents.config import dump
from agents.errors import UserError, shown
from agents.experiments.learning.trials import SUMMARY, Study, Trial
from agents.reporting.comparison import Summary

__all__ = ["over_seeds", "rows_of", "write_sweep_report"]

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
    labels = list(dict.fromkeys(trial.contender.label for trial in study.trials))
    trials = sorted(study.trials, key=lambda trial: labels.index(trial.contender.label))
    return [_row(trial, failures) for trial in trials]


def _row(trial: Trial, failures: Mapping[str, str]) -> Row:
    penalty = trial.config.regularizer
    row: Row = {
        "regularizer": penalty.name,
        "weight": None if penalty.name == "none" else penalty.weight,
        "seed": trial.seed,
        **dict.fromkeys(("mean", "sd", "iqm", "planned", "realised", "bias")),
        **dict.fromkeys(("wall_seconds", "commit")),
        "status": "failed" if trial.name in failures else "unfinished",
    }
    if not trial.finished:
        return row
    file = trial.run_dir / SUMMARY
    try:
        summary = Summary.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise UserError(f"{shown(str(file))} cannot be read: {type(error).__name__}") from None
    planned, realised = summary.planned, summary.realised
    return row | {
        **{key: getattr(summary.evaluation, key) for key in ("mean", "sd", "iqm")},
        "planned": planned,
        "realised": realised,
        "bias": None if planned is None or realised is None else planned - realised,
        "wall_seconds": summary.wall_seconds,
        "commit": summary.commit,
        "status": "finished",
    }


def over_seeds(rows: Sequence[Row]) -> list[Row]:
    """A row a regulariser and weight: means over the seeds that are finished.

    Returns:
      `regularizer`, `weight`, `seeds` (finished), `trials` (all); the means of `mean`, `iqm`,
      `planned`, `realised` and `bias`, each with `_low` and `_high`, the ends of Student's 95 %
      interval over seeds: NaN for one seed. A figure that some seed lacks is None.
    """
    groups: dict[tuple[str, float | None], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["regularizer"], row["weight"]), []).append(row)
    found = []
    for (name, weight), group in groups.items():
        done = [row for row in group if row["status"] == "finished"]
        means: Row = {"regularizer": name, "weight": weight, "seeds": len(done)}
        means["trials"] = len(group)
        for key in _MEANS:
            values = [row[key] for row in done]
            known = bool(values) and None not in values
            low, high = mean_ci95(values) if known else (None, None)
            means[key] = float(np.mean(values)) if known else None
            means |= {f"{key}_low": low, f"{key}_high": high}
        found.append(means)
    return found


def write_sweep_report(study: Study, failures: Mapping[str, str]) -> list[str]:
    """Writes `sweep.csv`, `sweep.png` and `sweep.html` into the directory of a sweep.

    Args:
      study: the sweep, finished or not.
      failures: why trials failed, by name.

    Returns:
      The means over seeds, in columns, and where the files are, as lines for the terminal.

    Raises:
      UserError: a summary cannot be read, or the directory cannot be written to.
    """
    rows = rows_of(study, failures)
    csv, png, html = (study.out / f"sweep.{ending}" for ending in ("csv", "png", "html"))
    with writing(study.out):
        write_csv(csv, rows)
        _draw(rows, png)
        html.write_text(_page(study, rows, failures, png), encoding="utf-8")
    return [*_aligned([_HEADINGS, *_cells(rows)]), *(f"results    {f}" for f in (csv, png, html))]


# --- the table -----------------------------------------------------------------------------------

_HEADINGS = ("regularizer", "weight", "seeds", "mean return", "IQM", "planned", "realised", "bias")


def _cells(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The means over seeds as text, in the order of the headings."""
    return [
        (
            row["regularizer"],
            "-" if row["weight"] is None else f"{row['weight']:g}",
            f"{row['seeds']}" + f" of {row['trials']}" * (row["seeds"] != row["trials"]),
            *(_interval(*(row[f"{key}{end}"] for end in ("", "_low", "_high"))) for key in _MEANS),
        )
        for row in over_seeds(rows)
    ]


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:.1f}" if low is None or low != low else f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _aligned(body: Sequence[Sequence[str]]) -> list[str]:
    """Lines of cells in columns, the first one to the left, the others to the right."""
    first, *widths = (max(map(len, column)) for column in zip(*body, strict=True))
    return ["  ".join((head.ljust(first), *map(str.rjust, rest, widths))) for head, *rest in body]


# --- the figure ----------------------------------------------------------------------------------


def _draw(rows: Sequence[Row], path: Path) -> None:
    """Returns, and the bias of planned returns, over the weight: means, intervals, seeds."""
    drawn = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = drawn.subplots(1, 2)
    weights = sorted({row["weight"] for row in rows if row["weight"] is not None})
    places: dict[float | None, int] = {weight: place for place, weight in enumerate(weights)}
    if any(row["weight"] is None for row in rows):
        places[None] = len(weights)
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
    names = list(dict.fromkeys(row["regularizer"] for row in rows))
    for index, name in enumerate(names):
        colour, marker = CYCLE[index % len(CYCLE)], MARKERS[index % len(MARKERS)]
        shift = 0.12 * (index - (len(names) - 1) / 2)
        mine = [row for row in rows if row["regularizer"] == name]
        means = sorted(over_seeds(mine), key=lambda row: places[row["weight"]])
        known = [row for row in means if row[key] is not None]
        spots = [places[row["weight"]] + shift for row in known]
        axes.plot(spots, [row[key] for row in known], marker=marker, color=colour, label=name)
        for spot, row in zip(spots, known, strict=True):
            axes.plot([spot] * 2, [row[f"{key}_low"], row[f"{key}_high"]], color=colour, lw=2)
        seeds = [row for row in mine if row[key] is not None]
        beside = [places[row["weight"]] + shift + 0.05 for row in seeds]  # bars would hide them
        axes.plot(beside, [row[key] for row in seeds], ".", ms=7, color=colour, alpha=0.6, mew=0)


# --- the page ------------------------------------------------------------------------------------


def _page(study: Study, rows: Sequence[Row], failures: Mapping[str, str], png: Path) -> str:
    """The whole page, which refers to no other file."""
    assert study.base is not None
    done = sum(row["status"] == "finished" for row in rows)
    count = f"{done} of {len(rows)} trials are finished, of {study.base.env_steps:,} steps each."
    means = (
        "Means over the finished seeds, and Student's 95 % intervals where there are several."
        " Planned and realised: the return of the first plan of an episode over its horizon; bias:"
        " their difference."
    )
    alternative = "Mean return and bias of the first plan over the weight, by regulariser"
    picture = figure(
        image(png.read_bytes(), "png", alternative),
        "Lines join means, bars are the intervals, points the seeds.",
    )
    failed = table(("trial", "why"), failures.items())
    every = [[_cell(value) for value in row.values()] for row in rows]
    shared = "Shared by all trials, but for seed, regularizer.name and regularizer.weight."
    return page(
        f"Sweep: {study.base.env.id}",
        paragraph(count),
        [
            Section(
                "means", "Over seeds", paragraph(means) + table(_HEADINGS, _cells(rows)) + picture
            ),
            *([Section("failed", "Failed", failed)] if failures else []),
            Section("trials", "Trials", table(list(rows[0]), every)),
            Section(
                "configuration", "Configuration", paragraph(shared) + preformatted(dump(study.base))
            ),
        ],
    )


def _cell(value: object) -> str:
    if value is None:
        return "n/a"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
