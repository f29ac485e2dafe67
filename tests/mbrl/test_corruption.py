"""Corruptions: their distributions, random keys and types."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl.corruption import (
    CORRUPTIONS,
    EXTREME,
    Corruption,
    additive,
    masking,
    multiplicative,
    salt_and_pepper,
)

DRAWS = 40_000
X = np.array([0.7, -1.5, 0.0], np.float32)
ZERO = np.array([0.2, -1.5, 0.0], np.float32)
"""The environment's zero: different from the first number, equal to the other two."""


@pytest.fixture(params=CORRUPTIONS)
def corrupt(request) -> Corruption:
    return CORRUPTIONS[request.param](0.3)


def draws_of(corrupt: Corruption, seed: int = 0) -> np.ndarray:
    """Many corruptions of `X`, all with one key."""
    return np.asarray(corrupt(jax.random.key(seed), jnp.tile(X, (DRAWS, 1)), jnp.asarray(ZERO)))


# Distributions.


def assert_gaussian(noise: np.ndarray, std: np.ndarray) -> None:
    """Moments of independent draws, within five standard errors of those of ``N(0, std^2)``."""
    error = 5 / np.sqrt(len(noise))
    assert np.all(np.abs(noise.mean(axis=0)) <= error * std)
    assert np.all(np.abs(noise.std(axis=0) - std) <= error * std / np.sqrt(2))
    fourth = np.mean(noise**4, axis=0) - 3 * std**4
    assert np.all(np.abs(fourth) <= error * np.sqrt(96) * std**4)


@given(st.floats(0.05, 3.0))
def test_additive_noise_is_independent_and_identical(std):
    noise = draws_of(additive(std)) - X
    assert_gaussian(noise, np.full(3, std))
    correlation = np.corrcoef(noise.T) - np.eye(3)
    assert np.max(np.abs(correlation)) < 5 / np.sqrt(DRAWS)


@given(st.floats(0.05, 3.0))
def test_multiplicative_noise_grows_with_the_distance_from_the_environments_zero(std):
    noise = draws_of(multiplicative(std)) - X
    assert_gaussian(noise, std * np.abs(X - ZERO))


def test_multiplicative_noise_is_a_random_factor_in_the_environments_own_units():
    mean, std = np.array([1.0, -2.0, 0.5]), np.array([2.0, 0.5, 0.25])
    own = np.array([3.0, -4.0, 0.125])
    corrupt, key = multiplicative(0.4), jax.random.key(1)
    corrupted = corrupt(key, jnp.asarray((own - mean) / std), jnp.asarray(-mean / std))
    factor = 1 + 0.4 * np.asarray(jax.random.normal(key, (3,)))
    assert np.asarray(corrupted) * std + mean == pytest.approx(factor * own, rel=1e-5)


@given(st.floats(0.05, 5.0))
def test_multiplicative_noise_keeps_the_environments_zero_exactly(std):
    corrupted = draws_of(multiplicative(std))
    assert np.all(corrupted[:, 1:] == X[1:])
    assert np.mean(corrupted[:, 0] == X[0]) < 0.01


def assert_share(hits: np.ndarray, share: float) -> None:
    """The share of each column that is true, within five standard errors."""
    error = 5 * np.sqrt(share * (1 - share) / len(hits))
    assert hits.mean(axis=0) == pytest.approx(np.full(hits.shape[1:], share), abs=error)


@given(st.floats(0.02, 0.98))
def test_masking_replaces_a_share_of_the_numbers_by_the_mean(share):
    corrupted = draws_of(masking(share))[:, :2]
    masked = corrupted == 0.0
    assert_share(masked, share)
    assert np.all(corrupted == np.where(masked, 0.0, X[:2]))  # the others stay as they are
    assert_share(masked.all(axis=1), share**2)  # independently


@given(st.floats(0.02, 0.98))
def test_salt_and_pepper_replace_a_share_of_the_numbers_by_either_extreme(share):
    corrupted = draws_of(salt_and_pepper(share))
    pepper, salt = corrupted == -EXTREME, corrupted == EXTREME
    assert_share(pepper, share / 2)
    assert_share(salt, share / 2)
    assert np.all(corrupted == np.where(pepper, -EXTREME, np.where(salt, EXTREME, X)))
    assert_share((pepper | salt).all(axis=1), share**3)


# Properties of all.


def test_the_same_key_gives_the_same_corruption_and_another_key_another(corrupt):
    assert np.all(draws_of(corrupt, seed=0) == draws_of(corrupt, seed=0))
    changed = draws_of(corrupt, seed=0)[:, 0] != draws_of(corrupt, seed=1)[:, 0]
    assert np.mean(changed) > 0.3  # masking: 2 * 0.3 * 0.7 of the numbers; the others more


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_numbers_keep_their_type_and_their_shape(corrupt, dtype, key):
    x, zero = jnp.ones((4, 5, 3), dtype), jnp.zeros(3, dtype)
    corrupted = corrupt(key, x, zero)
    assert (corrupted.dtype, corrupted.shape) == (x.dtype, x.shape)


def test_compiled_it_is_the_same(corrupt, key):
    x = jax.random.normal(jax.random.key(1), (50, 3))
    plain = corrupt(key, x, jnp.asarray(ZERO))
    assert jax.jit(corrupt)(key, x, jnp.asarray(ZERO)) == pytest.approx(np.asarray(plain), abs=1e-6)
