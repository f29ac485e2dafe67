"""The interface of every planner, the evaluation of candidates, and the choice of the plan."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mbrl.types import BoundedScore, Evaluation, KeyArray, Plan, ScoreFn

PlanState = Any
"""The state of a planner between decisions: any pytree."""

Vmap = Callable[[Callable], Callable]
"""`jax.vmap`, or the `vmap` of a `mbrl.parallel.Spread` to divide the candidates among devices."""


class Planner(NamedTuple):
    """A trajectory optimiser. It sees actions and their evaluations, and no model.

    Attributes:
      init: ``init() -> plan_state``, for the first decision of an episode.
      plan: ``plan(score_fn, key, plan_state, suggested) -> (Plan, plan_state)``; the state returned
        is shifted by one decision, as a warm start of the next plan. `suggested` are plans to try,
        as many as the planner was built for: `[suggestions, H, A]`, or None for none.
      paths: paths (particles) rolled out per plan; times the horizon, evaluations of the model. The
        backward pass of a gradient counts as two.
    """

    init: Callable[[], PlanState]
    plan: Callable[..., tuple[Plan, PlanState]]
    paths: int


def finite_or_last(scores: Float[Array, "*N"]) -> Float[Array, "*N"]:
    """Scores that are not finite become `-inf`, so that they rank last."""
    return jnp.where(jnp.isfinite(scores), scores, -jnp.inf)


def evaluate_candidates(
    score_fn: ScoreFn,
    key: KeyArray,
    candidates: Float[Array, "N H A"],
    particles: int,
    *,
    best: int,
    vmap: Vmap = jax.vmap,
) -> Float[Array, " N"]:
    """Scores of candidates, which share the model's noise; non-finite ones rank last.

    Of a `BoundedScore`, the candidates with the highest bounds are penalised first, and the others
    only if one of their bounds is above the K-th best score.

    Args:
      score_fn: the objective.
      key: of the model's noise.
      candidates: plans.
      particles: paths per candidate.
      best: K, in [1, N]: the K highest scores are right, and any other may be `-inf` instead.
      vmap: maps the evaluation over the candidates.
    """
    first = math.ceil(1.25 * best)  # a quarter more than the K, so that they often decide
    if not isinstance(score_fn, BoundedScore) or first >= len(candidates):
        return finite_or_last(
            vmap(lambda actions: score_fn(key, actions, particles=particles).score)(candidates)
        )
    rolled_out = vmap(lambda actions: score_fn.roll_out(key, actions, particles=particles))(
        candidates
    )
    bounds = jax.vmap(score_fn.upper_bound)(rolled_out)
    bounds = jnp.where(jnp.isnan(bounds), jnp.inf, bounds)  # a bound that says nothing
    bounds = jnp.where(jnp.isfinite(rolled_out.unpenalised), bounds, -jnp.inf)
    bounds, order = jax.lax.top_k(bounds, len(bounds))

    def penalise(scores, chosen):
        plans = jax.tree.map(lambda leaf: leaf[chosen], rolled_out)
        penalised = vmap(lambda plan: score_fn.penalise(plan).score)(plans)
        return scores.at[chosen].set(finite_or_last(penalised))

    def undecided(carry) -> Bool[Array, ""]:
        scores, done = carry
        return (done < len(bounds)) & (jax.lax.top_k(scores, best)[0][-1] < bounds[done])

    def penalise_others(carry):
        scores, done = carry
        # A slice of all that are left. Without the carry, XLA would compute it before the loop.
        left = jax.lax.dynamic_slice(order, (done,), (len(order) - first,))
        return penalise(scores, left), len(order)

    scores = penalise(jnp.full_like(bounds, -jnp.inf), order[:first])
    # A loop of at most one round, since `vmap` computes both branches of a condition.
    return jax.lax.while_loop(undecided, penalise_others, (scores, first))[0]


def select_finalist(
    score_fn: ScoreFn,
    keys: KeyArray,
    finalists: Float[Array, "F H A"],
    elite_scores: Float[Array, " K"],
    particles: int,
) -> Plan:
    """Selects the best finalist under new noise, and evaluates it once more under new noise.

    The maximum of noisy scores is biased upwards, and the mean of good plans need not be a good
    plan; a comparison under new noise corrects for both. The winner of that comparison is again a
    maximum, so that its reported evaluation has noise of its own. Both are one batch.

    Args:
      score_fn: the objective.
      keys: `[2]`, of the comparison and of the reported evaluation.
      finalists: plans; of equal scores, and where no score is finite, the first is chosen.
      elite_scores: reported as they are.
      particles: paths per evaluation.
    """

    def one(key: KeyArray, actions: Float[Array, "H A"]) -> Evaluation:
        return score_fn(key, actions, particles=particles)

    evaluations = jax.vmap(jax.vmap(one, in_axes=(None, 0)), in_axes=(0, None))(keys, finalists)
    chosen = jnp.argmax(finite_or_last(evaluations.score[0]))
    reported = jax.tree.map(lambda leaf: leaf[1, chosen], evaluations)
    return Plan(
        actions=finalists[chosen],
        planned_return=reported.planned_return,
        penalty=reported.penalty,
        spread=reported.spread,
        score=reported.score,
        elite_scores=elite_scores,
    )
