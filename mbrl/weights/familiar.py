"""The weight of a penalty that keeps plans as familiar as the data that the model learned from.

Without an environment nothing shows how far planned returns exceed realised ones. What is there are
held-out episodes, and the penalty's own unit, which was measured on them. So a plan is asked to be
no less familiar than what the data's policy, or their own actions, bring from the same state:

    pbar(path) = sum_t s_t p_t / sum_t s_t                       penalty a decision
    bound_i    = pbar(rollout of the reference from the first state of window i)
    weight     = min { w in grid : pbar(rollout of the plan for w of window i) <= bound_i
                                   for 19 of 20 windows i }

The reference is the plan of a cloned policy (`mbrl.policy_prior`), or the logged actions. It is
rolled out in the model and not read off the logged states: a rollout has no noise, which makes it
smoother than what was observed, and plans are rollouts, too. Each window has a bound
of its own, since some states are unusual whatever is done in them. The smallest weight is chosen
since a larger one gives up return for nothing. Nearly all of the windows have to keep their bound:
an agent that acts meets the states that its plans lead to, and their departures add up.

The search bounds the sum of a plan's penalties (`mbrl.objective`), and here their mean counts, so
that an early end is not familiar. A search that gains nothing below its bound stays close to it:
with a cloned policy the largest weight is the usual one.

Source: none that we know. Boney et al. (2019) tune the weight by acting; `mbrl.weights.dual`
follows the gap between planned and realised return, which needs acting, too.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

SHARE = 0.95
"""Of held-out windows, from which plans have to be as familiar as the reference is."""


def over_decisions(
    values: Float[np.ndarray, "*N H"], alive: Float[np.ndarray, "*N H"]
) -> Float[np.ndarray, "*N"]:
    """Sum of a penalty, or of anything else, over the decisions of paths.

    A model may diverge behind the end of an episode; what is not decided there does not count.

    Args:
      values: of each decision.
      alive: probability that it is made (`mbrl.rollout.survival`).
    """
    return (alive * np.where(alive > 0, values, 0.0)).sum(axis=-1)


def per_decision(
    values: Float[np.ndarray, "*N H"], alive: Float[np.ndarray, "*N H"]
) -> Float[np.ndarray, "*N"]:
    """Mean over the decisions of paths; see `over_decisions`."""
    return over_decisions(values, alive) / alive.sum(axis=-1)


def familiar_share(
    penalties: Float[np.ndarray, "*W N"], bounds: Float[np.ndarray, " N"]
) -> Float[np.ndarray, "*W"]:
    """The share of N plans that are no less familiar than their bounds.

    NaN, from a rollout that diverged, is not familiar.
    """
    return np.mean(np.asarray(penalties) <= bounds, axis=-1)


def smallest_familiar(
    weights: Sequence[float], penalties: Float[np.ndarray, "W N"], bounds: Float[np.ndarray, " N"]
) -> tuple[int, bool]:
    """The smallest weight whose plans are familiar.

    Args:
      weights: W of them, increasing.
      penalties: a decision, of the plans for each weight from N states.
      bounds: that a `SHARE` of the plans has to keep, each its own.

    Returns:
      The index of the weight, and whether it keeps the bounds. Where none does, it is the largest.
    """
    within = np.flatnonzero(familiar_share(penalties, bounds) >= SHARE)
    return (int(within[0]), True) if len(within) else (len(weights) - 1, False)
