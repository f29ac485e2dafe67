"""The improved cross-entropy method: each of its ingredients is felt, and can be switched off."""

import itertools
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spying import Decision, shifted, tried, watch

from mbrl import gaussian, make_cem, make_icem
from mbrl.planners.sampling import population_sizes

H, A, N, ELITES, ROUNDS, KEPT = 4, 2, 12, 4, 3, 2
GOAL = 0.6

ON: dict[str, Any] = {"keep": 0.5, "shift_kept": True, "decay": 1.25, "try_mode": True}
OFF: dict[str, Any] = {"keep": 0.0, "shift_kept": False, "decay": 1.0, "try_mode": False}


def worth(actions):
    """One peak away from the middle, where the search begins."""
    return -jnp.sum(jnp.square(actions - GOAL))


def worths(plans: np.ndarray) -> np.ndarray:
    return -np.sum(np.square(plans - GOAL), axis=(-2, -1))


def best_first(plans: np.ndarray) -> np.ndarray:
    return plans[np.argsort(-worths(plans))]


def made(proposal=None, **knobs):
    sizes: dict[str, Any] = {"population": N, "elites": ELITES, "iterations": ROUNDS}
    paths: dict[str, Any] = {"particles": 1, "final_particles": 1}
    return make_icem(proposal or gaussian(H, A), **(sizes | paths | ON | knobs))


@cache
def two_decisions(*switched_off: str) -> list[Decision]:
    """With everything switched on but these."""
    planner = made(**{name: OFF[name] for name in switched_off})
    return watch(planner, worth, jax.random.key(3), decisions=2)


# 1 and 2: the noise is the proposal's.


def first_round(proposal, population=N) -> np.ndarray:
    (decision,) = watch(
        made(proposal, population=population, iterations=1), worth, jax.random.key(0)
    )
    return decision.rounds[0]


def test_1_noise_correlated_in_time():
    def correlation(beta):
        plans = first_round(gaussian(H, A, init_std=0.2, noise_beta=beta), population=100)
        return np.corrcoef(plans[:, :-1].ravel(), plans[:, 1:].ravel())[0, 1]

    assert correlation(2.0) > 0.25
    assert abs(correlation(0.0)) < 4 / np.sqrt(100 * (H - 1) * A)


def test_2_clipping_at_the_bounds():
    drawn: list[tuple[Any, float, float]] = [("clip", 0.1, 0.6), ("truncate", 0.0, 0.0)]
    for bounds, least, most in drawn:
        plans = first_round(gaussian(H, A, init_std=1.0, bounds=bounds))
        assert np.all(np.abs(plans) <= 1.0)
        assert least <= np.mean(np.abs(plans) == 1.0) <= most


# 3 and 4: elites are kept.


def test_3_elites_are_tried_again_in_the_next_round():
    for decision in two_decisions():
        for before, after in itertools.pairwise(decision.rounds):
            best = best_first(before)
            assert all(tried(plan, after) for plan in best[:KEPT])
            assert not any(tried(plan, after) for plan in best[KEPT:])
    for decision in two_decisions("keep"):
        for before, after in itertools.pairwise(decision.rounds):
            assert not any(tried(plan, after) for plan in before)


def test_what_was_found_is_never_lost_within_a_decision():
    sluggish = gaussian(H, A, momentum=0.95)  # so that no round is sure to beat the last

    def loses(**knobs):
        decisions = watch(made(sluggish, **knobs), worth, jax.random.key(0), decisions=6)
        bests = [[worths(plans).max() for plans in decision.rounds] for decision in decisions]
        return any(found != sorted(found) for found in bests)

    assert not loses()
    assert loses(keep=0.0)


def test_4_elites_are_tried_one_step_on_in_the_next_decision():
    for switched_off, again in ((), True), (("shift_kept",), False):
        first, second = two_decisions(*switched_off)
        for plan in best_first(first.rounds[-1])[:KEPT]:
            assert tried(shifted(plan), second.rounds[0]) == again
            assert not tried(plan, second.rounds[0])
    # Within a decision they are kept all the same.
    _, second = two_decisions("shift_kept")
    assert all(tried(plan, second.rounds[1]) for plan in best_first(second.rounds[0])[:KEPT])


