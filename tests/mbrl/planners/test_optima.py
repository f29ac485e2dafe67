"""Analytic optima: each planner finds them, at a stated budget."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import Ring, regulator, riccati

from mbrl import (
    Search,
    categorical,
    gaussian,
    make_cem,
    make_gradient,
    make_icem,
    make_mppi,
    make_random_shooting,
)

KEYS = 20
ONE_PATH: dict[str, Any] = {"particles": 1, "final_particles": 1}  # there is no uncertainty

# A linear system under a quadratic cost.

H, START = 8, np.array([0.5, 0.25])
SEARCHES = {
    # The planner, and the imagined paths that one of its plans costs.
    "icem": (
        make_icem(
            gaussian(H, 1, min_std=0.0, noise_beta=0.0),
            Search(population=200, iterations=12, **ONE_PATH),
            elites=30,
        ),
        2_404,
    ),
    "cem": (
        make_cem(
            gaussian(H, 1, min_std=0.0, noise_beta=0.0),
            Search(population=200, iterations=12, **ONE_PATH),
            elites=20,
        ),
        2_404,
    ),
    "mppi": (
        make_mppi(
            gaussian(H, 1, init_std=0.2, adapt_std=False, noise_beta=0.0),
            Search(population=300, iterations=15, **ONE_PATH),
            temperature=0.2,
        ),
        4_504,
    ),
    "gradient": (
        make_gradient(gaussian(H, 1), starts=1, iterations=100, learning_rate=0.1, **ONE_PATH),
        304,
    ),
}


def test_least_squares_and_riccatis_recursion_agree():
    world = regulator(H, START)
    cost, plan = riccati(H, START)
    assert world.best_plan((H, 1)) == pytest.approx(plan, abs=1e-12)
    assert world.cost(plan) == pytest.approx(cost, rel=1e-12)
    assert np.max(np.abs(plan)) < 0.95  # inside the bounds, where the closed form holds
    # The zero plan, where the search begins, is far from it.
    assert world.cost(0 * plan) > 1.2 * cost


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", SEARCHES)
def test_the_plan_is_within_one_percent_of_the_riccati_optimum(name):
    planner, paths = SEARCHES[name]
    world, (least, best) = regulator(H, START), riccati(H, START)
    keys = jax.random.split(jax.random.key(0), KEYS)
    plan, _ = jax.jit(jax.vmap(lambda key: planner.plan(world.score, key, planner.init())))(keys)
    cost = -np.asarray(plan.planned_return)
    assert plan.actions.dtype == jnp.float64
    assert planner.paths == paths
    assert np.all(cost >= least)
    assert np.all(cost <= 1.01 * least)  # whatever the key
    assert plan.actions == pytest.approx(np.stack([best] * KEYS), abs=0.1)


# A ring of states and discrete actions.

PLANS = categorical(Ring.horizon, Ring.actions, noise_beta=0.0)
ROUNDS_OF_300 = Search(population=300, iterations=2, **ONE_PATH)
DISCRETE = {
    "icem": (make_icem(PLANS, ROUNDS_OF_300), 604),
    "cem": (make_cem(PLANS, ROUNDS_OF_300), 604),
    "mppi": (
        make_mppi(PLANS, Search(population=200, iterations=3, **ONE_PATH), temperature=0.5),
        604,
    ),
    "random-shooting": (
        make_random_shooting(PLANS, Search(population=600, **ONE_PATH)),
        604,  # of 81 plans
    ),
    # Many starts, since each climbs to the nearest local optimum.
    "gradient": (
        make_gradient(
            PLANS, discrete=True, starts=200, iterations=2, learning_rate=1.0, **ONE_PATH
        ),
        2_000,
    ),
}


@pytest.mark.parametrize("name", DISCRETE)
def test_the_best_sequence_of_discrete_actions_is_found(name):
    planner, paths = DISCRETE[name]
    keys = jax.random.split(jax.random.key(0), KEYS)
    plan, _ = jax.jit(jax.vmap(lambda key: planner.plan(Ring.score, key, planner.init())))(keys)
    assert planner.paths == paths
    assert np.all(np.isin(plan.actions, [0.0, 1.0]))
    assert np.all(np.sum(plan.actions, axis=-1) == 1.0)
    assert np.all(np.argmax(plan.actions, axis=-1) == np.array(Ring.best_plan()))
    assert plan.planned_return == pytest.approx(np.full(KEYS, Ring.total_reward(Ring.best_plan())))
