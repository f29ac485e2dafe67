"""The properties that all planners share."""

import dataclasses
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import certain
from small.planners import KEEPS, MAKERS, PROPOSAL, REPORTED, A, H, planner_of

from mbrl import Evaluation, Plan, categorical
from mbrl.planners.proposals import Gaussian
from mbrl.planners.sampling import SearchState

KEYS = 1000
EDGE, PEAK = 0.2, 0.3

each_planner = pytest.mark.parametrize("name", MAKERS)


def distribution_of(state):
    """The distribution of the plans to draw, from a planner's state."""
    return state.distribution if isinstance(state, SearchState) else state


def state_at(name: str, distribution):
    """A planner's state with this distribution and no kept plans."""
    first = planner_of(name).init()
    if isinstance(first, SearchState):
        return dataclasses.replace(first, distribution=distribution)
    return distribution


# Evaluations of a plan, by a number that is not finite, a key, and the plan.


def flat(bad, key, actions) -> Evaluation:
    return certain(jnp.zeros(()))


def hopeless(bad, key, actions) -> Evaluation:
    return certain(bad)


def tempting(bad, key, actions) -> Evaluation:
    """The score rises to the right, up to an edge beyond which it is not finite."""
    return certain(jnp.where(actions[0, 0] > EDGE, bad, actions[0, 0]))


def noisy(bad, key, actions) -> Evaluation:
    """Of mean 0 over keys, and different for every plan."""
    return certain(jnp.sin(1e3 * jax.random.normal(key) + 1e3 * jnp.sum(actions)))


def smooth(bad, key, actions) -> Evaluation:
    """One maximum. Every field of the evaluation is a different multiple of one number."""
    cost = jnp.sum(jnp.square(actions - PEAK))
    return dataclasses.replace(
        certain(-cost), planned_return=2 * cost, penalty=3 * cost, spread=4 * cost
    )


def two_peaks(bad, key, actions) -> Evaluation:
    """Two maxima, at both bounds; their average is the minimum."""
    return certain(jnp.abs(actions[0, 0]))


def steep(bad, key, actions) -> Evaluation:
    """The score rises towards the bounds and beyond."""
    return certain(10.0 * (actions[0, 0] - actions[0, 1]))


WORLDS = [flat, hopeless, tempting, noisy, smooth, two_peaks, steep]
START = Gaussian(
    mean=jnp.array([[0.0, 0.1], [0.2, 0.3], [0.4, 0.5]]), std=jnp.full((H, A), 0.2)
)  # fmt: skip
EDGEWISE = Gaussian(mean=jnp.full((H, A), jnp.array([0.8, -0.8])), std=jnp.full((H, A), 0.3))


@cache
def _compiled(name: str):
    """One program for all of `WORLDS`: most of a test's time is its compilation."""
    planner = planner_of(name)

    def plan(world, bad, key, state):
        def score(key, actions, *, particles):
            choices = [partial(choice, bad) for choice in WORLDS]
            return jax.lax.switch(world, choices, key, actions)

        return planner.plan(score, key, state)

    return jax.jit(jax.vmap(plan, in_axes=(None, None, 0, None)))


def search(name: str, world, bad: float = 0.0, start=None, seed: int = 0) -> tuple[Plan, Any]:
    """Plans and next states over many keys, `[KEYS, ...]`."""
    state = state_at(name, PROPOSAL.init() if start is None else start)
    keys = jax.random.split(jax.random.key(seed), KEYS)
    return _compiled(name)(WORLDS.index(world), jnp.float32(bad), keys, state)


# No bias where scores carry no information.


def assert_centred(deviations):
    """The mean over keys is zero within four standard errors, which are positive."""
    deviations = np.asarray(deviations)
    error = deviations.std(axis=0) / np.sqrt(len(deviations))
    assert np.all(error > 0)
    assert np.all(np.abs(deviations.mean(axis=0)) < 4 * error)


@each_planner
def test_under_a_flat_cost_the_mean_does_not_drift(name):
    _, state = search(name, flat)
    mean = np.asarray(distribution_of(state).mean)
    if name in ("gradient", "random-shooting"):  # no gradient, and no refit
        assert np.all(mean == 0.0)
    else:
        assert_centred(mean)
    if name in KEEPS:
        assert_centred(state.kept)


@each_planner
def test_under_a_cost_that_is_all_noise_the_plan_does_not_drift(name):
    plan, state = search(name, noisy)
    assert_centred(plan.actions)
    if name != "random-shooting":
        assert_centred(distribution_of(state).mean)


# Of equal scores gradient ascent returns the first start, the mode, which is action 0.
@pytest.mark.parametrize("name", [name for name in MAKERS if name != "gradient"])
def test_under_a_flat_cost_no_discrete_action_is_favoured(name):
    planner = planner_of(name, categorical(H, 3, noise_beta=0.0))
    plan = jax.vmap(lambda key: planner.plan(lambda *_, **__: certain(0.0), key, planner.init()))
    _, state = jax.jit(plan)(jax.random.split(jax.random.key(0), KEYS))
    shift = np.asarray(distribution_of(state))[:, :-1] - 1 / 3  # the last one is uniform again
    if name == "random-shooting":  # never refitted
        assert np.all(shift == 0.0)
    else:
        assert_centred(shift)
    if name in KEEPS:
        assert_centred(state.kept - 1 / 3)


