"""Intervals for means over runs, episodes of a run, and states of an episode.

States of one episode are alike, and so are episodes of one run. Drawn as if they were independent,
they would give intervals that are too narrow. The hierarchical bootstrap draws runs with
replacement, then as many episodes of each run drawn, then as many states of each episode drawn.

Source: Davison and Hinkley (1997), "Bootstrap methods and their application", section 3.8.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from agents.analysis.tables import Row

Interval = tuple[float, float]


def resamples(
    labels: Sequence[Sequence[Hashable]], count: int, *, seed: int = 0
) -> list[np.ndarray]:
    """Draws `count` hierarchical resamples.

    Args:
      labels: of each of n observations the groups that it is in, outermost first, such as (run,
        episode); all of one length.
      count: how many.
      seed: of the draws; one seed, one result.

    Returns:
      Indices into the observations, about n each.
    """
    rng = np.random.default_rng(seed)
    tree = _tree(np.arange(len(labels)), labels, 0)
    return [_draw(rng, tree) for _ in range(count)]


def intervals(
    statistics: Callable[..., dict[str, float]],
    arrays: Sequence[np.ndarray],
    samples: Sequence[np.ndarray],
) -> dict[str, Interval]:
    """95 % percentile intervals of some statistics.

    Args:
      statistics: ``statistics(*arrays) -> {name: value}``.
      arrays: `[n, ...]` each, resampled together.
      samples: of `resamples`, the same for all that is to be compared.

    Returns:
      (low, high) by name; NaN for a statistic that does not exist in nineteen of twenty resamples.
    """
    drawn = [statistics(*(array[sample] for array in arrays)) for sample in samples]
    return {name: _percentiles([values[name] for values in drawn]) for name in drawn[0]}


def with_intervals(
    statistics: Callable[..., dict[str, float]],
    arrays: Sequence[np.ndarray],
    samples: Sequence[np.ndarray],
) -> Row:
    """As `intervals`: the statistics, each followed by its interval as `_low` and `_high`."""
    bounds = intervals(statistics, arrays, samples)
    row: Row = {}
    for name, value in statistics(*arrays).items():
        row |= {name: value, f"{name}_low": bounds[name][0], f"{name}_high": bounds[name][1]}
    return row


def _percentiles(values: Sequence[float]) -> Interval:
    known = np.asarray([value for value in values if value == value])
    if len(known) < 0.95 * len(values):
        return np.nan, np.nan
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def _tree(indices: np.ndarray, labels: Sequence[Sequence[Hashable]], level: int) -> Any:
    if level == len(labels[0]):
        return indices
    found = [labels[index][level] for index in indices]
    members = [
        np.asarray([index for index, each in zip(indices, found, strict=True) if each == label])
        for label in dict.fromkeys(found)
    ]
    return [_tree(each, labels, level + 1) for each in members]


def _draw(rng: np.random.Generator, tree: Any) -> np.ndarray:
    if isinstance(tree, np.ndarray):
        return rng.choice(tree, len(tree))
    drawn = rng.integers(len(tree), size=len(tree))
    return np.concatenate([_draw(rng, tree[branch]) for branch in drawn])
