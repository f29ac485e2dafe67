"""The members' disagreement, against two linear members and their formula."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from members import one_step
from small.regularizers import LENGTH, UNITS, WORLD, some_path

from mbrl import Scales, Trajectory, make_ensemble
from mbrl.normalizer import Normalizer, identity
from mbrl.regularizers import make_disagreement
from mbrl.rollout import with_predictions
from mbrl.types import Predictions

DISAGREEMENT = make_disagreement()


def penalty_of(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """The penalty of one decision with predictions `[E, O]` of the members."""
    path = Trajectory(
        observations=jnp.zeros((2, mean.shape[-1])),
        actions=jnp.zeros((1, 1)),
        rewards=jnp.zeros(1),
        continue_probs=jnp.ones(1),
        predictions=Predictions(
            mean=jnp.asarray(mean[None], jnp.float32), std=jnp.asarray(std[None], jnp.float32)
        ),
    )
    return np.asarray(DISAGREEMENT.penalty(identity(1), {}, path))[0]


def test_of_two_linear_members_it_is_half_their_difference_squared_in_units_of_their_noise():
    path = some_path()
    observations, actions = np.asarray(path.observations[:-1]), np.asarray(path.actions)
    turn, push = WORLD.transition[0] - WORLD.transition[1], WORLD.control[0] - WORLD.control[1]
    apart = observations @ turn.T + actions @ push.T
    expected = np.sum((0.5 * apart) ** 2 / np.array([0.5, 2.0]) ** 2, axis=-1)
    assert DISAGREEMENT.penalty(UNITS, {}, path) == pytest.approx(expected, rel=1e-4)


RNG = np.random.default_rng(0)
MEAN, STD = RNG.normal(size=(5, 2)), RNG.uniform(0.1, 2.0, (5, 2))


def test_the_noise_is_the_mean_predicted_variance():
    expected = np.sum(MEAN.var(axis=0) / np.mean(STD**2, axis=0))
    assert penalty_of(MEAN, STD) == pytest.approx(expected, rel=1e-5)


@given(st.floats(0.01, 100.0), st.floats(0.01, 100.0), st.floats(-3.0, 3.0))
def test_the_penalty_does_not_depend_on_the_units_of_observations(first, second, shift):
    units = np.array([first, second])
    other = penalty_of(units * (MEAN + shift), units * STD)
    assert other == pytest.approx(penalty_of(MEAN, STD), rel=1e-3)


def test_without_predictions_it_is_refused():
    path = dataclasses.replace(some_path(), predictions=None)
    with pytest.raises(ValueError, match="predictions"):
        DISAGREEMENT.penalty(UNITS, {}, path)


# The predictions of an ensemble.


@pytest.fixture(scope="module")
def ensemble():
    made = make_ensemble(
        2, 1, members=3, hidden=(8,), head_hidden=(8,), potential_hidden=(8,), sample_noise=True
    )
    return made, jax.jit(made.init)(jax.random.key(0))


SCALES = Scales(
    observation=Normalizer(mean=jnp.array([1.0, -2.0]), std=jnp.array([2.0, 0.5])),
    delta=Normalizer(mean=jnp.array([0.1, 0.2]), std=jnp.array([0.3, 4.0])),
    rewards=identity(2),
)


def test_the_predictions_are_the_mean_and_the_std_of_a_step(ensemble):
    made, params = ensemble
    path = jax.jit(partial(with_predictions, partial(made.predict, SCALES)))(params, some_path())
    assert path.predictions is not None
    mean, std = np.asarray(path.predictions.mean), np.asarray(path.predictions.std)
    assert mean.shape == std.shape == (LENGTH, 3, 2)

    @jax.jit
    def step(member, noise, observation, action):
        return one_step(made)(SCALES, member, noise, observation, action)[0]

    for t in (0, LENGTH - 1):
        for e in range(3):
            member = jax.tree.map(lambda leaf, e=e: leaf[e], params)
            at = path.observations[t], path.actions[t]
            # Noise of 0 gives the mean, and noise of 1 one standard deviation more.
            expected = step(member, jnp.zeros(2), *at)
            assert mean[t, e] == pytest.approx(np.asarray(expected), rel=1e-4, abs=1e-5)
            further = step(member, jnp.ones(2), *at) - expected
            assert std[t, e] == pytest.approx(np.asarray(further), rel=1e-3)
