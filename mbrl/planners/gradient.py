"""Gradient ascent on the plan, through the model and the regulariser, from several starts.

    x <- clip(x + Adam(d score / d x), -1, 1)

Good at: long horizons and many action dimensions, where sampling is lost; smooth models. It finds
the nearest peak, so that starts matter, and it is the planner that exploits a model's errors most
eagerly: give the penalty a larger weight than with sampling. One step costs about three evaluations
a start. An end (a crash) that the model thinks certain has no slope to flee along.

Discrete actions are the best of a row of scores, which the gradient moves as if their softmax had
been played (the straight-through estimator).

Source: Boney et al. (2019), section 4 (Adam, warm-started); Bengio et al. (2013) for the estimator.
Departures: several starts; the step size falls to zero along a half cosine; steps whose score is
not finite are taken back.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from mbrl.planners.base import Planner, PlanState, Vmap, conclude, finite_or_last
from mbrl.planners.proposals import Proposal
from mbrl.types import KeyArray, Plan, ScoreFn

_FIRST_LOGIT = 2.0
"""Of the action that a start chose: decided, and yet within reach of a change of mind."""


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
    vmap: Vmap = jax.vmap,
) -> Planner:
    """Builds the planner.

    Args:
      proposal: where the starts are drawn from, beside the last plan itself.
      discrete: whether actions are one-hot rows.
      starts: R >= 1, the last plan (shifted) and R - 1 drawn around it.
      iterations: Adam's steps, >= 1, each under fresh noise of the model.
      learning_rate: of the first step, in half-ranges of the action (or in logits); > 0.
      particles: P, imagined paths per step and start.
      final_particles: paths for the last evaluation of the plan returned; all members.
      vmap: maps the ascent's evaluations over the starts; see `mbrl.parallel`.

    Returns:
      The planner. It returns the best of all starts' last points, compared afresh.
    """
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, iterations))

    def decode(point: Float[Array, "H A"]) -> Float[Array, "H A"]:
        return straight_through(point) if discrete else point

    def plan(score_fn: ScoreFn, key: KeyArray, state: PlanState) -> tuple[Plan, PlanState]:
        start_key, step_key, choice_key, evidence_key = jax.random.split(key, 4)
        drawn = proposal.sample(start_key, state, starts).at[0].set(proposal.mode(state))
        first = _FIRST_LOGIT * drawn if discrete else drawn

        def climb(carry, key: KeyArray):
            points, known, momenta, _ = carry

            def loss(point: Float[Array, "H A"]) -> Float[Array, ""]:
                return -score_fn(key, decode(point), particles=particles).score

            values, slopes = vmap(jax.value_and_grad(loss))(points)
            # A start that has left for where nothing is known goes back to where it was known.
            valid = jnp.isfinite(values) & jnp.all(jnp.isfinite(slopes), axis=(1, 2))
            valid = valid[:, None, None]
            known = jnp.where(valid, points, known)
            steps, momenta = optimizer.update(jnp.where(valid, slopes, 0.0), momenta)
            moved = known + jnp.where(valid, jnp.asarray(steps), 0.0)
            if not discrete:
                moved = jnp.clip(moved, -1.0, 1.0)
            return (moved, known, momenta, -values), None

        carry = (first, first, optimizer.init(first), jnp.zeros(starts, first.dtype))
        keys = jax.random.split(step_key, iterations)
        (points, known, _, scores), _ = jax.lax.scan(climb, carry, keys)
        finalists = jax.vmap(decode)(jnp.concatenate([known, points]))
        best_first = jnp.sort(finite_or_last(scores), descending=True)
        made = conclude(
            score_fn, jnp.stack([choice_key, evidence_key]), finalists, best_first, final_particles
        )
        found = proposal.refit(state, made.actions[None], jnp.ones(1, first.dtype))
        return made, proposal.shift(found)

    paths = 3 * starts * iterations * particles + 2 * 2 * starts * final_particles
    return Planner(init=proposal.init, plan=plan, paths=paths)
