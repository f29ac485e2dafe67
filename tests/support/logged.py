"""Small data sets without an environment, when two are the same, and a run to record from."""

import functools
import tempfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import tiny
from gymnasium import spaces

from agents.data import Dataset, from_replay
from agents.envs import EnvironmentSpec, describe_spaces, random_action
from agents.training import session
from mbrl import Episode

PLANE = spaces.Box(-np.inf, np.inf, (2,), np.float32)
ONE_NUMBER = spaces.Box(-1.0, 1.0, (1,), np.float32)


def spec_of(action_space: spaces.Space = ONE_NUMBER, id: str = "Walk-v0") -> EnvironmentSpec:
    return describe_spaces("here", id, PLANE, action_space)


def replay_episode(
    spec: EnvironmentSpec, steps: int, repeat: int, terminated: bool = False, seed: int = 0
) -> Episode:
    """An episode of random numbers whose actions are held."""
    rng = np.random.default_rng([seed, steps])
    repeats = np.diff(np.arange(0, steps, repeat), append=steps)
    return Episode(
        observations=rng.normal(size=(steps + 1, spec.observation_size)).astype(np.float32),
        actions=np.array([random_action(spec, rng) for _ in repeats]),
        repeats=repeats.astype(np.int32),
        rewards=rng.normal(size=steps).astype(np.float32),
        terminated=terminated,
    )


def small_dataset(
    spec: EnvironmentSpec | None = None, name: str = "small", repeat: int = 2
) -> Dataset:
    """Three episodes: one that is truncated, one of a single step, one that is terminated."""
    spec = spec or spec_of()
    episodes = [
        replay_episode(spec, steps, repeat, terminated)
        for steps, terminated in ((6, False), (1, True), (5, True))
    ]
    return from_replay(name, spec, {"noise": 0.1}, episodes, description="drawn")


def assert_same_episodes(left, right) -> None:
    """Equal bit for bit, and of the same types."""
    assert len(left) == len(right)
    for ours, theirs in zip(left, right, strict=True):
        for field in fields(ours):
            one, other = (np.asarray(getattr(each, field.name)) for each in (ours, theirs))
            assert (one.dtype, one.shape) == (other.dtype, other.shape), field.name
            assert one.tobytes() == other.tobytes(), field.name


@functools.cache
def random_run() -> Path:
    """A run of `worlds:Walk-v0` that has recorded random episodes and learned nothing.

    Made once per process; not to be changed.
    """
    config = tiny.tiny(
        env_steps=120,
        random_steps=1_000,
        planner={"name": "random-shooting"},
        regularizer={"name": "none"},
    )
    run_dir = Path(_KEPT.name) / "run"
    with tiny.sharing(), session.begin(config, run_dir) as opened:
        opened.train()
    return run_dir


_KEPT = tempfile.TemporaryDirectory()
