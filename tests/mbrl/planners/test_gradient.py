"""Gradient ascent on the plan: its estimator, its steps, and the places that it has to leave."""

import dataclasses
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import certain, quickly
from hypothesis import given
from hypothesis import strategies as st
from spying import shifted, watch

from mbrl import categorical, gaussian, make_gradient
from mbrl.planners.gradient import straight_through

H, ACTIONS = 3, 4
ONE_PATH: dict[str, Any] = {"particles": 1, "final_particles": 1}
WORTHS = np.random.default_rng(0).normal(size=(H, ACTIONS)).astype(np.float32)

logit = st.floats(-5.0, 5.0, width=32)
logits = st.lists(st.lists(logit, min_size=ACTIONS, max_size=ACTIONS), min_size=H, max_size=H)


def climb(worth, key, **knobs):
    """The plan and the next state of a search in a world where a plan is worth `worth(actions)`."""
    planner = make_gradient(knobs.pop("proposal", gaussian(1, 1)), **(ONE_PATH | knobs))

    def plan(key):
        return planner.plan(lambda key, actions, **_: certain(worth(actions)), key, planner.init())

    return quickly(plan if key.ndim == 0 else jax.vmap(plan))(key)


# Discrete actions.


@cache
def compiled():
    def worth(points):
        return jnp.sum(WORTHS * straight_through(points))

    return quickly(straight_through), quickly(jax.grad(worth))


@pytest.mark.usefixtures("float64")
@given(logits)
def test_the_estimator_is_one_hot_with_the_slope_of_the_softmax(points):
    points = np.where(np.abs(points) < 1e-6, 0.0, points)  # XLA flushes what is denormal
    decode, slope = compiled()
    rows = np.asarray(decode(points))
    assert rows.tolist() == np.eye(ACTIONS)[np.argmax(points, axis=-1)].tolist()  # exactly

    def soft_worth(points):
        exponential = np.exp(points)
        return np.sum(WORTHS * exponential / exponential.sum(axis=-1, keepdims=True))

    step = 1e-5 * np.eye(points.size).reshape(points.size, *points.shape)
    differences = [(soft_worth(points + s) - soft_worth(points - s)) / 2e-5 for s in step]
    assert slope(points) == pytest.approx(np.reshape(differences, points.shape), abs=1e-8)


def test_the_best_action_of_every_decision_is_found_from_one_start(key):
    """Where decisions do not meet, each row climbs by itself."""
    plan, _ = climb(
        lambda actions: jnp.sum(WORTHS * actions), key, proposal=categorical(H, ACTIONS),
        discrete=True, starts=1, iterations=30, learning_rate=0.5,
    )  # fmt: skip
    assert np.argmax(WORTHS, axis=-1).tolist() != [0] * H  # where the only start is
    assert np.argmax(plan.actions, axis=-1).tolist() == np.argmax(WORTHS, axis=-1).tolist()
    assert plan.score == pytest.approx(WORTHS.max(axis=-1).sum(), rel=1e-6)


# Steps.


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_the_first_step_is_as_long_as_the_learning_rate_says(rate, key):
    plan, _ = climb(lambda a: 7.0 * a[0, 0], key, starts=1, iterations=1, learning_rate=rate)
    assert plan.actions == pytest.approx(np.array([[rate]]), rel=1e-4)


def test_steps_grow_shorter_along_half_a_cosine(key):
    # Under a slope that never changes all of Adam's steps are as long as its rate.
    count, rate = 8, 0.05
    plan, _ = climb(lambda a: a[0, 0], key, starts=1, iterations=count, learning_rate=rate)
    lengths = rate * (1 + np.cos(np.pi * np.arange(count) / count)) / 2
    assert plan.actions[0, 0] == pytest.approx(lengths.sum(), rel=1e-4)


