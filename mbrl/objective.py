"""What a plan is worth: imagined return, less risk, less the regulariser's penalty.

    score = risk_p (R_p + discount^H s_H bonus) - weight * mean_p sum_t s_t penalty_t
    R_p   = sum_{t<H} discount^t s_t r_t,     s_t = prod_{i<t} P(episode goes on after i)

`s_t` is the probability that decision t is made at all: the decision that ends an episode counts in
full and nothing after it does. Only here do a rollout and a penalty meet.

The survival bonus stands for what a plan is too short to see. Without it an episode that goes on
behind the horizon is worth what one that has ended is, nothing, and a plan that gains a little by
risking an end takes the risk. It is a constant where others learn a value: it moves no plan that
risks nothing, and nothing is learned that could drift. It must be less than a good end pays, or no
plan would want one.

Source: Boney et al. (2019), eq. 4, with the sum over imagined decisions weighted by survival and
the penalty calibrated (`mbrl.regularizers.calibrated_penalty`), so that `weight` is return per unit
of it.
"""

from collections.abc import Callable
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.risk import Risk, mean
from mbrl.types import Evaluation, KeyArray, Params, Trajectory


class Objective(Protocol):
    """``objective(params, weight, key, observation, actions, *, particles, ...) -> Evaluation``."""

    def __call__(
        self,
        params: tuple[Params, Params],
        weight: Float[Array, ""],
        key: KeyArray,
        observation: Float[Array, " O"],
        actions: Float[Array, "H A"],
        *,
        particles: int,
        survival_bonus: Float[Array, ""] | float = 0.0,
    ) -> Evaluation:
        """Evaluates one candidate; `particles` is static, all else is traced.

        Args:
          params: of the model and of the regulariser.
          weight: return given up per unit of penalty, >= 0.
          key: random key, consumed.
          observation: where the plan starts, in the environment's units.
          actions: the plan.
          particles: imagined paths.
          survival_bonus: return that going on behind the horizon is taken for: part of the score
            and of no return. Negative where every decision costs and an end is the goal.
        """
        ...


def survival(continue_probs: Float[Array, " H"]) -> Float[Array, " H"]:
    """Probability that decision t is made: the product of `continue_probs` before t."""
    return jnp.concatenate([jnp.ones_like(continue_probs[:1]), jnp.cumprod(continue_probs[:-1])])


def discounted_return(trajectory: Trajectory, discount: float) -> Float[Array, ""]:
    """``sum_t discount^t s_t r_t`` of one particle."""
    alive = survival(trajectory.continue_probs)
    discounts = discount ** jnp.arange(alive.shape[0], dtype=alive.dtype)
    return jnp.sum(discounts * alive * trajectory.rewards)


def make_objective(
    propagate: Callable[..., Trajectory],
    penalty: Callable[[Params, Trajectory], Float[Array, " H"]],
    *,
    discount: float = 1.0,
    risk: Risk = mean,
) -> Objective:
    """Joins a way of imagining and a penalty into one number per candidate.

    Args:
      propagate: ``(model_params, key, observation, actions, *, particles) -> Trajectory[P]``, for
        example `mbrl.rollout.ts_infinity` with its step bound.
      penalty: ``(regularizer_params, trajectory) -> [H]``, calibrated, of one particle.
      discount: per decision, in (0, 1]. Lunar Lander's shaping is a potential difference with
        discount 1; a smaller one changes the ranking of plans near the ground.
      risk: what counts of the returns of the particles; see `mbrl.risk`.

    Returns:
      The objective. Weight and bonus are traced: changing them compiles nothing, and they may be
      vmapped. The penalty is evaluated per particle and then averaged, never on the average path.
    """

    def objective(
        params, weight, key, observation, actions, *, particles,
        survival_bonus: Float[Array, ""] | float = 0.0,
    ) -> Evaluation:  # fmt: skip
        model_params, regularizer_params = params
        trajectories = propagate(model_params, key, observation, actions, particles=particles)
        returns = jax.vmap(lambda path: discounted_return(path, discount))(trajectories)
        going_on = trajectories.continue_probs
        beyond = survival_bonus * discount ** going_on.shape[-1] * jnp.prod(going_on, axis=-1)

        def total_penalty(path: Trajectory) -> Float[Array, ""]:
            return jnp.sum(survival(path.continue_probs) * penalty(regularizer_params, path))

        total = jnp.mean(jax.vmap(total_penalty)(trajectories))
        return Evaluation(
            planned_return=jnp.mean(returns),
            penalty=total,
            spread=jnp.std(returns),
            score=risk(returns + beyond) - weight * total,
        )

    return objective
