"""Equations against the environments that they are of."""

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import worlds

from agents.envs import dynamics as known_dynamics
from agents.envs.dynamics import KnownDynamics, with_dynamics
from agents.envs.episodes import EpisodeRunner, describe, make_environment
from agents.errors import UserError
from mbrl.dynamics import make_ensemble
from mbrl.rollout import roll_out


@pytest.mark.parametrize("repeat", [1, 3])
def test_pendulums_equations_are_its_own(repeat):
    runner = EpisodeRunner(
        env := make_environment("Pendulum-v1", {}), describe(env), action_repeat=repeat
    )
    ensemble = with_dynamics(
        make_ensemble(3, 1, members=2, hidden=(4,), head_hidden=(4,), potential_hidden=(4,)),
        known_dynamics.pendulum,
        repeat,
    )
    rng = np.random.default_rng(0)
    for seed in range(3):
        runner.start(0, seed)
        plan = rng.uniform(-1.2, 1.2, (12, 1)).astype(np.float32).clip(-1, 1)
        keys = jax.random.split(jax.random.key(0), 12)
        path = roll_out(
            lambda params, key, state, action: ensemble.step(None, params, key, state, action),
            None, keys, jnp.asarray(runner.observation), jnp.asarray(plan),
        )  # fmt: skip
        for index, action in enumerate(plan):
            before = runner.return_
            runner.step(action)
            assert path.observations[index + 1] == pytest.approx(runner.observation, abs=2e-4)
            assert path.rewards[index] == pytest.approx(runner.return_ - before, abs=2e-3)
            assert path.continue_probs[index] == 1.0


def test_behind_an_end_within_a_hold_nothing_is_paid():
    ensemble = with_dynamics(
        make_ensemble(2, 1, members=2, hidden=(4,), head_hidden=(4,), potential_hidden=(4,)),
        worlds.walk(0.0),
        5,
    )
    state, output = ensemble.step(
        None, None, jax.random.key(0), jnp.array([0.5, 0.0]), jnp.array([1.0])
    )
    # At 0.8 and at 1.1, where it ends.
    assert output.reward == pytest.approx(0.8 + 1.1)
    assert output.continue_prob == 0.0
    assert state.shape == (2,)


def test_the_worlds_noise_is_drawn_from_the_key():
    ensemble = with_dynamics(
        make_ensemble(2, 1, members=2, hidden=(4,), head_hidden=(4,), potential_hidden=(4,)),
        worlds.walk(0.2),
        1,
    )
    keys = ensemble.draw(jax.random.key(0), (2000,))
    places = jax.vmap(
        lambda key: ensemble.step(None, None, key, jnp.zeros(2), jnp.array([1.0]))[0][0]
    )(keys)
    assert float(places.mean()) == pytest.approx(0.3, abs=0.02)
    assert float(places.std()) == pytest.approx(0.2, abs=0.02)


def test_what_is_resolved():
    assert known_dynamics.resolve("", "Pendulum-v1", {}) is known_dynamics.pendulum
    assert known_dynamics.resolve("", "LunarLander-v3", {}) is None
    # Another gravity, other equations.
    assert known_dynamics.resolve("", "Pendulum-v1", {"g": 5.0}) is None
    named = known_dynamics.resolve("agents.envs.dynamics:pendulum", "Any-v0", {})
    assert isinstance(named, KnownDynamics)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pendulum", "is not of the form 'module:attribute'"),
        ("no_such_module:step", "cannot be imported: No module named 'no_such_module'"),
        ("agents.envs.dynamics:absent", "'absent' in 'agents.envs.dynamics' is no"),
        ("agents.envs.dynamics:pendulum_step", "is no agents.envs.dynamics.KnownDynamics"),
    ],
)
def test_names_that_lead_nowhere_are_refused_in_one_line(name, said):
    with pytest.raises(UserError) as info:
        known_dynamics.resolve(name, "Pendulum-v1", {})
    assert said in str(info.value)
    assert "\n" not in str(info.value)


def test_pendulum_is_still_what_gymnasium_has():
    env = gym.make("Pendulum-v1").unwrapped
    constants = [getattr(env, name) for name in ("max_speed", "max_torque", "dt", "g", "m", "l")]
    assert constants == [8, 2.0, 0.05, 10.0, 1.0, 1.0]
