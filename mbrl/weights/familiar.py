"""The weight of a penalty that keeps plans as familiar as the data that the model learned from.

Without an environment nothing shows how far planned returns exceed realised ones. What is there are
held-out episodes, and the penalty's own unit, which was measured on them. So a plan is asked to be
no less familiar than what the data's own actions would have brought from the same state:

    pbar(path) = sum_t s_t p_t / sum_t s_t                       penalty a decision
    bound      = median_i pbar(rollout of the logged actions of window i)
    weight     = min { w in grid : pbar(rollout of the plan for w of window i) <= bound
                                   for three quarters of the windows i }

The bound is measured on rollouts of the model and not on the logged states: a rollout has no noise,
which makes it smoother than what was observed, and plans are rollouts, too. The smallest weight is
chosen since a larger one gives up return for nothing. Half of the windows would be too few: an
agent that acts meets the states that its plans lead to, and their departures add up. All of them
would be too many, since a few windows of any data are unusual.

Source: none that we know. Boney et al. (2019) tune the weight by acting; `mbrl.weights.dual`
follows the gap between planned and realised return, which needs acting, too.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

SHARE = 0.75
"""Of held-out windows, from which plans have to be as familiar as the data are."""


def over_decisions(
    values: Float[np.ndarray, "*N H"], alive: Float[np.ndarray, "*N H"]
) -> Float[np.ndarray, "*N"]:
    """Sum of a penalty, or of anything else, over the decisions of paths.

    A model may diverge behind the end of an episode; what is not decided there does not count.

    Args:
      values: of each decision.
      alive: probability that it is made (`mbrl.objective.survival`).
    """
    return (alive * np.where(alive > 0, values, 0.0)).sum(axis=-1)


def per_decision(
    values: Float[np.ndarray, "*N H"], alive: Float[np.ndarray, "*N H"]
) -> Float[np.ndarray, "*N"]:
    """Mean over the decisions of paths; see `over_decisions`."""
    return over_decisions(values, alive) / alive.sum(axis=-1)


def high_quantile(penalties: Float[np.ndarray, "*W N"]) -> Float[np.ndarray, "*W"]:
    """The penalty that a `SHARE` of N plans keeps; NaN where one of them is."""
    # Not interpolated: there is nothing between a number and infinity.
    return np.quantile(np.asarray(penalties, np.float64), SHARE, axis=-1, method="higher")


def smallest_familiar(
    weights: Sequence[float], penalties: Float[np.ndarray, "W N"], bound: float
) -> tuple[int, bool]:
    """The smallest weight whose plans are familiar.

    Args:
      weights: W of them, increasing.
      penalties: a decision, of the plans for each weight from N states; NaN, from a rollout that
        diverged, is not familiar.
      bound: that a `SHARE` of the plans has to keep.

    Returns:
      The index of the weight, and whether it keeps the bound. Where none does, it is the largest.
    """
    within = np.flatnonzero(high_quantile(penalties) <= bound)
    return (int(within[0]), True) if len(within) else (len(weights) - 1, False)
