"""`Walk` in other units: observations, rewards or both times a factor; or with nothing to learn."""

import gymnasium as gym
import numpy as np

from worlds import Walk


class Wild(Walk):
    """`Walk` whose observations and rewards are scaled; by 0 they are constant."""

    def __init__(
        self, observed: float = 1.0, rewarded: float = 1.0, render_mode: str | None = None
    ) -> None:
        super().__init__(render_mode)
        self.observed, self.rewarded = observed, rewarded

    def step(self, action: np.ndarray):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, self.rewarded * reward, terminated, truncated, info

    def _observe(self) -> np.ndarray:
        return (self.observed * super()._observe().astype(np.float64)).astype(np.float32)


gym.register("Wild-v0", entry_point=f"{__name__}:Wild", disable_env_checker=True)
