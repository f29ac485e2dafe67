"""The score of a plan: survival, discount, risk, penalty, and the weight as traced data."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import two_members
from hypothesis import given
from hypothesis import strategies as st

from mbrl import BoundedScore, Trajectory, make_objective, mean, mean_minus_std, ts_infinity
from mbrl.objective import discounted_return
from mbrl.regularizers import calibrate

probability = st.floats(0.0, 1.0)
episodes = st.lists(st.tuples(st.floats(-5, 5), probability), min_size=6, max_size=6)


def path(rewards, continue_probs, observations=None) -> Trajectory:
    """One particle's path, or several on a leading axis."""
    rewards = np.array(rewards, np.float32)
    continue_probs = np.array(continue_probs, np.float32)
    if observations is None:
        observations = np.zeros((*rewards.shape[:-1], rewards.shape[-1] + 1, 1))
    return Trajectory(
        observations=jnp.asarray(observations, jnp.float32),
        actions=jnp.zeros((*rewards.shape, 1)),
        rewards=jnp.asarray(rewards),
        continue_probs=jnp.asarray(continue_probs),
    )


def evaluate(
    paths: Trajectory,
    weight=0.0,
    penalty=None,
    survival_bonus=0.0,
    least=-np.inf,
    risk=mean,
    **knobs,
):
    """The objective of a model whose rollouts are `paths`, whatever the plan."""
    objective = make_objective(
        lambda params, key, observation, actions, *, particles: paths,
        penalty or (lambda params, path: jnp.zeros_like(path.rewards)),
        risk=risk,
        **knobs,
    )
    unused = jnp.zeros(1)
    score = objective(
        ({}, {}), jnp.float32(weight), unused, survival_bonus=survival_bonus, least_penalty=least
    )
    return score(jax.random.key(0), unused, particles=2)


# Survival.

compiled_return = jax.jit(discounted_return)


@given(episodes)
def test_a_return_is_the_expectation_over_the_time_of_termination(episode):
    rewards, continues = np.array(episode).T
    discount, total, reached = 0.9, 0.0, 1.0
    returns = np.cumsum(rewards * discount ** np.arange(len(episode)))
    for t in range(len(episode)):  # it terminates within decision t, the last one with a reward
        total += reached * (1 - continues[t]) * returns[t]
        reached *= continues[t]
    total += reached * returns[-1]
    planned = compiled_return(path(rewards, continues), discount)
    assert planned == pytest.approx(total, rel=1e-4, abs=1e-4)


