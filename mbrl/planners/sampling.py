"""The loop that all planners without gradients share: draw, score, weigh, fit, and again."""

import itertools
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mbrl.planners.base import Planner, Vmap, conclude, evaluate_candidates
from mbrl.planners.proposals import Distribution, Proposal
from mbrl.types import KeyArray, Plan, ScoreFn, record

Returns = Literal["mean", "best", "better"]
"""The plan returned: the mode of the last proposal, the best of the last candidates, or whichever
of these does better afresh."""


@record
class SearchState:
    """What the search remembers.

    Attributes:
      distribution: of the plans to draw.
      kept: good plans of the last round, to be tried again.
      has_kept: whether there are any yet.
    """

    distribution: Distribution
    kept: Float[Array, "M H A"]
    has_kept: Bool[Array, ""]


def population_sizes(population: int, iterations: int, decay: float, least: int) -> list[int]:
    """Candidates per round, ``N_i = max(N decay^-i, least)`` (Pinneri et al., 2020)."""
    sizes = (int(population * decay**-i) for i in range(iterations))
    return [min(population, max(size, least)) for size in sizes]


def make_sampling_planner(
    proposal: Proposal,
    weigh: Callable[[Float[Array, " N"]], Float[Array, " N"]],
    *,
    population: int,
    elites: int,
    iterations: int,
    particles: int,
    final_particles: int,
    returns: Returns = "better",
    keep: int = 0,
    shift_kept: bool = True,
    decay: float = 1.0,
    try_mode: bool = False,
    vmap: Vmap = jax.vmap,
) -> Planner:
    """Builds the loop.

    Args:
      proposal: what plans are drawn from; see `mbrl.planners.proposals`.
      weigh: scores (`-inf` where not finite) to weights >= 0 that sum to 1, or to 0 where there is
        nothing to learn from: then the proposal stays as it is.
      population: N, plans evaluated in the first round, those kept included.
      elites: how many of the last round's best scores the plan reports.
      iterations: rounds, >= 1. Each draws fresh noise for the actions and for the model.
      particles: P, imagined paths per candidate.
      final_particles: paths per evaluation of the finalists, from which the plan and its evidence
        come.
      returns: see `Returns`.
      keep: M < N best plans of a round that are tried again in the next.
      shift_kept: whether they are also tried in the next decision, one step on in time.
      decay: each round draws this factor fewer plans than the last, >= 1, down to twice `elites`.
        Every size is a compiled loop of its own.
      try_mode: whether the mode of the proposal is a candidate of the last round.
      vmap: maps the evaluation over the candidates.

    Returns:
      The planner, warm-started by shifting: its state is one decision on in time.
    """
    sizes = population_sizes(population, iterations, decay, 2 * elites)

    def init() -> SearchState:
        distribution = proposal.init()
        mode = proposal.mode(distribution)
        kept = jnp.broadcast_to(mode, (keep, *mode.shape))  # not tried: there are none yet
        return SearchState(distribution=distribution, kept=kept, has_kept=jnp.array(False))

    def draw(key: KeyArray, state: SearchState, size: int, last: Bool[Array, ""]):
        candidates = proposal.sample(key, state.distribution, size)
        kept = jnp.where(state.has_kept, state.kept, candidates[:keep])
        candidates = candidates.at[:keep].set(kept)
        if try_mode:
            mode = proposal.mode(state.distribution)
            candidates = candidates.at[-1].set(jnp.where(last, mode, candidates[-1]))
        return candidates

    def plan(score_fn: ScoreFn, key: KeyArray, state: SearchState) -> tuple[Plan, SearchState]:
        keys = jax.random.split(key, (iterations + 1, 2))

        def iterate(size: int, state: SearchState, inputs):
            (sample_key, score_key), last = inputs
            candidates = draw(sample_key, state, size, last)
            scores = evaluate_candidates(score_fn, score_key, candidates, particles, vmap)
            weights = weigh(scores)
            learned = jnp.sum(weights) > 0
            distribution = jax.tree.map(
                lambda new, old: jnp.where(learned, new, old),
                proposal.refit(state.distribution, candidates, weights),
                state.distribution,
            )
            elite_scores, index = jax.lax.top_k(scores, elites)
            state = SearchState(
                distribution=distribution,
                kept=candidates[index[:keep]],
                has_kept=jnp.isfinite(elite_scores[0]),
            )
            return state, (elite_scores, candidates[index[0]])

        last = jnp.arange(iterations) == iterations - 1
        begin = 0
        for size, group in itertools.groupby(sizes):  # one scan for all rounds of one size
            rounds = slice(begin, begin + len(list(group)))
            state, found = jax.lax.scan(
                lambda state, inputs, size=size: iterate(size, state, inputs),
                state,
                ((keys[rounds, 0], keys[rounds, 1]), last[rounds]),
            )
            begin = rounds.stop
        elite_scores, best = jax.tree.map(lambda leaf: leaf[-1], found)
        mode = proposal.mode(state.distribution)
        best = jnp.where(jnp.isfinite(elite_scores[0]), best, mode)
        finalists = {"mean": [mode], "best": [best], "better": [mode, best]}[returns]
        made = conclude(score_fn, keys[-1], jnp.stack(finalists), elite_scores, final_particles)
        return made, SearchState(
            distribution=proposal.shift(state.distribution),
            kept=jnp.concatenate([state.kept[:, 1:], state.kept[:, -1:]], axis=1),
            has_kept=state.has_kept & shift_kept,
        )

    finalists = 2 if returns == "better" else 1
    paths = sum(sizes) * particles + 2 * finalists * final_particles
    return Planner(init=init, plan=plan, paths=paths)
