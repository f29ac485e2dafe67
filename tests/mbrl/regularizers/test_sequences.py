"""What the networks read: elements, the stretches of them, and where an end hides the rest."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import white
from hypothesis import given
from hypothesis import strategies as st

from mbrl import Trajectory
from mbrl.normalizer import Normalizer, denormalize
from mbrl.regularizers import as_trajectory
from mbrl.regularizers.sequences import elements, of_trajectory, of_window, stretches, zero

UNITS = Normalizer(mean=jnp.array([1.0, -2.0, 0.5]), std=jnp.array([2.0, 0.5, 0.25]))
HORIZON = 6


@pytest.fixture
def trajectory() -> Trajectory:
    rng = np.random.default_rng(1)
    return Trajectory(
        observations=jnp.asarray(rng.normal(size=(HORIZON + 1, 2)), jnp.float32),
        actions=jnp.asarray(rng.uniform(-1, 1, (HORIZON, 1)), jnp.float32),
        rewards=jnp.zeros(HORIZON),
        continue_probs=jnp.ones(HORIZON),
    )


# Elements.


def test_an_element_is_an_observation_with_the_action_that_led_to_it(trajectory):
    x = elements(UNITS, trajectory.observations, trajectory.actions)
    own = np.asarray(denormalize(UNITS, x))
    assert own[:, :2] == pytest.approx(np.asarray(trajectory.observations), rel=1e-5, abs=1e-6)
    assert own[1:, 2:] == pytest.approx(np.asarray(trajectory.actions), rel=1e-5, abs=1e-6)
    assert x[0, 2] == 0.0  # the first has none, and gets the mean


def test_a_window_and_the_trajectory_that_it_is_are_read_alike():
    window = jax.tree.map(lambda leaf: leaf[0], white(np.random.default_rng(0), 1, HORIZON))
    window.mask[4:] = False
    (x, mask), (same, reached) = (
        of_window(UNITS, window),
        of_trajectory(UNITS, as_trajectory(window)),
    )
    assert x.tolist() == same.tolist()
    assert mask.tolist() == reached.tolist() == [True] * 5 + [False] * 2


@given(st.lists(st.floats(0.0, 1.0), min_size=HORIZON, max_size=HORIZON))
def test_an_element_is_read_if_its_decision_is_made_as_likely_as_not(probs):
    path = Trajectory(
        observations=jnp.zeros((HORIZON + 1, 2)),
        actions=jnp.zeros((HORIZON, 1)),
        rewards=jnp.zeros(HORIZON),
        continue_probs=jnp.asarray(probs, jnp.float32),
    )
    mask = np.asarray(of_trajectory(UNITS, path)[1])
    made = np.cumprod(np.asarray([1.0, *probs[:-1]], np.float32))
    assert mask[:2].all()  # the first decision is always made, and where it led always seen
    clear = np.abs(made - 0.5) > 1e-5
    assert np.all((mask[1:] == (made >= 0.5))[clear])


def test_even_odds_of_an_end_count_as_not_yet(trajectory):
    odds = dataclasses.replace(trajectory, continue_probs=jnp.full(HORIZON, 0.5))
    assert of_trajectory(UNITS, odds)[1].tolist() == [True] * 3 + [False] * 4


def test_the_environments_zero_is_where_it_says():
    assert denormalize(UNITS, zero(UNITS)) == pytest.approx(np.zeros(3), abs=1e-7)


# Stretches.

X = np.arange(2.0 * (HORIZON + 1), dtype=np.float32).reshape(HORIZON + 1, 2)


def cut(length: int, last: int = HORIZON, x: np.ndarray = X) -> tuple[np.ndarray, np.ndarray]:
    """The stretches of a sequence that ends with element `last`, `[H, length, 2]`."""
    joined, whole = stretches(jnp.asarray(x), jnp.arange(HORIZON + 1) <= last, length)
    return np.asarray(joined).reshape(HORIZON, length, 2), np.asarray(whole)


lengths = st.integers(1, 5)
ends = st.integers(1, HORIZON)


@given(lengths)
def test_a_stretch_ends_with_what_its_decision_led_to(length):
    joined, whole = cut(length)
    for t in range(length - 2 if length > 1 else 0, HORIZON):
        assert joined[t].tolist() == X[t + 2 - length : t + 2].tolist()
    assert whole.all()


@given(lengths)
def test_the_first_decisions_get_the_first_stretch(length):
    joined, _ = cut(length)
    for t in range(max(length - 2, 0)):
        assert joined[t].tolist() == X[:length].tolist()


def test_one_element_at_a_time_is_the_sequence_but_for_its_first():
    joined, whole = cut(1)
    assert joined[:, 0].tolist() == X[1:].tolist()
    assert whole.all()


def test_two_elements_at_a_time_are_its_transitions():
    joined, _ = cut(2)
    assert joined[:, 0].tolist() == X[:-1].tolist()
    assert joined[:, 1].tolist() == X[1:].tolist()


def test_the_longest_stretch_is_all_there_is():
    joined, whole = cut(HORIZON + 1)
    assert joined.tolist() == [X.tolist()] * HORIZON
    assert whole.all()


@given(lengths, ends)
def test_nothing_behind_an_end_is_seen(length, last):
    joined, whole = cut(length, last)
    other = np.where(np.arange(HORIZON + 1)[:, None] <= last, X, 1e6).astype(np.float32)
    same, still_whole = cut(length, last, other)
    assert np.all(same == joined)
    assert np.all(still_whole == whole)
    assert np.max(joined) == np.max(X[: last + 1])  # while the end itself is seen


@given(lengths, ends)
def test_a_stretch_that_an_end_cuts_short_repeats_the_last_element(length, last):
    joined, _ = cut(length, last)
    for t in range(HORIZON):
        places = np.maximum(t + 2 - length, 0) + np.arange(length)
        assert joined[t].tolist() == X[np.minimum(places, last)].tolist()


@given(lengths, ends)
def test_a_stretch_is_whole_if_all_of_it_happened_and_its_decision_too(length, last):
    _, whole = cut(length, last)
    for t in range(HORIZON):
        highest = max(t + 2 - length, 0) + length - 1
        assert whole[t] == (t < last and highest <= last)


def test_an_episode_shorter_than_a_stretch_teaches_nothing():
    assert cut(5, last=3)[1].tolist() == [False] * HORIZON
    assert cut(5, last=4)[1].tolist() == [True] * 4 + [False] * 2
