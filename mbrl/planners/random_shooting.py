"""Random shooting: draw N plans once and take the best.

Good at: being the baseline that every other planner has to beat; a horizon of a few decisions; cost
surfaces so broken that there is nothing to refine. Its error falls with the logarithm of N only.

Source: Richards (2005); in model-based planning Nagabandi et al. (2018). Departures: the best plans
of a decision are tried again, shifted, in the next; the winner is compared afresh with doing
nothing, the mode of the proposal, unless `returns` says otherwise.
"""

import jax
import jax.numpy as jnp

from mbrl.planners.base import Planner, Vmap
from mbrl.planners.proposals import Proposal
from mbrl.planners.sampling import Returns, make_sampling_planner


def make_random_shooting(
    proposal: Proposal,
    *,
    population: int = 500,
    keep: int = 1,
    particles: int = 5,
    final_particles: int = 5,
    returns: Returns = "better",
    vmap: Vmap = jax.vmap,
) -> Planner:
    """Builds the planner.

    Args:
      proposal: what plans are drawn from; it is never refitted.
      population: N, plans per decision, those kept included.
      keep: M < N best plans that are tried again in the next decision, one step on.
      particles: P, imagined paths per candidate.
      final_particles: paths for the last evaluation of the plan returned; all members.
      returns: the plan returned; see `mbrl.planners.sampling.Returns`.
      vmap: maps the evaluation over the candidates; see `mbrl.parallel`.

    Returns:
      The planner; see `mbrl.planners.sampling.make_sampling_planner`.
    """
    return make_sampling_planner(
        proposal,
        jnp.zeros_like,  # nothing is learned: the proposal stays as it is
        population=population,
        elites=max(keep, 1),
        iterations=1,
        particles=particles,
        final_particles=final_particles,
        returns=returns,
        keep=keep,
        vmap=vmap,
    )
