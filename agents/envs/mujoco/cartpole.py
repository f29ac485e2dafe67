"""Cartpole: swing a pole up, and balance it, by pushing a cart.

    r = exp(-|tip - target|^2 / l^2) - 0.01 a^2

The target is a pole's length `l` = 0.6 above the middle of the rail; `a` is the force, in [-3, 3]
times a gear of 100. Gymnasium's `InvertedPendulum-v5` only balances, so that the model beside this
file is one of its own, with the sizes and masses of the paper's.

Difference from the paper: none that we know of.
"""

from pathlib import Path
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces, utils
from gymnasium.envs.mujoco.mujoco_env import MujocoEnv

from agents.envs.rewards import AnalyticReward, never_ends

_LENGTH = 0.6
_LARGEST_FORCE = 3.0
_SIZE = 5


class Cartpole(MujocoEnv, utils.EzPickle):
    """A pole that hangs from a cart at the start; five observations.

    They are the cart's place, the sine and the cosine of the pole's angle (0: it hangs), and the
    velocities of both.
    """

    metadata: ClassVar = {"render_modes": ["human", "rgb_array", "depth_array"], "render_fps": 25}

    def __init__(self, render_mode: str | None = None):
        utils.EzPickle.__init__(self, render_mode)
        super().__init__(
            str(Path(__file__).with_name("cartpole.xml")),
            frame_skip=2,
            observation_space=spaces.Box(-np.inf, np.inf, (_SIZE,), np.float64),
            default_camera_config={"trackbodyid": 0, "distance": 4.0, "elevation": -10.0},
            render_mode=render_mode,
        )

    def step(self, action):
        """One step of 0.04 s."""
        self.do_simulation(action, self.frame_skip)
        place, angle = self.data.qpos
        tip = np.array([place - _LENGTH * np.sin(angle), -_LENGTH * np.cos(angle)])
        miss = np.square(tip - [0.0, _LENGTH]).sum()
        reward = np.exp(-miss / _LENGTH**2) - 0.01 * np.square(action).sum()
        if self.render_mode == "human":
            self.render()
        return self._get_obs(), reward, False, False, {}

    def reset_model(self):
        """Lets the pole hang near the middle, at rest, both up to a little noise."""
        position, velocity = (
            start + self.np_random.normal(0.0, 0.1, 2) for start in (self.init_qpos, self.init_qvel)
        )
        self.set_state(position, velocity)
        return self._get_obs()

    def _get_obs(self) -> np.ndarray:
        place, angle = self.data.qpos
        return np.array([place, np.sin(angle), np.cos(angle), *self.data.qvel])


def _reward(state: jax.Array, action: jax.Array, next_state: jax.Array, repeat) -> jax.Array:
    """Of the pole after the step: exact for a repeat of 1; with more, of the last step's."""
    del state
    place, sine, cosine = next_state[0], next_state[1], next_state[2]
    miss = (place - _LENGTH * sine) ** 2 + (_LENGTH * cosine + _LENGTH) ** 2
    force = _LARGEST_FORCE * action[0]
    return repeat * (jnp.exp(-miss / _LENGTH**2) - 0.01 * force**2)


reward = AnalyticReward(_reward, never_ends)
