"""The ensemble: its likelihood, what trains which part, and single steps."""

import dataclasses
from functools import partial
from types import SimpleNamespace
from typing import Any

import distrax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from members import one_step

from mbrl import Ensemble, Scales, Transition, make_ensemble, roll_out, ts_infinity
from mbrl.dynamics import beta_nll, decayed
from mbrl.normalizer import Normalizer

SIZES: dict[str, Any] = {
    "members": 2, "hidden": (8,), "head_hidden": (8,), "potential_hidden": (8,)
}  # fmt: skip
SMALL: dict[str, Any] = SIZES | {"input_noise": 0.0}
NO_NOISE = jnp.zeros(2)
number = st.floats(-3.0, 3.0)
rows = st.lists(st.tuples(number, number, number), min_size=2, max_size=2)


def units(observation_size: int = 2) -> Scales:
    """Units that are all different and none of them 1."""
    ones = jnp.ones(observation_size)
    return Scales(
        observation=Normalizer(mean=0.3 * ones, std=0.5 * ones),
        delta=Normalizer(mean=0.1 * ones, std=0.25 * ones),
        rewards=Normalizer(mean=jnp.array([-1.0, 40.0]), std=jnp.array([2.0, 5.0])),
    )


def batch_of(rng, shape: tuple[int, ...], terminal: float) -> Transition:
    return Transition(
        observation=rng.normal(size=(*shape, 2)).astype(np.float32),
        action=rng.uniform(-1, 1, (*shape, 1)).astype(np.float32),
        duration=np.ones(shape, np.float32),
        next_observation=rng.normal(size=(*shape, 2)).astype(np.float32),
        reward=rng.normal(size=shape).astype(np.float32),
        terminal=np.full(shape, terminal, np.float32),
    )


def biggest(tree) -> float:
    return max(float(np.max(np.abs(leaf))) for leaf in jax.tree.leaves(tree))


# The likelihood.


def loss_of(mean, log_std, target, beta):
    return beta_nll(distrax.MultivariateNormalDiag(mean, jnp.exp(log_std)), target, beta)


loss_and_gradients = jax.jit(jax.value_and_grad(loss_of, argnums=(0, 1)))


@given(rows)
def test_the_loss_at_beta_0_is_the_gaussian_likelihood(rows):
    mean, log_std, target = np.array(rows, np.float32).T
    loss, _ = loss_and_gradients(mean, log_std, target, 0.0)
    expected = -scipy.stats.norm.logpdf(target, mean, np.exp(log_std)).sum()
    assert loss == pytest.approx(expected, rel=1e-4, abs=1e-4)


@given(rows, st.floats(0.0, 1.0))
def test_a_larger_beta_weighs_each_dimensions_gradient_by_its_variance(rows, beta):
    mean, log_std, target = np.array(rows, np.float32).T
    _, (by_mean, by_log_std) = loss_and_gradients(mean, log_std, target, beta)
    variance, error = np.exp(2 * log_std), mean - target
    assert by_mean == pytest.approx(variance ** (beta - 1) * error, rel=1e-3, abs=1e-4)
    expected = variance**beta * (1 - error**2 / variance)
    assert by_log_std == pytest.approx(expected, rel=1e-3, abs=1e-3 * float(np.max(variance**beta)))


# Which data changes which part.


@pytest.fixture(scope="module")
def small():
    """A small ensemble, its parameters, and the gradient of its loss."""
    ensemble = make_ensemble(2, 1, **SMALL)
    params = jax.jit(ensemble.init)(jax.random.key(0))
    gradient = jax.jit(jax.grad(ensemble.loss, argnums=1))
    return SimpleNamespace(
        ensemble=ensemble,
        params=params,
        gradient=lambda batch, params=params: gradient(units(), params, jax.random.key(1), batch),
        step=jax.jit(one_step(ensemble)),
    )


@pytest.mark.parametrize("terminal", [0.0, 1.0])
def test_terminations_are_learned_from_the_predicted_state_and_running_rewards_from_the_true_one(
    small, terminal
):
    batch = batch_of(np.random.default_rng(0), (2, 6), terminal)
    elsewhere = dataclasses.replace(batch, next_observation=batch.next_observation + 3.0)
    moved = dict(small.params)
    moved["dynamics"] = jax.tree.map(lambda leaf: leaf + 0.3, moved["dynamics"])
    before = small.gradient(batch)
    by_truth, by_prediction = (
        jax.tree.map(np.subtract, before, after)
        for after in (small.gradient(elsewhere), small.gradient(batch, moved))
    )
    assert biggest(before["end"]) > 1e-3
    assert biggest(by_truth["end"]) == 0.0
    assert biggest(by_prediction["end"]) > 0.0
    for part in ("residual", "potential"):
        assert biggest(by_prediction[part]) == 0.0
        # They do not learn from the reward of a termination.
        assert (biggest(by_truth[part]) > 1e-3) == (terminal == 0.0)
        assert (biggest(before[part]) > 1e-3) == (terminal == 0.0)


