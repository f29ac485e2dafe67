"""A weight of the penalty that follows the gap between planned and realised return.

Maximise the return subject to ``gap <= target``: the weight is the constraint's multiplier. It
rises while planned returns exceed realised ones by more than the target, and falls while by less,

    u <- clip(u exp(rate clip(gap / (target scale) - 1, -1, 1)), least, most),   weight = u scale
    scale = sqrt(mean of squared realised returns, of all episodes so far)

so that the weight is in units of return: returns a thousand times as large give a weight a thousand
times as large, and the same plans. The step is on the logarithm, since useful weights span decades.
It is clipped, since one crash may be a gap of many targets, and symmetrically, so that a gap of 0
lowers the weight as fast as a crash raises it.

Where the gap falls as the weight rises, the weight converges to where the gap equals the target.
Near it ``log u`` fluctuates with the variance ``rate s^2 / (k (2 - rate k))``, where s is the
standard deviation of one episode's gap, and k the decrease of the gap per unit of ``log u``, both
in targets: a smaller rate is steadier and slower. Gaps are clipped at one target above and below
the target, so that it is the mean of the clipped gaps that equals the target.

There is no guarantee: a gap that no penalty closes raises the weight to its upper bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class DualState:
    """The state of the rule.

    Attributes:
      multiplier: u.
      mean_square: mean square of the realised returns so far.
      count: number of them.
      steps: updates of the multiplier so far.
    """

    multiplier: float
    mean_square: float = 0.0
    count: int = 0
    steps: int = 0

    @property
    def scale(self) -> float:
        """Root mean square of the realised returns, >= 0; 0 before there were any."""
        return math.sqrt(self.mean_square)

    @property
    def weight(self) -> float:
        """Weight of the penalty, in units of return; 0 before there were realised returns."""
        return self.multiplier * self.scale


def observe(state: DualState, realised: Float[np.ndarray, " n"]) -> DualState:
    """Updates the scale with realised returns over the horizon, those of random actions too."""
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
      state: with a scale of 0 the size of the gap is unknown, and nothing changes.
      gap: mean of planned less realised return; NaN, from a diverged model, changes nothing.
      target: largest gap allowed, as a share of the scale, > 0.
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
    """The realised returns over the next `horizon` decisions, for every decision that has them.

    After a termination all rewards are 0, so that every decision of the episode counts; the last
    ones of a truncated episode are left out.

    Args:
      rewards: of each decision.
      horizon: H, >= 1.
      discount: per decision, in (0, 1].
      terminated: whether the episode terminated (and was not truncated).
    """
    count = len(rewards) if terminated else len(rewards) - horizon + 1
    padded = np.concatenate([np.asarray(rewards, np.float64), np.zeros(horizon)])
    discounts = discount ** np.arange(horizon)
    starts = range(max(count, 0))
    return np.asarray([discounts @ padded[start : start + horizon] for start in starts], np.float64)
