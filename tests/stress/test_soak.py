"""A policy that plans for hours: memory stays flat, and nothing is traced again."""

import gc
from collections import Counter

import jax
import numpy as np
import psutil
import pytest
from tiny import finished, sharing, traces_of

import agents
from agents.envs import make_environment
from agents.policy import Policy

PLANS, WARM = 30_000, 3_000
MOST_GROWTH = 2 * 2**20
"""Bytes of the process, and no more in 27,000 plans than in half of them: 80 bytes a plan."""

TRACED = "/jax/core/compile/jaxpr_trace_duration"


class Player:
    """Episodes of one environment, played by a policy one simulator step after the other."""

    def __init__(self, policy: Policy) -> None:
        config = policy.config
        self.policy = policy
        self.env = make_environment(config.env.id, config.env.kwargs)
        self.episodes = 0
        self.over = True
        self.observation = np.zeros(2, np.float32)

    def play(self, steps: int) -> None:
        """So many simulator steps, each of which is planned."""
        for _ in range(steps):
            if self.over:
                self.observation, _ = self.env.reset(seed=10_000 + self.episodes)
                self.policy.reset()
                self.episodes += 1
            action = self.policy.act(self.observation)
            assert np.isfinite(action).all()
            self.observation, _, ended, truncated, _ = self.env.step(action)
            self.over = ended or truncated


def memory() -> tuple[int, int]:
    """Bytes that the process holds, and arrays of JAX's that live in it."""
    gc.collect()
    return psutil.Process().memory_info().rss, len(jax.live_arrays())


@pytest.fixture
def traced():
    """How often anything was traced, by the name of JAX's event."""
    events: Counter[str] = Counter()

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        events[event] += 1

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.stress
@pytest.mark.timeout(1_200)
def test_thirty_thousand_plans(tmp_path, traced):
    env = {"id": "worlds:Walk-v0", "kwargs": {"max_episode_steps": 15}, "action_repeat": 1}
    run = finished(env=env, num_envs=1)
    agents.load(run.run_dir).save(tmp_path / "policy.npz")
    policy = agents.load(tmp_path / "policy.npz")
    with sharing():
        player = Player(policy)
        player.play(WARM)
        before, programs = memory(), traces_of(policy.agent)
        assert traced[TRACED] > 0  # the event is still called so
        traced.clear()
        player.play((PLANS - WARM) // 2)
        halfway = memory()
        player.play((PLANS - WARM) // 2)
    after = memory()
    assert player.episodes > 2_000
    assert traced[TRACED] == 0
    assert traces_of(policy.agent) == programs
    assert after[1] == before[1]
    print("bytes and arrays", before, halfway, after)
    assert after[0] - halfway[0] < MOST_GROWTH, (before, halfway, after)
