"""Reacher: an arm of seven joints reaches for a point in space.

    r = -|finger - goal|^2 - 0.01 |a|^2

of the positions after the step, `a` the torques, in [-2, 2].

Gymnasium's `Reacher-v5` has two joints in a plane, so that this one is built from the arm of
`Pusher-v5`: the cylinder is taken out, the red disc marks the goal. Differences from the paper: its
arm has the same proportions, with a hand of 0.17 m for one of 0.1 m, and ten times both the torques
and the damping of the shoulder; it observes the goal, ours the way from the finger to it. The goal
is drawn as there, around a point 0.44 m in front of the shoulder (sd 0.1 m each way).
"""

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco.pusher_v5 import PusherEnv

from agents.envs.mujoco.pusher import ACTUATED, LARGEST_TORQUE
from agents.envs.rewards import AnalyticReward, never_ends

_SIZE = 2 * ACTUATED + 3
_MEAN_GOAL, _GOAL_SD = (0.0, -0.162, 0.0), 0.1
_FAR_BELOW = -10.0


class Reacher(PusherEnv):
    """The arm of `Pusher-v5` with a point to reach; 17 observations.

    They are seven joint angles, their velocities, and the vector from the middle of the two
    fingers to the goal.
    """

    def __init__(self, render_mode: str | None = None):
        super().__init__(frame_skip=2, render_mode=render_mode)
        self.observation_space = spaces.Box(-np.inf, np.inf, (_SIZE,), np.float64)
        self._goal = np.array(_MEAN_GOAL)
        # The cylinder is out of sight, and touches nothing on its way there.
        cylinder = self.model.body("object").id
        parts = self.model.geom_bodyid == cylinder
        self.model.geom_contype[parts] = self.model.geom_conaffinity[parts] = 0
        self.model.body_pos[cylinder, 2] = _FAR_BELOW

    def reset_model(self):
        """Rests the arm, and draws a goal."""
        self._goal = np.array(_MEAN_GOAL) + self.np_random.normal(0.0, _GOAL_SD, 3)
        self.model.body("goal").pos[:] = self._goal
        self.set_state(self.init_qpos.copy(), self.init_qvel.copy())
        return self._get_obs()

    def _get_obs(self):
        joints, velocities = self.data.qpos[:ACTUATED], self.data.qvel[:ACTUATED]
        return np.concatenate([joints, velocities, self._way()])

    def _way(self) -> np.ndarray:
        fingers = [self.data.geom(name).xpos for name in ("tip_arml", "tip_armr")]
        return self._goal - np.mean(fingers, axis=0)

    def _get_rew(self, action):
        terms = {
            "reward_dist": -np.square(self._way()).sum(),
            "reward_ctrl": -0.01 * np.square(action).sum(),
        }
        return sum(terms.values()), terms


def _reward(state: jax.Array, action: jax.Array, next_state: jax.Array, repeat) -> jax.Array:
    """Of the positions after the step: exact for a repeat of 1; with more, of the last step's."""
    del state
    torque = LARGEST_TORQUE * action
    distance, effort = jnp.sum(jnp.square(next_state[-3:])), jnp.sum(jnp.square(torque))
    return -repeat * (distance + 0.01 * effort)


reward = AnalyticReward(_reward, never_ends)
