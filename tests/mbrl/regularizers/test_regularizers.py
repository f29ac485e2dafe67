"""The calibration of penalties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl import RegularizerState, Window, make_none, survival
from mbrl.normalizer import identity
from mbrl.regularizers import (
    as_trajectory,
    calibrate,
    calibrated_penalty,
    uncalibrated,
)


def windows(observations, mask) -> Window:
    mask = np.asarray(mask, bool)
    return Window(
        observations=np.asarray(observations, np.float32),
        actions=np.zeros((*mask.shape, 1), np.float32),
        mask=mask,
    )


@given(st.lists(st.tuples(st.floats(0, 100, width=32), st.booleans()), min_size=3, max_size=3))
def test_the_unit_is_from_the_median_to_the_95_percent_quantile_of_what_happened(steps):
    raw = np.array([value for value, _ in steps] + [3.0], np.float32)
    mask = np.array([present for _, present in steps] + [True])
    unit = calibrate(jnp.asarray(raw), jnp.asarray(mask))
    median, high = np.quantile(raw[mask], [0.5, 0.95])
    assert unit.offset == pytest.approx(median, rel=1e-5, abs=1e-5)
    if high - median > 1e-3:
        assert unit.scale == pytest.approx(high - median, rel=1e-3)
    assert unit.scale > 0


def test_the_median_costs_0_and_the_95_percent_quantile_1():
    raw = jnp.arange(101.0).reshape(1, 101)
    unit = calibrate(raw, jnp.ones(raw.shape, bool))
    regularizer = make_none()._replace(penalty=lambda *_: jnp.array([50.0, 95.0, 140.0]))
    state = RegularizerState(params={}, scales=identity(2), calibration=unit)
    empty = as_trajectory(jax.tree.map(lambda x: x[0], windows(np.zeros((1, 4, 1)), [[1, 1, 1]])))
    cost = calibrated_penalty(regularizer, state, empty)
    assert cost == pytest.approx([0.0, 1.0, 2.0], abs=1e-5)


def test_a_penalty_that_never_varies_has_no_unit_of_its_own():
    unit = calibrate(jnp.full((2, 3), 7.0), jnp.ones((2, 3), bool))
    assert (unit.offset, unit.scale) == (7.0, 1.0)


def test_uncalibrated_the_penalty_is_the_raw_one():
    state = RegularizerState(params={}, scales=identity(1), calibration=uncalibrated())
    trajectory = as_trajectory(windows([[0.0], [2.0], [3.0]], [1, 1]))
    squared = make_none()._replace(
        penalty=lambda scales, params, path: jnp.sum(path.observations[1:] ** 2, axis=-1)
    )
    assert calibrated_penalty(squared, state, trajectory).tolist() == [4.0, 9.0]


@pytest.mark.parametrize("present", [1, 2, 4])
def test_a_real_window_survives_as_long_as_its_decisions_happened(present):
    mask = np.arange(4) < present
    trajectory = as_trajectory(windows(np.zeros((5, 2)), mask))
    assert survival(trajectory.continue_probs).tolist() == mask.astype(float).tolist()
