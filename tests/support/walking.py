"""Reference states of a walk whose equations are known, and quick fits of regularisers."""

import contextlib
from collections.abc import Iterator
from unittest import mock

import numpy as np
from tiny import sharing, tiny

from agents.config import Config
from agents.diagnostics import variants
from agents.diagnostics.open_loop import ReferenceState
from agents.planning.builders import build_runner

REPEAT = 2


def walking(noise: float) -> Config:
    kwargs = {"max_episode_steps": 60, "noise": noise}
    return tiny(env={"id": "worlds:Walk-v0", "kwargs": kwargs, "action_repeat": REPEAT})


def states_of(config: Config, episodes: int, decisions: int = 8) -> list[ReferenceState]:
    """The first decisions of episodes of random actions, none of them near the time limit."""
    runner, rng = build_runner(config.env), np.random.default_rng(0)
    found = []
    for seed in range(episodes):
        runner.start(0, seed)
        past: list[np.ndarray] = []
        while runner.ended is None and len(past) < decisions:
            taken = np.array(past, np.float32).reshape(-1, 1)
            found.append(ReferenceState(seed, taken, taken, runner.observation.copy()))
            past.append(rng.uniform(-1, 1, 1).astype(np.float32))
            runner.step(past[-1])
    return found


@contextlib.contextmanager
def fitting_quickly() -> Iterator[None]:
    """Within it, variants share what runs compile, and are fitted for as long as tiny runs are."""
    short = {name: tiny().model_dump()["regularizer"][name] for name in variants._THOROUGH}
    with sharing(), mock.patch.object(variants, "_THOROUGH", short):
        yield
