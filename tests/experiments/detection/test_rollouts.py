"""Rollouts: the last state before an end, errors, variations of plans."""

from types import SimpleNamespace
from typing import Any, cast

import jax.numpy as jnp
import numpy as np
import pytest
from tiny import tiny

from agents.diagnostics.open_loop import ReferenceState
from agents.diagnostics.variants import Variant
from agents.errors import UserError
from agents.experiments.detection.rollouts import (
    drifting,
    execute_all,
    last_before_end,
    replayed,
    roll_out,
    states_at,
    swapped,
    went_wrong,
)
from agents.planning.builders import build_runner
from mbrl import normalizer
from mbrl.types import Trajectory

UNIT = normalizer.Normalizer(mean=jnp.array([7.0, 7.0]), std=jnp.array([2.0, 4.0]))


def paths(continue_probs, observations=None) -> Trajectory:
    """Paths `[N, E, H]`, whose observation t is t unless given."""
    probs = np.array(continue_probs, np.float32)
    if observations is None:
        count = probs.shape[-1] + 1
        observations = np.arange(count)[:, None] * np.ones((*probs.shape[:-1], 1, 1))
    return Trajectory(
        observations=cast("Any", np.asarray(observations, np.float32)),
        actions=cast("Any", np.zeros((*probs.shape, 1), np.float32)),
        rewards=cast("Any", np.zeros_like(probs)),
        continue_probs=cast("Any", probs),
    )


def variant(**functions) -> Variant:
    """One whose agent has these functions and no others."""
    agent = cast("Any", SimpleNamespace(**functions))
    return Variant("stand-in", agent, cast("Any", None), {})


@pytest.mark.parametrize(
    ("continue_probs", "last"),
    [
        ([1.0, 1.0, 1.0], 3),
        ([0.0, 1.0, 1.0], 0),
        ([1.0, 0.4, 1.0], 1),
        ([1.0, 1.0, 0.4], 2),
        ([0.8, 0.7, 0.8], 2),  # 0.8, 0.56, 0.45: the third decision ends it
        ([0.7, 0.7, 0.9], 1),
        ([0.5, 1.0, 1.0], 3),  # as likely to go on as not
    ],
)
def test_a_path_ends_where_its_survival_probability_falls_below_a_half(continue_probs, last):
    assert last_before_end(paths([[continue_probs]])).tolist() == [[last]]


def test_every_member_has_an_end_of_its_own():
    found = paths([[[1.0, 1.0], [0.1, 1.0]], [[0.1, 1.0], [1.0, 1.0]]])
    last = last_before_end(found)
    assert last.tolist() == [[2, 0], [0, 2]]
    assert states_at(np.asarray(found.observations), last)[..., 0].tolist() == [[2, 0], [0, 2]]


def counting(**ends):
    """A runner of `Counter`, and two states in it with two plans each."""
    env = {"id": "worlds:Counter-v0", "kwargs": ends}
    runner = build_runner(tiny(env=env).env)
    states = []
    for past in ([], [0.5]):
        runner.start(0, 0)
        actions = np.reshape(np.array(past, np.float32), (-1, 1))
        for action in actions:
            runner.step(action)
        states.append(ReferenceState(0, actions, actions[:0], runner.observation.copy()))
    plans = np.linspace(-1.0, 1.0, 2 * 2 * 3, dtype=np.float32).reshape(2, 2, 3, 1)
    return runner, states, plans


def counter_model(away: Any = 0.0, goes_on=np.ones_like) -> Variant:
    """What two members predict of `Counter`: the one is right, the other off by `away`."""

    def rollouts(state, key, observations, actions):
        steps = np.asarray(observations)[:, :1] + np.arange(1, 4)
        follow = np.stack([steps, np.asarray(actions)[..., 0]], axis=-1)
        path = np.concatenate([np.asarray(observations)[:, None], follow], axis=1)
        return paths(np.stack([goes_on(steps)] * 2, axis=1), np.stack([path, path + away], axis=1))

    return variant(rollouts=rollouts)


def test_an_error_is_the_members_mean_distance_in_standard_deviations():
    runner, states, plans = counting()
    perfect = roll_out(counter_model(), runner, states, plans, UNIT)
    assert perfect.errors.tolist() == [0.0] * 4
    assert perfect.ended.tolist() == [False] * 4
    assert perfect.paths.actions.shape[:2] == (4, 2)
    assert perfect.plans == 2
    assert perfect.reseeded_errors.tolist() == [0.0] * 4  # a counter draws nothing
    away = np.array([6.0, 16.0], np.float32)  # 3 and 4 standard deviations
    rollouts = roll_out(counter_model(away), runner, states, plans, UNIT)
    assert rollouts.errors == pytest.approx([(0.0 + 5.0) / 2] * 4)


