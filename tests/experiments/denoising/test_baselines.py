"""A mean and a linear map, against their closed forms."""

import numpy as np
import pytest

from agents.experiments.denoising.baselines import best_constant, ridge

RNG = np.random.default_rng(0)
CLEAN = RNG.normal(size=(30, 2)) @ [[1.0, 0.5], [0.0, 2.0]] + [3.0, -40.0]
NOISY = np.concatenate([CLEAN + RNG.normal(size=(30, 2)), RNG.normal(5.0, 1.0, (30, 2))], axis=1)
OTHER = RNG.normal(size=(7, 4)) * 3.0
PENALTIES = (1e-6, 0.3, 1.0, 500.0)


def beside_ones(x):
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def test_ridge_solves_the_normal_equations_for_each_penalty_and_its_intercept_is_free():
    y = beside_ones(NOISY)
    for penalty, denoise in zip(PENALTIES, ridge(NOISY, CLEAN, PENALTIES), strict=True):
        weights = np.linalg.solve(y.T @ y + penalty * np.diag([1, 1, 1, 1, 0]), y.T @ CLEAN)
        assert denoise(OTHER) == pytest.approx(beside_ones(OTHER) @ weights, rel=1e-6)


def test_fewer_windows_than_numbers_are_no_trouble():
    (denoise,) = ridge(NOISY[:3].astype(np.float32), CLEAN[:3].astype(np.float32), [1e-3])
    assert denoise(NOISY[:3]) == pytest.approx(CLEAN[:3], abs=0.01)
    assert np.isfinite(denoise(OTHER)).all()


def test_on_gaussian_data_under_gaussian_noise_ridge_approaches_the_wiener_filter():
    mean, noise = np.array([2.0, 0.0, -1.0]), 0.7
    root = np.array([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [-0.5, 0.2, 0.3]])
    clean = mean + RNG.normal(size=(100_000, 3)) @ root.T
    noisy = clean + noise * RNG.normal(size=clean.shape)
    covariance = root @ root.T
    gain = covariance @ np.linalg.inv(covariance + noise**2 * np.eye(3))
    (denoise,) = ridge(noisy, clean, [1e-3])
    filtered = mean + (noisy[:500] - mean) @ gain.T
    assert denoise(noisy[:500]) == pytest.approx(filtered, abs=0.03)
    # The least error there is: the trace of what the noise leaves unknown.
    error = np.mean((denoise(noisy) - clean) ** 2) * 3
    assert error == pytest.approx(np.trace(covariance - gain @ covariance), rel=0.02)


def test_the_best_constant_is_the_mean_whatever_the_input():
    denoise = best_constant(CLEAN)
    np.testing.assert_array_equal(denoise(OTHER), [CLEAN.mean(axis=0)] * 7)
    assert np.mean((denoise(NOISY) - CLEAN) ** 2) == pytest.approx(CLEAN.var(axis=0).mean())
