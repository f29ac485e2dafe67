"""The cloned policy: what it learns, and the plans it makes in a model whose paths are known."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mbrl import (
    PolicyState,
    StepOutput,
    Window,
    fit,
    least_penalty,
    make_fitter,
    make_policy_prior,
    normalizer,
    suggest,
)

OBSERVATION = jnp.array([1.0])


def drift(params, noise, observation, action):
    """``o' = o + speed a + noise``."""
    following = observation + params * action + noise
    return following, StepOutput(observation=following, reward=noise[0], continue_prob=noise[0])


def test_a_suggested_plan_is_the_policy_followed_in_the_model():
    plan = suggest(lambda o: -0.5 * o, drift, jnp.array(1.0), jnp.zeros((4, 1)), OBSERVATION)
    # o_t = 2^-t, and a_t = -o_t / 2.
    assert plan == pytest.approx(-(0.5 ** np.arange(1, 5))[:, None])


def test_members_suggest_plans_of_their_own():
    speeds = jnp.array([0.0, 1.0, 2.0])
    follow = jax.vmap(partial(suggest, lambda o: -0.5 * o, drift), in_axes=(0, None, None))
    plans = follow(speeds, jnp.zeros((3, 1)), OBSERVATION)
    for speed, plan in zip(speeds, plans, strict=True):
        assert plan == pytest.approx(-0.5 * np.asarray((1 - speed / 2) ** jnp.arange(3))[:, None])


def test_the_models_noise_moves_the_plan():
    plan = suggest(
        lambda o: -0.5 * o, drift, jnp.array(1.0), jnp.array([[1.0], [0.0]]), OBSERVATION
    )
    assert plan == pytest.approx(np.array([[-0.5], [-0.75]]))


def windows(seen: np.ndarray, actions: np.ndarray, length: int = 2) -> Window:
    """Windows that begin with these decisions and go on with others."""
    later = 7 * np.ones((len(seen), length, seen.shape[1]), np.float32)
    return Window(
        observations=np.concatenate([seen[:, None], later], axis=1),
        actions=np.concatenate(
            [actions[:, None], np.ones((len(actions), length - 1, actions.shape[1]))], axis=1
        ).astype(np.float32),
        mask=np.ones((len(seen), length), bool),
    )


@pytest.mark.parametrize("discrete", [False, True])
def test_it_learns_the_actions_of_the_data_in_the_units_of_the_data(discrete):
    rng = np.random.default_rng(0)
    seen = rng.uniform(-1000, 1000, (800, 2)).astype(np.float32)
    wanted = 0.5 * seen[:, :1] / 1000
    if discrete:
        wanted = np.eye(2, dtype=np.float32)[(seen[:, 0] > 0).astype(int)]
    policy = make_policy_prior(2, wanted.shape[1], hidden=(32,), discrete=discrete)
    scales = normalizer.fit(seen)
    fitter = make_fitter(policy.loss, optax.adam(1e-2), averaging=0.9)
    batches = jax.tree.map(
        lambda leaf: leaf.reshape(20, 40, *leaf.shape[1:]), windows(seen, wanted)
    )
    learned = fit(
        fitter,
        scales,
        fitter.init(jax.jit(policy.init)(jax.random.key(0))),
        jax.random.key(1),
        draw_batches=lambda epoch: batches,
        holdout=windows(seen[:100], wanted[:100]),
        min_epochs=0,
        max_epochs=40,
        patience=40,
    )
    state = PolicyState(params=learned.trainable.average, scales=scales)
    act = jax.jit(jax.vmap(policy.act, in_axes=(None, 0)))
    found = np.asarray(act(state, jnp.array([[-800.0, 300.0], [100.0, -900.0], [600.0, 0.0]])))
    if discrete:
        assert found.tolist() == [[1, 0], [0, 1], [0, 1]]
    else:
        assert found == pytest.approx(np.array([[-0.4], [0.05], [0.3]]), abs=0.03)


def test_actions_stay_within_their_bounds_however_far_the_observation():
    policy = make_policy_prior(1, 3)
    state = PolicyState(params=policy.init(jax.random.key(0)), scales=normalizer.identity(1))
    for observation in (-1e30, 0.0, 1e30):
        found = policy.act(state, jnp.array([observation]))
        assert np.abs(found).max() <= 1


def test_the_median_of_its_plans_is_familiar_enough_and_one_that_diverged_does_not_count():
    assert least_penalty(jnp.array([3.0, 1.0, 2.0])) == 2.0
    assert least_penalty(jnp.array([3.0, jnp.nan, 1.0, jnp.inf])) == 2.0
    assert least_penalty(jnp.array([jnp.nan, jnp.inf])) == -jnp.inf
