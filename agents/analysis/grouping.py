"""Rows of a table that belong together."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from agents.analysis.tables import Row


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
