"""The cross-entropy method: its weights, and optima that are known."""

import jax.numpy as jnp
import numpy as np
import pytest
from analytic import Ring, quickly, regulator
from hypothesis import given
from hypothesis import strategies as st

from mbrl import categorical, gaussian, make_cem
from mbrl.planners.cem import elite_weights

score = st.one_of(st.just(-np.inf), st.floats(-1e6, 1e6, width=32))


compiled_weights = quickly(elite_weights, static_argnums=1)


@given(st.lists(score, min_size=6, max_size=6), st.sampled_from([1, 4, 6]))
def test_the_elites_among_the_finite_scores_share_the_weight_equally(scores, elites):
    weights = np.asarray(compiled_weights(jnp.array(scores), elites))
    finite = np.isfinite(scores)
    count = min(elites, finite.sum())
    assert np.sum(weights > 0) == count
    assert weights.sum() == pytest.approx(1.0 if count else 0.0)
    if count:
        assert weights[weights > 0] == pytest.approx(1 / count)
        assert min(np.array(scores)[weights > 0]) == np.sort(scores)[-count]


@pytest.mark.usefixtures("float64")
def test_it_finds_the_best_open_loop_plan_of_a_linear_system_under_a_quadratic_cost(key):
    horizon = 5
    world = regulator(horizon, np.array([0.5, 0.25]))
    best = world.best_plan((horizon, 1))
    assert np.max(np.abs(best)) < 0.95  # inside the bounds, where the closed form holds
    planner = make_cem(
        gaussian(horizon, 1, init_std=0.7, min_std=0.0),
        population=200, elites=20, iterations=12, particles=1, final_particles=1,
    )  # fmt: skip
    plan, _ = quickly(lambda key: planner.plan(world.score, key, planner.init()))(key)
    assert plan.actions.dtype == jnp.float64
    assert -plan.planned_return == pytest.approx(world.cost(best), rel=0.01)
    assert -plan.planned_return >= world.cost(best)
    assert plan.actions == pytest.approx(best, abs=0.05)
    # Doing nothing, where the search began, is far from it.
    assert world.cost(0 * best) > 1.2 * world.cost(best)


def test_it_finds_the_best_sequence_of_discrete_actions(key):
    planner = make_cem(
        categorical(Ring.horizon, Ring.actions),
        population=100, elites=10, iterations=6, particles=1, final_particles=1,
    )  # fmt: skip
    plan, _ = quickly(lambda key: planner.plan(Ring.score, key, planner.init()))(key)
    assert np.argmax(plan.actions, axis=-1).tolist() == list(Ring.best_plan())
    assert np.sum(plan.actions, axis=-1).tolist() == [1.0] * Ring.horizon
    assert plan.planned_return == pytest.approx(Ring.worth(Ring.best_plan()))
