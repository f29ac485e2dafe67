"""The networks: bounded variances, and denoisers that do not look behind the end."""

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl import networks

SIZE, HIDDEN, LENGTH = 3, 2, 6
ARCHITECTURES = {
    "correction": networks.correction_autoencoder,
    "encoder-decoder": networks.encoder_decoder,
}
SEQUENCE = np.random.default_rng(7).normal(size=(LENGTH, SIZE)).astype(np.float32)
EVERYTHING = np.ones(LENGTH, bool)


class Made(NamedTuple):
    untrained: Any
    random: Any  # parameters without the zeros that some layers start from
    apply: Any
    jacobian: np.ndarray  # [T * D, T * D] at `SEQUENCE`


@cache
def recurrent(name: str) -> Made:
    network = ARCHITECTURES[name](SIZE, HIDDEN)
    untrained = jax.jit(network.init)(jax.random.key(0))
    rng = np.random.default_rng(0)
    random = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), untrained)
    apply = jax.jit(network.apply)
    jacobian = jax.jit(jax.jacobian(network.apply, argnums=1))(random, SEQUENCE, EVERYTHING)
    return Made(untrained, random, apply, np.asarray(jacobian).reshape(2 * (LENGTH * SIZE,)))


def test_a_feed_forward_network_is_swish_layers_with_a_linear_end(key):
    network = networks.mlp(2, (4,), 3)
    params = jax.jit(network.init)(key)
    first, last = (jax.tree.map(np.asarray, params[f"mlp/~/linear_{i}"]) for i in (0, 1))
    x = np.array([0.3, -1.2], np.float32)
    before = x @ first["w"] + first["b"]
    expected = (before / (1 + np.exp(-before))) @ last["w"] + last["b"]
    assert jax.jit(network.apply)(params, x) == pytest.approx(expected, rel=1e-5)


def test_the_variance_keeps_within_its_bounds_far_outside_the_data(key):
    network = networks.gaussian_mlp(2, (8,), 3)
    params = jax.jit(network.init)(key)
    inputs = np.random.default_rng(0).normal(size=(200, 2)) * np.logspace(0, 4, 200)[:, None]
    _, variance = jax.jit(jax.vmap(network.apply, in_axes=(None, 0)))(params, inputs)
    log_variance = np.log(variance)
    lower, upper = networks.log_variance_bounds(params)
    assert (lower.tolist(), upper.tolist()) == ([-10.0] * 3, [0.5] * 3)
    # The two soft limits are applied one after the other: the lower one lifts the upper a little.
    assert np.min(log_variance) == pytest.approx(-10.0, abs=1e-4)
    assert np.max(log_variance) == pytest.approx(0.5 + np.log1p(np.exp(-10.5)), abs=1e-4)


def test_the_variance_follows_bounds_that_were_learned(key):
    network = networks.gaussian_mlp(2, (8,), 3)
    params = dict(jax.jit(network.init)(key))
    params["~"] = {"min_log_variance": jnp.full(3, -2.0), "max_log_variance": jnp.full(3, -1.0)}
    _, variance = jax.jit(network.apply)(params, np.array([1e5, -1e5], np.float32))
    log_variance = np.log(variance)
    assert np.all(log_variance >= -2.0)
    assert np.all(log_variance <= -2.0 + np.log1p(np.exp(1.0)) + 1e-6)


number = st.floats(-30.0, 30.0)


@pytest.mark.usefixtures("float64")
@given(number, st.floats(-12.0, -2.0), st.floats(-2.0, 3.0))
def test_the_variance_is_the_two_nested_soft_limits_of_pets(output, lower, upper):
    network = networks.gaussian_mlp(1, (), 1)
    params = {
        # Without a hidden layer the outputs are the last layer's biases.
        "mlp/~/linear_0": {"w": jnp.zeros((1, 2)), "b": jnp.array([7.0, output])},
        "~": {"min_log_variance": jnp.array([lower]), "max_log_variance": jnp.array([upper])},
    }
    mean, variance = network.apply(params, jnp.zeros(1))
    softplus = partial(np.logaddexp, 0.0)
    log_variance = upper - softplus(upper - output)
    log_variance = lower + softplus(log_variance - lower)
    assert mean[0] == 7.0
    assert np.log(variance[0]) == pytest.approx(log_variance, rel=1e-12, abs=1e-12)


@pytest.mark.usefixtures("float64")
def test_the_units_are_swish_and_so_are_their_slopes():
    x = jnp.concatenate([jnp.linspace(-40.0, 40.0, 801), jnp.array([-1e4, 1e4])])
    for ours, theirs in (
        (networks.swish, jax.nn.swish),
        (jax.vmap(jax.grad(networks.swish)), jax.vmap(jax.grad(jax.nn.swish))),
    ):
        assert ours(x) == pytest.approx(np.asarray(theirs(x)), rel=1e-12, abs=1e-13)


def test_an_untrained_correction_copies_its_input():
    network = recurrent("correction")
    copied = network.apply(network.untrained, SEQUENCE, EVERYTHING)
    assert copied.tolist() == SEQUENCE.tolist()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_masked_elements_change_nothing_at_the_others(name):
    network, present = recurrent(name), 4
    mask = np.arange(LENGTH) < present
    other = np.where(mask[:, None], SEQUENCE, 1e3).astype(np.float32)
    # As if the sequence had been cut there.
    alone = np.asarray(network.apply(network.random, SEQUENCE[:present], EVERYTHING[:present]))
    for sequence in (SEQUENCE, other):
        masked = network.apply(network.random, sequence, mask)
        assert masked[:present] == pytest.approx(alone, rel=1e-5, abs=1e-6)
    unmasked = network.apply(network.random, SEQUENCE, EVERYTHING)
    assert np.max(np.abs(unmasked[:present] - alone)) > 1e-3


def test_a_correction_looks_both_ways():
    influence = np.abs(recurrent("correction").jacobian).reshape(LENGTH, SIZE, LENGTH, SIZE)
    assert np.all(influence.sum(axis=(1, 3)) > 0)


def test_all_that_the_decoder_knows_passes_through_the_code():
    def rank(matrix: np.ndarray) -> int:
        return int(np.linalg.matrix_rank(matrix, tol=1e-5 * np.linalg.norm(matrix)))

    assert rank(recurrent("encoder-decoder").jacobian) == HIDDEN
    assert rank(recurrent("correction").jacobian) == LENGTH * SIZE


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_output_has_the_shape_of_the_input(name):
    network = recurrent(name)
    assert network.apply(network.random, SEQUENCE, EVERYTHING).shape == SEQUENCE.shape
