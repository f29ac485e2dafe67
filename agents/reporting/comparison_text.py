"""The text of a comparison: a row a run, and a line a label."""

from collections.abc import Iterable, Sequence

from agents.analysis.tables import Row, grouped, markdown
from agents.analysis.text import interval, missing, number


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
            number(row["iqm"]) + interval(row["iqm_ci95_low"], row["iqm_ci95_high"]),
            _text(row["share_solved"], ".0%"),
            _pair(row["planned"], "→", row["realised"]),
            _text(row["penalty"], ".2f"),
            _pair(row["regularizer_mse"], "/", row["regularizer_copy_mse"], ".4f"),
        )
        for row in rows
    ]
    return markdown(headings, body)


def over_seeds(rows: Iterable[Row]) -> list[str]:
    """A line a label: the means over its runs, and the lowest and the highest of their returns."""
    return [_line(label, group) for label, group in grouped(rows, "label").items()]


def _line(label: str, group: Sequence[Row]) -> str:
    def mean(key: str, form: str | None = None) -> str:
        values = [row[key] for row in group]
        return _text(None if any(map(missing, values)) else sum(values) / len(values), form)

    means = [row["mean"] for row in group]
    spread = f" (from {number(min(means))} to {number(max(means))})" if len(group) > 1 else ""
    return (
        f"- {label}, {len(group)} seed{'s' * (len(group) > 1)}: mean {mean('mean')}{spread},"
        f" IQM {mean('iqm')}, solved {mean('share_solved', '.0%')},"
        f" planned {mean('planned')} → realised {mean('realised')},"
        f" penalty {mean('penalty', '.2f')}"
    )


def _pair(left: float | None, sign: str, right: float | None, form: str | None = None) -> str:
    if missing(left) and missing(right):
        return _text(None)
    return f"{_text(left, form)} {sign} {_text(right, form)}"


def _text(value: float | None, form: str | None = None) -> str:
    if value is None or form is None or missing(value):
        return number(value)
    return format(value, form)
