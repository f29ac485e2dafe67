"""The cross-entropy method: draw N plans, fit the proposal to the K best, and again.

Good at: few parameters, no scale of returns, sharpens around what works. It needs a population
large enough that K of it are a fair picture: below about 60 candidates take iCEM.

Source: Botev et al. (2013); in model-based planning Chua et al. (2018). Departures: noise
correlated in time and clipped at the bounds (Pinneri et al., 2020), as set in the proposal; the
plan returned is by default the better of mean and best, judged afresh.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.planners.base import Planner, Vmap
from mbrl.planners.proposals import Proposal
from mbrl.planners.sampling import Returns, make_sampling_planner


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
    returns: Returns = "better",
    vmap: Vmap = jax.vmap,
) -> Planner:
    """Builds the planner.

    Args:
      proposal: what plans are drawn from; see `mbrl.planners.proposals`.
      population: N, plans per iteration.
      elites: K, plans that the proposal is fitted to, 1 <= K <= N. A tenth of N is usual.
      iterations: rounds of drawing and fitting, >= 1.
      particles: P, imagined paths per candidate.
      final_particles: paths for the last evaluation of the plan returned; all members.
      returns: the plan returned; see `mbrl.planners.sampling.Returns`.
      vmap: maps the evaluation over the candidates; see `mbrl.parallel`.

    Returns:
      The planner; see `mbrl.planners.sampling.make_sampling_planner`.
    """
    return make_sampling_planner(
        proposal,
        lambda scores: elite_weights(scores, elites),
        population=population,
        elites=elites,
        iterations=iterations,
        particles=particles,
        final_particles=final_particles,
        returns=returns,
        vmap=vmap,
    )
