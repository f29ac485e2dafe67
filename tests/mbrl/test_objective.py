"""What a plan is worth: survival, discount, risk, penalty, and the weight that compiles nothing."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import quickly, two_members
from hypothesis import given
from hypothesis import strategies as st

from mbrl import (
    RegularizerState,
    Trajectory,
    make_ensemble,
    make_objective,
    make_rnn_dae,
    mean_minus_std,
    survival,
    ts_infinity,
)
from mbrl.dynamics import Scales
from mbrl.normalizer import identity
from mbrl.objective import discounted_return
from mbrl.regularizers import calibrate, calibrated_penalty, uncalibrated

probability = st.floats(0.0, 1.0)
lives = st.lists(st.tuples(st.floats(-5, 5), probability), min_size=6, max_size=6)


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


def evaluate(paths: Trajectory, weight=0.0, penalty=None, survival_bonus=0.0, **knobs):
    """The objective of a model that imagines `paths` whatever the plan."""
    objective = make_objective(
        lambda params, key, observation, actions, *, particles: paths,
        penalty or (lambda params, path: jnp.zeros_like(path.rewards)),
        **knobs,
    )
    nothing = jnp.zeros(1)
    return objective(
        ({}, {}), jnp.float32(weight), jax.random.key(0), nothing, nothing,
        particles=2, survival_bonus=survival_bonus,
    )  # fmt: skip


# Survival.

compiled_return = quickly(discounted_return)


@given(lives)
def test_a_return_is_the_average_over_all_the_ways_in_which_the_episode_may_end(life):
    rewards, goes_on = np.array(life).T
    discount, total, reached = 0.9, 0.0, 1.0
    worth = np.cumsum(rewards * discount ** np.arange(len(life)))
    for t in range(len(life)):  # it ends within decision t: that one still pays, no other does
        total += reached * (1 - goes_on[t]) * worth[t]
        reached *= goes_on[t]
    total += reached * worth[-1]
    planned = compiled_return(path(rewards, goes_on), discount)
    assert planned == pytest.approx(total, rel=1e-4, abs=1e-4)


def test_survival_is_the_product_of_the_probabilities_before():
    alive = survival(jnp.array([0.5, 0.0, 0.8, 0.9]))
    assert alive.tolist() == [1.0, 0.5, 0.0, 0.0]


def test_the_decision_that_ends_counts_in_full_and_nothing_after_it_does():
    evaluation = evaluate(
        path([[1.0, 2.0, 4.0]] * 2, [[1.0, 0.0, 1.0]] * 2),
        penalty=lambda params, path: jnp.array([10.0, 20.0, 40.0]),
    )
    assert evaluation.planned_return == 3.0
    assert evaluation.penalty == 30.0


def test_the_discount_is_per_decision_and_starts_with_the_second():
    planned = evaluate(path([[1.0, 1.0, 1.0]] * 2, np.ones((2, 3))), discount=0.5)
    assert planned.planned_return == 1.75


def test_going_on_behind_the_horizon_moves_the_score_and_no_return():
    paths = path([[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [0.5, 0.5]])
    plain = evaluate(paths, discount=0.5)
    valued = evaluate(paths, discount=0.5, survival_bonus=80.0)
    assert valued.score - plain.score == pytest.approx(0.25 * 80.0 * np.mean([1.0, 0.25]))
    assert (valued.planned_return, valued.spread) == (plain.planned_return, plain.spread)


@given(st.floats(0, 1), st.floats(0.5, 20))
def test_a_plan_that_may_end_is_taken_for_more_than_the_bonus_and_no_less(chance, gain):
    bonus = 10.0
    risky = evaluate(path([[gain]] * 2, [[1 - chance]] * 2), survival_bonus=bonus)
    safe = evaluate(path([[0.0]] * 2, [[1.0]] * 2), survival_bonus=bonus)
    assert risky.score - safe.score == pytest.approx(gain - chance * bonus, abs=1e-4)


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


def test_the_penalty_is_taken_of_each_particle_and_never_of_the_average_path():
    apart = np.array([[[0.0], [2.0]], [[0.0], [-2.0]]])
    evaluation = evaluate(
        path([[0.0]] * 2, [[1.0]] * 2, apart),
        penalty=lambda params, path: jnp.sum(path.observations[1:] ** 2, axis=-1),
    )
    assert evaluation.penalty == 4.0  # of the average path it would be 0


def test_each_particles_penalty_counts_by_its_own_survival():
    evaluation = evaluate(
        path([[0.0, 0.0]] * 2, [[0.0, 1.0], [0.5, 1.0]]),
        penalty=lambda params, path: jnp.array([1.0, 10.0]),
    )
    assert evaluation.penalty == pytest.approx((1.0 + 6.0) / 2)


def test_an_early_end_earns_nothing_on_familiar_data():
    decisions, weight = 8, 7.0
    raw = 50.0 + np.random.default_rng(0).normal(size=(4000, decisions)).astype(np.float32)
    unit = calibrate(jnp.asarray(raw), jnp.ones(raw.shape, bool))

    @quickly
    @partial(jax.vmap, in_axes=(0, None))
    def gain_of_an_end(raw, centre):
        def score(continue_probs):
            paths = path([[0.0] * decisions], [[1.0] * decisions])
            paths = dataclasses.replace(paths, continue_probs=continue_probs[None])
            return evaluate(paths, weight, lambda *_: (raw - centre) / unit.scale).score

        goes_on = jnp.ones(decisions)
        return score(goes_on.at[0].set(0.0)) - score(goes_on)

    gain = np.asarray(gain_of_an_end(raw, unit.offset))
    assert abs(gain.mean()) < 4 * gain.std() / np.sqrt(len(gain))
    # Not centred, every step that is not made would be a gain.
    assert np.min(gain_of_an_end(raw, 0.0)) > weight * (decisions - 1)


# The weight is data.


@pytest.fixture(scope="module")
def learned():
    """A small random ensemble and autoencoder behind one objective, as the agent joins them."""
    ensemble = make_ensemble(2, 1, members=2, hidden=(8,), head_hidden=(8,), potential_hidden=(8,))
    regularizer = make_rnn_dae(2, 1, hidden=4, architecture="encoder-decoder")
    units = Scales(observation=identity(2), delta=identity(2), rewards=identity(2))
    state = RegularizerState(
        params=quickly(regularizer.init)(jax.random.key(1)),
        scales=identity(3),
        calibration=uncalibrated(),
    )
    objective = make_objective(
        partial(ts_infinity, partial(ensemble.step, units)),
        partial(calibrated_penalty, regularizer),
        risk=mean_minus_std(0.3),
    )
    params = (quickly(ensemble.init)(jax.random.key(0)), state)
    traces = []

    def score(weight, key, plan):
        traces.append(plan.shape)
        return objective(params, weight, key, jnp.array([0.5, -0.5]), plan, particles=2)

    return score, traces


def test_changing_the_weight_compiles_nothing(learned, key):
    score, traces = learned
    compiled, plan = quickly(score), jnp.full((3, 1), 0.4)
    traces.clear()
    results = [compiled(jnp.float32(weight), key, plan) for weight in (0.0, 1.0, 3.5)]
    assert len(traces) == 1
    base, penalty = results[0].score, results[0].penalty
    assert penalty > 0
    assert [r.score for r in results[1:]] == pytest.approx(
        [float(base - weight * penalty) for weight in (1.0, 3.5)], rel=1e-5
    )
    assert len({float(r.planned_return) for r in results}) == 1


def test_a_sweep_over_weights_is_one_program(learned, key):
    score, _ = learned
    weights, plan = jnp.array([0.0, 1.0, 10.0]), jnp.full((3, 1), 0.4)
    swept = quickly(jax.vmap(score, in_axes=(0, None, None)))(weights, key, plan)
    expected = swept.score[0] - weights * swept.penalty
    assert swept.score == pytest.approx(np.asarray(expected), rel=1e-5)
    assert np.ptp(swept.score) > 0


def test_scores_of_learned_models_agree_between_a_batch_and_a_loop(learned, key):
    score, _ = learned
    weight, one = jnp.float32(2.0), jax.jit(score)
    plans = jax.random.uniform(key, (4, 3, 1), minval=-1.0)
    batch = quickly(jax.vmap(score, in_axes=(None, None, 0)))(weight, key, plans)
    loop = [float(one(weight, key, plan).score) for plan in plans]
    assert batch.score == pytest.approx(loop, rel=1e-4)
    assert len(set(loop)) == 4


@pytest.mark.usefixtures("float64")
def test_scores_in_an_analytic_world_agree_to_the_last_digits(key):
    world, start = two_members(), jnp.array([1.0, 0.0])
    objective = make_objective(
        partial(ts_infinity, world.step),
        lambda params, path: jnp.sum(path.observations[1:] ** 2, axis=-1),
        discount=0.95,
        risk=mean_minus_std(0.5),
    )

    def score(plan):
        return objective((world.params, {}), jnp.array(2.0), key, start, plan, particles=4)

    plans = jnp.array([[[0.5], [-1.0]], [[0.1], [0.9]]])
    batch = quickly(jax.vmap(score))(plans)
    loop = [quickly(score)(plans[0]), score(plans[1])]  # the second without compilation
    for name in ("planned_return", "penalty", "spread", "score"):
        expected = [float(getattr(alone, name)) for alone in loop]
        assert getattr(batch, name) == pytest.approx(expected, rel=1e-9)
