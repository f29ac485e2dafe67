"""What every planner is, and what all of them do at the end: choose afresh, and give evidence."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.types import Evaluation, KeyArray, Plan, ScoreFn

PlanState = Any
"""What a planner remembers from one decision to the next: any pytree."""

Vmap = Callable[[Callable], Callable]
"""`jax.vmap`, or the `vmap` of a `mbrl.parallel.Spread` to divide the candidates among devices."""


class Planner(NamedTuple):
    """A trajectory optimiser. It knows actions and evaluations, and no model.

    Attributes:
      init: ``init() -> plan_state``, for the first decision of an episode.
      plan: ``plan(score_fn, key, plan_state) -> (Plan, plan_state)``; the state returned is
        shifted by one decision, so that the next plan starts where this one leads.
      paths: imagined paths (particles) that one plan costs; times the horizon, the evaluations of
        the model. The backward pass of a gradient counts as two.
    """

    init: Callable[[], PlanState]
    plan: Callable[[ScoreFn, KeyArray, PlanState], tuple[Plan, PlanState]]
    paths: int


def finite_or_last(scores: Float[Array, "*N"]) -> Float[Array, "*N"]:
    """Scores that are not finite become `-inf`, so that they rank last."""
    return jnp.where(jnp.isfinite(scores), scores, -jnp.inf)


def evaluate_candidates(
    score_fn: ScoreFn,
    key: KeyArray,
    candidates: Float[Array, "N H A"],
    particles: int,
    vmap: Vmap = jax.vmap,
) -> Float[Array, " N"]:
    """Scores of all candidates, which share the model's noise; non-finite ones rank last."""

    def one(actions: Float[Array, "H A"]) -> Float[Array, ""]:
        return score_fn(key, actions, particles=particles).score

    return finite_or_last(vmap(one)(candidates))


def conclude(
    score_fn: ScoreFn,
    keys: KeyArray,
    finalists: Float[Array, "F H A"],
    elite_scores: Float[Array, " K"],
    particles: int,
) -> Plan:
    """Chooses among the finalists afresh, and evaluates the one chosen once more.

    The best of many noisy scores is often just the luckiest, and the mean of good plans is often
    not a good plan: neither survives a comparison under new noise. The evidence needs noise of its
    own again, since the winner of a comparison has been lucky too. Both are one batch.

    Args:
      score_fn: the objective.
      keys: `[2]`, of the comparison and of the evidence.
      finalists: plans; of equals, and where no score is finite, the first is chosen.
      elite_scores: reported as they are.
      particles: paths per evaluation; all members.
    """

    def one(key: KeyArray, actions: Float[Array, "H A"]) -> Evaluation:
        return score_fn(key, actions, particles=particles)

    judged = jax.vmap(jax.vmap(one, in_axes=(None, 0)), in_axes=(0, None))(keys, finalists)
    chosen = jnp.argmax(finite_or_last(judged.score[0]))
    evidence = jax.tree.map(lambda leaf: leaf[1, chosen], judged)
    return Plan(
        actions=finalists[chosen],
        planned_return=evidence.planned_return,
        penalty=evidence.penalty,
        spread=evidence.spread,
        score=evidence.score,
        elite_scores=elite_scores,
    )
