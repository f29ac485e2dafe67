"""Transitions, windows, bootstrap samples and the holdout, on episodes of numbered steps."""

import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl import Episode, Replay, Transition

REPEAT = 4
repeats = st.lists(st.integers(1, REPEAT), min_size=1, max_size=6)


def episode(index: int, repeats: list[int], terminated: bool) -> Episode:
    """Observation ``(index, step)``; rewards are powers of 2, so that a sum names them.

    Only the last action can be truncated; those before it are made whole.
    """
    repeats = [REPEAT] * (len(repeats) - 1) + repeats[-1:]
    steps = sum(repeats)
    return Episode(
        observations=np.stack([np.full(steps + 1, index), np.arange(steps + 1)], 1).astype("f4"),
        actions=(np.arange(len(repeats))[:, None] + 100 * index).astype("f4"),
        repeats=np.array(repeats, np.int32),
        rewards=2.0 ** (np.arange(steps, dtype=np.float32) % 20),
        terminated=terminated,
    )


def replay_of(*episodes: Episode, **knobs) -> Replay:
    replay = Replay(
        **{"members": 2, "repeat": REPEAT, "holdout": 0.5, "seed": 0, "bootstrap": 1.0} | knobs
    )
    for each in episodes:
        replay.append(each)
    return replay


def many(count: int, decisions: int = 3) -> list[Episode]:
    return [episode(i, [REPEAT] * (decisions - 1) + [1 + i % 4], i % 3 == 0) for i in range(count)]


def flat(batch):
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[3:]), batch)


def decision_of(batch: Transition):
    """The number of the episode and of the decision in it, which the action carries."""
    return np.divmod(batch.action[..., 0].astype(int), 100)


def same(first, second) -> bool:
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


# Transitions.


@given(st.lists(st.tuples(repeats, st.booleans()), min_size=2, max_size=5))
def test_every_transition_lies_within_one_decision_of_one_episode(kinds):
    episodes = [episode(i, lengths, terminated) for i, (lengths, terminated) in enumerate(kinds)]
    batch = flat(replay_of(*episodes).draw_transitions(0, 2, 50))
    index, decision = decision_of(batch)
    assert np.all(batch.observation[:, 0] == index)
    assert np.all(batch.next_observation[:, 0] == index)
    for n in range(len(index)):
        of = episodes[index[n]]
        start = of.repeats[: decision[n]].sum()
        first, last = int(batch.observation[n, 1]), int(batch.next_observation[n, 1])
        assert start <= first < last <= start + of.repeats[decision[n]]
        assert batch.reward[n] == of.rewards[first:last].sum()
        intended = round(batch.duration[n] * REPEAT)
        ends = of.terminated and last == of.repeats.sum()
        assert batch.terminal[n] == ends
        # Shorter than intended only because of the termination.
        assert last - first == intended or (ends and last - first < intended <= REPEAT)


def test_a_terminated_action_comes_with_every_longer_intended_length():
    ends = episode(0, [REPEAT, 2], terminated=True)
    batch = flat(replay_of(ends, ends).draw_transitions(0, 10, 200))
    last = batch.action[:, 0] == 1
    lengths = batch.next_observation[last, 1] - batch.observation[last, 1]
    intended = batch.duration[last] * REPEAT
    seen = set(zip(lengths.tolist(), intended.tolist(), strict=True))
    whole = {(2.0, length) for length in (2.0, 3.0, 4.0)}
    late_start = {(1.0, length) for length in (1.0, 2.0, 3.0, 4.0)}
    assert seen == whole | late_start
    reached_the_end = batch.next_observation[last, 1] == REPEAT + 2
    assert batch.terminal[last].tolist() == reached_the_end.astype(float).tolist()
    assert np.all(reached_the_end[intended > 2])


def test_half_of_the_transitions_are_whole_actions():
    replay = replay_of(*many(2, decisions=40))
    batch = flat(replay.draw_transitions(0, 10, 500))
    whole = (batch.duration == 1.0) & (batch.observation[:, 1] % REPEAT == 0)
    # Of windows with a random start and a random length, 1 in 16 is whole by chance.
    expected = 0.5 + 0.5 / REPEAT**2
    assert whole.mean() == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(whole.size) + 0.01)
    assert set(batch.duration.tolist()) == {0.25, 0.5, 0.75, 1.0}


