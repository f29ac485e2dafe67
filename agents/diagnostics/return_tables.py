"""Tables of planned against realised returns: errors with intervals, and error prediction.

Every interval is a 95 % one over runs, episodes and states (`agents.analysis.bootstrap`); with one
run it speaks of that run's episodes only.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from agents.analysis.bootstrap import intervals, resamples, with_intervals
from agents.analysis.statistics import auroc, concordance, rank_correlation, return_errors
from agents.analysis.tables import Row
from agents.diagnostics.return_pairs import COMPARISONS, Pair

WORST = 0.25
"""Share of the plans, those with the largest bias, that a penalty should predict."""


class Group(NamedTuple):
    """What names a group of pairs in a table; its pairs are in the same order for every weight."""

    regularizer: str
    weight: float
    comparison: str


class Tables:
    """Tables of many pairs, all with intervals from the same resamples.

    Args:
      pairs: of any runs, regularisers, weights and comparisons.
      count: resamples.
    """

    def __init__(self, pairs: Sequence[Pair], count: int):
        names = [Group(pair.regularizer, pair.weight, pair.comparison) for pair in pairs]
        order = sorted(dict.fromkeys(names), key=lambda name: COMPARISONS.index(name.comparison))
        self._groups: dict[Group, list[Pair]] = {name: [] for name in order}
        for name, pair in zip(names, pairs, strict=True):
            self._groups[name].append(pair)
        self._count = count
        self._samples: dict[tuple, list[np.ndarray]] = {}

    def summary(self) -> Iterator[Row]:
        """A row a regulariser, weight and comparison: errors, and changes against weight 0."""
        for group, pairs in self._groups.items():
            samples = self._resamples(pairs)
            planned, realised = self._returns(group)
            planned_without, realised_without = self._returns(group._replace(weight=0.0))
            changes = planned - planned_without, realised - realised_without
            yield {
                **group._asdict(),
                "count": len(pairs),
                **with_intervals(return_errors, (planned, realised), samples),
                **with_intervals(_mean_changes, changes, samples),
                "penalty": float(_values(pairs, "penalty").mean()),
                "ended": float(_values(pairs, "ended").mean()),
                "noise_sd": float(np.sqrt(np.square(_values(pairs, "noise")).mean())),
            }

    def by_step(self) -> Iterator[Row]:
        """A row a regulariser, weight, comparison and horizon step, episodes apart."""
        for group, pairs in self._groups.items():
            if group.comparison == "episode":
                continue
            planned, realised = _values(pairs, "planned"), _values(pairs, "realised")
            gap = (planned - realised,)
            bias = intervals(_by_step, gap, self._resamples(pairs))
            for step, (name, value) in enumerate(_by_step(*gap).items()):
                yield group._asdict() | {
                    "step": step + 1,
                    "planned": float(planned[:, step].mean()),
                    "realised": float(realised[:, step].mean()),
                    "bias": value, "bias_low": bias[name][0], "bias_high": bias[name][1],
                }  # fmt: skip

    def error_prediction(self) -> Iterator[Row]:
        """A row a regulariser: whether penalties of plans made at weight 0 predict their errors.

        `spearman` and `auroc` compare states; a penalty may do well there by knowing which states
        are hard. `within` compares the plans of all weights at one state, as a planner would: the
        share of pairs in which the plan with the larger bias has the larger penalty;
        `planned_within` is the share in which the larger planned return realised more. Both are
        NaN where there is one weight.
        """
        opened = [group for group in self._groups if group.comparison == "open loop"]
        for regularizer in dict.fromkeys(group.regularizer for group in opened):
            weights = [group for group in opened if group.regularizer == regularizer]
            pairs = self._groups[Group(regularizer, 0.0, "open loop")]
            gap = _values(pairs, "planned")[:, -1] - _values(pairs, "realised")[:, -1]
            data = _values(pairs, "penalty"), gap
            penalty = np.stack([_values(self._groups[each], "penalty") for each in weights], axis=1)
            planned, realised = np.stack([self._returns(each) for each in weights], axis=-1)
            yield {
                "regularizer": regularizer,
                "count": len(pairs),
                **with_intervals(_prediction, data, self._resamples(pairs)),
                "within": concordance(penalty, planned - realised),
                "planned_within": concordance(planned, realised),
            }

    def plans(self) -> Iterator[Row]:
        """A row a plan."""
        for group, pairs in self._groups.items():
            for pair in pairs:
                yield group._asdict() | {
                    "run": pair.run, "episode": pair.episode, "decision": pair.decision,
                    "planned": float(pair.planned[-1]), "penalty": pair.penalty,
                    "realised": float(pair.realised[-1]), "noise_sd": pair.noise,
                    "ended": pair.ended,
                }  # fmt: skip

    def _returns(self, group: Group) -> tuple[np.ndarray, np.ndarray]:
        """Planned and realised returns of whole plans, `[n]` each."""
        pairs = self._groups[group]
        return _values(pairs, "planned")[:, -1], _values(pairs, "realised")[:, -1]

    def _resamples(self, pairs: Sequence[Pair]) -> list[np.ndarray]:
        labels = tuple((pair.run, pair.episode) for pair in pairs)
        if labels not in self._samples:
            self._samples[labels] = resamples(labels, self._count)
        return self._samples[labels]


def _values(pairs: Sequence[Pair], name: str) -> np.ndarray:
    """`[n, ...]`: one attribute of the pairs."""
    return np.stack([getattr(pair, name) for pair in pairs])


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