def test_a_new_episode_knows_no_elites():
    first, _ = two_decisions()
    assert not np.any(np.all(first.rounds[0] == 0.0, axis=(1, 2)))
    assert len(np.unique(first.rounds[0], axis=0)) == N


@pytest.mark.parametrize(("keep", "count"), [(0.0, 0), (0.01, 1), (0.3, 3), (1.0, 10)])
def test_a_share_of_the_elites_is_kept_and_at_least_one(keep, count):
    state = make_icem(gaussian(H, A), elites=10, keep=keep).init()
    assert state.kept.shape == (count, H, A)
    assert not state.has_kept


# 5: a population that shrinks.


def test_5_the_population_shrinks_down_to_twice_the_elites():
    for decision in two_decisions():
        assert [len(plans) for plans in decision.rounds] == [12, 9, 8]
    for decision in two_decisions("decay"):
        assert [len(plans) for plans in decision.rounds] == [12, 12, 12]
    assert made().paths == 12 + 9 + 8 + 2 * 2
    assert made(decay=1.0).paths == 3 * 12 + 2 * 2


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


# 6: momentum is the proposal's.


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_6_momentum_keeps_a_share_of_the_old_proposal(momentum, key):
    planner = made(gaussian(H, A, momentum=momentum), iterations=1, try_mode=False)
    (decision,) = watch(planner, worth, key)
    elites = best_first(decision.rounds[0])[:ELITES]
    expected = (1 - momentum) * elites.mean(axis=0)  # the old mean is 0
    assert decision.state.distribution.mean == pytest.approx(shifted(expected), abs=1e-6)


# 7 and 8: what becomes of the mean.


def test_7_the_mean_is_a_candidate_of_the_last_round():
    def tries(decision, means):
        return [
            any(np.allclose(plan, mean, atol=1e-6) for plan in plans)
            for mean, plans in zip(means, decision.rounds, strict=True)
        ]

    for decision, in_the_end in ((two_decisions()[0], True), (two_decisions("try_mode")[0], False)):
        means = [np.zeros((H, A))]  # before each round
        means += [best_first(plans)[:ELITES].mean(axis=0) for plans in decision.rounds[:-1]]
        assert tries(decision, means) == [False, False, in_the_end]


def test_8_the_mean_the_best_or_the_better_of_both_is_returned(key):
    returned = {}
    for returns in ("mean", "best", "better"):
        (decision,) = watch(made(returns=returns), worth, key)
        elites = best_first(decision.rounds[-1])[:ELITES]
        mean, best = elites.mean(axis=0), elites[0]
        returned[returns] = np.asarray(decision.plan.actions)
    assert returned["mean"] == pytest.approx(mean, abs=1e-6)
    assert returned["best"].tolist() == best.tolist()
    assert np.max(np.abs(mean - best)) > 0.01
    better = "mean" if worths(mean) > worths(best) else "best"
    assert returned["better"].tolist() == returned[better].tolist()
    assert made(returns="best").paths == made(returns="better").paths - 2


# Without them it is the cross-entropy method.


def test_with_everything_switched_off_it_is_the_cross_entropy_method_bit_for_bit(key):
    proposal = gaussian(H, A, noise_beta=1.0, momentum=0.1)
    sizes: dict[str, Any] = {"population": N, "elites": ELITES, "iterations": ROUNDS}
    paths: dict[str, Any] = {"particles": 2, "final_particles": 3}
    plain, improved = (
        make_cem(proposal, **sizes, **paths),
        make_icem(proposal, **sizes, **paths, **OFF),
    )
    assert plain.paths == improved.paths
    first, second = (watch(planner, worth, key, decisions=2) for planner in (plain, improved))
    for ours, theirs in zip(
        jax.tree.leaves([(d.plan, d.state) for d in first]),
        jax.tree.leaves([(d.plan, d.state) for d in second]),
        strict=True,
    ):
        if ours.size and ours.dtype != bool:
            assert np.array_equal(ours, theirs)
    different = watch(made(proposal), worth, key)
    assert not np.array_equal(different[0].plan.actions, first[0].plan.actions)
