"""The improved cross-entropy method: each of its ingredients acts, and can be switched off.

Those of the proposal (1, 2 and 6) are tested in `test_proposals`.
"""

import itertools
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spying import Decision, contains, shifted, watch

from mbrl import Search, gaussian, make_cem, make_icem
from mbrl.planners.sampling import population_sizes

H, A, N, ELITES, ROUNDS, KEPT = 4, 2, 12, 4, 3, 2
GOAL = 0.6

PROPOSAL = gaussian(H, A, init_std=0.5, noise_beta=0.0)
ON: dict[str, Any] = {"keep": 0.5, "shift_kept": True, "decay": 1.25, "try_mode": True}
OFF: dict[str, Any] = {"keep": 0.0, "shift_kept": False, "decay": 1.0, "try_mode": False}


def value(actions):
    """One maximum, away from the zero plan, where the search begins."""
    return -jnp.sum(jnp.square(actions - GOAL))


def values(plans: np.ndarray) -> np.ndarray:
    return -np.sum(np.square(plans - GOAL), axis=(-2, -1))


def best_first(plans: np.ndarray) -> np.ndarray:
    return plans[np.argsort(-values(plans))]


def planner(returns: Any = "better", **knobs):
    search = Search(
        population=N, iterations=ROUNDS, particles=1, final_particles=1, returns=returns
    )
    return make_icem(PROPOSAL, search, elites=ELITES, **(ON | knobs))


@cache
def two_decisions(*switched_off: str) -> list[Decision]:
    """With everything switched on but these."""
    without = planner(**{name: OFF[name] for name in switched_off})
    return watch(without, value, jax.random.key(3), decisions=2)


# 3 and 4: elites are kept.


def test_3_elites_are_candidates_of_the_next_iteration():
    for decision in two_decisions():
        for before, after in itertools.pairwise(decision.rounds):
            best = best_first(before)
            assert all(contains(after, plan) for plan in best[:KEPT])
            assert not any(contains(after, plan) for plan in best[KEPT:])
    for decision in two_decisions("keep"):
        for before, after in itertools.pairwise(decision.rounds):
            assert not any(contains(after, plan) for plan in before)


def test_4_elites_are_candidates_of_the_next_decision_shifted():
    for switched_off, again in ((), True), (("shift_kept",), False):
        first, second = two_decisions(*switched_off)
        for plan in best_first(first.rounds[-1])[:KEPT]:
            assert contains(second.rounds[0], shifted(plan)) == again
            assert not contains(second.rounds[0], plan)
    # Within a decision they are kept in any case.
    _, second = two_decisions("shift_kept")
    assert all(contains(second.rounds[1], plan) for plan in best_first(second.rounds[0])[:KEPT])


@pytest.mark.parametrize(("keep", "count"), [(0.0, 0), (0.01, 1), (0.3, 3), (1.0, 10)])
def test_a_share_of_the_elites_is_kept_and_at_least_one(keep, count):
    state = make_icem(PROPOSAL, Search(), elites=10, keep=keep).init()
    assert state.kept.shape == (count, H, A)
    assert not state.has_kept


# 5: a population that shrinks.


def test_5_the_population_shrinks_down_to_twice_the_elites():
    for decision in two_decisions():
        assert [len(plans) for plans in decision.rounds] == [12, 9, 8]
    for decision in two_decisions("decay"):
        assert [len(plans) for plans in decision.rounds] == [12, 12, 12]
    assert planner().paths == 12 + 9 + 8 + 2 * 2
    assert planner(decay=1.0).paths == 3 * 12 + 2 * 2


@given(st.integers(2, 500), st.integers(1, 12), st.floats(1.0, 4.0), st.integers(1, 500))
def test_sizes_fall_by_the_factor_asked_for_and_never_below_the_least(
    population, rounds, decay, least
):
    sizes = population_sizes(population, rounds, decay, least)
    assert len(sizes) == rounds
    assert sizes[0] == population
    assert sizes == sorted(sizes, reverse=True)
    for i, size in enumerate(sizes):
        expected = population / decay**i
        assert min(least, population) <= size <= max(expected + 1e-9, least)
        assert size > expected - 1 - 1e-9


# 7 and 8: the mean as a candidate, and as the plan.


def test_7_the_mean_is_a_candidate_of_the_last_iteration():
    def tries(decision, means):
        return [
            any(np.allclose(plan, mean, atol=1e-6) for plan in plans)
            for mean, plans in zip(means, decision.rounds, strict=True)
        ]

    for decision, in_the_end in ((two_decisions()[0], True), (two_decisions("try_mode")[0], False)):
        means = [np.zeros((H, A))]  # before each iteration
        means += [best_first(plans)[:ELITES].mean(axis=0) for plans in decision.rounds[:-1]]
        assert tries(decision, means) == [False, False, in_the_end]


def test_8_the_mean_the_best_or_the_better_of_both_is_returned(key):
    returned = {}
    for returns in ("mean", "best", "better"):
        (decision,) = watch(planner(returns), value, key)
        elites = best_first(decision.rounds[-1])[:ELITES]
        mean, best = elites.mean(axis=0), elites[0]
        returned[returns] = np.asarray(decision.plan.actions)
    assert returned["mean"] == pytest.approx(mean, abs=1e-6)
    assert returned["best"].tolist() == best.tolist()
    assert np.max(np.abs(mean - best)) > 0.01
    better = "mean" if values(mean) > values(best) else "best"
    assert returned["better"].tolist() == returned[better].tolist()
    assert planner("best").paths == planner("better").paths - 2


# Without them it is the cross-entropy method.


def test_with_everything_switched_off_it_is_the_cross_entropy_method_bit_for_bit(key):
    proposal = gaussian(H, A, noise_beta=1.0, momentum=0.1)
    search = Search(population=N, iterations=ROUNDS, particles=2, final_particles=3)
    plain = make_cem(proposal, search, elites=ELITES)
    improved = make_icem(proposal, search, elites=ELITES, **OFF)
    assert plain.paths == improved.paths
    first, second = (watch(each, value, key, decisions=2) for each in (plain, improved))
    for ours, theirs in zip(
        jax.tree.leaves([(d.plan, d.state) for d in first]),
        jax.tree.leaves([(d.plan, d.state) for d in second]),
        strict=True,
    ):
        if ours.size and ours.dtype != bool:
            assert np.array_equal(ours, theirs)
    different = watch(make_icem(proposal, search, elites=ELITES, **ON), value, key)
    assert not np.array_equal(different[0].plan.actions, first[0].plan.actions)
