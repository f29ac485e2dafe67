"""The score of a plan: its planned return, adjusted for risk, less the regulariser's penalty.

    score = risk_p (R_p + discount^H s_H bonus) - weight * max(penalty, least penalty)
    R_p   = sum_{t<H} discount^t s_t r_t,     s_t = prod_{i<t} P(episode continues after i)
    penalty = mean_p sum_t s_t penalty_t

`s_t` is the probability that decision t is made at all: the decision that ends an episode counts in
full and nothing after it does.

The survival bonus is the value of an episode that continues beyond the horizon. Without it that
value is 0, as of an episode that has ended, and a plan that gains a little at the risk of a
termination is preferred. It is a constant in place of a learned value function: it changes the
ranking only of plans that differ in their risk of termination, and it cannot diverge. It must be
less than the reward of a successful termination, or plans would avoid that too.

The least penalty is what counts as familiar enough: -inf, or that of a plan which is known to stay
in the data (`mbrl.policy_prior`). Below it a plan gains nothing, so that a large weight bounds the
penalty and does not make the most familiar plan the best.

Where no decision's penalty can be below b, no score can be above the same expression with b in
place of every penalty. This bound is known before any penalty is computed, and a planner that
follows only its best candidates penalises those alone whose bound lets them be among these.

Source: Boney et al. (2019), eq. 4, with the sum over decisions weighted by survival and the penalty
calibrated (`mbrl.regularizers.calibrated_penalty`), so that `weight` is return per unit of it.
"""

from collections.abc import Callable
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.risk import Risk, mean_minus_std
from mbrl.rollout import survival
from mbrl.types import BoundedScore, Evaluation, Params, RolledOut, ScoreFn, Trajectory

DEFAULT_RISK = mean_minus_std(1.0)


class Objective(Protocol):
    """``objective(params, weight, observation, ...) -> ScoreFn``, of one decision's plans."""

    def __call__(
        self,
        params: tuple[Params, Params],
        weight: Float[Array, ""],
        observation: Float[Array, " O"],
        *,
        survival_bonus: Float[Array, ""] | float = 0.0,
        least_penalty: Float[Array, ""] | float = -jnp.inf,
    ) -> ScoreFn:
        """The score of every plan from one state: what a planner is given.

        Args:
          params: of the model and of the regulariser.
          weight: return given up per unit of penalty, >= 0.
          observation: initial state of the plans, in the environment's units.
          survival_bonus: value of an episode that continues beyond the horizon, part of the score
            and of no return. Negative where every decision costs and termination is the goal.
          least_penalty: a smaller penalty counts as this one in the score.
        """
        ...


def _over_decisions(values: Float[Array, " H"], alive: Float[Array, " H"]) -> Float[Array, ""]:
    """``sum_t s_t x_t``; a model may diverge behind a certain end, where nothing counts."""
    return jnp.sum(alive * jnp.where(alive > 0, values, 0.0))


def discounted_return(trajectory: Trajectory, discount: float) -> Float[Array, ""]:
    """``sum_t discount^t s_t r_t`` of one particle."""
    alive = survival(trajectory.continue_probs)
    discounts = discount ** jnp.arange(alive.shape[0], dtype=alive.dtype)
    return _over_decisions(discounts * trajectory.rewards, alive)


def make_objective(
    propagate: Callable[..., Trajectory],
    penalty: Callable[[tuple[Params, Params], Trajectory], Float[Array, " H"]],
    *,
    lower_bound: Callable[[tuple[Params, Params]], Float[Array, ""]] | None = None,
    discount: float = 1.0,
    risk: Risk = DEFAULT_RISK,
) -> Objective:
    """Combines a propagation, a penalty and a measure of risk into the objective of a planner.

    Args:
      propagate: ``(model_params, key, observation, actions, *, particles) -> Trajectory[P]``, for
        example `mbrl.rollout.ts_infinity` with its step bound.
      penalty: ``((model_params, regularizer_params), trajectory) -> [H]``, calibrated, of one
        particle.
      lower_bound: ``((model_params, regularizer_params)) -> []``, finite and calibrated: no
        decision has a lower penalty. Scores are then `BoundedScore`s. None where there is no bound,
        or where the penalty costs so little that every candidate may as well be penalised.
      discount: per decision, in (0, 1]. Lunar Lander's shaping is a potential difference with
        discount 1; a smaller one changes the ranking of plans near the ground.
      risk: the measure of risk of the particles' returns; see `mbrl.risk`.

    Returns:
      The objective. Weight, bonus and least penalty are traced: changing them compiles nothing,
      and they may be vmapped. The penalty is evaluated per particle and then averaged, never on the
      average path.
    """

    def objective(
        params, weight, observation, *,
        survival_bonus: Float[Array, ""] | float = 0.0,
        least_penalty: Float[Array, ""] | float = -jnp.inf,
    ) -> ScoreFn:  # fmt: skip
        def roll_out(key, actions, *, particles: int) -> RolledOut:
            paths = propagate(params[0], key, observation, actions, particles=particles)
            returns = jax.vmap(lambda path: discounted_return(path, discount))(paths)
            continues = paths.continue_probs
            beyond = survival_bonus * discount ** continues.shape[-1] * jnp.prod(continues, axis=-1)
            unpenalised = risk(returns + beyond)
            return RolledOut(paths=paths, returns=returns, unpenalised=unpenalised)

        def penalise(plan: RolledOut) -> Evaluation:
            def total_penalty(path: Trajectory) -> Float[Array, ""]:
                return _over_decisions(penalty(params, path), survival(path.continue_probs))

            total = jnp.mean(jax.vmap(total_penalty)(plan.paths))
            return Evaluation(
                planned_return=jnp.mean(plan.returns),
                penalty=total,
                spread=jnp.std(plan.returns),
                score=plan.unpenalised - weight * jnp.maximum(total, least_penalty),
            )

        if lower_bound is None:
            return lambda key, actions, *, particles: penalise(
                roll_out(key, actions, particles=particles)
            )

        least = lower_bound(params)

        def upper_bound(plan: RolledOut) -> Float[Array, ""]:
            made = jnp.sum(jax.vmap(survival)(plan.paths.continue_probs), axis=-1)
            return plan.unpenalised - weight * jnp.maximum(least * jnp.mean(made), least_penalty)

        return BoundedScore(roll_out, upper_bound, penalise)

    return objective