def test_a_reward_is_exact_whatever_the_return_before_it():
    rich = dataclasses.replace(
        episode(0, [4, 4], True), rewards=np.array([3e7, 1, 1, 1, 0.1, 0.2, 0.3, 0.4], np.float32)
    )
    batch = flat(replay_of(rich, rich).draw_transitions(0, 5, 40))
    late = batch.reward[batch.observation[:, 1] == 7]
    assert late == pytest.approx(np.full(len(late), 0.4), abs=1e-6)


def test_scales_are_measured_on_every_whole_action_of_the_training_episodes():
    episodes = [
        episode(0, [4, 4, 3], terminated=True),
        episode(1, [4], terminated=True),
        episode(2, [4, 1], terminated=False),
    ]
    seen = replay_of(*episodes).transitions()
    assert seen.action[:, 0].tolist() == [0, 1, 2, 200, 201]
    assert seen.next_observation[:, 1].tolist() == [4, 8, 11, 4, 5]
    assert seen.reward.tolist() == [15, 240, 1792, 15, 16]
    assert seen.terminal.tolist() == [0, 0, 1, 0, 0]
    assert seen.duration.tolist() == [
        1.0,
        1.0,
        1.0,
        1.0,
        0.25,
    ]  # the third was intended for 4 steps


# Windows of decisions.


def test_windows_stay_in_one_episode_and_mask_decisions_after_its_end():
    episodes = [episode(i, [REPEAT] * n, True) for i, n in enumerate([5, 1, 2])]
    batch = replay_of(*episodes).draw_windows(0, 3, 40, 4)
    observations = batch.observations.reshape(-1, 5, 2)
    actions, mask = batch.actions.reshape(-1, 4), batch.mask.reshape(-1, 4)
    for o, a, present in zip(observations, actions, mask, strict=True):
        index, first = divmod(int(a[0]), 100)
        left = len(episodes[index].repeats) - first
        assert present.tolist() == (np.arange(4) < left).tolist()
        count = present.sum()
        assert a[:count].tolist() == (100 * index + first + np.arange(count)).tolist()
        assert o[: count + 1, 1].tolist() == (REPEAT * (first + np.arange(count + 1))).tolist()
        assert np.all(o[:, 0] == index)
        assert np.all(a[count:] == a[count - 1])  # repeated, no zeros
    assert {(int(a[0]), int(p.sum())) for a, p in zip(actions, mask, strict=True)} == {
        (0, 4), (1, 4), (2, 3), (3, 2), (4, 1), (200, 2), (201, 1)
    }  # fmt: skip


def test_a_window_ends_with_the_observation_after_a_truncated_last_action():
    batch = replay_of(*[episode(0, [4, 4, 2], True)] * 2).held_out_windows(3, 3)
    assert batch.observations[0, :, 1].tolist() == [0, 4, 8, 10]
    assert batch.mask.tolist() == [[True] * 3, [True, True, False], [True, False, False]]


# Holdout and bootstrap.


@pytest.mark.parametrize(("holdout", "held_out"), [(0.5, [1, 3, 5, 7, 9, 11]), (0.2, [1, 6, 11])])
def test_episodes_are_held_out_whole_and_never_trained_on(holdout, held_out):
    replay = replay_of(*many(12), holdout=holdout)
    assert [i for i in range(12) if replay.is_held_out(i)] == held_out
    training = set(range(12)) - set(held_out)
    drawn = flat(replay.draw_transitions(0, 20, 100)).observation[:, 0]
    assert set(drawn.astype(int).tolist()) == training
    windows = replay.draw_windows(0, 10, 100, 2).observations[..., 0]
    assert set(windows.astype(int).ravel().tolist()) == training
    assert set(replay.transitions().observation[:, 0].astype(int).tolist()) == training
    for seen in (
        replay.held_out_transitions(100).observation,
        replay.held_out_windows(100, 2).observations,
    ):
        assert len(seen) == 100
        assert set(seen[..., 0].astype(int).ravel().tolist()) == set(held_out)


