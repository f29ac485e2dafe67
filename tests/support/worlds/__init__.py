"""Tiny Gymnasium environments with known equations, each with one property or one fault.

Importing this file registers them: `gym.make("worlds:Counter-v0")` does, from the tests' folder.
"""

from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from agents.envs import EpisodeRunner, describe, make_environment
from agents.envs.dynamics import AnalyticDynamics, AnalyticStep
from agents.envs.rewards import AnalyticReward, never_ends

LINE = spaces.Box(-np.inf, np.inf, (2,), np.float32)
ONE_NUMBER = spaces.Box(-1.0, 1.0, (1,), np.float32)


class Counter(gym.Env):
    """Observes (steps so far, last action); the reward of step t is t. Ends where told to."""

    metadata = {"render_modes": ["ansi"]}  # noqa: RUF012

    def __init__(
        self,
        terminate_at: int = 0,
        truncate_at: int = 0,
        observation_space: spaces.Space = LINE,
        action_space: spaces.Space = ONE_NUMBER,
        bad_observation_at: int = -1,
        bad_reward_at: int = -1,
        bad_value: float = float("nan"),
        render_mode: str | None = None,
    ) -> None:
        self.render_mode = render_mode
        self.terminate_at, self.truncate_at = terminate_at, truncate_at
        self.observation_space, self.action_space = observation_space, action_space
        self.bad_observation_at, self.bad_reward_at = bad_observation_at, bad_reward_at
        self.bad_value = bad_value
        self.steps = 0
        self.received: list[Any] = []
        # Handed out again and again, as careless environments do.
        self.buffer = np.zeros(2, np.float32)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        self.steps = 0
        self.received = []
        return self._observe(0.0), {}

    def step(self, action: Any):
        assert self.action_space.contains(action)
        self.steps += 1
        self.received.append(action)
        observation = self._observe(float(np.ravel(action)[0]))
        reward = self.bad_value if self.steps == self.bad_reward_at else float(self.steps)
        terminated = self.steps == self.terminate_at
        truncated = self.steps == self.truncate_at
        return observation, reward, terminated, truncated, {}

    def _observe(self, last: float) -> np.ndarray:
        self.buffer[:] = self.steps, last
        if self.steps == self.bad_observation_at:
            self.buffer[1] = self.bad_value
        return self.buffer


class Noisy(gym.Env):
    """A random walk on a line, with the generator that `source` names.

    `seeded` is deterministic given its seed. `unseeded` ignores the seed throughout. `reward` walks
    as `seeded` does and adds unseeded noise to rewards. `ends` walks so too and ends at once after
    its object's second reset.
    """

    def __init__(self, source: str) -> None:
        self.observation_space = LINE
        self.action_space = ONE_NUMBER
        self.source = source
        self.resets = 0
        self.unseeded = np.random.default_rng()
        self.position = 0.0

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        self.resets += 1
        self.position = 0.0
        return np.array([0.0, 0.0], np.float32), {}

    def step(self, action: np.ndarray):
        generator = self.unseeded if self.source == "unseeded" else self.np_random
        self.position += float(action[0]) + generator.normal()
        reward = self.unseeded.normal() if self.source == "reward" else -abs(self.position)
        ended = self.source == "ends" and self.resets == 2
        return np.array([self.position, 1.0], np.float32), reward, ended, False, {}


class Walk(gym.Env):
    """A seeded random walk that ends where it leaves (-1, 1); the reward is its place.

    `walk(noise)` are its equations.

    Observes (place, steps so far / 10). Deterministic given its seed. A test changes `drift`, as
    a new version of a simulator might: it is then another, equally deterministic environment.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 125}  # noqa: RUF012
    drift = 0.0

    def __init__(self, render_mode: str | None = None, noise: float = 0.2) -> None:
        self.render_mode = render_mode
        self.observation_space = LINE
        self.action_space = ONE_NUMBER
        self.place, self.steps, self.noise = 0.0, 0, noise

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        self.place, self.steps = self.np_random.uniform(-0.2, 0.2), 0
        return self._observe(), {}

    def step(self, action: np.ndarray):
        self.steps += 1
        noise = self.noise * self.np_random.normal()
        self.place += 0.3 * float(action[0]) + noise + self.drift
        return self._observe(), self.place, abs(self.place) > 1.0, False, {}

    def render(self) -> np.ndarray:
        return np.full((16, 16, 3), 10 * self.steps % 256, np.uint8)

    def _observe(self) -> np.ndarray:
        return np.array([self.place, self.steps / 10], np.float32)


def walk(noise: float, optimism: float = 0.0) -> AnalyticDynamics:
    """The equations of `Walk`; every reward is too high by `optimism`."""

    def step(key, state, action):
        place = state[0] + 0.3 * action[0] + noise * jax.random.normal(key)
        continues = jnp.where(jnp.abs(place) > 1.0, 0.0, 1.0)
        return AnalyticStep(jnp.stack([place, state[1] + 0.1]), place + optimism, continues)

    return AnalyticDynamics(step)


def _wage(state, action, next_state, repeat):
    del state, action
    return 7.0 * repeat * jnp.ones((), next_state.dtype)


wages = AnalyticReward(_wage, never_ends)
"""A reward of 7 a simulator step, without an end."""

gym.register("Counter-v0", entry_point=f"{__name__}:Counter", disable_env_checker=True)
gym.register("Noisy-v0", entry_point=f"{__name__}:Noisy", disable_env_checker=True)
gym.register("Walk-v0", entry_point=f"{__name__}:Walk", disable_env_checker=True)


def make_runner(id: str, kwargs: dict[str, Any], action_repeat: int = 1) -> EpisodeRunner:
    env = make_environment(id, kwargs)
    return EpisodeRunner(env, describe(env), action_repeat)


def assert_one_line(error: Any) -> None:
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
