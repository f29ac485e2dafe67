"""Model predictive path integral control: the mean follows all candidates, weighted by score.

    w_n = softmax_n( (score_n - max score) / (temperature * sd(scores)) )
    next mean = sum_n w_n plan_n

Good at: smooth control. Plans change little from decision to decision. The standard deviation need
not shrink (build the proposal with ``adapt_std=False``), so that the plan can follow a moving
target.

Source: Williams et al. (2017), eq. 9-11. Departures: the temperature divides scores measured in
standard deviations of the population, not returns, so that it means the same in every environment
and at every weight; several iterations; noise correlated in time, as set in the proposal.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.planners.base import Planner
from mbrl.planners.proposals import Proposal
from mbrl.planners.sampling import Search, make_sampling_planner


def path_integral_weights(scores: Float[Array, " N"], temperature: float) -> Float[Array, " N"]:
    """``softmax((score - max) / (temperature * sd))`` over the finite scores, 0 for the others.

    Equal scores get equal weights; where none is finite, all weights are 0.
    """
    finite = jnp.isfinite(scores)
    count = jnp.maximum(jnp.sum(finite), 1)
    known = jnp.where(finite, scores, 0.0)
    centred = jnp.where(finite, known - jnp.sum(known) / count, 0.0)
    std = jnp.sqrt(jnp.sum(jnp.square(centred)) / count)
    below_best = jnp.where(finite, known - jnp.max(scores), 0.0)
    exponent = below_best / (temperature * jnp.where(std > 0, std, 1.0))
    weights = jnp.where(finite, jnp.exp(exponent), 0.0)
    return weights / jnp.where(jnp.any(finite), jnp.sum(weights), 1.0)


def make_mppi(proposal: Proposal, search: Search, *, temperature: float = 0.1) -> Planner:
    """Builds the planner.

    Args:
      proposal: what plans are drawn from; see `mbrl.planners.proposals`.
      search: the size of the search.
      temperature: > 0, in standard deviations of the population's scores: 0.1 follows the few best,
        1 averages over many (and stays near the start of the search).

    Returns:
      The planner; see `mbrl.planners.sampling.make_sampling_planner`.
    """
    return make_sampling_planner(
        proposal,
        search,
        lambda scores: path_integral_weights(scores, temperature),
        elites=search.population + search.suggestions,  # all candidates count
    )
