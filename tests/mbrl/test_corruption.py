"""What a denoiser is to undo: how much of it there is, where there is none, and fresh each time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import quickly
from hypothesis import given
from hypothesis import strategies as st

from mbrl.corruption import (
    EXTREME,
    Corruption,
    additive,
    masking,
    multiplicative,
    salt_and_pepper,
)

MAKERS: dict[str, Callable[[float], Corruption]] = {
    "additive": additive,
    "multiplicative": multiplicative,
    "masking": masking,
    "salt and pepper": salt_and_pepper,
}
DRAWS = 40_000
X = np.array([0.7, -1.5, 0.0], np.float32)
ZERO = np.array([0.2, -1.5, 0.0], np.float32)
"""Where the environment's zero lies: away from the first number, on the other two."""


@pytest.fixture(params=MAKERS)
def corrupt(request) -> Corruption:
    return MAKERS[request.param](0.3)


def draws_of(corrupt: Corruption, seed: int = 0) -> np.ndarray:
    """Many corruptions of `X`, all with one key: every number has noise of its own."""
    return np.asarray(corrupt(jax.random.key(seed), jnp.tile(X, (DRAWS, 1)), jnp.asarray(ZERO)))


# How much.


def assert_gaussian(noise: np.ndarray, std: np.ndarray) -> None:
    """Moments of independent draws, within five standard errors of those of ``N(0, std^2)``."""
    error = 5 / np.sqrt(len(noise))
    assert np.all(np.abs(noise.mean(axis=0)) <= error * std)
    assert np.all(np.abs(noise.std(axis=0) - std) <= error * std / np.sqrt(2))
    fourth = np.mean(noise**4, axis=0) - 3 * std**4
    assert np.all(np.abs(fourth) <= error * np.sqrt(96) * std**4)


@given(st.floats(0.05, 3.0))
def test_additive_noise_is_as_strong_everywhere(std):
    noise = draws_of(additive(std)) - X
    assert_gaussian(noise, np.full(3, std))
    correlation = np.corrcoef(noise.T) - np.eye(3)
    assert np.max(np.abs(correlation)) < 5 / np.sqrt(DRAWS)  # and of its own for every number


@given(st.floats(0.05, 3.0))
def test_multiplicative_noise_grows_with_the_distance_from_the_environments_zero(std):
    noise = draws_of(multiplicative(std)) - X
    assert_gaussian(noise, std * np.abs(X - ZERO))


def test_multiplicative_noise_is_a_random_factor_in_the_environments_own_units():
    mean, std = np.array([1.0, -2.0, 0.5]), np.array([2.0, 0.5, 0.25])
    own = np.array([3.0, -4.0, 0.125])
    corrupt, key = multiplicative(0.4), jax.random.key(1)
    spoilt = corrupt(key, jnp.asarray((own - mean) / std), jnp.asarray(-mean / std))
    factor = 1 + 0.4 * np.asarray(jax.random.normal(key, (3,)))
    assert np.asarray(spoilt) * std + mean == pytest.approx(factor * own, rel=1e-5)


@given(st.floats(0.05, 5.0))
def test_multiplicative_noise_leaves_the_environments_zero_exactly_alone(std):
    spoilt = draws_of(multiplicative(std))
    assert np.all(spoilt[:, 1:] == X[1:])
    assert np.mean(spoilt[:, 0] == X[0]) < 0.01


def assert_share(hits: np.ndarray, share: float) -> None:
    """The share of each column that is true, within five standard errors."""
    error = 5 * np.sqrt(share * (1 - share) / len(hits))
    assert hits.mean(axis=0) == pytest.approx(np.full(hits.shape[1:], share), abs=error)


@given(st.floats(0.02, 0.98))
def test_masking_puts_the_mean_in_the_place_of_a_share_of_the_numbers(share):
    spoilt = draws_of(masking(share))[:, :2]
    masked = spoilt == 0.0
    assert_share(masked, share)
    assert np.all(spoilt == np.where(masked, 0.0, X[:2]))  # the others stay as they are
    assert_share(masked.all(axis=1), share**2)  # each number by itself


@given(st.floats(0.02, 0.98))
def test_salt_and_pepper_put_either_extreme_in_the_place_of_a_share_of_the_numbers(share):
    spoilt = draws_of(salt_and_pepper(share))
    pepper, salt = spoilt == -EXTREME, spoilt == EXTREME
    assert_share(pepper, share / 2)
    assert_share(salt, share / 2)
    assert np.all(spoilt == np.where(pepper, -EXTREME, np.where(salt, EXTREME, X)))
    assert_share((pepper | salt).all(axis=1), share**3)


@pytest.mark.parametrize("name", ["additive", "multiplicative"])
def test_noise_without_strength_spoils_nothing(name):
    assert np.all(draws_of(MAKERS[name](0.0)) == X)


# What all of them have in common.


def test_another_key_spoils_otherwise_and_the_same_key_alike(corrupt):
    assert np.all(draws_of(corrupt, seed=0) == draws_of(corrupt, seed=0))
    changed = draws_of(corrupt, seed=0)[:, 0] != draws_of(corrupt, seed=1)[:, 0]
    assert np.mean(changed) > 0.3  # 2 * 0.3 * 0.7 of the numbers by masking, and more by the others


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_numbers_keep_their_type_and_their_shape(corrupt, dtype, key):
    x, zero = jnp.ones((4, 5, 3), dtype), jnp.zeros(3, dtype)
    spoilt = corrupt(key, x, zero)
    assert (spoilt.dtype, spoilt.shape) == (x.dtype, x.shape)


@pytest.mark.usefixtures("float64")
def test_double_precision_stays_double(corrupt):
    spoilt: Any = corrupt(jax.random.key(0), jnp.ones((4, 3)), jnp.zeros(3))
    assert spoilt.dtype == jnp.float64


def test_compiled_it_is_the_same(corrupt, key):
    x = jax.random.normal(jax.random.key(1), (50, 3))
    plain = corrupt(key, x, jnp.asarray(ZERO))
    assert quickly(corrupt)(key, x, jnp.asarray(ZERO)) == pytest.approx(np.asarray(plain), abs=1e-6)