def test_an_end_in_the_truth_stops_the_error_there():
    runner, states, plans = counting(terminate_at=2)
    # Wrong in the wreck and after it, by whatever it takes the crash to look like.
    after = np.where(np.arange(4) >= 2, 100.0, 0.0)[:, None]
    rollouts = roll_out(counter_model(after), runner, states[:1], plans[:1], UNIT)
    assert rollouts.errors.tolist() == [0.0] * 2
    assert rollouts.ended.tolist() == [True] * 2
    # One decision before: the last that counts.
    before = np.where(np.arange(4) == 1, 6.0, 100.0)[:, None] * np.array([1.0, 0.0])
    rollouts = roll_out(counter_model(before), runner, states[:1], plans[:1], UNIT)
    assert rollouts.errors == pytest.approx([(0.0 + 3.0) / 2] * 2)
    # One decision before the end nothing is left to compare.
    at_once = np.where(np.arange(4) >= 1, 100.0, 0.0)[:, None]
    rollouts = roll_out(counter_model(at_once), runner, states[1:], plans[1:], UNIT)
    assert rollouts.errors.tolist() == [0.0] * 2


def test_a_plan_that_a_time_limit_cuts_counts_to_its_last_state():
    runner, states, plans = counting(truncate_at=2)
    truth = execute_all(runner, states, plans, future=0)
    assert truth.last.tolist() == [2, 2, 1, 1]
    assert truth.ended.tolist() == [False] * 4


def test_an_imagined_end_stops_the_error_there():
    runner, states, plans = counting()
    after = np.where(np.arange(4) >= 2, 100.0, 0.0)[:, None]
    ends = counter_model(after, goes_on=lambda steps: (steps != 2).astype(np.float32))
    assert roll_out(ends, runner, states[:1], plans[:1], UNIT).errors.tolist() == [0.0] * 2
    assert (roll_out(counter_model(after), runner, states, plans, UNIT).errors > 0).all()


def test_another_future_has_other_noise_and_the_first_is_the_seeds():
    env = {"id": "worlds:Walk-v0", "kwargs": {"noise": 0.2}}
    runner = build_runner(tiny(env=env).env)
    runner.start(0, 0)
    start = ReferenceState(
        0, np.zeros((0, 1), np.float32), np.zeros((0, 1), np.float32), runner.observation.copy()
    )
    plans = np.zeros((1, 2, 3, 1), np.float32)
    own, again, other = (execute_all(runner, [start], plans, future) for future in (0, 0, 1))
    np.testing.assert_array_equal(own.observations, again.observations)
    assert own.observations[0].tolist() == own.observations[1].tolist()
    assert other.observations[0].tolist() == other.observations[1].tolist()
    np.testing.assert_array_equal(own.observations[:, 0], other.observations[:, 0])
    assert (own.observations[:, 1:, 0] != other.observations[:, 1:, 0]).all()


def test_the_worst_quarter_went_wrong():
    errors = np.random.default_rng(0).permutation(40.0 + np.arange(20))
    wrong = went_wrong(errors)
    assert wrong.mean() == 0.25
    assert errors[wrong].min() > errors[~wrong].max()


def test_without_a_state_that_enough_decisions_follow_it_is_refused():
    runner, states, _ = counting()
    with pytest.raises(UserError, match=r"of 2 states none was .* 3 .*--episodes or"):
        replayed(counter_model(), runner, states, 3, UNIT)


def test_variations_begin_with_the_plan_and_drift_away_within_bounds():
    plan = np.full((40, 2), 0.2, np.float32)
    varied = drifting(np.random.default_rng(0), plan, 5)
    assert varied.shape == (5, 40, 2)
    np.testing.assert_array_equal(varied[0], plan)
    assert np.abs(varied).max() <= 1.0
    early, late = (np.abs(varied[1:, part] - 0.2).mean() for part in (slice(3), slice(20, 40)))
    assert late >= 0.5 * early > 0


def test_variations_of_discrete_plans_are_discrete():
    plan = np.eye(3, dtype=np.float32)[[0, 1, 2] * 20]
    varied = swapped(np.random.default_rng(0), plan, 4)
    np.testing.assert_array_equal(varied[0], plan)
    np.testing.assert_array_equal(varied.sum(axis=-1), np.ones((4, 60)))
    assert set(varied.ravel().tolist()) == {0.0, 1.0}
    changed = (varied != plan).any(axis=-1).mean(axis=-1)
    # Up to half of the decisions are drawn anew, and every third is the same again.
    assert changed.tolist() == sorted(changed)
    assert changed[-1] == pytest.approx(0.5 * 2 / 3, abs=0.15)
