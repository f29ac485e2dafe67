"""The recurrent denoising autoencoder: its loss, its penalty, and what it learns."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from analytic import waves, white
from small.regularizers import LENGTH, UNITS, influence, small, some_path

from mbrl import Regularizer, make_fitter, make_rnn_dae
from mbrl.corruption import additive
from mbrl.normalizer import identity
from mbrl.regularizers import as_trajectory, calibrate
from mbrl.regularizers.denoising import denoising_loss
from mbrl.regularizers.rnn_dae import ARCHITECTURES
from mbrl.regularizers.sequences import elements

NETWORKS = {
    "rnn-dae": ARCHITECTURES["correction"](3, 4, 3),
    "rnn-dae, actions only read": ARCHITECTURES["correction"](3, 4, 2),
    "rnn-dae, encoder-decoder": ARCHITECTURES["encoder-decoder"](3, 4, 3),
}
each_network = pytest.mark.parametrize("name", NETWORKS)


# The loss.


@pytest.mark.parametrize(
    ("denoised", "clean"), [((5, 1, 6, 3), (5, 6, 3)), ((1, 6, 3), (6, 3)), ((6, 3), (6, 1))]
)
def test_shapes_that_would_broadcast_are_refused(denoised, clean):
    with pytest.raises(AssertionError, match="against clean"):
        denoising_loss(jnp.zeros(denoised), jnp.zeros(clean), jnp.ones(6, bool))


def test_the_loss_is_the_mean_over_the_elements_that_happened():
    denoised, clean = jnp.array([[1.0, 0.0], [2.0, 2.0], [9.0, 9.0]]), jnp.zeros((3, 2))
    loss = denoising_loss(denoised, clean, jnp.array([True, True, False]))
    assert loss == pytest.approx((0.5 + 4.0) / 2)


def test_an_untrained_correction_errs_by_the_variance_of_the_noise(key):
    dae = make_rnn_dae(2, 1, hidden=2, corruption=additive(0.3))
    params = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape), jax.eval_shape(dae.init, jax.random.key(0))
    )
    batch = white(np.random.default_rng(0), 1000, LENGTH)
    errors = jax.jit(dae.metrics)(UNITS, params, key, batch)
    numbers = 1000 * (LENGTH + 1) * 3
    assert errors["regularizer_mse"] == errors["regularizer_copy_mse"]
    assert errors["regularizer_mse"] == pytest.approx(0.09, abs=4 * 0.09 * np.sqrt(2 / numbers))


# The penalty.


@each_network
def test_the_penalty_is_the_squared_denoising_error_of_each_element_but_the_first(name):
    path, network = some_path(), NETWORKS[name]
    x = np.asarray(elements(UNITS, path.observations, path.actions))
    restored = jax.jit(network.apply)(small(name).params, x, np.ones(LENGTH + 1, bool))
    error = (np.asarray(restored) - x[:, : restored.shape[-1]]) ** 2
    assert small(name).penalty(path) == pytest.approx(error.sum(axis=-1)[1:], rel=1e-4)


@each_network
def test_each_entry_depends_on_all_observations(name):
    assert np.all(influence(name, some_path()))


def test_the_penalty_of_restored_states_depends_on_actions_that_are_inputs_only():
    path, penalty = some_path(), small("rnn-dae, actions only read").penalty
    other = dataclasses.replace(path, actions=path.actions.at[2].add(0.5))
    assert abs(penalty(other)[2] - penalty(path)[2]) > 1e-3


# What is learned.


def trained(dae: Regularizer, *worlds, steps: int):
    """For each of `worlds`, the parameters after `steps` minibatches of 64 windows from it."""
    fitter = make_fitter(
        dae.loss, optax.adam(optax.cosine_decay_schedule(1e-2, steps)), averaging=0.0
    )
    start, epoch = fitter.init(jax.jit(dae.init)(jax.random.key(0))), jax.jit(fitter.epoch)
    for world in worlds:
        windows = world(np.random.default_rng(0), steps * 64, LENGTH)
        batches = jax.tree.map(lambda leaf: leaf.reshape(steps, 64, *leaf.shape[1:]), windows)
        yield epoch(identity(3), start, jax.random.key(1), batches).average


@pytest.fixture(scope="module")
def correction():
    """Corrections learned from waves and from white noise, under noise of standard deviation 1."""
    dae = make_rnn_dae(2, 1, hidden=16, corruption=additive(1.0))
    of_waves, of_white = trained(dae, waves, white, steps=600)
    return SimpleNamespace(
        metrics=jax.jit(dae.metrics),
        penalty=jax.jit(jax.vmap(dae.penalty, in_axes=(None, None, 0))),
        of_waves=of_waves,
        of_white=of_white,
    )


def test_on_a_known_manifold_denoising_beats_copying_by_far(correction, key):
    unseen = waves(np.random.default_rng(99), 500, LENGTH)
    errors = correction.metrics(identity(3), correction.of_waves, key, unseen)
    assert errors["regularizer_copy_mse"] == pytest.approx(1.0, abs=0.05)
    assert errors["regularizer_mse"] < 0.2


def test_on_white_data_denoising_is_close_to_the_optimum(correction, key):
    unseen = white(np.random.default_rng(99), 1000, LENGTH)
    errors = correction.metrics(identity(3), correction.of_white, key, unseen)
    # The optimum loses half of the variance of every number but the first action, always 0.
    numbers = 3 * (LENGTH + 1)
    best = 0.5 * (numbers - 1) / numbers
    assert 0.97 * best < errors["regularizer_mse"] < 1.06 * best


def test_the_penalty_on_white_data_is_the_squared_score_times_sigma_to_the_fourth(correction):
    clean = white(np.random.default_rng(99), 1000, LENGTH)
    penalty = correction.penalty(identity(3), correction.of_white, as_trajectory(clean))
    # The score of smoothed white data is -x / (1 + sigma^2), and sigma is 1.
    x = np.concatenate([clean.observations[:, 1:], clean.actions], axis=-1)
    expected = np.sum(x**2, axis=-1) / 4
    assert np.mean(penalty) == pytest.approx(expected.mean(), rel=0.35)
    assert np.corrcoef(np.ravel(penalty), expected.ravel())[0, 1] > 0.9


def test_steps_off_the_manifold_cost_more_than_nearly_all_on_it(correction):
    rng = np.random.default_rng(99)
    on, off = waves(rng, 500, LENGTH), white(rng, 500, LENGTH)  # of equal variance
    cost_on, cost_off = (
        correction.penalty(identity(3), correction.of_waves, as_trajectory(batch))
        for batch in (on, off)
    )
    unit = calibrate(cost_on, jnp.asarray(on.mask))
    share = np.mean((cost_off - unit.offset) / unit.scale > 1.0)
    assert share > 0.9


def test_the_encoder_decoder_learns_more_than_the_mean_trajectory(key):
    dae = make_rnn_dae(2, 1, hidden=16, corruption=additive(0.3), architecture="encoder-decoder")
    (params,) = trained(dae, waves, steps=200)
    unseen = waves(np.random.default_rng(99), 500, LENGTH)
    error = jax.jit(dae.metrics)(identity(3), params, key, unseen)["regularizer_mse"]
    x = jax.vmap(lambda *window: elements(identity(3), *window))(
        unseen.observations, unseen.actions
    )
    best_constant = np.mean(np.var(x, axis=0))  # the optimum of the blog's loss
    assert error < 0.2 * best_constant
