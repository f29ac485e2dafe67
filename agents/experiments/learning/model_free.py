"""Policies to compare a planner with: random, the environment's heuristic, and two of sbx-rl.

SAC has the settings that rl-baselines3-zoo uses for continuous Lunar Lander (learning rate 7.3e-4,
tau 0.01, batches of 256), but for a constant learning rate, two layers of 256 units and learning
from step 1,000 on, as suits a budget of tens of thousands of steps. CrossQ has sbx-rl's own
settings, with critics of two layers of 256 units. Both act at every step and update once a step.

Sources: Haarnoja et al. (2018) for SAC; Bhatt et al. (2024) for CrossQ.
"""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from agents.errors import UserError
from agents.experiments.learning.trials import MODEL_FREE

Act = Callable[[np.ndarray], Any]
"""A policy: observation -> action, as the environment takes them."""

_SETTINGS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "sac": (
        "SAC",
        [256, 256],
        {"learning_rate": 7.3e-4, "tau": 0.01, "batch_size": 256, "learning_starts": 1_000},
    ),
    "crossq": ("CrossQ", {"pi": [256, 256], "qf": [256, 256]}, {"learning_starts": 1_000}),
}
"""Class, layers and settings of each agent of sbx-rl."""


def check(kind: str, env: gym.Env) -> None:
    """Refuses a policy that cannot act in an environment, before anything is trained.

    Args:
      kind: of `agents.experiments.learning.trials.FIXED` or `MODEL_FREE`.
      env: that it is to act in.

    Raises:
      UserError: sbx-rl is missing, its agents cannot act there, or there is no heuristic for it.
    """
    if kind == "heuristic" and not hasattr(_module_of(env), "heuristic"):
        raise UserError(f"{_id(env)} has no heuristic; leave that contender out")
    if kind in MODEL_FREE:
        if not isinstance(env.action_space, gym.spaces.Box):
            raise UserError(
                f"{kind} needs continuous actions, not those of {_id(env)}; leave it out"
            )
        if importlib.util.find_spec("sbx") is None:
            raise UserError(
                f"{kind} needs sbx-rl, which is not installed:"
                " pip install -c constraints.txt -e '.[baselines]'"
            )


def make_fixed(kind: str, env: gym.Env) -> Act:
    """A policy that does not learn.

    Args:
      kind: `random`, seeded by 1, or `heuristic`, which the environment's module has.
      env: that it acts in.
    """
    if kind == "heuristic":
        heuristic = _module_of(env).heuristic
        return lambda observation: heuristic(env.unwrapped, observation)
    env.action_space.seed(1)
    return lambda observation: env.action_space.sample()


class Episodes(gym.Wrapper):
    """Counts a training environment's steps, and records its episodes as `metrics.jsonl` does.

    Attributes:
      rows: a row for every finished episode.
      env_steps: so far.
    """

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self.rows: list[dict[str, Any]] = []
        self.env_steps = 0
        self._rewards: list[float] = []

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Begins the next episode."""
        self._rewards = []
        return super().reset(**kwargs)

    def step(self, action: Any) -> Any:
        """Acts, and records the episode if that ends it."""
        outcome = super().step(action)
        _, reward, terminated, truncated, _ = outcome
        self.env_steps += 1
        self._rewards.append(float(reward))
        if terminated or truncated:
            self.rows.append(
                {
                    "kind": "episode",
                    "env_steps": self.env_steps,
                    "return": float(np.sum(self._rewards)),
                    "length": len(self._rewards),
                    "ended": "terminated" if terminated else "truncated",
                }
            )
        return outcome


def learn(kind: str, env: Episodes, seed: int, steps: Sequence[int]) -> Iterator[tuple[int, Act]]:
    """Trains an agent of sbx-rl, and yields its policy at every age.

    Args:
      kind: of `agents.experiments.learning.trials.MODEL_FREE`.
      env: that it is trained in.
      seed: of its weights, actions and minibatches, and of the environment.
      steps: ages, ascending.

    Yields:
      Each age and the policy at that age, without exploration noise; it changes when training goes
      on, so that it has to be used before the next one is taken.
    """
    name, layers, settings = _SETTINGS[kind]
    algorithm = getattr(importlib.import_module("sbx"), name)
    agent = algorithm("MlpPolicy", env, seed=seed, policy_kwargs={"net_arch": layers}, **settings)
    for step in steps:
        agent.learn(step - agent.num_timesteps, reset_num_timesteps=False)
        yield step, lambda observation: agent.predict(observation, deterministic=True)[0]


def play(act: Act, env: gym.Env, seeds: Sequence[int]) -> list[tuple[float, int]]:
    """Plays an episode per seed; returns the return and the length of each."""
    results = []
    for seed in seeds:
        observation, _ = env.reset(seed=seed)
        rewards, ended = [], False
        while not ended:
            observation, reward, terminated, truncated, _ = env.step(act(observation))
            rewards.append(float(reward))
            ended = terminated or truncated
        results.append((float(np.sum(rewards)), len(rewards)))
    return results


def _module_of(env: gym.Env) -> Any:
    return importlib.import_module(type(env.unwrapped).__module__)


def _id(env: gym.Env) -> str:
    return env.spec.id if env.spec else type(env.unwrapped).__name__
