"""Standardisation: its moments, and constant features."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl.normalizer import FLOOR, denormalize, fit, normalize

finite = st.floats(-100, 100, width=32)


def test_standardised_data_have_mean_zero_and_standard_deviation_one():
    data = np.random.default_rng(0).normal([5.0, -300.0], [0.01, 40.0], (1000, 2))
    standardised = np.asarray(normalize(fit(data), data.astype(np.float32)))
    assert standardised.mean(axis=0) == pytest.approx(0.0, abs=1e-3)
    assert standardised.std(axis=0) == pytest.approx(1.0, abs=1e-3)


def test_a_constant_feature_keeps_its_own_units():
    data = np.tile([7.0, 0.0], (50, 1))
    data[:, 0] += np.linspace(-1, 1, 50) * FLOOR / 2
    measured = fit(data)
    assert measured.std.tolist() == [1.0, 1.0]
    # A leg contact that is made for the first time is one unit off, not thousands.
    assert normalize(measured, np.array([7.0, 1.0], np.float32)) == pytest.approx(
        [0.0, 1.0], abs=1e-6
    )


def test_the_floor_is_the_smallest_standard_deviation_used():
    data = np.array([[-1.0, -1.0], [1.0, 1.0]]) * [0.5, 2.0]
    assert fit(data, floor=1.0).std.tolist() == [1.0, 2.0]
    assert fit(data, floor=0.5).std.tolist() == [0.5, 2.0]


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_to_measure_a_spread_leave_the_units_as_they_are(rows):
    measured = fit(np.full((rows, 3), 4.0, np.float32))
    assert measured.std.tolist() == [1.0, 1.0, 1.0]
    assert measured.mean.tolist() == [4.0 * rows] * 3


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=6), st.tuples(finite, finite))
def test_denormalize_undoes_normalize(rows, value):
    measured = fit(np.array(rows))
    back = denormalize(measured, normalize(measured, np.array(value, np.float32)))
    assert back == pytest.approx(value, abs=1e-3, rel=1e-5)
