"""States of fresh episodes: come back to exactly, and left along plans with what these bring."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
from spying import watch_agents
from tiny import assert_same_tree, finished, sharing, tiny

from agents.diagnostics import variants as rivals
from agents.diagnostics.open_loop import (
    REFERENCE_SEED,
    Situation,
    carry_out,
    go_on,
    rebuild,
    redraw,
    situations,
)
from agents.envs.episodes import EpisodeRunner
from agents.envs.making import make_runner
from agents.envs.spaces import random_action
from agents.errors import UserError

EPISODES, HORIZON, ALL = 3, 3, 100


class Played(NamedTuple):
    """What was done in one episode, and what came of it."""

    actions: list[np.ndarray]
    observations: list[np.ndarray]
    returns: list[float]
    ended: list[str | None]


class Reference(NamedTuple):
    run: rivals.RunState
    found: list[Situation]  # every decision
    played: dict[int, Played]  # by seed
    weights: list[float | None]


@pytest.fixture(scope="module")
def reference():
    with sharing():
        run = rivals.load(finished().run_dir)
    played: dict[int, Played] = {}
    step = EpisodeRunner.step

    def seen_step(runner, action):
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
        patch.setattr(EpisodeRunner, "step", seen_step)
        plans = watch_agents(patch)
        found = situations(run, EPISODES, ALL, HORIZON)
    return Reference(run, found, played, [plan["weight"] for plan in plans])


def places(found):
    """How many decisions lie before each situation, by seed."""
    by_seed: dict[int, list[int]] = {}
    for each in found:
        by_seed.setdefault(each.seed, []).append(len(each.past))
    return by_seed


def world(name, **kwargs):
    """A runner of one of `worlds`, each action held for one step."""
    return make_runner(tiny(env={"id": f"worlds:{name}-v0", "kwargs": kwargs}))


def after(runner, past, seed=0):
    """The situation to which the actions `past` lead."""
    runner.start(0, seed)
    for action in past:
        runner.step(action)
    nothing = np.zeros((0, 1), np.float32)
    return Situation(seed, np.array(past, np.float32), nothing, runner.observation.copy())


def line(*actions):
    return np.array(actions, np.float32)[:, None]


def test_they_are_the_decisions_of_fresh_episodes_without_a_penalty(reference):
    seeds = [REFERENCE_SEED + index for index in range(EPISODES)]
    assert sorted(reference.played) == seeds == [20_000, 20_001, 20_002]
    lengths = {seed: len(played.actions) for seed, played in reference.played.items()}
    assert places(reference.found) == {seed: list(range(lengths[seed])) for seed in seeds}
    assert set(reference.weights) == {0.0}


@pytest.mark.parametrize("each", [1, 2, 3, 5])
def test_they_are_evenly_spaced_from_first_to_last(reference, each):
    chosen = places(situations(reference.run, EPISODES, each, HORIZON))
    for seed, before in chosen.items():
        last = len(reference.played[seed].actions) - 1
        assert len(before) == min(each, last + 1)
        assert before[0] == 0
        assert before[-1] == (last if each > 1 else 0)
        gaps = np.diff(before)
        assert not len(gaps) or gaps.max() - gaps.min() <= 1


def test_the_same_twice(reference):
    again = situations(reference.run, EPISODES, ALL, HORIZON)
    assert_same_tree([vars(each) for each in again], [vars(each) for each in reference.found])


def test_past_and_ahead_are_what_was_really_done(reference):
    for each in reference.found:
        played, now = reference.played[each.seed], len(each.past)
        assert_same_tree(each.observation, played.observations[now])
        assert_same_tree(list(each.past), played.actions[:now])
        assert_same_tree(list(each.ahead), played.actions[now : now + HORIZON])
        assert 1 <= len(each.ahead) <= HORIZON


def test_carried_out_what_was_ahead_happens_again_bit_for_bit(reference):
    runner = make_runner(reference.run.config)
    ends = []
    for each in reference.found:
        (outcome,) = carry_out(runner, each, [each.ahead])
        played, now = reference.played[each.seed], len(each.past)
        then = now + len(each.ahead)
        assert_same_tree(list(outcome.observations), played.observations[now : then + 1])
        assert outcome.return_ == played.returns[then] - played.returns[now]
        assert outcome.ended == (played.ended[then] == "terminated")
        ends.append(played.ended[then])
    assert None in ends
    assert len(set(ends)) > 1  # and some reach the end of their episode


@pytest.mark.parametrize(
    ("limit", "steps", "paid", "ended"),
    [
        ({}, [1, 2, 3, 4, 5], 2 + 3 + 4 + 5, False),
        ({"terminate_at": 3}, [1, 2, 3, 3, 3], 2 + 3, True),
        ({"truncate_at": 3}, [1, 2, 3, 3, 3], 2 + 3, False),
        ({"terminate_at": 5}, [1, 2, 3, 4, 5], 2 + 3 + 4 + 5, True),
        ({"terminate_at": 6}, [1, 2, 3, 4, 5], 2 + 3 + 4 + 5, False),
    ],
)
def test_behind_an_end_the_last_observation_stands_and_nothing_is_paid(limit, steps, paid, ended):
    runner = world("Counter", **limit)
    (outcome,) = carry_out(runner, after(runner, [[0.5]]), [line(0.1, 0.2, 0.3, 0.4)])
    assert outcome.observations[:, 0].tolist() == steps
    last = line(0.5, 0.1, 0.2, 0.3, 0.4)[[step - 1 for step in steps], 0]
    assert outcome.observations[:, 1].tolist() == last.tolist()
    assert outcome.return_ == paid
    assert outcome.ended is ended


def test_every_plan_starts_from_the_same_state():
    runner = world("Noisy", source="seeded")
    situation = after(runner, [[0.5], [-0.5]], seed=7)
    plans = [line(0.0, 0.0), line(1.0, -1.0), line(0.0, 0.0)]
    idle, pushed, again = carry_out(runner, situation, plans)
    assert_same_tree(vars(idle), vars(again))
    assert_same_tree(idle.observations[0], pushed.observations[0])
    moved = (pushed.observations - idle.observations)[:, 0]
    assert moved == pytest.approx([0.0, 1.0, 0.0], abs=1e-6)


def test_an_environment_that_does_not_repeat_itself_is_refused_in_one_line():
    runner = world("Noisy", source="unseeded")
    situation = after(runner, [[0.5], [-0.5]], seed=7)
    with pytest.raises(UserError) as info:
        carry_out(runner, situation, [line(0.0)])
    message = str(info.value)
    assert "\n" not in message
    assert message.startswith(f"environment {runner.spec.id!r} does not repeat itself: episode 7 ")
    assert "Noisy" in message
    assert "after 2 decisions" in message


@pytest.mark.parametrize("past", [[[0.5]], [[0.5], [-0.5]]])
def test_an_environment_that_ends_early_when_repeated_is_refused_too(past):
    runner = world("Noisy", source="ends")
    with pytest.raises(UserError) as info:
        carry_out(runner, after(runner, past, seed=7), [line(0.0)])
    message = str(info.value)
    assert "\n" not in message
    assert f"episode 7 came out differently after {len(past)} decisions" in message


@pytest.mark.parametrize("continuous", [True, False])
def test_a_thousand_states_of_lunar_lander_are_rebuilt_bit_for_bit(continuous):
    env = {"id": "LunarLander-v3", "kwargs": {"continuous": continuous}, "action_repeat": 6}
    runner, other = make_runner(tiny(env=env)), make_runner(tiny(env=env))
    rng = np.random.default_rng(0)
    found: list[Situation] = []
    for seed in itertools.count(50_000):
        runner.start(0, seed)
        past: list[np.ndarray] = []
        while runner.ended is None and len(found) < 500:
            taken = np.array(past, np.float32).reshape(-1, runner.spec.action_size)
            found.append(Situation(seed, taken, taken, runner.observation.copy()))
            past.append(random_action(runner.spec, rng))
            runner.step(past[-1])
        if len(found) == 500:
            break
    for situation in found:
        rebuild(other, situation)  # refuses where a bit differs
        assert other.observation.tobytes() == situation.observation.tobytes()
        assert other.decisions == len(situation.past)


def test_another_future_begins_at_the_same_state():
    runner = world("Noisy", source="seeded")
    situation = after(runner, [[0.5], [-0.5]], seed=7)
    ends = []
    for number in (1, 2, 1):
        rebuild(runner, situation)
        redraw(runner, number)
        ends.append(go_on(runner, line(0.0, 0.0)).observations)
    assert_same_tree(ends[0], ends[2])
    assert_same_tree(ends[0][0], ends[1][0])
    assert not np.array_equal(ends[0][1:], ends[1][1:])


def test_decisions_that_a_time_limit_would_cut_short_are_left_out():
    limit = {"max_episode_steps": 12}
    with sharing():
        run = rivals.load(finished(env={"id": "Pendulum-v1", "kwargs": limit}).run_dir)
        found = situations(run, 1, ALL, HORIZON)
    assert [len(each.past) for each in found] == list(range(12 - HORIZON + 1))
    assert {len(each.ahead) for each in found} == {HORIZON}
