"""Rewards given as functions of one transition, so that they need not be learned.

Boney et al. (2019) plan with the task's true reward. With `model.reward: known` the planner uses an
`AnalyticReward` in place of the learned reward head; Lunar Lander's and Pendulum's come with this
file, and `module:attribute` names one of your own:

    # my_task.py
    import jax.numpy as jnp
    from agents.envs.rewards import AnalyticReward

    def reach(state, action, next_state, repeat):
        return -repeat * jnp.sum(next_state[:2] ** 2)

    reward = AnalyticReward(reach)       # --model.known-reward my_task:reward

Functions are pure, unbatched and traceable by JAX. Shapes: O observation size, A action size.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from agents.envs.user_modules import find
from agents.errors import UserError, shown

_MAIN_ENGINE_COST = 0.30
_SIDE_ENGINE_COST = 0.03
_PENDULUM_MAX_TORQUE = 2.0


@dataclass(frozen=True)
class AnalyticReward:
    """A reward of one decision and, where it is given, the probability of the end.

    Attributes:
        reward: `(state [O], action [A], next_state [O], repeat) -> []`, the sum of the rewards of
            the simulator steps that the action was repeated for. Actions are in planner units: in
            [-1, 1], or one-hot. `repeat` is the number of those steps, >= 1, and may be traced.
        termination: `(state, action, next_state) -> []`, the probability in [0, 1] that the
            decision ends the episode. None: it is learned.
    """

    reward: Callable[[jax.Array, jax.Array, jax.Array, jax.Array | int], jax.Array]
    termination: Callable[[jax.Array, jax.Array, jax.Array], jax.Array] | None = None


def lunar_lander_reward(
    state: jax.Array, action: jax.Array, next_state: jax.Array, repeat: jax.Array | int
) -> jax.Array:
    """Reward of `LunarLander-v3` with continuous actions, on every step but the last.

    `phi(s') - phi(s) - repeat (0.30 m(a) + 0.03 l(a))` with
    `phi = -100 |(x, y)| - 100 |(vx, vy)| - 100 |angle| + 10 leg1 + 10 leg2`, main throttle
    `m = (1 + a0) / 2 if a0 > 0 else 0` and side throttle `l = |a1| if |a1| > 0.5 else 0`.

    The shaping is a difference of potentials, so over repeats it telescopes and only the fuel
    counts `repeat` times: exact for any `repeat`. The terminal step is different: there +100 (at
    rest) or -100 (crashed, or |x| >= 1) *replaces* the reward. The ground's height is not observed,
    so this must be learned.

    Args:
        state: [8], x, y, vx, vy, angle, angular velocity, two leg contacts.
        action: [2], main and side engine, in [-1, 1].
        next_state: [8].
        repeat: simulator steps, >= 1.

    Source: gymnasium.envs.box2d.lunar_lander, `LunarLander.step`.
    """
    action = jnp.clip(action, -1.0, 1.0)
    main = jnp.where(action[0] > 0.0, 0.5 * (1.0 + action[0]), 0.0)
    side = jnp.where(jnp.abs(action[1]) > 0.5, jnp.abs(action[1]), 0.0)
    return _shaping_change(state, next_state) - repeat * _fuel(main, side)


def lunar_lander_discrete_reward(
    state: jax.Array, action: jax.Array, next_state: jax.Array, repeat: jax.Array | int
) -> jax.Array:
    """Reward of `LunarLander-v3` with discrete actions, on every step but the last.

    As `lunar_lander_reward`; an engine that fires burns at full power.

    Args:
        state: [8].
        action: [4], one-hot: nothing, left engine, main engine, right engine.
        next_state: [8].
        repeat: simulator steps, >= 1.

    Source: gymnasium.envs.box2d.lunar_lander, `LunarLander.step`.
    """
    fuel = _fuel(main=action[2], side=action[1] + action[3])
    return _shaping_change(state, next_state) - repeat * fuel


def pendulum_reward(
    state: jax.Array, action: jax.Array, next_state: jax.Array, repeat: jax.Array | int
) -> jax.Array:
    """Reward of `Pendulum-v1`: exact without action repeat, an approximation with it.

    `r(s, a) = -(angle^2 + 0.1 velocity^2 + 0.001 torque^2)`, angle in (-pi, pi] from upright and
    torque = 2 a. The environment charges it for the state *before* each step, so the sum over
    repeats depends on states in between that a transition does not contain. It is taken as if the
    reward ran straight from s to s': `repeat r(s, a) + (repeat - 1) / 2 (r(s', a) - r(s, a))`.
    Measured under random torques, with a mean reward of -6 a step, the sum is off by 0.16 a step
    (root mean square) for 2 repeats and by 0.6 for 4; `repeat r(s, a)` by 0.5 and 1.6.

    Args:
        state: [3], cosine and sine of the angle, angular velocity.
        action: [1], in [-1, 1].
        next_state: [3].
        repeat: simulator steps, >= 1.

    Source: gymnasium.envs.classic_control.pendulum, `PendulumEnv.step`.
    """
    torque = pendulum_torque(action)

    def one_step(state: jax.Array) -> jax.Array:
        return -pendulum_cost(jnp.arctan2(state[1], state[0]), state[2], torque)

    first = one_step(state)
    return repeat * first + 0.5 * (repeat - 1) * (one_step(next_state) - first)


def pendulum_torque(action: jax.Array) -> jax.Array:
    """Pendulum's torque, in [-2, 2], of an action [1] in [-1, 1]."""
    return _PENDULUM_MAX_TORQUE * jnp.clip(action[0], -1.0, 1.0)


def pendulum_cost(angle: jax.Array, velocity: jax.Array, torque: jax.Array) -> jax.Array:
    """What `Pendulum-v1` charges for one simulator step; angle in (-pi, pi] from upright."""
    return angle**2 + 0.1 * velocity**2 + 0.001 * torque**2


def never_ends(state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
    """Probability of the end where episodes end by a time limit only: 0."""
    return jnp.zeros((), next_state.dtype)


lunar_lander = AnalyticReward(lunar_lander_reward)
lunar_lander_discrete = AnalyticReward(lunar_lander_discrete_reward)
pendulum = AnalyticReward(pendulum_reward, never_ends)


def find_reward(name: str, env_id: str, kwargs: Mapping[str, Any]) -> AnalyticReward:
    """Finds an analytic reward.

    Args:
        name: `module:attribute`, or empty for the one that comes with the environment.
        env_id: the environment's id, as in the configuration.
        kwargs: the environment's arguments: `continuous` selects one of Lunar Lander's two rewards.

    Raises:
        UserError: none comes with the environment, or the name leads to no `AnalyticReward`.
    """
    if name:
        return find("model.known_reward", name, AnalyticReward, "agents.envs.rewards:lunar_lander")
    match env_id:
        case "LunarLander-v3" | "LunarLanderContinuous-v3":
            continuous = kwargs.get("continuous", env_id == "LunarLanderContinuous-v3")
            return lunar_lander if continuous else lunar_lander_discrete
        case "Pendulum-v1":
            return pendulum
    raise UserError(
        f"no analytic reward comes with environment {shown(env_id)} (only with LunarLander-v3, "
        "LunarLanderContinuous-v3 and Pendulum-v1); name one as 'module:attribute' "
        "or learn the reward"
    )


def _shaping_change(state: jax.Array, next_state: jax.Array) -> jax.Array:
    # Differences before sums: the potential is a few hundred, its change often a hundredth.
    return jnp.sum(_potential_terms(next_state) - _potential_terms(state))


def _potential_terms(state: jax.Array) -> jax.Array:
    # safe_norm, because a lander at rest has speed 0, where a plain norm's gradient is nan.
    return jnp.stack(
        [
            -100.0 * optax.safe_norm(state[0:2], 0.0),
            -100.0 * optax.safe_norm(state[2:4], 0.0),
            -100.0 * jnp.abs(state[4]),
            10.0 * state[6],
            10.0 * state[7],
        ]
    )


def _fuel(main: jax.Array, side: jax.Array) -> jax.Array:
    return _MAIN_ENGINE_COST * main + _SIDE_ENGINE_COST * side
