"""The equations of environments, in JAX, so that the expected return of a plan can be computed.

With them, the bias of a planned return can be decomposed into the error of the learned model, the
regret of the search and the environment's noise (`agents.diagnostics.error_decomposition`).
Pendulum's come with this file, and `module:attribute` names some of your own:

    # my_task.py
    from agents.envs.dynamics import AnalyticDynamics, AnalyticStep

    def step(key, state, action):
        next_state = state + 0.1 * action + 0.01 * jax.random.normal(key, state.shape)
        return AnalyticStep(next_state, -jnp.sum(next_state**2), 1.0)

    dynamics = AnalyticDynamics(step)    # mbrl-dae returns RUN_DIR --dynamics my_task:dynamics

Functions are pure, unbatched and traceable by JAX, and see what the agent sees: where observations
do not determine what comes next, equations over them are not exact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from agents.envs.rewards import pendulum_cost, pendulum_torque
from agents.envs.user_modules import find
from mbrl import Ensemble, StepOutput

_MAX_SPEED = 8.0
_GRAVITY = 10.0
_SECONDS = 0.05


class AnalyticStep(NamedTuple):
    """The result of one simulator step.

    Attributes:
      state: `[O]`, observed after it.
      reward: of the step, an end within it included.
      continue_prob: probability in [0, 1] that the episode does not end.
    """

    state: jax.Array
    reward: jax.Array
    continue_prob: jax.Array | float


@dataclass(frozen=True)
class AnalyticDynamics:
    """The equations of an environment.

    Attributes:
      step: ``(key, state [O], action [A]) -> AnalyticStep`` of one simulator step; the action in
        planner units, in [-1, 1] or one-hot; `key` is for the environment's noise.
    """

    step: Callable[[jax.Array, jax.Array, jax.Array], AnalyticStep]


def pendulum_step(key: jax.Array, state: jax.Array, action: jax.Array) -> AnalyticStep:
    """One step of `Pendulum-v1`, with its default gravity, on (cosine, sine, angular velocity).

    Source: gymnasium.envs.classic_control.pendulum, `PendulumEnv.step`.
    """
    angle, speed = jnp.arctan2(state[1], state[0]), state[2]
    torque = pendulum_torque(action)
    cost = pendulum_cost(angle, speed, torque)
    speed = speed + (1.5 * _GRAVITY * jnp.sin(angle) + 3.0 * torque) * _SECONDS
    speed = jnp.clip(speed, -_MAX_SPEED, _MAX_SPEED)
    angle = angle + speed * _SECONDS
    return AnalyticStep(jnp.stack([jnp.cos(angle), jnp.sin(angle), speed]), -cost, 1.0)


pendulum = AnalyticDynamics(pendulum_step)


def with_dynamics(ensemble: Ensemble, dynamics: AnalyticDynamics, repeat: int) -> Ensemble:
    """An ensemble whose members all step by the equations; their parameters are not used.

    Args:
      ensemble: gives the rest.
      dynamics: the equations.
      repeat: simulator steps an action, >= 1; after an end rewards are 0.
    """

    def step(scales, params, key, observation, action):
        def once(carry, key):
            state, alive, total = carry
            after = dynamics.step(key, state, action)
            total = total + alive * after.reward
            return (after.state, alive * after.continue_prob, total), None

        start = (observation, jnp.ones(()), jnp.zeros(()))
        (state, alive, total), _ = jax.lax.scan(once, start, jax.random.split(key, repeat))
        return state, StepOutput(observation=state, reward=total, continue_prob=alive)

    return ensemble._replace(
        begin=lambda scales, params, observation: observation, step=step, draw=jax.random.split
    )


def find_dynamics(name: str, env_id: str, kwargs: object) -> AnalyticDynamics | None:
    """Finds the equations of an environment.

    Args:
      name: `module:attribute`, or empty for those that come with the environment.
      env_id: the environment's id, as in the configuration.
      kwargs: its arguments; equations that come with it are of its defaults.

    Returns:
      The equations; None where none are named and none come with the environment.

    Raises:
      UserError: the name leads to no `AnalyticDynamics`.
    """
    if not name:
        return pendulum if env_id == "Pendulum-v1" and not kwargs else None
    return find("--dynamics", name, AnalyticDynamics, "agents.envs.dynamics:pendulum")
