"""Tables of planned against realised returns: errors with intervals, and error prediction.

Every interval is a 95 % one over runs, episodes and states (`agents.analysis.bootstrap`); with one
run it speaks of that run's episodes only.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from agents.analysis.bootstrap import intervals, resamples
from agents.analysis.statistics import auroc, concordance, rank_correlation, return_errors
from agents.analysis.tables import Row
from agents.diagnostics.planned_realised import COMPARISONS, Pair

WORST = 0.25
"""Share of the plans, those with the largest bias, that a penalty should predict."""


@dataclass(frozen=True)
class Group:
    """The pairs of one regulariser, weight and comparison, state by state.

    Attributes:
      regularizer, weight, comparison: of all of them.
      pairs: in the order in which they were made, the same for every weight.
    """

    regularizer: str
    weight: float
    comparison: str
    pairs: tuple[Pair, ...]

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
        return np.stack([pair.planned for pair in self.pairs])

    @property
    def realised(self) -> np.ndarray:
        """`[n, H]`."""
        return np.stack([pair.realised for pair in self.pairs])

    def values(self, name: str) -> np.ndarray:
        """`[n]`: one attribute of the pairs."""
        return np.asarray([getattr(pair, name) for pair in self.pairs])


def groups_of(pairs: Sequence[Pair]) -> list[Group]:
    """Pairs by regulariser, comparison and weight."""
    found: dict[tuple[str, str, float], list[Pair]] = {}
    for pair in pairs:
        key = pair.regularizer, pair.comparison, pair.weight
        found.setdefault(key, []).append(pair)
    order = sorted(found, key=lambda key: COMPARISONS.index(key[1]))
    return [
        Group(regularizer=name, weight=weight, comparison=comparison, pairs=tuple(found[key]))
        for key in order
        for name, comparison, weight in [key]
    ]


class Tables:
    """Tables of many pairs, all with intervals from the same resamples.

    Args:
      pairs: of any runs, regularisers, weights and comparisons.
      count: resamples.
    """

    def __init__(self, pairs: Sequence[Pair], count: int):
        self._groups = groups_of(pairs)
        self._count = count
        self._samples: dict[tuple, list[np.ndarray]] = {}

    def summary(self) -> Iterator[Row]:
        """A row a regulariser, weight and comparison: errors, and changes against weight 0."""
        for group in self._groups:
            samples = self._resamples(group)
            returns = group.planned[:, -1], group.realised[:, -1]
            row = group.about | {"count": len(group.pairs)}
            row |= _with_intervals(return_errors, returns, samples)
            row |= _with_intervals(_mean_changes, self._changes(group), samples)
            row |= {
                "penalty": float(group.values("penalty").mean()),
                "ended": float(group.values("ended").mean()),
                "noise_sd": float(np.sqrt(np.square(group.values("noise")).mean())),
            }
            yield row

    def by_step(self) -> Iterator[Row]:
        """A row a regulariser, weight, comparison and horizon step, episodes apart."""
        for group in self._groups:
            if group.comparison == "episode":
                continue
            planned, realised = group.planned, group.realised
            gap = (planned - realised,)
            bias = intervals(_by_step, gap, self._resamples(group))
            for step, (name, value) in enumerate(_by_step(*gap).items()):
                low, high = bias[name]
                yield group.about | {
                    "step": step + 1,
                    "planned": float(planned[:, step].mean()),
                    "realised": float(realised[:, step].mean()),
                    "bias": value, "bias_low": low, "bias_high": high,
                }  # fmt: skip

    def error_prediction(self) -> Iterator[Row]:
        """A row a regulariser: whether penalties of plans made at weight 0 predict their errors.

        `spearman` and `auroc` compare states; a penalty may do well there by knowing which states
        are hard. `within` compares the plans of all weights at one state, as a planner would: the
        share of pairs in which the plan with the larger bias has the larger penalty;
        `planned_within` is the share in which the larger planned return realised more.
        """
        for group in self._groups:
            if (group.comparison, group.weight) != ("open loop", 0.0):
                continue
            data = group.values("penalty"), group.planned[:, -1] - group.realised[:, -1]
            row = {"regularizer": group.regularizer, "count": len(group.pairs)}
            row |= _with_intervals(_prediction, data, self._resamples(group))
            weights = [
                other
                for other in self._groups
                if (other.comparison, other.regularizer) == ("open loop", group.regularizer)
            ]
            if len(weights) > 1:
                penalty = np.stack([other.values("penalty") for other in weights], axis=1)
                planned = np.stack([other.planned[:, -1] for other in weights], axis=1)
                realised = np.stack([other.realised[:, -1] for other in weights], axis=1)
                row["within"] = concordance(penalty, planned - realised)
                row["planned_within"] = concordance(planned, realised)
            else:
                row |= {"within": np.nan, "planned_within": np.nan}
            yield row

    def plans(self) -> Iterator[Row]:
        """A row a plan."""
        for group in self._groups:
            for pair in group.pairs:
                yield group.about | {
                    "run": pair.run, "episode": pair.episode, "decision": pair.decision,
                    "planned": float(pair.planned[-1]), "penalty": pair.penalty,
                    "realised": float(pair.realised[-1]), "noise_sd": pair.noise,
                    "ended": pair.ended,
                }  # fmt: skip

    def _changes(self, group: Group) -> tuple[np.ndarray, np.ndarray]:
        """Planned and realised returns less those of weight 0, state by state, `[n]`."""
        (without,) = (
            other
            for other in self._groups
            if (other.regularizer, other.comparison, other.weight)
            == (group.regularizer, group.comparison, 0.0)
        )
        return (
            group.planned[:, -1] - without.planned[:, -1],
            group.realised[:, -1] - without.realised[:, -1],
        )

    def _resamples(self, group: Group) -> list[np.ndarray]:
        labels = tuple((pair.run, pair.episode) for pair in group.pairs)
        if labels not in self._samples:
            self._samples[labels] = resamples(labels, self._count)
        return self._samples[labels]


def verdicts(summary: Sequence[Row]) -> Iterator[str]:
    """A sentence a regulariser: at which weight the bias is halved, and what that costs."""
    rows = [row for row in summary if row["comparison"] == "open loop"]
    for name in dict.fromkeys(row["regularizer"] for row in rows):
        mine = [row for row in rows if row["regularizer"] == name]
        (without,) = (row for row in mine if row["weight"] == 0)
        text = (
            f"{name}: without a penalty the bias of planned returns is {_signed(without, 'bias')}"
        )
        weighted = [row for row in mine if row["weight"] > 0]
        halved = [
            row
            for row in weighted
            if abs(row["bias"]) <= abs(without["bias"]) / 2 and row["change_realised"] >= 0
        ]
        if halved:
            text += f"; from weight {halved[0]['weight']:g} on {_bias_and_change(halved[0])}"
        elif weighted:
            least = min(weighted, key=lambda row: abs(row["bias"]))
            text += (
                "; no weight halves it without a loss of realised return; the smallest, at weight"
                f" {least['weight']:g}, is {_bias_and_change(least)}"
            )
        yield text


def _bias_and_change(row: Row) -> str:
    return (
        f"{_signed(row, 'bias')}, and the realised return changes by"
        f" {_signed(row, 'change_realised')}"
    )


def _signed(row: Row, name: str) -> str:
    return f"{row[name]:+.1f} [{row[f'{name}_low']:.1f}, {row[f'{name}_high']:.1f}]"


def _with_intervals(
    statistics: Callable[..., dict[str, float]],
    data: Sequence[np.ndarray],
    samples: Sequence[np.ndarray],
) -> Row:
    """Statistics of data, each with its interval as `_low` and `_high`."""
    bounds = intervals(statistics, data, samples)
    row: Row = {}
    for name, value in statistics(*data).items():
        row |= {name: value, f"{name}_low": bounds[name][0], f"{name}_high": bounds[name][1]}
    return row


def _by_step(gap: np.ndarray) -> dict[str, float]:
    return {str(step): float(value) for step, value in enumerate(gap.mean(axis=0))}


def _mean_changes(planned: np.ndarray, realised: np.ndarray) -> dict[str, float]:
    return {
        "change_bias": float((planned - realised).mean()),
        "change_realised": float(realised.mean()),
    }


def _prediction(penalty: np.ndarray, gap: np.ndarray) -> dict[str, float]:
    worst = gap >= np.quantile(gap, 1 - WORST)
    return {
        "spearman": rank_correlation(penalty, gap),
        "auroc": auroc(penalty[~worst], penalty[worst]),
    }
