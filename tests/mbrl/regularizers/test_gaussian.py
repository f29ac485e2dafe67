"""The Gaussian with a diagonal covariance, against its density."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small.regularizers import LENGTH, UNITS, influence, small, some_path

from mbrl import Trajectory, normalizer
from mbrl.regularizers import make_gaussian


def log_density(x: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """``log N(x; mean, diag std^2)``."""
    terms = -0.5 * ((x - mean) / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)
    return terms.sum(axis=-1)


def test_the_penalty_is_minus_the_log_density_up_to_a_constant():
    path = some_path()
    x = np.concatenate([path.observations[1:], path.actions], axis=-1)
    mean, std = np.asarray(UNITS.mean), np.asarray(UNITS.std)
    difference = np.asarray(small("gaussian").penalty(path)) + log_density(x, mean, std)
    constant = -np.log(std).sum() - 1.5 * np.log(2 * np.pi)
    assert difference == pytest.approx(np.full(LENGTH, constant), rel=1e-4)


def test_the_gaussian_maximises_the_likelihood_of_its_data():
    rng = np.random.default_rng(0)
    data = np.array([3.0, -1.0, 0.2]) + rng.normal(size=(500, 3)) * np.array([2.0, 0.1, 0.7])
    units = normalizer.fit(data)
    path = Trajectory(
        observations=jnp.asarray(np.concatenate([data[:1, :2], data[:, :2]]), jnp.float32),
        actions=jnp.asarray(data[:, 2:], jnp.float32),
        rewards=jnp.zeros(500),
        continue_probs=jnp.ones(500),
    )
    penalty = jax.jit(make_gaussian().penalty)(units, {}, path)
    # Three numbers of variance 1 in their own units: 0.5 each on average.
    assert np.mean(penalty) == pytest.approx(1.5, rel=1e-4)

    def likelihood(shift: float, factor: float) -> float:
        mean, std = np.asarray(units.mean), np.asarray(units.std)
        return log_density(data, mean + shift * std, factor * std).mean()

    best = likelihood(0.0, 1.0)
    assert all(likelihood(*off) < best for off in ((0.1, 1.0), (-0.1, 1.0), (0.0, 1.1), (0.0, 0.9)))


def test_each_entry_depends_on_the_next_observation_only():
    sees = influence("gaussian", some_path())
    assert sees.tolist() == (np.eye(LENGTH, LENGTH + 1, 1) > 0).tolist()
