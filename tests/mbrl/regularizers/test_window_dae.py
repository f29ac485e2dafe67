"""The denoiser of windows: its inputs, and the effect of the length of a window."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from analytic import waves
from small.regularizers import LENGTH, UNITS, influence, small, some_path

from mbrl import Trajectory, Window, make_fitter, networks
from mbrl.corruption import additive
from mbrl.normalizer import identity, normalize
from mbrl.regularizers import as_trajectory, make_window_dae
from mbrl.regularizers.sequences import elements


def shuffled(path: Trajectory, order: np.ndarray) -> Trajectory:
    """The path with its elements but the first, ``(o_{t+1}, a_t)``, in another order."""
    return dataclasses.replace(
        path,
        observations=jnp.concatenate([path.observations[:1], path.observations[1:][order]]),
        actions=path.actions[order],
    )


ORDER = np.array([3, 0, 5, 1, 4, 2])


def test_with_a_window_of_1_the_penalty_ignores_the_order_of_the_elements():
    path, penalty = some_path(), small("window-dae, 1").penalty
    assert penalty(shuffled(path, ORDER)) == pytest.approx(np.asarray(penalty(path))[ORDER])


@pytest.mark.parametrize("name", ["window-dae, 2", "window-dae, 4"])
def test_with_a_longer_window_it_depends_on_the_order(name):
    path, penalty = some_path(), small(name).penalty
    other = penalty(shuffled(path, ORDER))
    assert np.all(np.abs(other - np.asarray(penalty(path))[ORDER]) > 1e-3)
    assert abs(np.sum(other) - np.sum(penalty(path))) > 1e-2


def test_the_penalty_is_the_squared_denoising_error_of_each_window():
    path, network = some_path(), networks.mlp(6, (8,), 6)
    x = np.asarray(elements(UNITS, path.observations, path.actions))
    pairs = np.concatenate([x[:-1], x[1:]], axis=-1)
    denoised = jax.vmap(partial(network.apply, small("window-dae, 2").params))(pairs)
    error = np.sum((np.asarray(denoised) - pairs) ** 2, axis=-1)
    assert small("window-dae, 2").penalty(path) == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize("window", [1, 2, 4])
def test_each_entry_depends_on_the_window_that_its_decision_ends(window):
    sees = influence(f"window-dae, {window}", some_path())
    for t in range(LENGTH):
        first = max(t + 2 - window, 0)
        assert np.flatnonzero(sees[t]).tolist() == list(range(first, first + window))


def test_a_pair_is_a_state_and_the_action_taken_in_it():
    path, network = some_path(), networks.mlp(3, (8,), 3)
    state = normalize(UNITS, jnp.concatenate([path.observations[:-1], path.actions], axis=-1))
    denoised = jax.vmap(partial(network.apply, small("window-dae, 1 pair").params))(state)
    error = np.sum((np.asarray(denoised) - np.asarray(state)) ** 2, axis=-1)
    assert small("window-dae, 1 pair").penalty(path) == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize(("name", "window"), [("1 pair", 1), ("3 pairs", 3)])
def test_pairs_depend_on_the_states_up_to_the_decision_and_not_on_its_result(name, window):
    sees = influence(f"window-dae, {name}", some_path())
    for t in range(LENGTH):
        first = max(t + 1 - window, 0)
        assert np.flatnonzero(sees[t]).tolist() == list(range(first, first + window))


def test_a_residual_network_of_zeros_copies_its_input_and_a_plain_one_forgets_it():
    errors = {}
    for residual in (True, False):
        dae = make_window_dae(2, 1, window=1, hidden=(4,), residual=residual)
        nothing = jax.tree.map(jnp.zeros_like, dae.init(jax.random.key(0)))
        errors[residual] = np.asarray(jax.jit(dae.penalty)(UNITS, nothing, some_path()))
    assert errors[True] == pytest.approx(np.zeros(LENGTH))
    assert (errors[False] > 0).all()


def test_a_residual_network_denoises_a_gaussian_as_bayes_would():
    """Of N(0, 1) under noise of sd s the optimum is x / (1 + s^2).

    Its error is s^2 / (1 + s^2), that of copying s^2.
    """
    noise, steps = 0.5, 300
    dae = make_window_dae(
        2, 1, window=1, hidden=(16,), state_action=True, residual=True, corruption=additive(noise)
    )
    fitter = make_fitter(dae.loss, optax.adam(optax.cosine_decay_schedule(1e-2, steps)))
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> Window:
        return Window(
            observations=rng.normal(size=(*shape, LENGTH + 1, 2)).astype(np.float32),
            actions=rng.normal(size=(*shape, LENGTH, 1)).astype(np.float32),
            mask=np.ones((*shape, LENGTH), bool),
        )

    start = fitter.init(jax.jit(dae.init)(jax.random.key(0)))
    epoch = jax.jit(fitter.epoch)
    params = epoch(identity(3), start, jax.random.key(1), drawn(steps, 64)).average
    found = jax.jit(dae.metrics)(identity(3), params, jax.random.key(2), drawn(400))
    assert found["regularizer_mse"] == pytest.approx(noise**2 / (1 + noise**2), rel=0.05)
    assert found["regularizer_copy_mse"] == pytest.approx(noise**2, rel=0.05)


def test_a_window_can_be_as_long_as_the_whole_plan():
    dae = make_window_dae(2, 1, window=LENGTH + 1, hidden=(4,))
    params = jax.jit(dae.init)(jax.random.key(0))
    penalty = np.asarray(jax.jit(dae.penalty)(UNITS, params, some_path()))
    assert penalty == pytest.approx(np.full(LENGTH, penalty[0]), rel=1e-5)  # of the same window


@pytest.mark.parametrize("window", [1, 2])
def test_dynamics_are_learned_from_two_elements_and_not_from_one(window):
    """Real sinusoids against their own elements in a random order."""
    steps, dae = 250, make_window_dae(2, 1, window=window, hidden=(32,), corruption=additive(0.5))
    fitter = make_fitter(
        dae.loss, optax.adam(optax.cosine_decay_schedule(1e-2, steps)), averaging=0.0
    )
    drawn = waves(np.random.default_rng(0), steps * 64, LENGTH)
    batches = jax.tree.map(lambda leaf: leaf.reshape(steps, 64, *leaf.shape[1:]), drawn)
    start = fitter.init(jax.jit(dae.init)(jax.random.key(0)))
    epoch = jax.jit(fitter.epoch)
    params = epoch(identity(3), start, jax.random.key(1), batches).average
    paths = as_trajectory(waves(np.random.default_rng(9), 300, LENGTH))
    penalty = jax.jit(jax.vmap(partial(dae.penalty, identity(3), params)))
    real = np.asarray(penalty(paths))
    random = np.asarray(penalty(jax.vmap(lambda path: shuffled(path, ORDER))(paths)))
    # Without the first decision, whose window has an element without an action.
    ratio = random[:, 1:].mean() / real[:, 1:].mean()
    assert ratio == pytest.approx(1.0, abs=0.05) if window == 1 else ratio > 3.0