def test_it_climbs_the_score_and_not_the_return(key):
    def evaluate(key, actions, *, particles):
        score = -jnp.sum(jnp.square(actions - 0.4))
        return dataclasses.replace(certain(score), planned_return=-10.0 * jnp.sum(actions))

    planner = make_gradient(gaussian(1, 1), starts=2, iterations=60, learning_rate=0.1, **ONE_PATH)
    plan, _ = quickly(lambda key: planner.plan(evaluate, key, planner.init()))(key)
    assert plan.actions == pytest.approx(np.array([[0.4]]), abs=0.01)
    assert plan.planned_return == pytest.approx(-4.0, abs=0.1)


def test_plans_stop_at_the_bounds(key):
    plan, _ = climb(lambda a: 5.0 * a[0, 0], key, starts=4, iterations=20, learning_rate=0.5)
    assert plan.actions.tolist() == [[1.0]]


# Starts.


def test_one_start_is_the_last_plan_and_needs_no_chance():
    keys = jax.random.split(jax.random.key(0), 5)
    plan, _ = climb(
        lambda a: -jnp.sum((a - 0.7) ** 2), keys, starts=1, iterations=5, learning_rate=0.1
    )
    assert np.ptp(plan.actions) == 0.0


def test_more_starts_find_the_better_of_two_peaks():
    def worth(actions):
        """A low peak where the search begins, and a high one to its right."""
        x = actions[0, 0]
        return jnp.exp(-jnp.square(x / 0.15)) + 2 * jnp.exp(-jnp.square((x - 0.7) / 0.15))

    keys = jax.random.split(jax.random.key(0), 200)
    share = []
    for starts in (1, 4, 32):
        plan, _ = climb(worth, keys, starts=starts, iterations=15, learning_rate=0.1)
        share.append(np.mean(plan.score > 1.5))
    assert share[0] == 0.0
    assert 0.05 < share[1] < 0.9
    assert share[2] > 0.95


def test_the_next_decision_starts_from_the_plan_one_step_on(key):
    def worth(actions):
        return -jnp.sum(jnp.square(actions - jnp.array([[0.9], [-0.5], [0.1]])))

    planner = make_gradient(gaussian(3, 1), starts=3, iterations=4, learning_rate=0.1, **ONE_PATH)
    first, second = watch(planner, worth, key, decisions=2)
    start = shifted(np.asarray(first.plan.actions))
    assert first.state.mean == pytest.approx(start, abs=1e-6)
    assert any(np.allclose(tried, start, atol=1e-6) for tried in second.rounds[0])
    # All others are drawn around it.
    assert len(np.unique(second.rounds[0], axis=0)) == 3


# Where nothing is known.


def cliff(actions):
    """The peak stands at 0.4, and behind 0.45 the model breaks down."""
    x = actions[0, 0]
    return jnp.where(x > 0.45, jnp.nan, -jnp.square(x - 0.4))


@pytest.mark.parametrize("rate", [0.3, 0.6])
def test_it_leaves_a_place_without_a_score_again_and_goes_on(rate, key):
    (decision,) = watch(
        make_gradient(gaussian(1, 1), starts=1, iterations=40, learning_rate=rate, **ONE_PATH),
        cliff, key,
    )  # fmt: skip
    places = [float(plans[0, 0, 0]) for plans in decision.rounds]
    assert len(places) == 40
    left = [t for t, x in enumerate(places) if x > 0.45]
    assert left  # it did step over the edge,
    for t in left:
        if t + 1 < len(places):  # went back to where it had come from,
            assert places[t + 1] == places[t - 1]
    assert decision.plan.actions == pytest.approx(np.array([[0.4]]), abs=0.05)  # and arrived
    assert np.isfinite(decision.plan.score)


def test_a_start_whose_slope_is_no_number_stays_where_it_is(key):
    def worth(actions):
        """The root has a score at 0, where the only start is, and an infinite slope."""
        return jnp.sqrt(jnp.abs(actions[0, 0]))

    assert not np.isfinite(jax.grad(worth)(jnp.zeros((1, 1))))
    plan, _ = climb(worth, key, starts=1, iterations=5, learning_rate=0.1)
    assert plan.actions.tolist() == [[0.0]]
    assert plan.score == 0.0
    plan, _ = climb(worth, key, starts=4, iterations=5, learning_rate=0.1)  # the others go on
    assert abs(plan.actions[0, 0]) > 0.3
