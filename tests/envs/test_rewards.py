"""Known rewards against the environments that they describe, and how they are found."""

import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.envs.box2d.lunar_lander import heuristic

from agents.envs import rewards as known_rewards
from agents.envs.episodes import EpisodeRunner, describe, make_environment, random_action, to_native
from agents.envs.rewards import KnownReward, resolve
from agents.errors import UserError


def decisions_of(id, kwargs, action_repeat, policy, seeds):
    """Transitions of whole decisions, a real end's excluded: s, a, s', steps held, reward."""
    env = make_environment(id, kwargs)
    runner = EpisodeRunner(env, describe(env), action_repeat)
    rng, rows = np.random.default_rng(0), []
    for seed in seeds:
        runner.start(0, seed)
        while runner.ended is None:
            runner.step(policy(runner, rng))
        episode = runner.episode()
        after = np.cumsum(episode.repeats)
        for d in range(len(after) - episode.terminated):
            first, last = after[d] - episode.repeats[d], after[d]
            reward = episode.rewards[first:last].sum(dtype=np.float64)
            states = episode.observations[first], episode.observations[last]
            rows.append((states[0], episode.actions[d], states[1], episode.repeats[d], reward))
    return [np.stack(column) for column in zip(*rows, strict=True)]


def random_policy(runner, rng):
    return random_action(runner.spec, rng)


def pilot(runner, rng):
    """The heuristic that comes with Lunar Lander, a little drunk: legs touch, engines burn."""
    action = heuristic(runner.env.unwrapped, runner.observation)
    if runner.spec.discrete:
        return np.eye(4)[action]
    return np.clip(action + rng.normal(0.0, 0.2, 2), -1.0, 1.0)


def errors_of(known, decisions):
    state, action, next_state, repeat, reward = decisions
    predicted = jax.jit(jax.vmap(known.reward))(state, action, next_state, repeat)
    return np.asarray(predicted, np.float64) - reward


@pytest.mark.parametrize("action_repeat", [1, 6])
@pytest.mark.parametrize("continuous", [True, False])
def test_lunar_landers_reward_is_exact_for_every_hold(continuous, action_repeat):
    known = resolve("", "LunarLander-v3", {"continuous": continuous})
    parts = [
        decisions_of("LunarLander-v3", {"continuous": continuous}, action_repeat, policy, range(8))
        for policy in (random_policy, pilot)
    ]
    decisions = [np.concatenate(pair) for pair in zip(*parts, strict=True)]
    _, action, next_state, _, reward = decisions
    # Not vacuous: engines fire or rest, legs touch and leave, rewards spread over tens.
    assert len(reward) > 200
    assert next_state[:, 6:].max() == 1.0
    assert reward.std() > 1.0
    assert np.ptp(action, axis=0).min() >= 1.0
    assert np.abs(errors_of(known, decisions)).max() < 1e-4
    # Left out, the fuel would show: the check can tell.
    assert np.abs(errors_of(KnownReward(without_fuel), decisions)).max() > 0.02 * action_repeat


def without_fuel(state, action, next_state, repeat):
    del action, repeat
    return known_rewards.lunar_lander_reward(state, jnp.zeros(2), next_state, 0)


@pytest.mark.parametrize("repeat", [1, 6])
def test_lunar_landers_fuel(repeat):
    fuels = {
        (0.0, 0.0): 0.0,
        (-1.0, 0.5): 0.0,
        (1e-6, 0.0): 0.15,
        (0.5, 0.0): 0.225,
        (1.0, 1.0): 0.33,
        (0.0, -0.51): 0.0153,
        (7.0, -7.0): 0.33,
    }
    rewards = still(known_rewards.lunar_lander, np.array(list(fuels)), repeat)
    np.testing.assert_allclose(rewards, -repeat * np.array(list(fuels.values())), rtol=1e-5)


def test_discrete_lunar_landers_fuel():
    rewards = still(known_rewards.lunar_lander_discrete, np.eye(4), 6)
    np.testing.assert_allclose(rewards, [0.0, -0.18, -1.8, -0.18], rtol=1e-6)


def still(known, actions, repeat):
    """Rewards of actions under which nothing moves, so that only the fuel is left."""
    landed = np.tile(np.array([0, 0, 0, 0, 0.1, 0, 1, 1], np.float32), (len(actions), 1))
    return jax.jit(jax.vmap(known.reward, (0, 0, 0, None)))(landed, actions, landed, repeat)


def test_lunar_landers_gradient_is_finite_where_the_lander_rests():
    at_rest = jnp.zeros(8)
    gradient = jax.jit(jax.grad(known_rewards.lunar_lander.reward, argnums=(0, 1, 2)))
    for part in gradient(at_rest, jnp.zeros(2), at_rest, 6):
        assert np.isfinite(part).all()