def test_terminal_transitions_and_the_heads_do_not_change_the_dynamics(small):
    gradient = dict(small.gradient(batch_of(np.random.default_rng(0), (2, 6), 1.0))["dynamics"])
    bounds = gradient.pop("~")
    assert biggest(gradient) == 0.0
    # The bounds have a term of their own, whatever the data.
    assert bounds["max_log_variance"] == pytest.approx(0.01)
    assert bounds["min_log_variance"] == pytest.approx(-0.01)


def test_rewards_do_not_change_the_dynamics_and_observations_do(small):
    batch = batch_of(np.random.default_rng(0), (2, 6), 0.0)
    before = small.gradient(batch)["dynamics"]
    rewarded = small.gradient(dataclasses.replace(batch, reward=batch.reward + 100.0))
    assert biggest(jax.tree.map(np.subtract, before, rewarded["dynamics"])) == 0.0
    elsewhere = dataclasses.replace(batch, next_observation=batch.next_observation + 1.0)
    moved = small.gradient(elsewhere)["dynamics"]
    assert biggest(jax.tree.map(np.subtract, before, moved)) > 1e-3


def test_input_noise_acts_in_training_only(small):
    noisy = make_ensemble(2, 1, **SIZES, input_noise=0.5)
    batch = batch_of(np.random.default_rng(0), (2, 6), 0.0)
    keys = jax.random.split(jax.random.key(0))
    clean_loss, noisy_loss = jax.jit(small.ensemble.loss), jax.jit(noisy.loss)
    assert len({float(clean_loss(units(), small.params, key, batch)) for key in keys}) == 1
    assert len({float(noisy_loss(units(), small.params, key, batch)) for key in keys}) == 2
    member = jax.tree.map(lambda leaf: leaf[0], small.params)
    inputs = member, noisy.draw(keys[0], ()), jnp.array([0.4, -0.2]), jnp.array([0.5])
    predicted = jax.jit(one_step(noisy))(units(), *inputs)[1].observation
    assert predicted.tolist() == small.step(units(), *inputs)[1].observation.tolist()


def test_members_start_different_and_learn_from_their_own_data_only(small):
    first, second = (jax.tree.map(lambda leaf, e=e: leaf[e], small.params) for e in (0, 1))
    observation, action = jnp.array([0.4, -0.2]), jnp.array([0.5])
    one, other = (
        small.step(units(), member, NO_NOISE, observation, action)[1] for member in (first, second)
    )
    assert np.all(np.abs(one.observation - other.observation) > 1e-3)
    assert abs(one.reward - other.reward) > 1e-3
    assert abs(one.continue_prob - other.continue_prob) > 1e-3

    batch = batch_of(np.random.default_rng(0), (2, 6), 0.0)
    changed = jax.tree.map(lambda leaf: leaf.copy(), batch)
    changed.reward[1] += 5.0
    change = jax.tree.map(np.subtract, small.gradient(batch), small.gradient(changed))
    assert biggest(jax.tree.map(lambda leaf: leaf[0], change)) == 0.0
    assert biggest(jax.tree.map(lambda leaf: leaf[1], change)) > 1e-3


# One step, with weights set by hand.


def set_by_hand(ensemble: Ensemble, end_logit: float):
    """Parameters of one member: all outputs are 0 but the logit of a termination."""
    params = jax.eval_shape(ensemble.init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape[1:], np.float32), params)
    params["end"]["mlp/~/linear_1"]["b"][0] = end_logit
    return params


def bounds_at(log_variance: float):
    """Bounds that fix the log-variance: the upper one far below the lower one."""
    lower = np.full(2, log_variance, np.float32)
    return {"min_log_variance": lower, "max_log_variance": lower - 40.0}


