"""Windows that never happened: of the right numbers, or of what happened in another order."""

import numpy as np
import pytest

from agents.diagnostics.negative_windows import LEAST, MOVED, moved, noise_like, shuffled
from mbrl.dynamics import Transition
from mbrl.regularizers import Window

LENGTH = 6


def windows(rng, count, happened):
    """Windows of numbers that all differ, of which `happened` decisions each were made."""
    mask = np.arange(LENGTH) < np.broadcast_to(happened, count)[:, None]
    return Window(
        observations=rng.normal(size=(count, LENGTH + 1, 2)).astype(np.float32),
        actions=rng.normal(size=(count, LENGTH, 1)).astype(np.float32),
        mask=mask,
    )


def transitions(observations, actions):
    nothing = np.zeros(len(actions), np.float32)
    return Transition(
        observation=observations, action=actions, duration=nothing, next_observation=observations,
        reward=nothing, terminal=nothing,
    )  # fmt: skip


def test_noise_has_the_mean_and_spread_of_what_was_seen_and_nothing_else_of_it():
    rng = np.random.default_rng(0)
    first = rng.normal(3.0, 2.0, (5_000, 1))
    # The second number is the first in other units, which noise must not know.
    seen = transitions(np.concatenate([first, 10 * first], 1), rng.normal(-1.0, 0.2, (5_000, 1)))
    real = windows(rng, 2_000, LENGTH)
    noise = noise_like(rng, seen, real)
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


@pytest.fixture
def mixed():
    """Windows of every length, before and after."""
    rng = np.random.default_rng(1)
    real = windows(rng, 70, np.arange(70) % (LENGTH + 1))
    kept = np.array(real.observations), np.array(real.actions)
    other = shuffled(rng, real)
    np.testing.assert_array_equal(real.observations, kept[0])
    np.testing.assert_array_equal(real.actions, kept[1])
    return real, other


def pairs(window, row):
    """Each observation with the action that led to it."""
    return np.concatenate([window.observations[row, 1:], window.actions[row]], axis=-1)


def test_shuffling_permutes_observations_together_with_what_led_to_them(mixed):
    real, other = mixed
    for row, mask in enumerate(real.mask):
        count = mask.sum()
        before, after = pairs(real, row)[:count].tolist(), pairs(other, row)[:count].tolist()
        assert sorted(before) == sorted(after)
    orders = [pairs(other, row).tolist() != pairs(real, row).tolist() for row in range(70)]
    assert np.mean(orders) > 0.5  # of fewer than two decisions there is one order


def test_shuffling_leaves_the_start_and_what_stands_behind_an_end(mixed):
    real, other = mixed
    np.testing.assert_array_equal(other.observations[:, 0], real.observations[:, 0])
    np.testing.assert_array_equal(other.mask, real.mask)
    for row, mask in enumerate(real.mask):
        np.testing.assert_array_equal(pairs(other, row)[~mask], pairs(real, row)[~mask])


def test_every_order_is_as_likely_as_another():
    rng = np.random.default_rng(2)
    real = windows(rng, 6_000, 3)
    other = shuffled(rng, real)
    same = np.equal(real.observations, other.observations)[:, 1:4, 0]
    assert same.mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.03)
    assert same.all(axis=-1).mean() == pytest.approx(1 / 6, abs=0.02)


@pytest.mark.parametrize(
    ("happened", "away", "expected"),
    [
        (LENGTH, 0.0, False),
        (LENGTH, 0.99, False),
        (LENGTH, 1.01, True),
        (LEAST, 0.99, False),
        (LEAST, 1.01, True),  # over what happened, not over the whole window
        (LEAST - 1, 9.0, False),
        (0, 0.0, False),
    ],
)
def test_a_window_has_moved_if_it_is_long_and_its_mean_square_is_far(happened, away, expected):
    std = np.array([2.0, 10.0])
    real = windows(np.random.default_rng(3), 2, happened)
    others = np.array(real.observations)
    others[:, 1 : happened + 1] += away * MOVED * std
    # As much in a single number, of the two that an observation has.
    others[1] = real.observations[1]
    others[1, 1, 0] += away * MOVED * std[0] * np.sqrt(2 * happened)
    other = Window(observations=others, actions=real.actions, mask=real.mask)
    assert moved(real, other, std).tolist() == [expected] * 2
