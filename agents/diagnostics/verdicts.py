"""What is said in sentences: of a penalty by planned and realised returns, of a run by chance."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agents.analysis.tables import Row, grouped
from agents.analysis.text import compared, is_clear, number

_CHANGES = ("change_bias", "change_realised")


def verdicts(document: Mapping[str, Any]) -> dict[str, str]:
    """Sentences on each regulariser: planned returns without it, and with it.

    Args:
      document: of `agents.diagnostics.returns`; its plans in the open loop are read.

    Returns:
      By regulariser. They name the run's own weight, and the first weight that halves the bias
      without a loss of realised return, or else the one with the smallest bias.
    """
    about = document["about"]
    # A number that does not exist is None in JSON.
    rows = [
        {key: math.nan if value is None else value for key, value in row.items()}
        for row in document["summary"]
        if row["comparison"] == "open loop"
    ]
    return {
        name: " ".join(_sentences(mine, about["weight"] if name == about["regularizer"] else None))
        for name, mine in grouped(rows, "regularizer").items()
    }


def against_random(found: Mapping[str, Any]) -> str:
    """Whether an agent does better than random actions, as the end of a sentence.

    Args:
      found: the `mean` of random actions, and the `difference` from it, with its interval.
    """
    row = {key: math.nan if value is None else value for key, value in found.items()}
    chance = f"random actions ({number(row['mean'])}) on the same episodes"
    return compared(row, "difference", chance)


def _sentences(rows: Sequence[Row], own: float | None) -> Iterator[str]:
    (without,) = (row for row in rows if row["weight"] == 0)
    weighted = [row for row in rows if row["weight"] > 0]
    yield f"Without a penalty, planned returns are {compared(without, 'bias', 'realised ones')}."
    if not weighted:
        return
    halved = [
        row
        for row in weighted
        if abs(row["bias"]) <= abs(without["bias"]) / 2 and row["change_realised"] >= 0
    ]
    best = halved[0] if halved else min(weighted, key=lambda row: abs(row["bias"]))
    named = [row for row in weighted if row is best or row["weight"] == own]
    if not any(is_clear(row, key) for row in named for key in _CHANGES):
        weights = " and ".join(f"{row['weight']:.3g}" for row in named)
        yield (
            f"Inconclusive: with {without['count']} plans a weight, no change of planned or"
            f" realised returns is proven at weight {weights};"
            f" try --states {max(60, 4 * without['count'])}."
        )
        return
    for row in named:
        whose = ", the run's own," if row["weight"] == own else ""
        yield (
            f"At weight {row['weight']:.3g}{whose} they are"
            f" {compared(row, 'bias', 'realised ones')}, and the realised return is"
            f" {compared(row, 'change_realised', 'that without a penalty')}."
        )
    if not halved:
        yield "No weight halves the difference without a loss of realised return."
