"""A weight of the penalty that follows the gap between what plans promise and what they bring.

Maximise the return subject to ``gap <= target``: the weight is the constraint's multiplier, and
climbs while promises exceed outcomes by more than is allowed, falls while they exceed them by less,

    u <- clip(u exp(rate clip(gap / (target scale) - 1, -1, 1)), least, most),   weight = u scale
    scale = sqrt(mean of squared realised returns, of all episodes so far)

so that everything is in units of the returns that the world pays: returns a thousand times as large
give a weight a thousand times as large, and the same plans. The step is on the logarithm, since
useful weights span decades. It is clipped because one crash may be a gap of many targets, and at
the same size both ways, so that plans that keep their promises (a gap of 0) take a weight down as
fast as plans that break them take it up.

Where the gap falls as the weight grows, the right weight is where it meets the target. Near it
``log u`` walks about its place with the variance ``rate s^2 / (k (2 - rate k))``, where s is the
standard deviation of one episode's gap, and k what the gap falls by as ``log u`` grows by one, both
in targets: a smaller rate is steadier and slower. What lies further than a target from the target
counts as one, so that it is the mean of the gaps so clipped that meets the target.

It is a controller, not a proof: a gap that no penalty closes sends the weight to its upper bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class DualState:
    """What the rule remembers.

    Attributes:
      multiplier: u.
      mean_square: of the realised returns so far.
      count: of them.
      steps: of the multiplier so far.
    """

    multiplier: float
    mean_square: float = 0.0
    count: int = 0
    steps: int = 0

    @property
    def scale(self) -> float:
        """Of realised returns, >= 0; 0 before there were any."""
        return math.sqrt(self.mean_square)

    @property
    def weight(self) -> float:
        """Of the penalty, in units of return; 0 before anything was realised."""
        return self.multiplier * self.scale


def observe(state: DualState, realised: Float[np.ndarray, " n"]) -> DualState:
    """Takes in realised returns over the horizon, planned or not; only the scale changes."""
    if not len(realised):
        return state
    count = state.count + len(realised)
    total = state.mean_square * state.count + float(np.sum(np.square(realised, dtype=np.float64)))
    return replace(state, mean_square=total / count, count=count)


def update(
    state: DualState, gap: float, *, target: float, rate: float, least: float, most: float
) -> DualState:
    """One step of the multiplier.

    Args:
      state: with a scale > 0, else nothing is known of the gap's size and nothing changes.
      gap: mean of planned less realised return; NaN, from a model gone wild, changes nothing.
      target: share of the scale that plans may promise too much, > 0.
      rate: largest change of ``log u``, in (0, 10].
      least: smallest u, > 0.
      most: largest u, >= `least`.
    """
    if not state.scale > 0 or math.isnan(gap):
        return state
    excess = min(max(gap / (target * state.scale) - 1.0, -1.0), 1.0)
    moved = state.multiplier * math.exp(rate * excess)
    return replace(state, multiplier=min(max(moved, least), most), steps=state.steps + 1)


def horizon_returns(
    rewards: Float[np.ndarray, " D"], horizon: int, *, discount: float, terminated: bool
) -> Float[np.ndarray, " n"]:
    """What the next `horizon` decisions brought, for every decision that has them.

    An episode that terminated pays nothing more, so that all its decisions count; one that was cut
    short says nothing of its last ones.

    Args:
      rewards: of each decision.
      horizon: H, >= 1.
      discount: per decision, in (0, 1].
      terminated: whether the episode ended by itself.
    """
    count = len(rewards) if terminated else len(rewards) - horizon + 1
    padded = np.concatenate([np.asarray(rewards, np.float64), np.zeros(horizon)])
    discounts = discount ** np.arange(horizon)
    starts = range(max(count, 0))
    return np.asarray([discounts @ padded[start : start + horizon] for start in starts], np.float64)
