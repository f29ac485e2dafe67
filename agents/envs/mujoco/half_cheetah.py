"""Half-cheetah: run forwards, in a plane, on two legs of three joints each.

    r = v - 0.1 |a|^2,    v = (x' - x) / dt

`v` is the mean forward velocity over the step. It is the last number of the observation, exactly:
`qvel[0]`, the velocity at the end of the step, differs from it by 0.18 (root mean square) where the
reward's standard deviation is 0.64.

Differences from `HalfCheetah-v5`: the observation has `v`, and the pitch as sine and cosine, since
a cheetah that somersaults turns without bound. The reward is the same.
"""

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv

from agents.envs.rewards import AnalyticReward, never_ends

_SIZE = 19
_PITCH = 1
_ACTION_COST = 0.1


class HalfCheetah(HalfCheetahEnv):
    """`HalfCheetah-v5` with 19 observations.

    They are height, sine and cosine of the pitch, six joint angles, nine velocities, and the mean
    forward velocity over the last step (after a reset: the velocity there is).
    """

    def __init__(self, render_mode: str | None = None):
        super().__init__(render_mode=render_mode)
        self.observation_space = spaces.Box(-np.inf, np.inf, (_SIZE,), np.float64)

    def step(self, action):
        """One step of 0.05 s."""
        observation, reward, terminated, truncated, info = super().step(action)
        return _observe(observation, info["x_velocity"]), reward, terminated, truncated, info

    def reset_model(self):
        """Places the cheetah near its rest, as `HalfCheetah-v5` does."""
        return _observe(super().reset_model(), self.data.qvel[0])


def _observe(observation: np.ndarray, velocity: float) -> np.ndarray:
    before, (pitch, *after) = observation[:_PITCH], observation[_PITCH:]
    return np.array([*before, np.sin(pitch), np.cos(pitch), *after, velocity])


def _reward(state: jax.Array, action: jax.Array, next_state: jax.Array, repeat) -> jax.Array:
    """`repeat (v' - 0.1 |a|^2)`: exact for a repeat of 1; with more, of the last step's `v`."""
    del state
    return repeat * (next_state[-1] - _ACTION_COST * jnp.sum(jnp.square(action)))


reward = AnalyticReward(_reward, never_ends)
