"""What every planner is, and what the sampling ones share: draw, score, weigh, fit, and again."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.planners.proposals import Proposal
from mbrl.types import Evaluation, KeyArray, Plan, ScoreFn

PlanState = Any
"""What a planner remembers from one decision to the next: any pytree."""


class Planner(NamedTuple):
    """A trajectory optimiser. It knows actions and evaluations, and no model.

    Attributes:
      init: ``init() -> plan_state``, for the first decision of an episode.
      plan: ``plan(score_fn, key, plan_state) -> (Plan, plan_state)``; the state returned is
        shifted by one decision, so that the next plan starts where this one leads.
    """

    init: Callable[[], PlanState]
    plan: Callable[[ScoreFn, KeyArray, PlanState], tuple[Plan, PlanState]]


def evaluate_candidates(
    score_fn: ScoreFn, key: KeyArray, candidates: Float[Array, "N H A"], particles: int
) -> Float[Array, " N"]:
    """Scores of all candidates, which share the model's noise; non-finite ones rank last."""

    def one(actions: Float[Array, "H A"]) -> Evaluation:
        return score_fn(key, actions, particles=particles)

    scores = jax.vmap(one)(candidates).score
    return jnp.where(jnp.isfinite(scores), scores, -jnp.inf)


def make_sampling_planner(
    proposal: Proposal,
    weigh: Callable[[Float[Array, " N"]], Float[Array, " N"]],
    *,
    population: int,
    elites: int,
    iterations: int,
    particles: int,
    final_particles: int,
) -> Planner:
    """The loop that cross-entropy and path-integral planners share.

    Args:
      proposal: what plans are drawn from; see `mbrl.planners.proposals`.
      weigh: scores (`-inf` where not finite) to weights >= 0 that sum to 1, or to 0 where no score
        is finite and there is nothing to learn from: then the proposal stays as it is.
      population: N, plans per iteration.
      elites: how many of the last iteration's best scores the plan reports.
      iterations: rounds, >= 1. Each draws fresh noise for the actions and for the model.
      particles: P, imagined paths per candidate.
      final_particles: paths for the last evaluation of the plan returned, with a fresh key.

    Returns:
      The planner. It returns the better of two plans: the mode of the last proposal and the best
      of the last candidates, compared afresh over `final_particles`. The best of many noisy scores
      is often just the luckiest, and the mean of good plans is often not a good plan; neither
      survives the comparison.
    """

    def plan(score_fn: ScoreFn, key: KeyArray, state: PlanState) -> tuple[Plan, PlanState]:
        iterations_key, choice_key, evidence_key = jax.random.split(key, 3)

        def iterate(distribution, key: KeyArray):
            sample_key, score_key = jax.random.split(key)
            candidates = proposal.sample(sample_key, distribution, population)
            scores = evaluate_candidates(score_fn, score_key, candidates, particles)
            weights = weigh(scores)
            learned = jnp.sum(weights) > 0
            distribution = jax.tree.map(
                lambda new, old: jnp.where(learned, new, old),
                proposal.refit(distribution, candidates, weights),
                distribution,
            )
            elite_scores, elite_index = jax.lax.top_k(scores, elites)
            return distribution, (elite_scores, candidates[elite_index[0]])

        keys = jax.random.split(iterations_key, iterations)
        distribution, (elite_scores, best) = jax.lax.scan(iterate, state, keys)
        finalists = jnp.stack([proposal.mode(distribution), best[-1]])
        scores = evaluate_candidates(score_fn, choice_key, finalists, final_particles)
        actions = finalists[jnp.argmax(scores)]
        evidence = score_fn(evidence_key, actions, particles=final_particles)
        made = Plan(
            actions=actions,
            planned_return=evidence.planned_return,
            penalty=evidence.penalty,
            spread=evidence.spread,
            score=evidence.score,
            elite_scores=elite_scores[-1],
        )
        return made, proposal.shift(distribution)

    return Planner(init=proposal.init, plan=plan)
