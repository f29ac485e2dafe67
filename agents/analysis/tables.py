"""Rows of numbers as text: CSV in full, Markdown for readers.

A number that does not exist, None or NaN, is an empty cell in the one and n/a in the other.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

from agents.analysis.text import missing
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
            writer.writerow("" if missing(value) else value for value in row.values())


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
