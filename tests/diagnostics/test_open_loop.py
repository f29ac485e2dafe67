"""Reference states: rebuilt bit for bit, and plans executed from them in open loop."""

import itertools
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from spying import watch_agents
from tiny import assert_same_tree, finished, frozen_of, tiny

from agents.config import override
from agents.diagnostics.open_loop import (
    REFERENCE_SEED,
    ReferenceState,
    execute,
    rebuild,
    reference_states,
    reseed,
)
from agents.envs import EpisodeRunner, random_action
from agents.errors import UserError
from agents.planning.builders import build_runner
from agents.training.frozen import FrozenAgent

EPISODES, ALL = 3, 100
HORIZON = tiny().planner.horizon


class Played(NamedTuple):
    """An episode: its actions, and what stood before each of them and at the end."""

    actions: list[np.ndarray]
    observations: list[np.ndarray]
    returns: list[float]
    ended: list[str | None]


class Reference(NamedTuple):
    frozen: FrozenAgent
    states: list[ReferenceState]  # every decision
    played: dict[int, Played]  # by seed
    weights: set[float]


@pytest.fixture(scope="module")
def reference():
    frozen = frozen_of(finished().run_dir)
    played: dict[int, Played] = {}
    step = EpisodeRunner.step

    def recorded(runner, action):
        if runner.decisions == 0:
            played[runner.seed] = Played([], [runner.observation.copy()], [0.0], [None])
        ending = step(runner, action)
        record = played[runner.seed]
        record.actions.append(np.array(action))
        record.observations.append(runner.observation.copy())
        record.returns.append(runner.return_)
        record.ended.append(runner.ended)
        return ending

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EpisodeRunner, "step", recorded)
        plans = watch_agents(patch)
        states = reference_states(frozen, EPISODES, ALL)
    return Reference(frozen, states, played, {plan["weight"] for plan in plans})


def world(name, **kwargs):
    """A runner of one of `worlds`, whose decisions are of one step."""
    return build_runner(tiny(env={"id": f"worlds:{name}-v0", "kwargs": kwargs}).env)


def after(runner, past, seed=7):
    """The state to which the actions `past` lead."""
    runner.start(0, seed)
    for action in past:
        runner.step(action)
    nothing = np.zeros((0, 1), np.float32)
    return ReferenceState(seed, np.array(past, np.float32), nothing, runner.observation.copy())


def line(*actions):
    return np.array(actions, np.float32)[:, None]


def test_episodes_that_are_played_at_once_give_the_same_states(reference, monkeypatch):
    config = override(reference.frozen.config, {("evaluation", "num_envs"): EPISODES})
    plans = watch_agents(monkeypatch)
    states = reference_states(replace(reference.frozen, config=config), EPISODES, ALL)
    assert {len(plan["keys"]) for plan in plans} == {EPISODES}
    for state, expected in zip(states, reference.states, strict=True):
        assert state.seed == expected.seed
        np.testing.assert_allclose(state.past, expected.past, atol=1e-4)
        np.testing.assert_allclose(state.observation, expected.observation, atol=1e-4)


def test_they_are_the_decisions_of_fresh_episodes_without_a_penalty(reference):
    assert sorted(reference.played) == [REFERENCE_SEED + index for index in range(EPISODES)]
    decisions = [
        (seed, place)
        for seed, played in sorted(reference.played.items())
        for place in range(len(played.actions))
    ]
    assert [(state.seed, len(state.past)) for state in reference.states] == decisions
    assert reference.weights == {0.0}


@pytest.mark.parametrize("each", [1, 2, 3, 5])
def test_they_are_evenly_spaced_and_the_same_every_time(reference, each):
    known = {(state.seed, len(state.past)): vars(state) for state in reference.states}
    places: dict[int, list[int]] = {seed: [] for seed in reference.played}
    for state in reference_states(reference.frozen, EPISODES, each):
        places[state.seed].append(len(state.past))
        assert_same_tree(vars(state), known[state.seed, len(state.past)])
    for seed, chosen in places.items():
        last = len(reference.played[seed].actions) - 1
        assert len(chosen) == min(each, last + 1)
        assert (chosen[0], chosen[-1]) == (0, last if each > 1 else 0)
        gaps = np.diff(chosen)
        assert not len(gaps) or gaps.max() - gaps.min() <= 1


def test_the_actions_that_followed_have_the_same_results_again_bit_for_bit(reference):
    runner = build_runner(reference.frozen.config.env)
    ends = set()
    for state in reference.states:
        played, now = reference.played[state.seed], len(state.past)
        then = now + len(state.ahead)
        assert 1 <= len(state.ahead) <= HORIZON
        assert_same_tree(state.observation, played.observations[now])
        assert_same_tree([*state.past, *state.ahead], played.actions[:then])
        rebuild(runner, state)
        execution = execute(runner, state.ahead)
        assert_same_tree(list(execution.observations), played.observations[now : then + 1])
        assert execution.return_ == played.returns[then] - played.returns[now]
        assert execution.ended == (played.ended[then] == "terminated")
        ends.add(played.ended[then])
    assert {None, "terminated"} <= ends


