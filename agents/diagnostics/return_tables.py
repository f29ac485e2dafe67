"""From promises to tables: errors with intervals, by horizon step, and what penalties foretell.

Every interval is a 95 % one over runs, episodes and states (`agents.analysis.bootstrap`); with one
run it speaks of that run's episodes only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from agents.analysis.bootstrap import Interval, intervals, resamples
from agents.analysis.statistics import auroc, concordance, rank_correlation, return_errors
from agents.analysis.tables import Row
from agents.diagnostics.planned_realised import COMPARISONS, Pair

WORST = 0.25
"""Share of the plans, those that over-promised most, that a penalty is to foretell."""


@dataclass(frozen=True)
class Group:
    """The promises of one regulariser, weight and comparison, state by state.

    Attributes:
      regularizer, weight, comparison: of all of them.
      promises: in the order in which they were made, the same for every weight.
    """

    regularizer: str
    weight: float
    comparison: str
    promises: tuple[Pair, ...]

    @property
    def about(self) -> Row:
        """What names the group in a table."""
        return {
            "regularizer": self.regularizer,
            "weight": self.weight,
            "comparison": self.comparison,
        }

    @property
    def planned(self) -> np.ndarray:
        """`[n, H]`."""
        return np.stack([promise.planned for promise in self.promises])

    @property
    def realised(self) -> np.ndarray:
        """`[n, H]`."""
        return np.stack([promise.realised for promise in self.promises])

    def each(self, name: str) -> np.ndarray:
        """`[n]`: one attribute of the promises."""
        return np.asarray([getattr(promise, name) for promise in self.promises])


def group(promises: Sequence[Pair]) -> list[Group]:
    """Promises by regulariser, comparison and weight."""
    found: dict[tuple[str, str, float], list[Pair]] = {}
    for promise in promises:
        key = promise.regularizer, promise.comparison, promise.weight
        found.setdefault(key, []).append(promise)
    order = sorted(found, key=lambda key: COMPARISONS.index(key[1]))
    return [
        Group(regularizer=name, weight=weight, comparison=comparison, promises=tuple(found[key]))
        for key in order
        for name, comparison, weight in [key]
    ]


class Tables:
    """Tables of many promises, all with intervals from the same resamples.

    Args:
      promises: of any runs, regularisers, weights and comparisons.
      count: resamples.
    """

    def __init__(self, promises: Sequence[Pair], count: int):
        self._groups = group(promises)
        self._count = count
        self._samples: dict[tuple, list[np.ndarray]] = {}

    def summary(self) -> Iterator[Row]:
        """A row a regulariser, weight and comparison: errors, and changes against weight 0."""
        for each in self._groups:
            samples = self._resamples(each)
            last = [each.planned[:, -1], each.realised[:, -1]]
            row = each.about | {"count": len(each.promises)}
            row |= _with(return_errors(*last), intervals(return_errors, last, samples))
            row |= _with(*self._changes(each, samples))
            row |= {
                "penalty": float(each.each("penalty").mean()),
                "ended": float(each.each("ended").mean()),
                "noise_sd": float(np.sqrt(np.square(each.each("noise")).mean())),
            }
            yield row

    def by_step(self) -> Iterator[Row]:
        """A row a regulariser, weight, comparison and horizon step, episodes apart."""
        for each in self._groups:
            if each.comparison == "episode":
                continue
            planned, realised = each.planned, each.realised
            gap = (planned - realised,)
            bias = intervals(_columns, gap, self._resamples(each))
            for step, (name, value) in enumerate(_columns(*gap).items()):
                low, high = bias[name]
                yield each.about | {
                    "step": step + 1,
                    "planned": float(planned[:, step].mean()),
                    "realised": float(realised[:, step].mean()),
                    "bias": value, "bias_low": low, "bias_high": high,
                }  # fmt: skip

    def foretells(self) -> Iterator[Row]:
        """A row a regulariser: whether penalties of plans made at weight 0 foretell their errors.

        `spearman` and `auroc` compare states; a penalty may do well there by knowing which states
        are hard. `within` compares the plans of all weights at one state, as a planner would: the
        share of pairs in which the one that over-promised more costs more; `promise_within` is the
        share in which the one that promised more brought more.
        """
        for each in self._groups:
            if (each.comparison, each.weight) != ("open loop", 0.0):
                continue
            last = [each.each("penalty"), each.planned[:, -1] - each.realised[:, -1]]
            known = _foretelling(*last)
            row = {"regularizer": each.regularizer, "count": len(each.promises)}
            row |= _with(known, intervals(_foretelling, last, self._resamples(each)))
            beside = [
                other
                for other in self._groups
                if (other.comparison, other.regularizer) == ("open loop", each.regularizer)
            ]
            if len(beside) > 1:
                penalty = np.stack([other.each("penalty") for other in beside], axis=1)
                planned = np.stack([other.planned[:, -1] for other in beside], axis=1)
                realised = np.stack([other.realised[:, -1] for other in beside], axis=1)
                row["within"] = concordance(penalty, planned - realised)
                row["planned_within"] = concordance(planned, realised)
            else:
                row |= {"within": np.nan, "planned_within": np.nan}
            yield row

    def pairs(self) -> Iterator[Row]:
        """A row a plan."""
        for each in self._groups:
            for promise in each.promises:
                yield each.about | {
                    "run": promise.run, "episode": promise.episode, "decision": promise.decision,
                    "planned": float(promise.planned[-1]), "penalty": promise.penalty,
                    "realised": float(promise.realised[-1]), "noise_sd": promise.noise,
                    "ended": promise.ended,
                }  # fmt: skip

    def _changes(
        self, each: Group, samples: Sequence[np.ndarray]
    ) -> tuple[dict[str, float], dict[str, Interval]]:
        """Against weight 0 of the same regulariser, state by state."""
        (without,) = (
            other
            for other in self._groups
            if (other.regularizer, other.comparison, other.weight)
            == (each.regularizer, each.comparison, 0.0)
        )
        planned = each.planned[:, -1] - without.planned[:, -1]
        realised = each.realised[:, -1] - without.realised[:, -1]
        pairs = planned, realised
        return _mean_changes(*pairs), intervals(_mean_changes, pairs, samples)

    def _resamples(self, each: Group) -> list[np.ndarray]:
        labels = tuple((promise.run, promise.episode) for promise in each.promises)
        if labels not in self._samples:
            self._samples[labels] = resamples(labels, self._count)
        return self._samples[labels]


def verdicts(summary: Sequence[Row]) -> Iterator[str]:
    """A sentence a regulariser: at which weight plans are honest, and what that costs."""
    rows = [row for row in summary if row["comparison"] == "open loop"]
    for name in dict.fromkeys(row["regularizer"] for row in rows):
        mine = [row for row in rows if row["regularizer"] == name]
        (without,) = (row for row in mine if row["weight"] == 0)
        said = f"{name}: without a penalty plans promise {_signed(without, 'bias')} too much"
        weighted = [row for row in mine if row["weight"] > 0]
        honest = [
            row
            for row in weighted
            if abs(row["bias"]) <= abs(without["bias"]) / 2 and row["change_realised"] >= 0
        ]
        if honest:
            said += f"; from weight {honest[0]['weight']:g} on {_both(honest[0])}"
        elif weighted:
            least = min(weighted, key=lambda row: abs(row["bias"]))
            said += (
                "; no weight halves that and brings no less; the least, at weight"
                f" {least['weight']:g}, is {_both(least)}"
            )
        yield said


def _both(row: Row) -> str:
    return (
        f"{_signed(row, 'bias')}, while they bring {_signed(row, 'change_realised')} against no"
        " penalty"
    )


def _signed(row: Row, name: str) -> str:
    return f"{row[name]:+.1f} [{row[f'{name}_low']:.1f}, {row[f'{name}_high']:.1f}]"


def _with(values: dict[str, float], bounds: dict[str, Interval]) -> Row:
    row: Row = {}
    for name, value in values.items():
        row |= {name: value, f"{name}_low": bounds[name][0], f"{name}_high": bounds[name][1]}
    return row


def _columns(gap: np.ndarray) -> dict[str, float]:
    return {str(step): float(value) for step, value in enumerate(gap.mean(axis=0))}


def _mean_changes(planned: np.ndarray, realised: np.ndarray) -> dict[str, float]:
    return {
        "change_bias": float((planned - realised).mean()),
        "change_realised": float(realised.mean()),
    }


def _foretelling(penalty: np.ndarray, gap: np.ndarray) -> dict[str, float]:
    worst = gap >= np.quantile(gap, 1 - WORST)
    return {
        "spearman": rank_correlation(penalty, gap),
        "auroc": auroc(penalty[~worst], penalty[worst]),
    }
