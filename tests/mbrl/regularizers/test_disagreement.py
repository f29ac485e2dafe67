"""The members' disagreement, against two linear members that differ by a formula."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import quickly
from hypothesis import given
from hypothesis import strategies as st
from small_regularizers import LENGTH, UNITS, WORLD, predict, some_path

from mbrl import Scales, Trajectory, make_ensemble
from mbrl.normalizer import Normalizer, identity
from mbrl.regularizers import make_disagreement
from mbrl.rollout import with_predictions
from mbrl.types import Predictions

DISAGREEMENT = make_disagreement()


def penalty_of(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """The penalty of one decision of which members `[E, O]` predict this."""
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


def test_members_of_one_mind_do_not_disagree_wherever_the_path_goes():
    same = jax.tree.map(lambda leaf: jnp.stack([leaf[0]] * 3), WORLD.params)
    path = with_predictions(predict, same, some_path())
    assert DISAGREEMENT.penalty(UNITS, {}, path) == pytest.approx(np.zeros(LENGTH), abs=1e-9)


RNG = np.random.default_rng(0)
MEAN, STD = RNG.normal(size=(5, 2)), RNG.uniform(0.1, 2.0, (5, 2))


def test_the_noise_is_the_mean_variance_that_the_members_expect():
    expected = np.sum(MEAN.var(axis=0) / np.mean(STD**2, axis=0))
    assert penalty_of(MEAN, STD) == pytest.approx(expected, rel=1e-5)


@given(st.floats(0.01, 100.0), st.floats(0.01, 100.0), st.floats(-3.0, 3.0))
def test_no_dimension_has_to_be_scaled_by_hand(first, second, shift):
    units = np.array([first, second])
    other = penalty_of(units * (MEAN + shift), units * STD)
    assert other == pytest.approx(penalty_of(MEAN, STD), rel=1e-3)


def test_it_does_not_matter_which_member_says_what():
    order = np.array([3, 1, 4, 0, 2])
    assert penalty_of(MEAN[order], STD[order]) == pytest.approx(penalty_of(MEAN, STD), rel=1e-5)


def test_noise_that_all_expect_makes_the_same_doubt_count_less():
    assert penalty_of(MEAN, 3.0 * STD) == pytest.approx(penalty_of(MEAN, STD) / 9.0, rel=1e-5)


def test_without_predictions_it_is_refused():
    path = dataclasses.replace(some_path(), predictions=None)
    with pytest.raises(ValueError, match="predictions"):
        DISAGREEMENT.penalty(UNITS, {}, path)


# What an ensemble predicts.


@pytest.fixture(scope="module")
def ensemble():
    made = make_ensemble(
        2, 1, members=3, hidden=(8,), head_hidden=(8,), potential_hidden=(8,), sample_noise=True
    )
    return made, quickly(made.init)(jax.random.key(0))


SCALES = Scales(
    observation=Normalizer(mean=jnp.array([1.0, -2.0]), std=jnp.array([2.0, 0.5])),
    delta=Normalizer(mean=jnp.array([0.1, 0.2]), std=jnp.array([0.3, 4.0])),
    rewards=identity(2),
)


def test_what_the_members_predict_is_where_their_steps_lead(ensemble):
    made, params = ensemble
    path = quickly(partial(with_predictions, partial(made.predict, SCALES)))(params, some_path())
    assert path.predictions is not None
    mean, std = np.asarray(path.predictions.mean), np.asarray(path.predictions.std)
    assert mean.shape == std.shape == (LENGTH, 3, 2)

    @quickly
    def step(member, noise, observation, action):
        return made.step(SCALES, member, noise, observation, action)[0]

    for t in (0, LENGTH - 1):
        for e in range(3):
            member = jax.tree.map(lambda leaf, e=e: leaf[e], params)
            at = path.observations[t], path.actions[t]
            # Noise of 0 leads to the mean, and noise of 1 a standard deviation further.
            expected = step(member, jnp.zeros(2), *at)
            assert mean[t, e] == pytest.approx(np.asarray(expected), rel=1e-4, abs=1e-5)
            further = step(member, jnp.ones(2), *at) - expected
            assert std[t, e] == pytest.approx(np.asarray(further), rel=1e-3)
