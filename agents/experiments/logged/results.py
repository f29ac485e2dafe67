"""Tables of the study: every arm on every data set, with intervals over seeds."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from agents.analysis.statistics import mean_columns
from agents.analysis.tables import Row, grouped, markdown, write_csv, writing
from agents.analysis.text import number, with_interval
from agents.experiments.logged.options import WITHOUT_MODEL, Arm

_MEANS = ("weight", "solved", "below_0", "planned", "realised")


def write_results(out: Path) -> list[str]:
    """Writes `rows.csv` and `arms.csv` from what a directory holds.

    Args:
      out: of the study, finished or not.

    Returns:
      The comparison in Markdown, as lines.
    """
    rows = [json.loads(file.read_text()) for file in sorted(out.glob("*-seed*-*.json"))]
    if not rows:
        return []
    columns = dict.fromkeys(name for row in rows for name in row)  # an earlier version's has fewer
    rows = [{name: row.get(name) for name in columns} for row in rows]
    arms = compare(rows)
    with writing(out):
        write_csv(out / "rows.csv", rows)
        write_csv(out / "arms.csv", arms)
    return [*_table(arms), "", f"written to {out}: rows.csv, arms.csv"]


def compare(rows: Sequence[Row]) -> list[Row]:
    """A row a data set, arm and number of episodes: its mean over seeds, and its paired difference.

    Returns:
      `dataset`, `arm`, `episodes`, `seeds`; `return` with `_low` and `_high`, Student's 95 %
      interval of the seeds' means; `difference` likewise, from no penalty in as many episodes, of
      the seeds that both arms have, `pairs` of them, and for an arm of one network from one network
      without a penalty; means of weight, shares, planned and realised return of first plans; the
      data's own `data_return`.
    """
    found = []
    groups = grouped(rows, "dataset", "arm", "episodes")
    for (dataset, arm, episodes), mine in groups.items():
        base = "none-1" if Arm.of(arm).single else "none"
        none = {row["seed"]: row["return"] for row in groups.get((dataset, base, episodes), ())}
        shared = [row["return"] - none[row["seed"]] for row in mine if row["seed"] in none]
        compared = shared if arm != base else []
        found.append(
            {"dataset": dataset, "arm": arm, "episodes": episodes, "seeds": len(mine)}
            | mean_columns("return", [row["return"] for row in mine])
            | mean_columns("difference", compared)
            | {"pairs": len(compared)}
            | {name: _mean([row[name] for row in mine]) for name in (*_MEANS, "data_return")}
        )
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _table(arms: Sequence[Row]) -> Iterator[str]:
    headings = (
        "data", "mean return of the data", "arm", "weight", "mean return", "better than none by",
        "solved", "below 0", "first plans: planned", "realised",
    )  # fmt: skip
    body = [
        (
            row["dataset"],
            number(row["data_return"]),
            f"`{row['arm']}`",
            "-" if Arm.of(row["arm"]).name in ("none", *WITHOUT_MODEL) else number(row["weight"]),
            with_interval(row, "return"),
            "-" if row["difference"] is None else with_interval(row, "difference"),
            *("-" if row[key] is None else f"{row[key]:.0%}" for key in ("solved", "below_0")),
            *("-" if row[key] is None else number(row[key]) for key in ("planned", "realised")),
        )
        for row in arms
    ]
    yield from markdown(headings, body)