def test_the_end_of_lunar_lander_stays_learned():
    assert known_rewards.lunar_lander.termination is None
    assert known_rewards.lunar_lander_discrete.termination is None


def test_pendulums_reward_is_exact_without_action_repeat():
    decisions = decisions_of("Pendulum-v1", {}, 1, random_policy, range(5))
    assert np.abs(errors_of(known_rewards.pendulum, decisions)).max() < 1e-4
    assert known_rewards.pendulum.termination is not None
    assert known_rewards.pendulum.termination(*map(jnp.asarray, decisions[:3])) == 0.0


def test_pendulums_reward_is_near_with_action_repeat():
    """As its docstring says: 0.16 a step at 2, and better than holding the first reward."""
    decisions = decisions_of("Pendulum-v1", {}, 2, random_policy, range(10))
    errors = errors_of(known_rewards.pendulum, decisions)

    def first_only(state, action, next_state, repeat):
        return repeat * known_rewards.pendulum_reward(state, action, next_state, 1)

    naive = errors_of(KnownReward(first_only), decisions)
    assert 0.05 < np.sqrt(np.mean(errors**2)) / 2 < 0.25
    assert np.sqrt(np.mean(errors**2)) < 0.5 * np.sqrt(np.mean(naive**2))


def test_pendulums_torque_is_in_planner_units():
    env = make_environment("Pendulum-v1", {})
    upright = jnp.array([1.0, 0.0, 0.0])
    torque = np.ravel(to_native(describe(env), [0.5]))[0]
    reward = known_rewards.pendulum.reward(upright, jnp.array([0.5]), upright, 1)
    np.testing.assert_allclose(reward, -0.001 * torque**2, rtol=1e-6)


@pytest.mark.parametrize("known", ["lunar_lander", "lunar_lander_discrete", "pendulum"])
def test_a_traced_repeat_compiles_once(known):
    reward = getattr(known_rewards, known).reward
    size = {"lunar_lander": (8, 2), "lunar_lander_discrete": (8, 4), "pendulum": (3, 1)}[known]
    traces = []

    @jax.jit
    def traced(state, action, next_state, repeat):
        traces.append(None)
        return reward(state, action, next_state, repeat)

    state, action = jnp.full(size[0], 0.3), jnp.full(size[1], 0.7)
    results = [traced(state, action, 2 * state, repeat) for repeat in (1, 2, 6)]
    assert len(traces) == 1
    assert results[0].shape == ()
    # Linear in the hold: fuel, or Pendulum's straight line.
    np.testing.assert_allclose((results[2] - results[0]) / 5, results[1] - results[0], rtol=1e-4)


# How one is found.


@pytest.mark.parametrize(
    ("id", "kwargs", "expected"),
    [
        ("LunarLander-v3", {}, "lunar_lander_discrete"),
        ("LunarLander-v3", {"continuous": True}, "lunar_lander"),
        ("LunarLanderContinuous-v3", {}, "lunar_lander"),
        ("LunarLanderContinuous-v3", {"continuous": False}, "lunar_lander_discrete"),
        ("Pendulum-v1", {"g": 9.81}, "pendulum"),
    ],
)
def test_an_empty_name_finds_the_environments_own(id, kwargs, expected):
    assert resolve("", id, kwargs) is getattr(known_rewards, expected)


def test_a_name_finds_any_known_reward(monkeypatch):
    mine = KnownReward(lambda s, a, s2, repeat: -repeat * jnp.sum(s2**2))
    module = types.ModuleType("my_task")
    module.__dict__["reward"] = mine
    monkeypatch.setitem(sys.modules, "my_task", module)
    assert resolve("my_task:reward", "Anything-v0", {}) is mine
    assert resolve("agents.envs.rewards:pendulum", "Anything-v0", {}) is known_rewards.pendulum


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "no known reward comes with environment 'CartPole-v1'"),
        ("pendulum", "'pendulum' is not of the form 'module:attribute'"),
        (":pendulum", "is not of the form"),
        ("agents.envs.rewards:", "is not of the form"),
        (".known_rewards:pendulum", "is not of the form"),
        ("no_such_module:reward", "No module named 'no_such_module'"),
        ("agents.envs.rewards:no_such", "'no_such' in 'agents.envs.rewards' is missing"),
        ("agents.envs.rewards:pendulum_reward", "is a builtins.function"),
    ],
)
def test_a_name_that_leads_nowhere(name, said):
    with pytest.raises(UserError) as error:
        resolve(name, "CartPole-v1", {})
    assert said in str(error.value)
    assert "\n" not in str(error.value)
