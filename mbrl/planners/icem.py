"""The improved cross-entropy method: CEM for small populations and real-time budgets.

Its ingredients, each of which can be switched off:

    1  noise correlated in time                     proposal, `noise_beta` (0: off)
    2  clipping at the bounds                       proposal, `bounds` ("truncate": off)
    3  elites kept from iteration to iteration      `keep` (0: off)
    4  elites shifted to the next decision          `shift_kept`
    5  a population that shrinks                    `decay` (1: off)
    6  momentum of the proposal                     proposal, `momentum` (0: off)
    7  the mean as a candidate of the last one      `try_mode`
    8  best or mean returned                        `Search.returns`

Without 3 to 5 and 7 it is `mbrl.planners.cem`.

Source: Pinneri et al. (2020). Departures: kept elites take places of the population instead of
being added to it, so that `Search.population` is the cost of an iteration; a kept plan repeats its
last action when it is shifted; "better" evaluates best and mean again under new noise, since the
maximum of noisy scores is biased upwards.
"""

from mbrl.planners.base import Planner
from mbrl.planners.cem import elite_weights
from mbrl.planners.proposals import Proposal
from mbrl.planners.sampling import Search, make_sampling_planner


def make_icem(
    proposal: Proposal,
    search: Search,
    *,
    elites: int = 8,
    keep: float = 0.3,
    shift_kept: bool = True,
    decay: float = 1.0,
    try_mode: bool = True,
) -> Planner:
    """Builds the planner.

    Args:
      proposal: what plans are drawn from; see `mbrl.planners.proposals`.
      search: the size of the search.
      elites: K, plans that the proposal is fitted to, 1 <= K <= N / 2.
      keep: share of the elites that are candidates of the next iteration too, in [0, 1]; at least
        one, if > 0.
      shift_kept: whether they are candidates of the next decision too, shifted by one step.
      decay: N shrinks by this factor from iteration to iteration, >= 1, down to 2 K.
      try_mode: whether the mean is a candidate of the last iteration.

    Returns:
      The planner; see `mbrl.planners.sampling.make_sampling_planner`.
    """
    return make_sampling_planner(
        proposal,
        search,
        lambda scores: elite_weights(scores, elites),
        elites=elites,
        keep=max(round(keep * elites), 1) if keep else 0,
        shift_kept=shift_kept,
        decay=decay,
        try_mode=try_mode,
    )
