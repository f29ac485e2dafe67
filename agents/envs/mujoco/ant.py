"""Ant: run forwards on four legs.

    r = v,    v = (x' - x) / dt

`v` is the mean forward velocity of the torso over the step, the last number of the observation.

Differences from `Ant-v5`, all of the paper: gears of 30 instead of 150, no healthy reward, no end,
no cost of torques or contacts. Differences from the paper: the observation lacks the contact forces
(84 of its 111 numbers), and has `v`.
"""

import jax
import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco.ant_v5 import AntEnv

from agents.envs.rewards import AnalyticReward, never_ends

_SIZE = 28
_GEAR = 30.0


class Ant(AntEnv):
    """`Ant-v5` with weaker motors, paid for its forward velocity alone; 28 observations.

    They are height, orientation (a quaternion), eight joint angles, fourteen velocities, and the
    mean forward velocity over the last step (after a reset: the velocity there is).
    """

    def __init__(self, render_mode: str | None = None):
        super().__init__(
            ctrl_cost_weight=0.0,
            contact_cost_weight=0.0,
            healthy_reward=0.0,
            terminate_when_unhealthy=False,
            include_cfrc_ext_in_observation=False,
            render_mode=render_mode,
        )
        self.model.actuator_gear[:, 0] = _GEAR
        self.observation_space = spaces.Box(-np.inf, np.inf, (_SIZE,), np.float64)

    def step(self, action):
        """One step of 0.05 s."""
        observation, reward, terminated, truncated, info = super().step(action)
        return np.append(observation, info["x_velocity"]), reward, terminated, truncated, info

    def reset_model(self):
        """Places the ant near its rest, as `Ant-v5` does."""
        return np.append(super().reset_model(), self.data.qvel[0])


def _reward(state: jax.Array, action: jax.Array, next_state: jax.Array, repeat) -> jax.Array:
    """`repeat v'`: exact for a repeat of 1; with more, of the last step's velocity."""
    del state, action
    return repeat * next_state[-1]


reward = AnalyticReward(_reward, never_ends)
