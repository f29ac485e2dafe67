"""Standardisation: its moments, and constant features."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl.normalizer import denormalize, fit, normalize

finite = st.floats(-100, 100, width=32)


def test_standardised_data_have_mean_zero_and_standard_deviation_one():
    data = np.random.default_rng(0).normal([5.0, -300.0], [0.01, 40.0], (1000, 2))
    standardised = np.asarray(normalize(fit(data), data.astype(np.float32)))
    assert standardised.mean(axis=0) == pytest.approx(0.0, abs=1e-3)
    assert standardised.std(axis=0) == pytest.approx(1.0, abs=1e-3)


def test_a_constant_feature_takes_the_unit_of_the_features_beside_it():
    data = np.random.default_rng(0).normal(0.0, [0.5, 2.0, 0.0], (500, 3))
    std = np.asarray(fit(data).std)
    assert std[:2] == pytest.approx(data.std(axis=0)[:2])
    assert std[2] == pytest.approx(np.median(data.std(axis=0)[:2]))


@pytest.mark.parametrize("wobble", [0.0, 1e-7, 1e-4])
@pytest.mark.parametrize("offset", [0.0, 1.0, -40.0])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_nearly_constant_feature_does_not_explode_when_it_moves(wobble, offset, unit):
    rng = np.random.default_rng(1)
    data = rng.normal(0.0, 1.0, (500, 4))
    data[:, 3] = offset + wobble * rng.uniform(-1, 1, 500)
    moved = data[:1] + np.eye(4)[3]
    standardised = normalize(fit(data * unit), np.asarray(moved * unit, np.float32))
    assert abs(float(standardised[0, 3])) < 2


def test_features_of_another_unit_do_not_set_what_is_constant():
    rng = np.random.default_rng(2)
    data = np.concatenate([rng.normal(0, 1e-6, (500, 3)), rng.normal(0, 1, (500, 2))], axis=-1)
    assert np.asarray(fit(data, (3, 2)).std) == pytest.approx(data.std(axis=0))


@given(st.integers(-40, 40), st.integers(0, 2**32 - 1))
def test_data_times_a_power_of_two_have_exactly_its_multiple_of_mean_and_deviation(power, seed):
    rng = np.random.default_rng(seed)
    data = rng.normal(rng.normal(0, 10, 5), [1.0, 1e-5, 0.0, 3.0, 0.1], (50, 5)).astype(np.float32)
    scale = np.float32(2.0) ** power
    plain, scaled = fit(data), fit(data * scale)
    assert (np.asarray(scaled.mean) == np.asarray(plain.mean) * scale).all()
    assert (np.asarray(scaled.std) == np.asarray(plain.std) * scale).all()


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_to_measure_a_spread_leave_the_size_as_the_unit(rows):
    measured = fit(np.full((rows, 3), 4.0, np.float32))
    assert measured.std.tolist() == [4.0 if rows else 1.0] * 3
    assert measured.mean.tolist() == [4.0 * rows] * 3


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=6), st.tuples(finite, finite))
def test_denormalize_undoes_normalize(rows, value):
    measured = fit(np.array(rows))
    back = denormalize(measured, normalize(measured, np.array(value, np.float32)))
    assert back == pytest.approx(value, abs=1e-3, rel=1e-5)
