"""Analytic dynamics against the environments that they describe."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import worlds

from agents.envs import EpisodeRunner, describe, dynamics, make_environment
from agents.envs.dynamics import find_dynamics, with_dynamics
from agents.errors import UserError
from mbrl.dynamics import make_ensemble
from mbrl.rollout import roll_out


def analytic(equations, observation_size, repeat):
    sizes = {"members": 2, "hidden": (4,), "head_hidden": (4,), "potential_hidden": (4,)}
    return with_dynamics(make_ensemble(observation_size, 1, **sizes), equations, repeat)


@pytest.mark.parametrize("repeat", [1, 3])
def test_pendulums_equations_are_its_own(repeat):
    env = make_environment("Pendulum-v1", {})
    runner = EpisodeRunner(env, describe(env), action_repeat=repeat)
    ensemble = analytic(dynamics.pendulum, 3, repeat)
    rng = np.random.default_rng(0)
    for seed in range(3):
        runner.start(0, seed)
        plan = rng.uniform(-1.2, 1.2, (12, 1)).astype(np.float32).clip(-1, 1)
        keys = jax.random.split(jax.random.key(0), 12)
        path = roll_out(
            lambda params, key, state, action: ensemble.step(None, params, key, state, action),
            None, keys, jnp.asarray(runner.observation), jnp.asarray(plan),
            carry=ensemble.begin(None, None, jnp.asarray(runner.observation)),
        )  # fmt: skip
        for index, action in enumerate(plan):
            before = runner.return_
            runner.step(action)
            assert path.observations[index + 1] == pytest.approx(runner.observation, abs=2e-4)
            assert path.rewards[index] == pytest.approx(runner.return_ - before, abs=2e-3)
            assert path.continue_probs[index] == 1.0


def test_rewards_after_an_end_within_a_repeat_are_0():
    ensemble = analytic(worlds.walk(0.0), 2, repeat=5)
    start, right = jnp.array([0.5, 0.0]), jnp.array([1.0])
    _, output = ensemble.step(None, None, jax.random.key(0), start, right)
    # At 0.8 and at 1.1, where it ends.
    assert output.reward == pytest.approx(0.8 + 1.1)
    assert output.continue_prob == 0.0


def test_noise_is_drawn_from_the_key():
    ensemble = analytic(worlds.walk(0.2), 2, repeat=1)
    keys = ensemble.draw(jax.random.key(0), (2000,))
    places = jax.vmap(
        lambda key: ensemble.step(None, None, key, jnp.zeros(2), jnp.array([1.0]))[0][0]
    )(keys)
    assert float(places.mean()) == pytest.approx(0.3, abs=0.02)
    assert float(places.std()) == pytest.approx(0.2, abs=0.02)


def test_what_is_found():
    assert find_dynamics("", "Pendulum-v1", {}) is dynamics.pendulum
    assert find_dynamics("", "LunarLander-v3", {}) is None
    # Another gravity, other equations.
    assert find_dynamics("", "Pendulum-v1", {"g": 5.0}) is None
    assert find_dynamics("agents.envs.dynamics:pendulum", "Any-v0", {}) is dynamics.pendulum
    with pytest.raises(
        UserError, match=r"^--dynamics: .* is of type AnalyticReward; allowed: an agents"
    ):
        find_dynamics("agents.envs.rewards:pendulum", "Pendulum-v1", {})
