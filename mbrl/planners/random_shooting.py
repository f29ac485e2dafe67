"""Random shooting: draw N plans once and take the best.

Good at: being the baseline for every other planner; horizons of a few decisions; objectives too
discontinuous to refine. Its error falls with the logarithm of N only.

Source: Richards (2005); in model-based planning Nagabandi et al. (2018). Departures: the best plans
of a decision are candidates of the next one too, shifted; by default the plan returned is the
better of the best candidate and the mode of the proposal, evaluated again under new noise.
"""

from dataclasses import replace

import jax.numpy as jnp

from mbrl.planners.base import Planner
from mbrl.planners.proposals import Proposal
from mbrl.planners.sampling import Search, make_sampling_planner


def make_random_shooting(proposal: Proposal, search: Search, *, keep: int = 1) -> Planner:
    """Builds the planner.

    Args:
      proposal: what plans are drawn from; it is never refitted.
      search: the size of the search; it has one iteration, whatever `search.iterations` says.
      keep: M < N best plans that are candidates of the next decision too, shifted by one step.

    Returns:
      The planner; see `mbrl.planners.sampling.make_sampling_planner`.
    """
    return make_sampling_planner(
        proposal,
        replace(search, iterations=1),
        jnp.zeros_like,  # no weight: the proposal stays as it is
        elites=max(keep, 1),
        keep=keep,
    )
