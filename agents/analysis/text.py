"""Numbers, comparisons and durations as text."""

from collections.abc import Mapping
from typing import Any


def missing(value: object) -> bool:
    """Whether a number does not exist: None or NaN."""
    return value is None or value != value


def number(value: float | None, sign: str = "") -> str:
    """A number in the units of the data, whatever they are: `212.4`, `-3.50`, `2.88e-05`.

    One decimal from 10 to 10 million, three significant digits outside: so that a return of small
    rewards does not read 0.0.

    Args:
      value: None and NaN, a number that does not exist, read `n/a`.
      sign: `+` writes it also of positive numbers.
    """
    if value is None or value != value:
        return "n/a"
    if value == 0:
        return "0"
    form = ",.1f" if 10 <= abs(value) < 1e7 else "#.3g"
    return format(value, sign + form)


def interval(low: float | None, high: float | None) -> str:
    """An interval in brackets, to be set behind its number; nothing where there is none."""
    if low is None or high is None or low != low:
        return ""
    return f" [{number(low)}, {number(high)}]"


def with_interval(row: Mapping[str, Any], key: str) -> str:
    """The number of a row that has an interval, `key_low` to `key_high`, and the interval."""
    return number(row[key]) + interval(row[f"{key}_low"], row[f"{key}_high"])


def compared(row: Mapping[str, Any], key: str, other: str) -> str:
    """What a difference and its interval say: `6.00 [1.00, 9.00] higher than` the other.

    Args:
      row: with `key`, `key_low` and `key_high`; NaN where there is no such number.
      key: the difference from `other`.
      other: a noun, such as `realised ones`.
    """
    value, low, high = row[key], row[f"{key}_low"], row[f"{key}_high"]
    if not is_clear(row, key):
        return f"not clearly different from {other} ({number(value, '+')}{interval(low, high)})"
    if value < 0:
        return f"{number(-value)}{interval(-high, -low)} lower than {other}"
    return f"{number(value)}{interval(low, high)} higher than {other}"


def is_clear(row: Mapping[str, Any], key: str) -> bool:
    """Whether the interval of a difference leaves 0 out."""
    return bool(row[f"{key}_low"] > 0 or row[f"{key}_high"] < 0)


def short_commit(commit: str) -> str:
    """The first 8 characters of a git commit, and `-dirty` where it has that."""
    whole, sign, dirty = commit.partition("-")
    return whole[:8] + sign + dirty


def clock(seconds: float) -> str:
    """Hours, minutes and whole seconds: `1:02:03`, or `2:03` below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
