"""Gradient ascent on the plan, through the model and the regulariser, from several starts.

    x <- clip(x + Adam(d score / d x), -1, 1)

Good at: long horizons and many action dimensions, where sampling is inefficient; smooth models. It
finds the nearest local optimum, so that the starts matter, and it exploits errors of the model more
than other planners: give the penalty a larger weight than with sampling. One step costs about three
evaluations a start. A termination of predicted probability 1 has a gradient of zero.

Discrete actions are the argmax of a row of logits, with the gradient of their softmax (the
straight-through estimator).

Source: Boney et al. (2019), section 4 (Adam, warm-started); Bengio et al. (2013) for the estimator.
Departures: several starts; the step size falls to zero along a half cosine; steps whose score is
not finite are undone.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from mbrl.planners.base import Planner, PlanState, Vmap, finite_or_last, select_finalist
from mbrl.planners.proposals import Proposal
from mbrl.types import KeyArray, Plan, ScoreFn

_FIRST_LOGIT = 2.0
"""Of the action that a start chose: its softmax is clearly largest, and still has a gradient."""


def straight_through(logits: Float[Array, "H A"]) -> Float[Array, "H A"]:
    """One-hot rows of the largest entries, with the gradient of the softmax."""
    soft = jax.nn.softmax(logits)
    hard = jax.nn.one_hot(jnp.argmax(logits, axis=-1), logits.shape[-1], dtype=logits.dtype)
    # In this order the value is exactly one-hot: `soft + (hard - soft)` is so but for rounding.
    return jax.lax.stop_gradient(hard) + (soft - jax.lax.stop_gradient(soft))


def make_gradient(
    proposal: Proposal,
    *,
    discrete: bool = False,
    starts: int = 8,
    iterations: int = 20,
    learning_rate: float = 0.3,
    particles: int = 5,
    final_particles: int = 5,
    suggestions: int = 0,
    vmap: Vmap = jax.vmap,
) -> Planner:
    """Builds the planner.

    Args:
      proposal: what the starts are drawn from, beside the last plan itself.
      discrete: whether actions are one-hot rows.
      starts: R >= 1, the last plan (shifted) and R - 1 plans drawn around it.
      iterations: steps of Adam, >= 1, each under fresh noise of the model.
      learning_rate: of the first step, in half-ranges of the action (or in logits); > 0.
      particles: P, paths per step and start.
      final_particles: paths per evaluation of the finalists, >= 1; as many as the ensemble has
        members, so that all of them count.
      suggestions: plans from elsewhere that are starts, too, >= 0; see `mbrl.policy_prior`.
      vmap: maps the ascent's evaluations over the starts; see `mbrl.parallel`.

    Returns:
      The planner. It returns the best of all starts' last points, evaluated again under new noise.
    """
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, iterations))

    def decode(point: Float[Array, "H A"]) -> Float[Array, "H A"]:
        return straight_through(point) if discrete else point

    def plan(
        score_fn: ScoreFn,
        key: KeyArray,
        state: PlanState,
        suggested: Float[Array, "S H A"] | None = None,
    ) -> tuple[Plan, PlanState]:
        start_key, step_key, choice_key, report_key = jax.random.split(key, 4)
        drawn = proposal.sample(start_key, state, starts).at[0].set(proposal.mode(state))
        if suggested is not None:
            drawn = jnp.concatenate([drawn, suggested])
        first = _FIRST_LOGIT * drawn if discrete else drawn

        def climb(carry, key: KeyArray):
            points, last_valid, momenta, _ = carry

            def loss(point: Float[Array, "H A"]) -> Float[Array, ""]:
                return -score_fn(key, decode(point), particles=particles).score

            values, gradients = vmap(jax.value_and_grad(loss))(points)
            # A start whose score or gradient is not finite goes back to its last valid point.
            valid = jnp.isfinite(values) & jnp.all(jnp.isfinite(gradients), axis=(1, 2))
            valid = valid[:, None, None]
            last_valid = jnp.where(valid, points, last_valid)
            steps, momenta = optimizer.update(jnp.where(valid, gradients, 0.0), momenta)
            moved = last_valid + jnp.where(valid, jnp.asarray(steps), 0.0)
            if not discrete:
                moved = jnp.clip(moved, -1.0, 1.0)
            return (moved, last_valid, momenta, -values), None

        carry = (first, first, optimizer.init(first), jnp.zeros(len(first), first.dtype))
        keys = jax.random.split(step_key, iterations)
        (points, last_valid, _, scores), _ = jax.lax.scan(climb, carry, keys)
        finalists = jax.vmap(decode)(jnp.concatenate([last_valid, points]))
        best_first = jnp.sort(finite_or_last(scores), descending=True)
        keys = jnp.stack([choice_key, report_key])
        made = select_finalist(score_fn, keys, finalists, best_first, final_particles)
        found = proposal.refit(state, made.actions[None], jnp.ones(1, first.dtype))
        return made, proposal.shift(found)

    climbed = starts + suggestions
    paths = 3 * climbed * iterations * particles + 2 * 2 * climbed * final_particles
    return Planner(init=proposal.init, plan=plan, paths=paths)