@pytest.mark.parametrize(
    ("limit", "steps", "return_", "ended"),
    [
        ({}, [1, 2, 3, 4, 5], 2 + 3 + 4 + 5, False),
        ({"terminate_at": 3}, [1, 2, 3, 3, 3], 2 + 3, True),
        ({"truncate_at": 3}, [1, 2, 3, 3, 3], 2 + 3, False),
        ({"terminate_at": 5}, [1, 2, 3, 4, 5], 2 + 3 + 4 + 5, True),
        ({"terminate_at": 6}, [1, 2, 3, 4, 5], 2 + 3 + 4 + 5, False),
    ],
)
def test_after_an_end_the_observation_stays_and_rewards_are_zero(limit, steps, return_, ended):
    runner = world("Counter", **limit)
    rebuild(runner, after(runner, [[0.5]]))
    execution = execute(runner, line(0.1, 0.2, 0.3, 0.4))
    assert execution.observations[:, 0].tolist() == steps
    last = line(0.5, 0.1, 0.2, 0.3, 0.4)[[step - 1 for step in steps], 0]
    assert execution.observations[:, 1].tolist() == last.tolist()
    assert execution.return_ == return_
    assert execution.ended is ended


def test_every_plan_starts_from_the_same_state():
    runner = world("Noisy", source="seeded")
    state = after(runner, [[0.5], [-0.5]])
    executions = []
    for plan in (line(0.0, 0.0), line(1.0, -1.0), line(0.0, 0.0)):
        rebuild(runner, state)
        executions.append(execute(runner, plan))
    idle, pushed, again = executions
    assert_same_tree(vars(idle), vars(again))
    assert_same_tree(idle.observations[0], pushed.observations[0])
    change = (pushed.observations - idle.observations)[:, 0]
    assert change == pytest.approx([0.0, 1.0, 0.0], abs=1e-6)


@pytest.mark.parametrize(
    ("source", "past"),
    [("unseeded", [[0.5], [-0.5]]), ("ends", [[0.5]]), ("ends", [[0.5], [-0.5]])],
)
def test_an_environment_that_does_not_repeat_itself_is_refused_in_one_line(source, past):
    runner = world("Noisy", source=source)
    with pytest.raises(UserError) as info:
        rebuild(runner, after(runner, past))
    message = str(info.value)
    assert "\n" not in message
    assert message.startswith(f"environment {runner.spec.id!r} does not repeat itself: episode 7 ")
    assert f"after {len(past)} decisions" in message


@pytest.mark.parametrize("continuous", [True, False])
def test_five_hundred_states_of_lunar_lander_are_rebuilt_bit_for_bit(continuous):
    config = tiny(
        env={"id": "LunarLander-v3", "kwargs": {"continuous": continuous}, "action_repeat": 6}
    )
    runner, other = build_runner(config.env), build_runner(config.env)
    rng, count = np.random.default_rng(0), 0
    for seed in itertools.count(50_000):
        runner.start(0, seed)
        past: list[np.ndarray] = []
        while runner.ended is None and count < 500:
            taken = np.array(past, np.float32).reshape(-1, runner.spec.action_size)
            state = ReferenceState(seed, taken, taken, runner.observation.copy())
            rebuild(other, state)  # refuses where a bit differs
            assert other.observation.tobytes() == state.observation.tobytes()
            assert other.decisions == len(past)
            past.append(random_action(runner.spec, rng))
            runner.step(past[-1])
            count += 1
        if count == 500:
            break


def test_reseeded_noise_continues_from_the_same_state():
    runner = world("Noisy", source="seeded")
    state = after(runner, [[0.5], [-0.5]])
    paths = []
    for number in (1, 2, 1):
        rebuild(runner, state)
        reseed(runner, number)
        paths.append(execute(runner, line(0.0, 0.0)).observations)
    assert_same_tree(paths[0], paths[2])
    assert_same_tree(paths[0][0], paths[1][0])
    assert not np.array_equal(paths[0][1:], paths[1][1:])


def test_decisions_that_a_time_limit_would_cut_short_are_left_out():
    env = {"id": "worlds:Counter-v0", "kwargs": {"truncate_at": 12}}
    states = reference_states(frozen_of(finished(env=env).run_dir), 1, ALL)
    assert [len(state.past) for state in states] == list(range(12 - HORIZON + 1))
    assert {len(state.ahead) for state in states} == {HORIZON}