def test_the_survival_bonus_changes_the_score_and_no_return():
    paths = path([[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [0.5, 0.5]])
    plain = evaluate(paths, discount=0.5)
    valued = evaluate(paths, discount=0.5, survival_bonus=80.0)
    assert valued.score - plain.score == pytest.approx(0.25 * 80.0 * np.mean([1.0, 0.25]))
    assert (valued.planned_return, valued.spread) == (plain.planned_return, plain.spread)


# Risk and penalty.


@given(st.floats(0, 3), st.floats(0, 50))
def test_the_score_is_return_less_risk_less_weighted_penalty(aversion, weight):
    evaluation = evaluate(
        path([[1.0, 2.0], [5.0, 2.0], [3.0, -4.0]], np.ones((3, 2))),
        weight,
        penalty=lambda params, path: path.rewards**2,
        risk=mean_minus_std(aversion),
    )
    returns, penalty = np.array([3.0, 7.0, -1.0]), np.mean([5.0, 29.0, 25.0])
    assert evaluation.planned_return == pytest.approx(returns.mean())
    assert evaluation.spread == pytest.approx(returns.std())
    assert evaluation.penalty == pytest.approx(penalty)
    score = returns.mean() - aversion * returns.std() - weight * penalty
    assert evaluation.score == pytest.approx(score, rel=1e-5, abs=1e-3)


def test_the_penalty_is_the_mean_over_particles_and_not_of_their_mean_path():
    apart = np.array([[[0.0], [2.0]], [[0.0], [-2.0]]])
    evaluation = evaluate(
        path([[0.0]] * 2, [[1.0]] * 2, apart),
        penalty=lambda params, path: jnp.sum(path.observations[1:] ** 2, axis=-1),
    )
    assert evaluation.penalty == 4.0  # of the average path it would be 0


def test_each_particles_penalty_is_weighted_by_its_own_survival():
    evaluation = evaluate(
        path([[0.0, 0.0]] * 2, [[0.0, 1.0], [0.5, 1.0]]),
        penalty=lambda params, path: jnp.array([1.0, 10.0]),
    )
    assert evaluation.penalty == pytest.approx((1.0 + 6.0) / 2)


@pytest.mark.parametrize("wild", [np.inf, -np.inf, np.nan])
def test_what_diverges_behind_a_certain_end_does_not_count(wild):
    paths = path([[1.0, 2.0, wild]] * 2, [[1.0, 0.0, 1.0]] * 2)
    penalty = jnp.array([10.0, 20.0, wild])
    found = evaluate(paths, 0.5, lambda params, path: penalty)
    assert (found.planned_return, found.penalty, found.score) == (3.0, 30.0, -12.0)
    slope = jax.grad(lambda rewards: evaluate(replace(paths, rewards=rewards)).score)
    assert slope(paths.rewards).tolist() == [[0.5, 0.5, 0.0]] * 2


def test_what_diverges_before_an_end_is_not_hidden():
    paths = path([[1.0, np.nan, 1.0]] * 2, [[0.5, 0.0, 1.0]] * 2)
    assert np.isnan(evaluate(paths).planned_return)


# The weight is traced.


@pytest.mark.parametrize(("least", "counted"), [(-np.inf, -3.0), (-4.0, -3.0), (2.5, 2.5)])
def test_a_plan_gains_nothing_by_a_penalty_below_the_least(least, counted):
    paths = path([[2.0, 3.0]], [[1.0, 1.0]])
    found = evaluate(paths, 10.0, lambda params, path: -1.5 * jnp.ones(2), least=least)
    assert found.score == 5.0 - 10.0 * counted
    assert found.penalty == -3.0  # as it is


@given(st.floats(0, 50), st.floats(-2, 3), st.sampled_from([-np.inf, -4.0, 2.5]))
def test_no_score_is_above_the_bound_that_the_least_possible_penalty_gives(weight, extra, least):
    """The bound is the score itself where every decision's penalty is the lowest, -1."""
    paths = path([[1.0, 2.0], [5.0, -2.0]], [[0.5, 1.0], [1.0, 0.0]])
    objective = make_objective(
        lambda params, key, observation, actions, *, particles: paths,
        lambda params, path: jnp.maximum(path.rewards * extra, 0.0) - 1.0,
        lower_bound=lambda params: jnp.float32(-1.0),
    )
    unused = jnp.zeros(1)
    score = objective(({}, {}), jnp.float32(weight), unused, least_penalty=least)
    assert isinstance(score, BoundedScore)
    plan = score.roll_out(jax.random.key(0), unused, particles=2)
    gap = float(score.upper_bound(plan) - score.penalise(plan).score)
    # Decisions are made 1.5 and 2 times.
    penalties = np.array([1.0 * extra, 0.5 * 2.0 * extra]), np.array([5.0 * extra, -2.0 * extra])
    total = np.mean([np.maximum(each, 0.0).sum() for each in penalties]) - 1.75
    expected = weight * (max(total, least) - max(-1.75, least))
    assert gap == pytest.approx(expected, rel=1e-4, abs=1e-3)
    assert gap > -1e-3


def test_an_early_end_gains_nothing_on_familiar_data():
    decisions, weight = 8, 7.0
    raw = 50.0 + np.random.default_rng(0).normal(size=(4000, decisions)).astype(np.float32)
    unit = calibrate(jnp.asarray(raw), jnp.ones(raw.shape, bool))

    @jax.jit
    @partial(jax.vmap, in_axes=(0, None))
    def gain_of_an_end(raw, centre):
        def score(continue_probs):
            paths = path([[0.0] * decisions], [[1.0] * decisions])
            paths = replace(paths, continue_probs=continue_probs[None])
            return evaluate(paths, weight, lambda *_: (raw - centre) / unit.scale).score

        goes_on = jnp.ones(decisions)
        return score(goes_on.at[0].set(0.0)) - score(goes_on)

    gain = np.asarray(gain_of_an_end(raw, unit.offset))
    assert abs(gain.mean()) < 4 * gain.std() / np.sqrt(len(gain))
    # Without centring, every decision after the end would be a gain.
    assert np.min(gain_of_an_end(raw, 0.0)) > weight * (decisions - 1)


def in_an_analytic_world(key):
    """``(weight, plan) -> `` the evaluation, and the list of its traces."""
    world, traces = two_members(), []
    objective = make_objective(
        partial(ts_infinity, world.step),
        lambda params, path: jnp.sum(path.observations[1:] ** 2, axis=-1),
        discount=0.95,
        risk=mean_minus_std(0.5),
    )

    def score(weight, plan):
        traces.append(plan.shape)
        start = jnp.array([1.0, 0.0])
        return objective((world.params, {}), weight, start)(key, plan, particles=4)

    return score, traces


PLANS = np.array([[[0.5], [-1.0]], [[0.1], [0.9]]])


def test_changing_the_weight_compiles_nothing(key):
    score, traces = in_an_analytic_world(key)
    compiled = jax.jit(score)
    results = [compiled(weight, PLANS[0]) for weight in (0.0, 1.0, 3.5)]
    assert len(traces) == 1
    base, penalty = float(results[0].score), float(results[0].penalty)
    assert penalty > 0
    expected = [base - weight * penalty for weight in (1.0, 3.5)]
    assert [float(result.score) for result in results[1:]] == pytest.approx(expected, rel=1e-5)
    assert len({float(result.planned_return) for result in results}) == 1


@pytest.mark.usefixtures("float64")
def test_a_batch_of_weights_and_plans_agrees_with_a_loop(key):
    score, _ = in_an_analytic_world(key)
    weights, plans = jnp.array([0.0, 2.0]), jnp.asarray(PLANS)
    batch = jax.jit(jax.vmap(jax.vmap(score, in_axes=(None, 0)), in_axes=(0, None)))(weights, plans)
    # The second column without compilation.
    loop = [[jax.jit(score)(w, plans[0]), score(w, plans[1])] for w in weights]
    for name in ("planned_return", "penalty", "spread", "score"):
        expected = np.array([[float(getattr(each, name)) for each in row] for row in loop])
        assert getattr(batch, name) == pytest.approx(expected, rel=1e-9)