# Scores that are not finite.


@each_planner
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_never_wins(name, bad):
    plan, state = search(name, tempting, bad)
    assert np.all(plan.actions[:, 0, 0] <= EDGE)
    assert np.all(np.isfinite(plan.score))
    assert np.all(np.isfinite(distribution_of(state).mean))
    assert np.all(np.isfinite(distribution_of(state).std))
    assert np.mean(plan.actions[:, 0, 0]) > 0.0  # close to the edge
    best = np.asarray(plan.elite_scores)
    assert np.all(best <= EDGE)
    share_of_bad = np.mean(best == -np.inf)
    if name in ("mppi", "gradient"):  # which report all
        assert share_of_bad > 0.05
    else:  # fewer finite scores than elites are rare
        assert share_of_bad < 0.01


@each_planner
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_where_no_score_is_finite_the_search_stays_where_it_was(name, bad):
    plan, state = search(name, hopeless, bad, START)
    assert np.all(plan.actions == START.mean)
    assert np.all(distribution_of(state).mean == PROPOSAL.shift(START).mean)
    assert np.all(plan.elite_scores == -np.inf)
    if name in KEEPS:
        assert not np.any(state.has_kept)


def test_where_no_score_is_finite_there_is_no_best_to_return(key):
    planner, state = planner_of("cem", returns="best"), state_at("cem", START)

    def plan(key):
        return planner.plan(lambda *_, **__: certain(jnp.nan), key, state)[0]

    assert np.all(jax.jit(plan)(key).actions == START.mean)


# Bounds.


@each_planner
def test_plans_go_up_to_the_bounds_and_never_beyond(name):
    plan, state = search(name, steep, start=EDGEWISE)
    for actions in (plan.actions, distribution_of(state).mean):
        assert np.all(np.abs(actions) <= 1.0)
    assert np.mean(plan.actions[:, 0, 0]) > 0.9
    assert np.mean(plan.actions[:, 0, 1]) < -0.9
    if name in KEEPS:
        assert np.all(np.abs(state.kept) <= 1.0)


@each_planner
def test_the_same_key_gives_the_same_plan_and_another_key_another(name):
    plans = [np.asarray(search(name, two_peaks, seed=seed)[0].actions) for seed in (1, 1, 2)]
    assert np.array_equal(plans[0], plans[1])
    assert not np.any(np.all(plans[0] == plans[2], axis=(1, 2)))
    assert len(np.unique(plans[0].reshape(KEYS, -1), axis=0)) == KEYS


# The plan and its evaluation.


@each_planner
def test_the_planned_return_is_unbiased(name):
    plan, _ = search(name, noisy)
    planned, luckiest = np.asarray(plan.planned_return), np.asarray(plan.elite_scores)[:, 0]
    assert abs(planned.mean()) < 4 * planned.std() / np.sqrt(KEYS)
    assert luckiest.mean() > 0.5
    assert np.mean(planned == luckiest) < 0.01


@each_planner
def test_the_values_reported_are_the_evaluation_of_the_plan_returned(name):
    plan, _ = search(name, smooth)
    cost = np.sum(np.square(plan.actions - PEAK), axis=(1, 2))
    for reported, factor in (
        (plan.score, -1), (plan.planned_return, 2), (plan.penalty, 3), (plan.spread, 4)
    ):  # fmt: skip
        assert reported == pytest.approx(factor * cost, rel=1e-5)
    best = np.asarray(plan.elite_scores)
    assert best.shape == (KEYS, REPORTED[name])
    assert np.all(np.diff(best, axis=1) <= 0)


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "gradient"])
def test_the_better_of_the_mode_and_the_best_candidate_is_returned(name):
    plan, _ = search(name, two_peaks)  # where the mode always scores lower
    assert plan.score == pytest.approx(np.asarray(plan.elite_scores[:, 0]), abs=1e-6)
    plan, _ = search(name, smooth)
    assert np.all(plan.score >= plan.elite_scores[:, 0] - 1e-6)
    mode_won = np.mean(plan.score > plan.elite_scores[:, 0] + 1e-6)
    assert 0.02 < mode_won < 0.98


def test_the_best_of_all_starts_is_returned_before_or_after_its_last_step():
    plan, _ = search("gradient", smooth)
    assert np.all(plan.score >= plan.elite_scores[:, 0])
    assert np.mean(plan.score > plan.elite_scores[:, 0]) > 0.9


@each_planner
def test_the_next_plan_starts_from_this_one_shifted(name):
    _, state = search(name, flat, start=START)
    mean = np.asarray(distribution_of(state).mean)
    assert np.array_equal(mean[:, -1], mean[:, -2])  # the last action is repeated
    error = mean.std(axis=0) / np.sqrt(KEYS)
    shifted = np.concatenate([START.mean[1:], START.mean[-1:]])
    assert np.all(np.abs(mean.mean(axis=0) - shifted) < 4 * error + 0.01)  # a little is clipped
    assert distribution_of(state).std == pytest.approx(np.full((KEYS, H, A), 0.5))
    if name in KEEPS:
        kept = np.asarray(state.kept)
        assert np.all(state.has_kept)
        assert np.array_equal(kept[:, :, -1], kept[:, :, -2])
        error = kept.std(axis=0) / np.sqrt(KEYS)
        assert np.all(np.abs(kept.mean(axis=0) - shifted) < 4 * error + 0.01)
