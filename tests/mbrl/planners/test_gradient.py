"""Gradient ascent on the plan: its estimator, its steps, and scores that are not finite."""

import dataclasses
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import certain
from hypothesis import given
from hypothesis import strategies as st
from spying import watch

from mbrl import gaussian, make_gradient
from mbrl.planners.gradient import straight_through

H, ACTIONS = 3, 4
ONE_PATH: dict[str, Any] = {"particles": 1, "final_particles": 1}
VALUES = np.random.default_rng(0).normal(size=(H, ACTIONS)).astype(np.float32)

logit = st.floats(-5.0, 5.0, width=32)
logits = st.lists(st.lists(logit, min_size=ACTIONS, max_size=ACTIONS), min_size=H, max_size=H)


def climb(value, key, **knobs):
    """The plan and the next state of a search where the score of a plan is `value(actions)`."""
    planner = make_gradient(gaussian(1, 1, init_std=0.5), **(ONE_PATH | knobs))

    def plan(key):
        return planner.plan(lambda key, actions, **_: certain(value(actions)), key, planner.init())

    return jax.jit(plan if key.ndim == 0 else jax.vmap(plan))(key)


# Discrete actions.


@cache
def compiled():
    def value(points):
        return jnp.sum(VALUES * straight_through(points))

    return jax.jit(straight_through), jax.jit(jax.grad(value))


@pytest.mark.usefixtures("float64")
@given(logits)
def test_the_estimator_is_one_hot_with_the_slope_of_the_softmax(points):
    points = np.where(np.abs(points) < 1e-6, 0.0, points)  # XLA flushes what is denormal
    decode, slope = compiled()
    rows = np.asarray(decode(points))
    assert rows.tolist() == np.eye(ACTIONS)[np.argmax(points, axis=-1)].tolist()  # exactly

    def soft_value(points):
        exponential = np.exp(points)
        return np.sum(VALUES * exponential / exponential.sum(axis=-1, keepdims=True))

    step = 1e-5 * np.eye(points.size).reshape(points.size, *points.shape)
    differences = [(soft_value(points + s) - soft_value(points - s)) / 2e-5 for s in step]
    assert slope(points) == pytest.approx(np.reshape(differences, points.shape), abs=1e-8)


# Steps.


@pytest.mark.parametrize(("count", "rate"), [(1, 0.3), (8, 0.05)])
def test_steps_grow_shorter_along_half_a_cosine(count, rate, key):
    # With a constant gradient, the length of each step of Adam is its learning rate.
    plan, _ = climb(lambda a: 7.0 * a[0, 0], key, starts=1, iterations=count, learning_rate=rate)
    lengths = rate * (1 + np.cos(np.pi * np.arange(count) / count)) / 2
    assert plan.actions[0, 0] == pytest.approx(lengths.sum(), rel=1e-4)


def test_it_climbs_the_score_and_not_the_return(key):
    def evaluate(key, actions, *, particles):
        score = -jnp.sum(jnp.square(actions - 0.4))
        return dataclasses.replace(certain(score), planned_return=-10.0 * jnp.sum(actions))

    planner = make_gradient(gaussian(1, 1), starts=2, iterations=60, learning_rate=0.1, **ONE_PATH)
    plan, _ = jax.jit(lambda key: planner.plan(evaluate, key, planner.init()))(key)
    assert plan.actions == pytest.approx(np.array([[0.4]]), abs=0.01)
    assert plan.planned_return == pytest.approx(-4.0, abs=0.1)


# Starts.


def test_one_start_is_the_last_plan_and_not_random():
    keys = jax.random.split(jax.random.key(0), 5)
    plan, _ = climb(
        lambda a: -jnp.sum((a - 0.7) ** 2), keys, starts=1, iterations=5, learning_rate=0.1
    )
    assert np.ptp(plan.actions) == 0.0


def test_more_starts_find_the_higher_of_two_peaks():
    def value(actions):
        """A low peak where the search begins, and a high one to its right."""
        x = actions[0, 0]
        return jnp.exp(-jnp.square(x / 0.15)) + 2 * jnp.exp(-jnp.square((x - 0.7) / 0.15))

    keys = jax.random.split(jax.random.key(0), 200)
    share = []
    for starts in (1, 4, 32):
        plan, _ = climb(value, keys, starts=starts, iterations=15, learning_rate=0.1)
        share.append(np.mean(plan.score > 1.5))
    assert share[0] == 0.0
    assert 0.05 < share[1] < 0.9
    assert share[2] > 0.95


# Scores that are not finite.


def cliff(actions):
    """A maximum at 0.4; beyond 0.45 the score is not finite."""
    x = actions[0, 0]
    return jnp.where(x > 0.45, jnp.nan, -jnp.square(x - 0.4))


@pytest.mark.parametrize("rate", [0.3, 0.6])
def test_steps_to_a_score_that_is_not_finite_are_undone(rate, key):
    (decision,) = watch(
        make_gradient(gaussian(1, 1), starts=1, iterations=40, learning_rate=rate, **ONE_PATH),
        cliff, key,
    )  # fmt: skip
    places = [float(plans[0, 0, 0]) for plans in decision.rounds]
    assert len(places) == 40
    left = [t for t, x in enumerate(places) if x > 0.45]
    assert left
    for t in left:
        if t + 1 < len(places):
            assert places[t + 1] == places[t - 1]
    assert decision.plan.actions == pytest.approx(np.array([[0.4]]), abs=0.05)
    assert np.isfinite(decision.plan.score)


def test_a_start_whose_gradient_is_not_finite_stays_where_it_is(key):
    def value(actions):
        """At 0, where the only start is, the score is finite and the gradient is not."""
        return jnp.sqrt(jnp.abs(actions[0, 0]))

    assert not np.isfinite(jax.grad(value)(jnp.zeros((1, 1))))
    plan, _ = climb(value, key, starts=1, iterations=5, learning_rate=0.1)
    assert plan.actions.tolist() == [[0.0]]
    assert plan.score == 0.0
    plan, _ = climb(value, key, starts=4, iterations=5, learning_rate=0.1)  # the others move
    assert abs(plan.actions[0, 0]) > 0.3
