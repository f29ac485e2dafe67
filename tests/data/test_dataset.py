"""Data sets in the environment's units and in the planner's, and which environments they fit."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from logged import ONE_NUMBER, assert_same_episodes, replay_episode, small_dataset, spec_of
from worlds import assert_one_line, make_runner

from agents.data import from_replay, refuse_misfit, to_replay
from agents.envs import to_native
from agents.errors import UserError

lengths = st.lists(st.integers(1, 12), min_size=1, max_size=4)


@given(
    space=st.sampled_from(
        [
            ONE_NUMBER,
            spaces.Box(-1.0, 1.0, (3,), np.float32),
            spaces.Box(-1.0, 1.0, (), np.float64),
            spaces.Discrete(4),
            spaces.Discrete(3, start=-1),
        ]
    ),
    lengths=lengths,
    repeat=st.integers(1, 5),
    seed=st.integers(0, 100),
)
def test_a_replay_comes_back_bit_for_bit(space, lengths, repeat, seed):
    spec = spec_of(space)
    episodes = [replay_episode(spec, n, repeat, bool(n % 2), seed) for n in lengths]
    dataset = from_replay("some", spec, {}, episodes)
    assert_same_episodes(to_replay(dataset, repeat), episodes)
    assert dataset.steps == sum(lengths)
    for logged, episode in zip(dataset.episodes, episodes, strict=True):
        assert logged.actions.shape == (len(episode.rewards), *spec.action_shape)
        assert logged.actions.dtype == spec.action_dtype
        assert (logged.terminated, logged.truncated) == (episode.terminated, not episode.terminated)


@given(
    space=st.sampled_from(
        [
            spaces.Box(-2.0, 2.0, (1,), np.float32),
            spaces.Box(np.float32(0.1), np.float32(0.7), (2,), np.float32),
            spaces.Box(-3.0, 1e4, (2,), np.float64),
            spaces.Box(0, 10, (2,), np.int32),
        ]
    ),
    repeat=st.integers(1, 4),
    seed=st.integers(0, 100),
)
def test_with_other_bounds_the_executed_action_comes_back(space, repeat, seed):
    spec = spec_of(space)
    episodes = [replay_episode(spec, 9, repeat, seed=seed)]
    (found,) = to_replay(from_replay("some", spec, {}, episodes), repeat)
    for before, after in zip(episodes[0].actions, found.actions, strict=True):
        assert np.array_equal(to_native(spec, before), to_native(spec, after))


def test_what_is_logged_is_what_the_environment_received():
    runner = make_runner(
        "worlds:Counter-v0",
        {"terminate_at": 5, "action_space": spaces.Box(-3.0, 5.0, (1,), np.float32)},
        action_repeat=2,
    )
    runner.start(0, seed=0)
    for action in (0.3, -0.7, 0.9):
        runner.step([action])
    dataset = from_replay("some", runner.spec, {}, [runner.episode()])
    received = np.array(runner.env.unwrapped.received)  # pyright: ignore[reportAttributeAccessIssue]
    assert dataset.episodes[0].actions.tobytes() == received.tobytes()
    assert dataset.returns.tolist() == [15.0]


def test_data_may_be_cut_into_shorter_holds_that_divide_theirs():
    spec = spec_of()
    dataset = from_replay("some", spec, {}, [replay_episode(spec, 11, 4)])
    whole, halves = (to_replay(dataset, repeat)[0] for repeat in (4, 2))
    assert halves.repeats.tolist() == [2, 2, 2, 2, 2, 1]
    np.testing.assert_array_equal(halves.actions, np.repeat(whole.actions, 2, axis=0))


@pytest.mark.parametrize("space", [ONE_NUMBER, spaces.Discrete(3)], ids=str)
def test_actions_that_change_within_a_hold_are_refused(space):
    spec = spec_of(space)
    dataset = from_replay("some", spec, {}, [replay_episode(spec, n, 3) for n in (2, 12)])
    actions = dataset.episodes[1].actions.copy()
    actions[7] = (actions[7] + 1) % 3 if spec.discrete else -actions[7]
    changed = replace(dataset.episodes[1], actions=actions)
    dataset = replace(dataset, episodes=(dataset.episodes[0], changed))
    with pytest.raises(UserError, match=r"'some': the actions change within holds of 3") as error:
        to_replay(dataset, 3)
    assert "(episode 1, step 7)" in str(error.value)
    assert "--env.action-repeat 1 takes such data" in str(error.value)
    assert_one_line(error)
    assert len(to_replay(dataset, 1)[1].actions) == 12


def test_zero_and_negative_zero_are_different_actions():
    spec = spec_of()
    dataset = from_replay("some", spec, {}, [replay_episode(spec, 2, 2)])
    actions = np.array([[0.0], [-0.0]], np.float32)
    dataset = replace(dataset, episodes=(replace(dataset.episodes[0], actions=actions),))
    with pytest.raises(UserError, match="within holds"):
        to_replay(dataset, 2)


def test_returns_are_summed_in_double_precision():
    dataset = small_dataset()
    rewards = np.array([1e8, *[1.0] * 4, -1e8], np.float32)
    first = replace(dataset.episodes[0], rewards=rewards)
    dataset = replace(dataset, episodes=(first, *dataset.episodes[1:]))
    assert dataset.returns.dtype == np.float64
    assert dataset.returns[0] == 4.0
    assert dataset.steps == 12


@pytest.mark.parametrize("id", ["Walk-v0", "worlds:Walk-v0", "elsewhere:Walk-v0", ""])
def test_data_of_the_same_environment_fit(id):
    refuse_misfit(small_dataset(spec_of(id=id)), spec_of())
    refuse_misfit(small_dataset(), spec_of(id=id))


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        (spec_of(id="Run-v0"), ["'Walk-v0'", "'Run-v0'"]),
        (spec_of(id="worlds:Walk-v1"), ["'Walk-v0'", "'Walk-v1'"]),
        (spec_of(spaces.Box(-1.0, 1.0, (2,))), ["1 number between", "2 numbers between"]),
        (spec_of(spaces.Box(-1.0, 2.0, (1,))), ["[-1.0] and [1.0]", "[-1.0] and [2.0]"]),
        (spec_of(spaces.Discrete(3)), ["1 number between", "3 choices from 0 on"]),
        (replace(spec_of(), observation_size=3), ["observations of 2", "observations of 3"]),
    ],
)
def test_data_of_another_environment_are_refused(spec, named):
    with pytest.raises(UserError, match="data set 'small'") as error:
        refuse_misfit(small_dataset(), spec)
    assert [word for word in named if word not in str(error.value)] == []
    assert_one_line(error)


def test_discrete_choices_must_start_alike():
    dataset = small_dataset(spec_of(spaces.Discrete(3)))
    with pytest.raises(UserError, match=r"3 choices from 0 on.*3 choices from 1 on"):
        refuse_misfit(dataset, spec_of(spaces.Discrete(3, start=1)))
