"""The cross-entropy method: draw N plans, fit the proposal to the K best, and again.

Source: Botev et al. (2013); in model-based planning Chua et al. (2018). Departures: noise
correlated in time and clipped at the bounds (Pinneri et al., 2020), as set in the proposal.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.planners.base import Planner, make_sampling_planner
from mbrl.planners.proposals import Proposal


def elite_weights(scores: Float[Array, " N"], elites: int) -> Float[Array, " N"]:
    """Equal weights for the `elites` best of the finite scores, 0 for the others."""
    best, index = jax.lax.top_k(scores, elites)
    chosen = jnp.isfinite(best) / jnp.maximum(jnp.sum(jnp.isfinite(best)), 1)
    return jnp.zeros_like(scores).at[index].set(chosen.astype(scores.dtype))


def make_cem(
    proposal: Proposal,
    *,
    population: int = 100,
    elites: int = 10,
    iterations: int = 4,
    particles: int = 5,
    final_particles: int = 5,
) -> Planner:
    """Builds the planner.

    Use it as the default: it needs no scale of returns, and it sharpens around what works.

    Args:
      proposal: what plans are drawn from; see `mbrl.planners.proposals`.
      population: N, plans per iteration.
      elites: K, plans that the proposal is fitted to, 1 <= K <= N. A tenth of N is usual.
      iterations: rounds of drawing and fitting, >= 1.
      particles: P, imagined paths per candidate.
      final_particles: paths for the last evaluation of the plan returned; all members.

    Returns:
      The planner; see `mbrl.planners.base.make_sampling_planner`.
    """
    return make_sampling_planner(
        proposal,
        lambda scores: elite_weights(scores, elites),
        population=population,
        elites=elites,
        iterations=iterations,
        particles=particles,
        final_particles=final_particles,
    )
