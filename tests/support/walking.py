"""States of a walk whose equations are known."""

import numpy as np
from tiny import tiny

from agents.config.schema import Config
from agents.diagnostics.open_loop import Situation
from agents.envs.making import make_runner

REPEAT = 2


def walking(noise: float) -> Config:
    kwargs = {"max_episode_steps": 60, "noise": noise}
    return tiny(env={"id": "worlds:Walk-v0", "kwargs": kwargs, "action_repeat": REPEAT})


def states_of(config: Config, episodes: int) -> list[Situation]:
    """Decisions of episodes of random actions, none of them near the time limit."""
    runner, rng = make_runner(config), np.random.default_rng(0)
    found = []
    for seed in range(episodes):
        runner.start(0, seed)
        past: list[np.ndarray] = []
        while runner.ended is None and len(past) < 8:
            taken = np.array(past, np.float32).reshape(-1, 1)
            found.append(Situation(seed, taken, taken, runner.observation.copy()))
            past.append(rng.uniform(-1, 1, 1).astype(np.float32))
            runner.step(past[-1])
    return found
