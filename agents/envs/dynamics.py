"""Environments whose equations are known, in JAX, so that a plan's true worth can be computed.

With the equations, a planner's promise can be taken apart: what the learned model got wrong, what
the search left lying, and what the world does by chance
(`agents.diagnostics.error_decomposition`). Pendulum's come with this file, and
`module:attribute` names some of your own:

    # my_task.py
    from agents.envs.dynamics import KnownDynamics, Outcome

    def step(key, state, action):
        next_state = state + 0.1 * action + 0.01 * jax.random.normal(key, state.shape)
        return Outcome(next_state, -jnp.sum(next_state**2), 1.0)

    dynamics = KnownDynamics(step)       # benchmark_returns.py RUN_DIR --dynamics my_task:dynamics

Functions are pure, unbatched and traceable by JAX, and see what the agent sees: where observations
do not determine what comes next, equations over them are not exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from agents.envs.user_modules import module_of
from agents.errors import UserError
from mbrl.dynamics import Ensemble
from mbrl.types import StepOutput

_MAX_SPEED = 8.0
_MAX_TORQUE = 2.0
_GRAVITY = 10.0
_SECONDS = 0.05


class Outcome(NamedTuple):
    """Of one simulator step.

    Attributes:
      state: `[O]`, observed after it.
      reward: of the step, an end within it included.
      continue_prob: probability in [0, 1] that the episode goes on.
    """

    state: jax.Array
    reward: jax.Array
    continue_prob: jax.Array | float


@dataclass(frozen=True)
class KnownDynamics:
    """The equations of an environment.

    Attributes:
      step: ``(key, state [O], action [A]) -> Outcome`` of one simulator step; the action in planner
        units, in [-1, 1] or one-hot; `key` is of the world's own noise.
    """

    step: Callable[[jax.Array, jax.Array, jax.Array], Outcome]


def pendulum_step(key: jax.Array, state: jax.Array, action: jax.Array) -> Outcome:
    """One step of `Pendulum-v1`, with its default gravity, on (cosine, sine, angular velocity).

    Source: gymnasium.envs.classic_control.pendulum, `PendulumEnv.step`.
    """
    del key
    angle, speed = jnp.arctan2(state[1], state[0]), state[2]
    torque = _MAX_TORQUE * jnp.clip(action[0], -1.0, 1.0)
    cost = angle**2 + 0.1 * speed**2 + 0.001 * torque**2
    speed = speed + (1.5 * _GRAVITY * jnp.sin(angle) + 3.0 * torque) * _SECONDS
    speed = jnp.clip(speed, -_MAX_SPEED, _MAX_SPEED)
    angle = angle + speed * _SECONDS
    return Outcome(jnp.stack([jnp.cos(angle), jnp.sin(angle), speed]), -cost, 1.0)


pendulum = KnownDynamics(pendulum_step)

_THAT_COME_WITH = {"Pendulum-v1": pendulum}


def with_dynamics(ensemble: Ensemble, dynamics: KnownDynamics, repeat: int) -> Ensemble:
    """An ensemble whose members all step by the equations; their parameters are not read.

    Args:
      ensemble: gives the rest.
      dynamics: the equations.
      repeat: simulator steps that an action is held, >= 1; behind an end nothing is paid.
    """

    def step(scales, params, key, observation, action):
        del scales, params

        def hold(carry, key):
            state, alive, paid = carry
            outcome = dynamics.step(key, state, action)
            paid = paid + alive * outcome.reward
            return (outcome.state, alive * outcome.continue_prob, paid), None

        start = (observation, jnp.ones(()), jnp.zeros(()))
        (state, alive, paid), _ = jax.lax.scan(hold, start, jax.random.split(key, repeat))
        return state, StepOutput(observation=state, reward=paid, continue_prob=alive)

    return ensemble._replace(step=step, draw=jax.random.split)


def resolve(name: str, env_id: str, kwargs: object) -> KnownDynamics | None:
    """Finds the equations of an environment.

    Args:
      name: `module:attribute`, or empty for those that come with the environment.
      env_id: the environment's id, as in the configuration.
      kwargs: its arguments; equations that come with it are of its defaults.

    Returns:
      The equations; None where none are named and none come with the environment.

    Raises:
      UserError: the name leads to no `KnownDynamics`.
    """
    if not name:
        return None if kwargs else _THAT_COME_WITH.get(env_id)
    module, attribute = module_of("--dynamics:", name, "agents.envs.dynamics:pendulum")
    found = getattr(module, attribute, None)
    if not isinstance(found, KnownDynamics):
        raise UserError(
            f"--dynamics: {attribute!r} in {module.__name__!r} is no"
            " agents.envs.dynamics.KnownDynamics"
        )
    return found
