"""The energy: its loss by hand, its inputs, and its arbitrary constant.

What it learns on analytic densities is in `test_scores`.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import white
from small.regularizers import LENGTH, REGULARIZERS, UNITS, influence, small, some_path

from mbrl import networks
from mbrl.corruption import additive
from mbrl.regularizers.sequences import elements

NETWORK = networks.mlp(5, (8,), 1)


def rows(observations, actions) -> np.ndarray:
    """Every transition ``(o_t, o_{t+1}, a_t)`` in standardised units."""
    x = np.asarray(elements(UNITS, observations, actions))
    return np.concatenate([x[:-1, :2], x[1:]], axis=-1)


def gradient_by_hand(params, y: np.ndarray) -> np.ndarray:
    """``dE/dy`` of one hidden layer of swish units."""
    first, last = (jax.tree.map(np.asarray, params[f"mlp/~/linear_{i}"]) for i in (0, 1))
    before = y @ first["w"] + first["b"]
    share = 1 / (1 + np.exp(-before))
    return (last["w"][:, 0] * (share + before * share * (1 - share))) @ first["w"].T


def test_the_penalty_is_the_energy_of_each_transition():
    path = some_path()
    x = rows(path.observations, path.actions)
    energy = jax.vmap(partial(NETWORK.apply, small("deen").params))(x)[:, 0]
    assert small("deen").penalty(path) == pytest.approx(np.asarray(energy), rel=1e-5)
    assert np.min(energy) < 0.0  # the constant is arbitrary


def test_the_correction_is_the_gradient_times_the_variance_of_the_noise():
    batch, key = white(np.random.default_rng(0), 3, LENGTH), jax.random.key(0)
    errors = []
    for noise_key, window in zip(jax.random.split(key, 3), range(3), strict=True):
        x = rows(batch.observations[window], batch.actions[window])
        y = np.asarray(additive(0.3)(noise_key, jnp.asarray(x), jnp.zeros(5)))
        errors.append((y - 0.3**2 * gradient_by_hand(small("deen").params, y) - x) ** 2)
    assert small("deen").loss(batch) == pytest.approx(np.mean(errors), rel=1e-4)


def test_each_entry_depends_on_its_own_transition_only():
    sees = influence("deen", some_path())
    assert (
        sees.tolist() == (np.eye(LENGTH, LENGTH + 1) + np.eye(LENGTH, LENGTH + 1, 1) > 0).tolist()
    )


def test_the_constant_of_the_energy_is_not_learned():
    params, batch = small("deen").params, white(np.random.default_rng(0), 3, LENGTH)
    raised = {name: dict(layer) for name, layer in params.items()}
    raised["mlp/~/linear_1"]["b"] = raised["mlp/~/linear_1"]["b"] + 100.0
    deen, path = REGULARIZERS["deen"], some_path()
    loss = jax.jit(deen.loss)(UNITS, raised, jax.random.key(0), batch)
    assert loss == pytest.approx(float(small("deen").loss(batch)), rel=1e-6)
    higher = deen.penalty(UNITS, raised, path)
    assert higher - small("deen").penalty(path) == pytest.approx(np.full(LENGTH, 100.0), rel=1e-4)
