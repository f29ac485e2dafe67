"""Rows of numbers as text: CSV in full, Markdown for readers.

A number that does not exist, None or NaN, is an empty cell in the one and n/a in the other.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

from agents.analysis.text import number
from agents.directories import writable

Row = dict[str, Any]
"""What is known of one thing, by column: all rows of a file have the same keys."""


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Makes the directory of some results, and says in one line if it cannot be used.

    Raises:
        UserError: it cannot be made, or what is done within it fails.
    """
    with writable(out):
        out.mkdir(parents=True, exist_ok=True)
        yield


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Writes rows of the same keys, at least one, under a line with the keys.

    Raises:
      ValueError: keys differ, so that values would stand under the wrong ones.
    """
    for row in rows:
        if list(row) != list(rows[0]):
            raise ValueError(f"{path.name}: a row has {', '.join(row)}, not {', '.join(rows[0])}")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0])
        for row in rows:
            writer.writerow("" if _missing(value) else value for value in row.values())


def of_kind(rows: Iterable[Row], kind: str) -> list[Row]:
    """Those of one kind: `episode`, `fit` or `evaluation`."""
    return [row for row in rows if row.get("kind") == kind]


def grouped(rows: Iterable[Row], *columns: str) -> dict[Any, list[Row]]:
    """Groups rows that agree in some columns; groups and rows keep their order.

    Args:
      rows: with these columns.
      columns: one or more.

    Returns:
      The rows of each group by its value in the column; by the tuple of values of several columns.
    """
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(itemgetter(*columns)(row), []).append(row)
    return groups


def markdown_table(rows: Iterable[Row]) -> list[str]:
    """A table in Markdown of the rows of a comparison, as lines."""
    headings = (
        "label", "seed", "mean ± sd", "IQM [95% interval]", "solved", "planned → realised",
        "penalty", "denoising / copying mse",
    )  # fmt: skip
    body = [
        (
            row["label"],
            _text(row["seed"], "d"),
            f"{_text(row['mean'])} ± {_text(row['sd'])}",
            f"{_text(row['iqm'])} [{_text(row['iqm_ci95_low'])}, {_text(row['iqm_ci95_high'])}]",
            _text(row["share_solved"], ".0%"),
            _pair(row["planned"], "→", row["realised"]),
            _text(row["penalty"], ".2f"),
            _pair(row["regularizer_mse"], "/", row["regularizer_copy_mse"], ".4f"),
        )
        for row in rows
    ]
    return markdown(headings, body)


def markdown(
    headings: Sequence[str], body: Iterable[Sequence[str]], *, aligned: bool = False
) -> list[str]:
    """A table in Markdown as lines, its first column to the left, the others to the right.

    Args:
      headings: one a column.
      body: rows of texts; what Markdown would read as the end of a cell is escaped.
      aligned: pads the cells, for a terminal.
    """
    lines = [
        headings,
        *([c.replace("\\", "\\\\").replace("|", "\\|") for c in row] for row in body),
    ]
    widths = [max(4, *map(len, column)) * aligned for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * max(3, widths[0]), *(f"{'-' * max(3, w - 1)}:" for w in widths[1:])])
    return [
        f"| {' | '.join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])))} |"
        for row in lines
    ]


def over_seeds(rows: Iterable[Row]) -> list[str]:
    """A line a label: the means over its runs, and the lowest and the highest of their returns."""
    return [_line(label, group) for label, group in grouped(rows, "label").items()]


def _line(label: str, group: Sequence[Row]) -> str:
    def mean(key: str, form: str | None = None) -> str:
        values = [row[key] for row in group]
        return _text(None if any(map(_missing, values)) else sum(values) / len(values), form)

    means = [row["mean"] for row in group]
    spread = f" (from {number(min(means))} to {number(max(means))})" if len(group) > 1 else ""
    return (
        f"- {label}, {len(group)} seed{'s' * (len(group) > 1)}: mean {mean('mean')}{spread},"
        f" IQM {mean('iqm')}, solved {mean('share_solved', '.0%')},"
        f" planned {mean('planned')} → realised {mean('realised')},"
        f" penalty {mean('penalty', '.2f')}"
    )


def _pair(left: float | None, sign: str, right: float | None, form: str | None = None) -> str:
    if _missing(left) and _missing(right):
        return _text(None)
    return f"{_text(left, form)} {sign} {_text(right, form)}"


def _text(value: float | None, form: str | None = None) -> str:
    if value is None or form is None or _missing(value):
        return number(value)
    return format(value, form)


def _missing(value: object) -> bool:
    return value is None or value != value
