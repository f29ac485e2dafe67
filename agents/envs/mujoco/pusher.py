"""Pusher: an arm of seven joints pushes a cylinder over a table to a goal.

    r = -1.25 |object - goal|_1 - 0.5 |finger - object|_1 - 0.1 |a|^2

of the positions after the step, |.|_1 the sum of absolute values and `a` the torques, in [-2, 2].

Differences from `Pusher-v5`, all of the paper: these weights and distances instead of 1 and 0.5
with Euclidean ones; four simulation steps an action instead of five; the cylinder starts near one
place (0.25 m from the goal in y, 0.15 in x, sd 0.025); the goal, which never moves, is not
observed. Differences from the paper: its environment pays for the positions before the step and
its planner for those after it, as both do here; its cylinder has a density of 0.00001 instead of
0.01.
"""

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco.pusher_v5 import PusherEnv

from agents.envs.rewards import AnalyticReward, never_ends

LARGEST_TORQUE = 2.0
ACTUATED = 7
GOAL = (0.45, -0.05, -0.323)
_SIZE = 2 * ACTUATED + 6
_START, _START_SD = (-0.25, 0.15), 0.025
_FINGER, _OBJECT = slice(-6, -3), slice(-3, None)


class Pusher(PusherEnv):
    """`Pusher-v5` with the paper's reward and start; 20 observations.

    They are seven joint angles, their velocities, and the positions of finger and cylinder.
    """

    def __init__(self, render_mode: str | None = None):
        super().__init__(frame_skip=4, render_mode=render_mode)
        self.observation_space = spaces.Box(-np.inf, np.inf, (_SIZE,), np.float64)

    def reset_model(self):
        """Rests the arm, and places the cylinder."""
        position, velocity = self.init_qpos.copy(), self.init_qvel.copy()
        position[-4:-2] = np.array(_START) + self.np_random.normal(0.0, _START_SD, 2)
        velocity[:ACTUATED] += self.np_random.uniform(-0.005, 0.005, ACTUATED)
        self.set_state(position, velocity)
        return self._get_obs()

    def _get_obs(self):
        joints, velocities = self.data.qpos[:ACTUATED], self.data.qvel[:ACTUATED]
        places = (self.get_body_com(name) for name in ("tips_arm", "object"))
        return np.concatenate([joints, velocities, *places])

    def _get_rew(self, action):
        finger, moved = self.get_body_com("tips_arm"), self.get_body_com("object")
        terms = {
            "reward_dist": -1.25 * np.abs(moved - GOAL).sum(),
            "reward_near": -0.5 * np.abs(finger - moved).sum(),
            "reward_ctrl": -0.1 * np.square(action).sum(),
        }
        return sum(terms.values()), terms


def _reward(state: jax.Array, action: jax.Array, next_state: jax.Array, repeat) -> jax.Array:
    """Of the positions after the step: exact for a repeat of 1; with more, of the last step's."""
    del state
    finger, moved = next_state[_FINGER], next_state[_OBJECT]
    far = jnp.sum(jnp.abs(moved - jnp.array(GOAL)))
    near = jnp.sum(jnp.abs(finger - moved))
    torque = LARGEST_TORQUE * action
    return repeat * (-1.25 * far - 0.5 * near - 0.1 * jnp.sum(jnp.square(torque)))


reward = AnalyticReward(_reward, never_ends)
