"""Analytic rewards against the environments that they describe, and how they are found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import worlds
from gymnasium.envs.box2d.lunar_lander import heuristic

from agents.envs import EpisodeRunner, describe, make_environment, random_action, rewards
from agents.envs.rewards import AnalyticReward, find_reward
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
    """The heuristic that comes with Lunar Lander, with noise: legs touch, engines burn."""
    action = heuristic(runner.env.unwrapped, runner.observation)
    if runner.spec.discrete:
        return np.eye(4)[action]
    return np.clip(action + rng.normal(0.0, 0.2, 2), -1.0, 1.0)


def errors_of(analytic, decisions):
    state, action, next_state, repeat, reward = decisions
    predicted = jax.jit(jax.vmap(analytic.reward))(state, action, next_state, repeat)
    return np.asarray(predicted, np.float64) - reward


@pytest.mark.parametrize("action_repeat", [1, 6])
@pytest.mark.parametrize("continuous", [True, False])
def test_lunar_landers_reward_is_exact_for_every_repeat(continuous, action_repeat):
    analytic = find_reward("", "LunarLander-v3", {"continuous": continuous})
    assert analytic.termination is None  # it is learned
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
    assert np.abs(errors_of(analytic, decisions)).max() < 1e-4


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
    landed = jnp.array([0, 0, 0, 0, 0.1, 0, 1, 1], jnp.float32)
    for action, fuel in fuels.items():
        reward = rewards.lunar_lander.reward(landed, jnp.array(action), landed, repeat)
        assert reward == pytest.approx(-repeat * fuel, rel=1e-5)


def test_lunar_landers_gradient_is_finite_where_the_lander_rests():
    at_rest = jnp.zeros(8)
    gradient = jax.jit(jax.grad(rewards.lunar_lander.reward, argnums=(0, 1, 2)))
    for part in gradient(at_rest, jnp.zeros(2), at_rest, 6):
        assert np.isfinite(part).all()


def test_pendulums_reward_is_exact_without_action_repeat():
    decisions = decisions_of("Pendulum-v1", {}, 1, random_policy, range(5))
    assert np.abs(errors_of(rewards.pendulum, decisions)).max() < 1e-4
    assert rewards.pendulum.termination is not None
    assert rewards.pendulum.termination(*map(jnp.asarray, decisions[:3])) == 0.0


def test_pendulums_reward_is_near_with_action_repeat():
    """As its docstring says: 0.16 a step at 2, and better than repeating the first reward."""
    decisions = decisions_of("Pendulum-v1", {}, 2, random_policy, range(10))

    def first_only(state, action, next_state, repeat):
        return repeat * rewards.pendulum_reward(state, action, next_state, 1)

    rmse, naive = (
        np.sqrt(np.mean(errors_of(each, decisions) ** 2))
        for each in (rewards.pendulum, AnalyticReward(first_only))
    )
    assert 0.05 < rmse / 2 < 0.25
    assert rmse < 0.5 * naive


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
    assert find_reward("", id, kwargs) is getattr(rewards, expected)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "no analytic reward comes with environment 'CartPole-v1'"),
        ("pendulum", "'pendulum' is not of the form 'module:attribute'"),
        (":pendulum", "is not of the form"),
        ("agents.envs.rewards:", "is not of the form"),
        (".rewards:pendulum", "is not of the form"),
        ("no_such_module:reward", "No module named 'no_such_module'"),
        ("agents.envs.rewards:no_such", "'agents.envs.rewards:no_such' is missing"),
        ("agents.envs.rewards:pendulum_reward", "is of type function; allowed: an agents.envs"),
    ],
)
def test_a_name_finds_an_analytic_reward_or_is_refused_in_one_line(name, said):
    assert find_reward("worlds:wages", "Anything-v0", {}) is worlds.wages
    with pytest.raises(UserError) as error:
        find_reward(name, "CartPole-v1", {})
    assert said in str(error.value)
    assert "\n" not in str(error.value)
