"""The inputs of the networks: elements, segments, and masks after the end of an episode."""

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
from mbrl.regularizers.sequences import elements, of_trajectory, of_window, segments, zero

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
    assert x[0, 2] == 0.0  # the first has none; 0 is the mean


def test_a_window_and_its_trajectory_have_the_same_elements():
    window = jax.tree.map(lambda leaf: leaf[0], white(np.random.default_rng(0), 1, HORIZON))
    window.mask[4:] = False
    (x, mask), (same, reached) = (
        of_window(UNITS, window),
        of_trajectory(UNITS, as_trajectory(window)),
    )
    assert x.tolist() == same.tolist()
    assert mask.tolist() == reached.tolist() == [True] * 5 + [False] * 2


@given(st.lists(st.floats(0.0, 1.0), min_size=HORIZON, max_size=HORIZON))
def test_an_element_is_present_if_its_survival_probability_is_at_least_half(probs):
    path = Trajectory(
        observations=jnp.zeros((HORIZON + 1, 2)),
        actions=jnp.zeros((HORIZON, 1)),
        rewards=jnp.zeros(HORIZON),
        continue_probs=jnp.asarray(probs, jnp.float32),
    )
    mask = np.asarray(of_trajectory(UNITS, path)[1])
    made = np.cumprod(np.asarray([1.0, *probs[:-1]], np.float32))
    assert mask[:2].all()  # the first decision is always made
    clear = np.abs(made - 0.5) > 1e-5
    assert np.all((mask[1:] == (made >= 0.5))[clear])


def test_a_survival_probability_of_exactly_half_is_present(trajectory):
    odds = dataclasses.replace(trajectory, continue_probs=jnp.full(HORIZON, 0.5))
    assert of_trajectory(UNITS, odds)[1].tolist() == [True] * 3 + [False] * 4


def test_the_environments_zero_in_standardised_units():
    assert denormalize(UNITS, zero(UNITS)) == pytest.approx(np.zeros(3), abs=1e-7)


# Segments.

X = np.arange(2.0 * (HORIZON + 1), dtype=np.float32).reshape(HORIZON + 1, 2)


def cut(length: int, last: int = HORIZON, x: np.ndarray = X) -> tuple[np.ndarray, np.ndarray]:
    """The segments of a sequence that ends with element `last`, `[H, length, 2]`."""
    joined, whole = segments(jnp.asarray(x), jnp.arange(HORIZON + 1) <= last, length, HORIZON)
    return np.asarray(joined).reshape(HORIZON, length, 2), np.asarray(whole)


lengths = st.integers(1, 5)
ends = st.integers(1, HORIZON)


@given(lengths)
def test_a_segment_ends_with_the_result_of_its_decision(length):
    joined, whole = cut(length)
    for t in range(length - 2 if length > 1 else 0, HORIZON):
        assert joined[t].tolist() == X[t + 2 - length : t + 2].tolist()
    assert whole.all()


@given(lengths)
def test_the_first_decisions_get_the_first_segment(length):
    joined, _ = cut(length)
    for t in range(max(length - 2, 0)):
        assert joined[t].tolist() == X[:length].tolist()


@given(lengths, ends)
def test_nothing_after_an_end_is_read(length, last):
    joined, whole = cut(length, last)
    other = np.where(np.arange(HORIZON + 1)[:, None] <= last, X, 1e6).astype(np.float32)
    same, still_whole = cut(length, last, other)
    assert np.all(same == joined)
    assert np.all(still_whole == whole)
    assert np.max(joined) == np.max(X[: last + 1])  # but the end itself is


@given(lengths, ends)
def test_a_truncated_segment_repeats_the_last_element(length, last):
    joined, _ = cut(length, last)
    for t in range(HORIZON):
        places = np.maximum(t + 2 - length, 0) + np.arange(length)
        assert joined[t].tolist() == X[np.minimum(places, last)].tolist()


@given(lengths, ends)
def test_a_segment_is_complete_if_all_of_it_and_its_decision_happened(length, last):
    _, whole = cut(length, last)
    for t in range(HORIZON):
        highest = max(t + 2 - length, 0) + length - 1
        assert whole[t] == (t < last and highest <= last)
