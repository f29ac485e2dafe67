"""The networks: bounded variances, and denoisers that do not read masked elements."""

from functools import cache, partial
from typing import Any, NamedTuple

import haiku as hk
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


@cache
def recurrent(name: str, restored: int = SIZE) -> Made:
    network = ARCHITECTURES[name](SIZE, HIDDEN, restored)
    untrained = jax.jit(network.init)(jax.random.key(0))
    rng = np.random.default_rng(0)
    random = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), untrained)
    return Made(untrained, random, jax.jit(network.apply))


@cache
def jacobian(name: str) -> np.ndarray:
    """Derivative of each restored number by each input, `[T, D, T, D]`."""
    network = ARCHITECTURES[name](SIZE, HIDDEN, SIZE)
    slopes = jax.jit(jax.jacobian(network.apply, argnums=1))
    return np.asarray(slopes(recurrent(name).random, SEQUENCE, EVERYTHING))


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
def test_the_activation_is_swish_and_so_is_its_derivative():
    x = jnp.concatenate([jnp.linspace(-40.0, 40.0, 801), jnp.array([-1e4, 1e4])])
    for ours, theirs in (
        (networks.swish, jax.nn.swish),
        (jax.vmap(jax.grad(networks.swish)), jax.vmap(jax.grad(jax.nn.swish))),
    ):
        assert ours(x) == pytest.approx(np.asarray(theirs(x)), rel=1e-12, abs=1e-13)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.usefixtures("float64")
@given(st.integers(0, 2**31 - 1), st.floats(0.1, 5.0))
def test_a_minimal_gated_unit_interpolates_its_state_and_a_candidate_by_its_gate(seed, strength):
    rng, hidden = np.random.default_rng(seed), 3
    x, before = rng.normal(size=SIZE), rng.uniform(-1, 1, hidden)
    fed, kept = (strength * rng.normal(size=(n, 2 * hidden)) for n in (SIZE, hidden))
    bias = rng.normal(size=2 * hidden)
    params = {
        "unit/input": {"w": jnp.asarray(fed), "b": jnp.asarray(bias)},
        "unit/state": {"w": jnp.asarray(kept)},
    }
    output, after = UNIT.apply(params, x, before)
    gate = sigmoid(x @ fed[:, :hidden] + before @ kept[:, :hidden] + bias[:hidden])
    candidate = np.tanh(x @ fed[:, hidden:] + gate * (before @ kept[:, hidden:]) + bias[hidden:])
    expected = (1 - gate) * before + gate * candidate
    assert after == pytest.approx(expected, rel=1e-12, abs=1e-13)
    assert output.tolist() == after.tolist()
    assert np.all(np.abs(after) <= 1.0)


UNIT = hk.without_apply_rng(
    hk.transform(lambda x, state: networks.MinimalGatedUnit(3, name="unit")(x, state))
)


@pytest.mark.parametrize("restored", [SIZE, SIZE - 1, 1])
def test_an_untrained_correction_copies_the_numbers_that_it_restores(restored):
    network = recurrent("correction", restored)
    for mask in (EVERYTHING, np.arange(LENGTH) < 2):
        copied = network.apply(network.untrained, SEQUENCE, mask)
        assert copied.tolist() == SEQUENCE[:, :restored].tolist()


@pytest.mark.parametrize(
    ("name", "restored"),
    [("correction", SIZE), ("correction", SIZE - 1), ("encoder-decoder", SIZE)],
)
def test_masked_elements_do_not_affect_the_others(name, restored):
    network, present = recurrent(name, restored), 4
    mask = np.arange(LENGTH) < present
    other = np.where(mask[:, None], SEQUENCE, 1e3).astype(np.float32)
    # As if the sequence had been cut there.
    alone = np.asarray(network.apply(network.random, SEQUENCE[:present], EVERYTHING[:present]))
    for sequence in (SEQUENCE, other):
        masked = network.apply(network.random, sequence, mask)
        assert masked.shape == (LENGTH, restored)
        assert masked[:present] == pytest.approx(alone, rel=1e-5, abs=1e-6)
    unmasked = network.apply(network.random, SEQUENCE, EVERYTHING)
    assert np.max(np.abs(unmasked[:present] - alone)) > 1e-3


def test_the_code_is_a_bottleneck_of_the_encoder_decoder_only():
    def rank(name: str) -> int:
        matrix = jacobian(name).reshape(LENGTH * SIZE, LENGTH * SIZE)
        return int(np.linalg.matrix_rank(matrix, tol=1e-5 * np.linalg.norm(matrix)))

    assert rank("encoder-decoder") == HIDDEN
    assert rank("correction") == LENGTH * SIZE
