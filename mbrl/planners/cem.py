"""The cross-entropy method: draw N plans, fit the proposal to the K best, repeat.

Good at: few parameters, independent of the scale of returns. It needs a population large enough
that its K best represent the distribution: below about 60 candidates take iCEM.

Source: Botev et al. (2013); in model-based planning Chua et al. (2018). Departures: noise
correlated in time and clipped at the bounds (Pinneri et al., 2020), as set in the proposal; the
plan returned is by default the better of mean and best, evaluated again under new noise.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.planners.base import Planner
from mbrl.planners.proposals import Proposal
from mbrl.planners.sampling import Search, make_sampling_planner


def elite_weights(scores: Float[Array, " N"], elites: int) -> Float[Array, " N"]:
    """Equal weights for the `elites` best of the finite scores, 0 for the others."""
    best, index = jax.lax.top_k(scores, elites)
    chosen = jnp.isfinite(best) / jnp.maximum(jnp.sum(jnp.isfinite(best)), 1)
    return jnp.zeros_like(scores).at[index].set(chosen.astype(scores.dtype))


def make_cem(proposal: Proposal, search: Search, *, elites: int = 10) -> Planner:
    """Builds the planner.

    Args:
      proposal: what plans are drawn from; see `mbrl.planners.proposals`.
      search: the size of the search.
      elites: K, plans that the proposal is fitted to, 1 <= K <= N. A tenth of N is usual.

    Returns:
      The planner; see `mbrl.planners.sampling.make_sampling_planner`.
    """
    return make_sampling_planner(
        proposal, search, lambda scores: elite_weights(scores, elites), elites=elites
    )