def test_held_out_episodes_begin_where_they_are_told_to_and_are_never_reassigned():
    replay = replay_of(*many(12), holdout=0.25, holdout_from=3)
    assert [i for i in range(12) if replay.is_held_out(i)] == [1, 3, 7, 11]
    for count in range(2, 12):
        fewer = replay_of(*many(count), holdout=0.25, holdout_from=3)
        held_out = [i for i in range(count) if replay.is_held_out(i)]
        assert [i for i in range(count) if fewer.is_held_out(i)] == held_out
        assert fewer.training_decisions == 3 * (count - len(held_out))


def test_held_out_batches_are_whole_actions_evenly_spaced():
    replay = replay_of(*many(2, decisions=40))
    batch = replay.held_out_transitions(40)
    assert batch.action[:, 0].tolist() == [100.0 + d for d in range(40)]
    assert np.all(batch.observation[:, 1] % REPEAT == 0)
    assert np.all(batch.next_observation[:-1, 1] - batch.observation[:-1, 1] == REPEAT)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_episodes_to_hold_one_out_are_refused(count):
    with pytest.raises(ValueError, match=f"{count} episodes cannot be split for holdout"):
        replay_of(*many(count)).held_out_transitions(3)


def counts_of(replay: Replay, episodes: int, decisions: int) -> np.ndarray:
    """How often each member saw each decision in a large draw, `[E, episodes, decisions]`."""
    batch = replay.draw_transitions(0, 100, 400)
    index, decision = decision_of(batch)
    counts = np.zeros((index.shape[1], episodes, decisions))
    for member in range(index.shape[1]):
        np.add.at(counts[member], (index[:, member], decision[:, member]), 1)
    return counts


def test_a_members_bootstrap_sample_is_its_own_and_constant_as_data_grow():
    replay = replay_of(*many(6), members=3)
    early = counts_of(replay, 12, 3)
    for more in many(12)[6:]:
        replay.append(more)
    late = counts_of(replay, 12, 3)
    old = np.array([0, 2, 4])
    assert np.array_equal(early[:, old] > 0, late[:, old] > 0)
    assert np.any(late[:, 6:] > 0)
    seen = early[:, old].reshape(3, -1) > 0
    assert len({tuple(member) for member in seen}) == 3
    # In both, a decision's share is as many times the smallest as it was drawn by Poisson.
    for counts in (early, late):
        for member in counts[:, old].reshape(3, -1):
            times = member[member > 0] / member[member > 0].min()
            assert times / np.round(times) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("rate", [1.0, 3.0])
def test_the_copies_of_a_decision_in_a_members_sample_are_poisson(rate):
    counts = counts_of(replay_of(*many(2, decisions=90), members=4, bootstrap=rate), 1, 90)
    absent, expected = np.mean(counts == 0), np.exp(-rate)
    error = np.sqrt(expected * (1 - expected) / counts.size)
    assert absent == pytest.approx(expected, abs=4 * error)


# Random draws and copies.


def test_the_same_draw_is_the_same_and_another_is_another():
    replay = replay_of(*many(6))
    assert same(replay.draw_transitions(3, 2, 20), replay.draw_transitions(3, 2, 20))
    assert same(replay.draw_windows(3, 2, 20, 2), replay.draw_windows(3, 2, 20, 2))
    assert not same(replay.draw_transitions(3, 2, 20), replay.draw_transitions(4, 2, 20))
    assert not same(replay.draw_windows(3, 2, 20, 2), replay.draw_windows(4, 2, 20, 2))
    other = replay_of(*many(6), seed=1)
    assert not same(replay.draw_transitions(3, 2, 20), other.draw_transitions(3, 2, 20))


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_replay_restored_from_plain_arrays_draws_the_same(count):
    replay, copy = replay_of(*many(count)), replay_of(*many(3))
    copy.load_arrays({name: array.copy() for name, array in replay.to_arrays().items()})
    assert copy.steps == replay.steps
    for one, other in zip(copy.episodes, replay.episodes, strict=True):
        for name in ("observations", "actions", "repeats", "rewards", "terminated"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
            assert np.asarray(getattr(one, name)).dtype == np.asarray(getattr(other, name)).dtype
    if count > 1:
        for each in (replay, copy):
            each.append(episode(count, [2], True))
        assert same(copy.draw_transitions(5, 2, 20), replay.draw_transitions(5, 2, 20))
        assert same(copy.draw_windows(5, 2, 20, 3), replay.draw_windows(5, 2, 20, 3))
        assert same(copy.held_out_windows(9, 3), replay.held_out_windows(9, 3))