def test_the_reward_of_a_step_is_weighted_by_the_probability_of_termination():
    ensemble, logit = make_ensemble(2, 1, **SMALL), 0.8
    observation, action = jnp.array([2.0, -3.0]), jnp.array([0.5])
    params = set_by_hand(ensemble, logit)
    start = ensemble.begin(units(), params, observation)
    carry, output = ensemble.step(units(), params, NO_NOISE, start, action)
    end = 1 / (1 + np.exp(-logit))
    assert output.continue_prob == pytest.approx(1 - end)
    assert output.reward == pytest.approx((1 - end) * -1.0 + end * 40.0)
    assert output.observation == pytest.approx([2.1, -2.9])  # the mean change
    assert carry.observation.tolist() == output.observation.tolist()


def test_analytic_rewards_and_terminations_replace_the_learned_ones():
    ensemble = make_ensemble(
        2, 1, **SMALL,
        analytic_reward=lambda o, a, o_next: 100 * o[0] + 10 * a[0] + o_next[1],
        analytic_termination=lambda o, a, o_next: jnp.where(o_next[0] > 2.05, 0.25, 0.0),
    )  # fmt: skip
    params = set_by_hand(ensemble, 30.0)
    observation, action = jnp.array([2.0, -3.0]), jnp.array([0.5])
    _, output = one_step(ensemble)(units(), params, NO_NOISE, observation, action)
    reward = 100 * 2.0 + 10 * 0.5 - 2.9
    assert output.continue_prob == pytest.approx(0.75)
    # The reward of a termination stays learned: 40 is the mean of the terminal rewards.
    assert output.reward == pytest.approx(0.75 * reward + 0.25 * 40.0)


def test_a_predicted_state_is_the_mean_or_a_draw_from_the_predicted_gaussian():
    observation, action = jnp.zeros(2), jnp.zeros(1)
    ensemble = make_ensemble(2, 1, **SMALL, sample_noise=True)
    noise = ensemble.draw(jax.random.key(0), (4000,))
    params = set_by_hand(ensemble, end_logit=0.0)
    params["dynamics"]["~"] = bounds_at(np.log(0.4**2))
    step = jax.jit(jax.vmap(one_step(ensemble), in_axes=(None, None, 0, None, None)))
    change = np.asarray(step(units(), params, noise, observation, action)[0])
    error = 0.4 * 0.25 / np.sqrt(len(noise))
    assert change.mean(axis=0) == pytest.approx(0.1, abs=4 * error)
    assert change.std(axis=0) == pytest.approx(0.4 * 0.25, abs=4 * error)
    assert len(np.unique(change)) > 0.99 * change.size  # independent draws
    certain = make_ensemble(2, 1, **SMALL)
    noise = certain.draw(jax.random.key(0), (3,))
    change, _ = jax.vmap(one_step(certain), (None, None, 0, None, None))(
        units(), params, noise, observation, action
    )
    assert change == pytest.approx(np.full((3, 2), 0.1))  # the mean, whatever the variance


def test_the_gradient_of_a_return_passes_through_the_predicted_states(small):
    plain = make_ensemble(2, 1, **SMALL, potential=False)
    member = jax.tree.map(lambda leaf: leaf[0], small.params)
    first = member["residual"]["mlp/~/linear_0"]

    @jax.jit
    @partial(jax.grad, argnums=2)
    def slope(weights, t, actions):
        """Gradient of the reward of decision t by all actions."""
        params = member | {"residual": member["residual"] | {"mlp/~/linear_0": weights}}
        step = partial(one_step(plain), units())
        path = roll_out(step, params, jnp.zeros((2, 2)), jnp.array([0.4, -0.2]), actions)
        return path.rewards[t]

    actions = jnp.array([[0.5], [-0.3]])
    assert abs(slope(first, 1, actions)[0, 0]) > 1e-3  # through the second state
    assert slope(first, 0, actions)[1, 0] == 0.0  # a later action
    # A reward that reads the predicted change only.
    rows = np.arange(first["w"].shape[0])[:, None]
    change_only = first | {"w": jnp.where(rows >= 4, first["w"], 0.0)}
    assert abs(slope(change_only, 0, actions)[0, 0]) > 1e-4


