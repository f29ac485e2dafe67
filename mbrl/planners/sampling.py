"""The search that all planners without gradients share: draw, score, weight, refit, repeat.

A planner is this search with a rule that turns scores into weights. What all of them have in
common, the size of the search, is described by `Search`.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mbrl.planners.base import Planner, Vmap, evaluate_candidates, select_finalist
from mbrl.planners.proposals import Distribution, Proposal
from mbrl.types import KeyArray, Plan, ScoreFn, record

Returns = Literal["mean", "best", "better"]
"""The plan returned: the mode of the last proposal, the best of the last candidates, or the one of
these two that scores higher when both are evaluated again under new noise."""


@dataclass(frozen=True)
class Search:
    """The size of a search, and what it returns.

    Attributes:
      population: N >= 1, plans evaluated in the first iteration, kept ones included.
      iterations: rounds of drawing and refitting, >= 1. Each draws fresh noise for the actions and
        for the model.
      particles: P >= 1, paths per candidate.
      final_particles: paths per evaluation of the finalists, >= 1; as many as the ensemble has
        members, so that all of them count.
      returns: the plan returned; see `Returns`.
      vmap: maps the evaluation over the candidates; see `mbrl.parallel`.
      suggestions: plans from elsewhere that every iteration tries beside the population, >= 0; see
        `mbrl.policy_prior`.
    """

    population: int = 40
    iterations: int = 4
    particles: int = 5
    final_particles: int = 5
    returns: Returns = "better"
    vmap: Vmap = jax.vmap
    suggestions: int = 0


@record
class SearchState:
    """What the search passes from one decision to the next.

    Attributes:
      distribution: of the plans to draw.
      kept: elites of the last iteration, candidates of the next one.
      has_kept: whether there are any yet.
    """

    distribution: Distribution
    kept: Float[Array, "M H A"]
    has_kept: Bool[Array, ""]


def population_sizes(population: int, iterations: int, decay: float, least: int) -> list[int]:
    """Candidates per iteration, ``N_i = max(N decay^-i, least)`` (Pinneri et al., 2020)."""
    sizes = (int(population * decay**-i) for i in range(iterations))
    return [min(population, max(size, least)) for size in sizes]


def make_sampling_planner(
    proposal: Proposal,
    search: Search,
    weigh: Callable[[Float[Array, " N"]], Float[Array, " N"]],
    *,
    elites: int,
    keep: int = 0,
    shift_kept: bool = True,
    decay: float = 1.0,
    try_mode: bool = False,
) -> Planner:
    """Builds a planner from a rule that weights candidates.

    Args:
      proposal: what plans are drawn from; see `mbrl.planners.proposals`.
      search: the size of the search.
      weigh: scores (`-inf` where not finite) to weights >= 0 that sum to 1, or to 0 where no score
        is finite: the proposal then stays as it is. It must depend on the best `elites` scores
        only: the others may be `-inf`.
      elites: how many of an iteration's best scores must be right. The plan reports those of the
        last.
      keep: M < N best plans of an iteration that are candidates of the next one too.
      shift_kept: whether they are also candidates of the next decision, shifted by one step.
      decay: each iteration draws this factor fewer plans than the last, >= 1, down to twice
        `elites`. Every size is a compiled loop of its own.
      try_mode: whether the mode of the proposal is a candidate of the last iteration.

    Returns:
      The planner, warm-started by shifting: its state is one decision ahead in time.
    """
    sizes = population_sizes(search.population, search.iterations, decay, 2 * elites)

    def init() -> SearchState:
        distribution = proposal.init()
        mode = proposal.mode(distribution)
        kept = jnp.broadcast_to(mode, (keep, *mode.shape))  # a placeholder: there are none yet
        return SearchState(distribution=distribution, kept=kept, has_kept=jnp.array(False))

    def draw(key: KeyArray, state: SearchState, size: int, last: Bool[Array, ""]):
        candidates = proposal.sample(key, state.distribution, size)
        kept = jnp.where(state.has_kept, state.kept, candidates[:keep])
        candidates = candidates.at[:keep].set(kept)
        if try_mode:
            mode = proposal.mode(state.distribution)
            candidates = candidates.at[-1].set(jnp.where(last, mode, candidates[-1]))
        return candidates

    def plan(
        score_fn: ScoreFn,
        key: KeyArray,
        state: SearchState,
        suggested: Float[Array, "S H A"] | None = None,
    ) -> tuple[Plan, SearchState]:
        keys = jax.random.split(key, (search.iterations + 1, 2))

        def iterate(size: int, state: SearchState, inputs):
            (sample_key, score_key), last = inputs
            candidates = draw(sample_key, state, size, last)
            if suggested is not None:
                candidates = jnp.concatenate([candidates, suggested])
            best = min(elites, len(candidates))
            scores = evaluate_candidates(
                score_fn, score_key, candidates, search.particles, best=best, vmap=search.vmap
            )
            weights = weigh(scores)
            learned = jnp.sum(weights) > 0
            distribution = jax.tree.map(
                lambda new, old: jnp.where(learned, new, old),
                proposal.refit(state.distribution, candidates, weights),
                state.distribution,
            )
            elite_scores, index = jax.lax.top_k(scores, best)
            state = SearchState(
                distribution=distribution,
                kept=candidates[index[:keep]],
                has_kept=jnp.isfinite(elite_scores[0]),
            )
            return state, (elite_scores, candidates[index[0]])

        last = jnp.arange(search.iterations) == search.iterations - 1
        begin = 0
        for size, group in itertools.groupby(sizes):  # one scan for all iterations of one size
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
        finalists = {"mean": [mode], "best": [best], "better": [mode, best]}[search.returns]
        made = select_finalist(
            score_fn, keys[-1], jnp.stack(finalists), elite_scores, search.final_particles
        )
        return made, SearchState(
            distribution=proposal.shift(state.distribution),
            kept=jnp.concatenate([state.kept[:, 1:], state.kept[:, -1:]], axis=1),
            has_kept=state.has_kept & shift_kept,
        )

    finalists = 2 if search.returns == "better" else 1
    tried = sum(sizes) + len(sizes) * search.suggestions
    paths = tried * search.particles + 2 * finalists * search.final_particles
    return Planner(init=init, plan=plan, paths=paths)
