"""Noise that is correlated in time: its variance, its spectrum, and its two ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl.planners.noise import coloured_noise_factor

horizons = st.integers(1, 40)
exponents = st.floats(0.0, 4.0)


@given(horizons, exponents)
def test_every_decision_has_unit_variance(horizon, beta):
    factor = coloured_noise_factor(horizon, beta)
    assert np.diag(factor @ factor.T) == pytest.approx(1.0)


@given(horizons, exponents)
def test_the_covariance_depends_on_the_lag_alone(horizon, beta):
    factor = coloured_noise_factor(horizon, beta)
    covariance = factor @ factor.T
    assert np.roll(covariance, (1, 1), axis=(0, 1)) == pytest.approx(covariance)


@given(st.integers(2, 40), exponents)
def test_the_power_falls_with_the_frequency_to_the_exponent(horizon, beta):
    factor = coloured_noise_factor(horizon, beta)
    # The covariance of a periodic sequence is diagonal in the Fourier basis, with the power in it.
    power = np.fft.fft((factor @ factor.T)[0]).real
    frequency = np.arange(1, horizon // 2 + 1)
    assert power[1 : horizon // 2 + 1] / power[1] == pytest.approx(frequency**-beta, abs=1e-9)
    assert power[0] == pytest.approx(power[1])


@given(horizons)
def test_exponent_zero_leaves_white_noise_as_it_is(horizon):
    assert coloured_noise_factor(horizon, 0.0) == pytest.approx(np.eye(horizon), abs=1e-12)


def test_a_large_exponent_leaves_the_mean_and_the_slowest_wave():
    factor = coloured_noise_factor(10, 60.0)
    lag = np.arange(10)
    closed_form = (1 + 2 * np.cos(2 * np.pi * lag / 10)) / 3
    assert (factor @ factor.T)[0] == pytest.approx(closed_form)
