"""The weight of a penalty that keeps plans as familiar as the data that the model learned from.

Without an environment nothing shows how far planned returns exceed realised ones. What is there are
held-out episodes, and the penalty's own unit, which was measured on them. So a plan is asked to be
no less familiar than what the data's own actions would have brought from the same state:

    pbar(path) = sum_t s_t p_t / sum_t s_t                       penalty a decision
    bound      = median_i pbar(rollout of the logged actions of window i)
    weight     = min { w in grid : median_i pbar(rollout of the plan for w of window i) <= bound }

The bound is measured on rollouts of the model and not on the logged states: a rollout has no noise,
which makes it smoother than what was observed, and plans are rollouts, too. The smallest weight is
chosen since a larger one gives up return for nothing. The median over windows, since a few windows
of any data are unusual.

Source: none that we know. Boney et al. (2019) tune the weight by acting; `mbrl.dual` follows the
gap between planned and realised return, which needs acting, too.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def per_decision(
    values: Float[np.ndarray, "*N H"], alive: Float[np.ndarray, "*N H"]
) -> Float[np.ndarray, "*N"]:
    """Mean of a penalty, or of anything else, over the decisions of paths.

    Args:
      values: of each decision.
      alive: probability that it is made (`mbrl.objective.survival`).
    """
    return (alive * values).sum(axis=-1) / alive.sum(axis=-1)


def smallest_familiar(
    weights: Sequence[float], penalties: Float[np.ndarray, "W N"], bound: float
) -> tuple[int, bool]:
    """The smallest weight whose plans are familiar.

    Args:
      weights: W of them, increasing.
      penalties: a decision, of the plans for each weight from N states; NaN, from a rollout that
        diverged, is not familiar.
      bound: on the median over states.

    Returns:
      The index of the weight, and whether it keeps the bound. Where none does, it is the largest.
    """
    medians = np.median(np.asarray(penalties, np.float64), axis=1)
    within = np.flatnonzero(medians <= bound)
    return (int(within[0]), True) if len(within) else (len(weights) - 1, False)
