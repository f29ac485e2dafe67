"""Random shooting: the best of what was drawn, and nothing learned but that."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import certain, quickly
from spying import shifted, tried, watch

from mbrl import categorical, gaussian, make_random_shooting

H, A, N, KEPT = 4, 1, 20, 3
ONE_PATH: dict[str, Any] = {"particles": 1, "final_particles": 1}
GOAL = 0.6


def worth(actions):
    return -jnp.sum(jnp.square(actions - GOAL))


def best_first(plans: np.ndarray) -> np.ndarray:
    return plans[np.argsort(np.sum(np.square(plans - GOAL), axis=(1, 2)))]


def made(**knobs: Any):
    given: dict[str, Any] = {"population": N, **ONE_PATH, **knobs}
    return make_random_shooting(gaussian(H, A), **given)


def test_the_best_plan_drawn_is_returned(key):
    (decision,) = watch(made(returns="best"), worth, key)
    (drawn,) = decision.rounds
    assert len(np.unique(drawn, axis=0)) == N
    assert decision.plan.actions.tolist() == best_first(drawn)[0].tolist()
    assert decision.plan.elite_scores == pytest.approx([float(decision.plan.score)])


def test_nothing_is_done_where_that_is_better_than_anything_drawn(key):
    (decision,) = watch(made(), lambda actions: -jnp.sum(jnp.abs(actions)), key)
    assert decision.plan.actions.tolist() == np.zeros((H, A)).tolist()
    assert decision.plan.score == 0.0


def test_the_proposal_stays_as_it_is(key):
    for decision in watch(made(keep=KEPT), worth, key, decisions=3):
        assert decision.state.distribution.mean.tolist() == np.zeros((H, A)).tolist()
        assert decision.state.distribution.std.tolist() == np.full((H, A), 0.5).tolist()
    uniform = make_random_shooting(categorical(H, 3), population=N, **ONE_PATH)
    (decision,) = watch(uniform, lambda actions: jnp.sum(actions[:, 1]), key)
    assert decision.state.distribution == pytest.approx(np.full((H, 3), 1 / 3))


@pytest.mark.parametrize("keep", [0, KEPT])
def test_the_best_plans_are_tried_again_one_step_on_in_the_next_decision(keep, key):
    first, second = watch(made(keep=keep), worth, key, decisions=2)
    best = best_first(first.rounds[0])
    again = [tried(shifted(plan), second.rounds[0]) for plan in best]
    assert again == [True] * keep + [False] * (N - keep)
    assert len(second.rounds[0]) == N  # those kept are among them
    assert second.plan.score >= worth(shifted(best[0])) - 1e-6 or not keep


def test_more_plans_drawn_are_better_and_cost_as_much_more():
    keys = jax.random.split(jax.random.key(0), 200)
    scores = []
    for population in (3, 30, 300):
        planner = made(population=population, particles=4, final_particles=5)
        assert planner.paths == 4 * population + 2 * 2 * 5
        plan = jax.vmap(
            lambda key, planner=planner: planner.plan(
                lambda key, actions, **_: certain(worth(actions)), key, planner.init()
            )[0]
        )
        scores.append(float(np.mean(quickly(plan)(keys).score)))
    assert scores[0] + 0.2 < scores[1] < scores[2] - 0.1
