"""Random shooting: the best of the plans drawn, from a proposal that stays as it is."""

import jax.numpy as jnp
import numpy as np
import pytest
from spying import contains, shifted, watch

from mbrl import Search, gaussian, make_random_shooting
from mbrl.planners.sampling import Returns

H, A, N, KEPT = 4, 1, 20, 3
GOAL = 0.6


def value(actions):
    return -jnp.sum(jnp.square(actions - GOAL))


def best_first(plans: np.ndarray) -> np.ndarray:
    return plans[np.argsort(np.sum(np.square(plans - GOAL), axis=(1, 2)))]


def planner(keep: int = 1, returns: Returns = "better"):
    search = Search(population=N, particles=1, final_particles=1, returns=returns)
    return make_random_shooting(gaussian(H, A, init_std=0.5, noise_beta=0.0), search, keep=keep)


def test_the_best_plan_drawn_is_returned(key):
    (decision,) = watch(planner(returns="best"), value, key)
    (drawn,) = decision.rounds
    assert len(np.unique(drawn, axis=0)) == N
    assert decision.plan.actions.tolist() == best_first(drawn)[0].tolist()
    assert decision.plan.elite_scores == pytest.approx([float(decision.plan.score)])


def test_the_mode_is_returned_where_it_scores_higher_than_all_candidates(key):
    (decision,) = watch(planner(), lambda actions: -jnp.sum(jnp.abs(actions)), key)
    assert decision.plan.actions.tolist() == np.zeros((H, A)).tolist()
    assert decision.plan.score == 0.0


def test_the_proposal_stays_as_it_is(key):
    for decision in watch(planner(KEPT), value, key, decisions=3):
        assert decision.state.distribution.mean.tolist() == np.zeros((H, A)).tolist()
        assert decision.state.distribution.std.tolist() == np.full((H, A), 0.5).tolist()


@pytest.mark.parametrize("keep", [0, KEPT])
def test_the_best_plans_are_candidates_of_the_next_decision_shifted(keep, key):
    first, second = watch(planner(keep), value, key, decisions=2)
    best = best_first(first.rounds[0])
    again = [contains(second.rounds[0], shifted(plan)) for plan in best]
    assert again == [True] * keep + [False] * (N - keep)
    assert len(second.rounds[0]) == N  # the kept ones included
    assert second.plan.score >= value(shifted(best[0])) - 1e-6 or not keep