def test_the_units_of_held_out_errors():
    ensemble, logit, std = make_ensemble(2, 1, **SMALL), -1.0, 0.5
    params = set_by_hand(ensemble, logit)
    params["dynamics"]["~"] = bounds_at(np.log(std**2))
    params = jax.tree.map(lambda leaf: np.stack([leaf] * 2), params)
    batch = batch_of(np.random.default_rng(0), (7,), 0.0)
    metrics = jax.jit(ensemble.metrics)

    errors = metrics(units(), params, jax.random.key(0), batch)
    target = ((batch.next_observation - batch.observation) - 0.1) / 0.25
    nll = -scipy.stats.norm.logpdf(target, 0.0, std).mean()  # per dimension
    assert errors["dynamics_nll"] == pytest.approx(nll, rel=1e-4)
    end = 1 / (1 + np.exp(-logit))
    assert errors["termination_bce"] == pytest.approx(-np.log(1 - end), rel=1e-4)
    rmse = np.sqrt(np.mean((batch.reward + 1.0) ** 2))
    assert errors["reward_rmse"] == pytest.approx(rmse, rel=1e-4)

    batch.terminal[:2] = 1.0
    errors = metrics(units(), params, jax.random.key(0), batch)
    nll = -scipy.stats.norm.logpdf(target[2:], 0.0, std).mean()  # the model does not learn crashes
    assert errors["dynamics_nll"] == pytest.approx(nll, rel=1e-4)
    expected = -np.mean(np.where(batch.terminal, np.log(end), np.log(1 - end)))
    assert errors["termination_bce"] == pytest.approx(expected, rel=1e-4)
    # Each reward is compared with the output for its kind of transition.
    error = np.where(batch.terminal, 40.0, -1.0) - batch.reward
    assert errors["reward_rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-4)


def test_differences_of_potentials_telescope(small):
    # Without a residual, and far from terminations, the return depends on the first and the last
    # state only.
    member = jax.tree.map(lambda leaf: leaf[0], small.params)
    member["residual"] = jax.tree.map(jnp.zeros_like, member["residual"])
    member["end"] = jax.tree.map(jnp.zeros_like, member["end"])
    member["end"]["mlp/~/linear_1"]["b"] = jnp.array([-60.0, 0.0])
    scales = dataclasses.replace(
        units(), rewards=Normalizer(mean=jnp.zeros(2), std=jnp.array([2.0, 5.0]))
    )
    step = partial(one_step(small.ensemble), scales)

    @jax.jit
    def total_reward(actions):
        path = roll_out(step, member, jnp.zeros((len(actions), 2)), jnp.array([0.4, -0.2]), actions)
        return jnp.sum(path.rewards), path.observations[-1]

    total, last = total_reward(jnp.array([[0.5], [-0.3], [0.9]]))
    # A single decision that leads there: `delta` shifts its prediction.
    first = jnp.array([0.4, -0.2])
    predicted = step(member, NO_NOISE, first, jnp.array([0.1]))[0]
    shifted = dataclasses.replace(
        scales, delta=dataclasses.replace(scales.delta, mean=scales.delta.mean + last - predicted)
    )
    at_once = one_step(small.ensemble)(shifted, member, NO_NOISE, first, jnp.array([0.1]))[1]
    assert np.asarray(at_once.observation) == pytest.approx(np.asarray(last), abs=1e-6)
    assert abs(float(total)) > 1e-3
    assert float(total) == pytest.approx(float(at_once.reward), abs=1e-5)


def test_a_member_carries_the_potential_of_the_state_that_it_has_reached(small):
    made, params, key = small.ensemble, small.params, jax.random.key(2)
    start, plan = jnp.array([0.4, -0.2]), jnp.array([[0.5], [-0.3], [0.9]])
    carried, anew = (
        ts_infinity(step, params, key, start, plan, particles=2, draw=made.draw, **begin)
        for step, begin in (
            (partial(made.step, units()), {"begin": partial(made.begin, units())}),
            (partial(one_step(made), units()), {}),
        )
    )
    for leaf, other in zip(jax.tree.leaves(carried), jax.tree.leaves(anew), strict=True):
        assert np.asarray(leaf) == pytest.approx(np.asarray(other), rel=1e-5, abs=1e-5)
    member = jax.tree.map(lambda leaf: leaf[0], params)
    reached, _ = made.step(units(), member, NO_NOISE, made.begin(units(), member, start), plan[0])
    expected = made.begin(units(), member, reached.observation)
    assert float(reached.potential) == pytest.approx(float(expected.potential), rel=1e-5, abs=1e-6)


def test_the_running_reward_has_no_weight_decay(small):
    optimizer = optax.adamw(1e-3, weight_decay=100.0, mask=decayed)
    still = jax.tree.map(jnp.zeros_like, small.params)
    updates: Any = optimizer.update(still, optimizer.init(small.params), small.params)[0]
    for part in small.params:
        moved = biggest(updates[part])
        assert (moved == 0.0) == (part in ("residual", "potential")), part
