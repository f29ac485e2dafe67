"""Windows that did not happen: of independent noise, or of real decisions in another order."""

import numpy as np
import pytest

from agents.diagnostics.negative_windows import (
    LEAST_CHANGE,
    LEAST_DECISIONS,
    changed,
    noise_windows,
    shuffled_windows,
)
from mbrl import Window
from mbrl.dynamics import Transition

LENGTH = 6


def windows(rng, count, decisions):
    """Windows of numbers that all differ, of `decisions` decisions each."""
    return Window(
        observations=rng.normal(size=(count, LENGTH + 1, 2)).astype(np.float32),
        actions=rng.normal(size=(count, LENGTH, 1)).astype(np.float32),
        mask=np.arange(LENGTH) < np.broadcast_to(decisions, count)[:, None],
    )


def transitions(observations, actions):
    nothing = np.zeros(len(actions), np.float32)
    return Transition(
        observation=observations, action=actions, duration=nothing, next_observation=observations,
        reward=nothing, terminal=nothing,
    )  # fmt: skip


def test_noise_has_the_mean_and_spread_of_the_data_and_is_independent():
    rng = np.random.default_rng(0)
    first = rng.normal(3.0, 2.0, (5_000, 1))
    # The second number is the first in other units, on which noise does not depend.
    seen = transitions(np.concatenate([first, 10 * first], 1), rng.normal(-1.0, 0.2, (5_000, 1)))
    real = windows(rng, 2_000, LENGTH)
    noise = noise_windows(rng, seen, real)
    assert noise.observations.shape == real.observations.shape
    assert noise.actions.shape == real.actions.shape
    assert noise.observations.dtype == noise.actions.dtype == np.float32
    np.testing.assert_array_equal(noise.mask, real.mask)
    drawn = np.asarray(noise.observations).reshape(-1, 2)
    assert drawn.mean(axis=0) == pytest.approx([3.0, 30.0], rel=0.05)
    assert drawn.std(axis=0) == pytest.approx([2.0, 20.0], rel=0.05)
    assert float(np.mean(noise.actions)) == pytest.approx(-1.0, abs=0.02)
    assert float(np.std(noise.actions)) == pytest.approx(0.2, rel=0.05)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.05
    one, next_one = noise.observations[:, :-1, 0], noise.observations[:, 1:, 0]
    assert abs(np.corrcoef(np.ravel(one), np.ravel(next_one))[0, 1]) < 0.05


def pairs(window, row):
    """Each observation with the action that led to it."""
    return np.concatenate([window.observations[row, 1:], window.actions[row]], axis=-1)


def test_shuffling_permutes_the_decisions_of_a_window_and_nothing_else():
    rng = np.random.default_rng(1)
    real = windows(rng, 70, np.arange(70) % (LENGTH + 1))
    kept = np.array(real.observations), np.array(real.actions)
    other = shuffled_windows(rng, real)
    np.testing.assert_array_equal(real.observations, kept[0])
    np.testing.assert_array_equal(real.actions, kept[1])
    np.testing.assert_array_equal(other.mask, real.mask)
    np.testing.assert_array_equal(other.observations[:, 0], real.observations[:, 0])
    for row, mask in enumerate(real.mask):
        before, after = pairs(real, row), pairs(other, row)
        assert sorted(before[mask].tolist()) == sorted(after[mask].tolist())
        np.testing.assert_array_equal(after[~mask], before[~mask])


def test_every_order_is_as_likely_as_another():
    rng = np.random.default_rng(2)
    real = windows(rng, 6_000, 3)
    other = shuffled_windows(rng, real)
    same = np.equal(real.observations, other.observations)[:, 1:4, 0]
    assert same.mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.03)
    assert same.all(axis=-1).mean() == pytest.approx(1 / 6, abs=0.02)


@pytest.mark.parametrize(
    ("decisions", "change", "expected"),
    [
        (LENGTH, 0.0, False),
        (LENGTH, 0.99, False),
        (LENGTH, 1.01, True),
        (LEAST_DECISIONS, 0.99, False),
        (LEAST_DECISIONS, 1.01, True),  # over the decisions, not over the whole window
        (LEAST_DECISIONS - 1, 9.0, False),
        (0, 0.0, False),
    ],
)
def test_a_window_has_changed_if_it_is_long_and_its_mean_square_is_far(decisions, change, expected):
    std = np.array([2.0, 10.0])
    real = windows(np.random.default_rng(3), 2, decisions)
    others = np.array(real.observations)
    others[:, 1 : decisions + 1] += change * LEAST_CHANGE * std
    # As much in a single number, of the two that an observation has.
    others[1] = real.observations[1]
    others[1, 1, 0] += change * LEAST_CHANGE * std[0] * np.sqrt(2 * decisions)
    other = Window(observations=others, actions=real.actions, mask=real.mask)
    assert changed(real, other, std).tolist() == [expected] * 2
