"""The improved cross-entropy method: as CEM, with what was learned kept from round to round.

Good at: real-time budgets. Its ingredients, each of which can be switched off, make the most of
small populations:

    1  noise correlated in time            proposal, `noise_beta` (0: off)
    2  clipping at the bounds              proposal, `bounds` ("truncate": off)
    3  elites kept from round to round     `keep` (0: off)
    4  elites shifted to the next decision `shift_kept`
    5  a population that shrinks           `decay` (1: off)
    6  momentum of the proposal            proposal, `momentum` (0: off)
    7  the mean as a candidate at the end  `try_mode`
    8  best or mean returned               `returns`

Without 3 to 5 and 7 it is `mbrl.planners.cem`.

Source: Pinneri et al. (2020). Departures: kept elites take places of the population instead of
being added to it, so that `population` says what a round costs; a kept plan repeats its last action
when it is shifted; "better" compares best and mean afresh, since the best of noisy scores is often
the luckiest.
"""

import jax

from mbrl.planners.base import Planner, Vmap
from mbrl.planners.cem import elite_weights
from mbrl.planners.proposals import Proposal
from mbrl.planners.sampling import Returns, make_sampling_planner


def make_icem(
    proposal: Proposal,
    *,
    population: int = 60,
    elites: int = 8,
    iterations: int = 4,
    particles: int = 5,
    final_particles: int = 5,
    keep: float = 0.3,
    shift_kept: bool = True,
    decay: float = 1.25,
    try_mode: bool = True,
    returns: Returns = "better",
    vmap: Vmap = jax.vmap,
) -> Planner:
    """Builds the planner.

    Args:
      proposal: what plans are drawn from; see `mbrl.planners.proposals`.
      population: N, plans of the first iteration, those kept included.
      elites: K, plans that the proposal is fitted to, 1 <= K <= N / 2.
      iterations: rounds of drawing and fitting, >= 1.
      particles: P, imagined paths per candidate.
      final_particles: paths for the last evaluation of the plan returned; all members.
      keep: share of the elites tried again in the next iteration, in [0, 1]; at least one, if > 0.
      shift_kept: whether they are tried in the next decision too.
      decay: N shrinks by this factor from iteration to iteration, >= 1, down to 2 K.
      try_mode: whether the mean is a candidate of the last iteration.
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
        keep=max(round(keep * elites), 1) if keep else 0,
        shift_kept=shift_kept,
        decay=decay,
        try_mode=try_mode,
        vmap=vmap,
    )
