"""Candidates that cannot be elites are not penalised, and elites are as if all had been."""

from collections import Counter
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small.planners import A, H, planner_of

from mbrl import BoundedScore, ScoreFn, StepOutput, make_objective, mean, ts_infinity
from mbrl.planners.base import evaluate_candidates

N = 24
number = st.floats(-10.0, 10.0, width=32)
world = st.lists(st.tuples(number, st.floats(-1.0, 5.0, width=32)), min_size=N, max_size=N)


def rewarded(returns, penalties, weight, lower_bound=None) -> ScoreFn:
    """Plan n, whose only action is n, has one step, one return and one penalty."""

    def step(params, key, carry, action):
        del params, key
        reward = jnp.asarray(returns)[action[0].astype(int)]
        return carry, StepOutput(observation=carry, reward=reward, continue_prob=jnp.ones(()))

    objective = make_objective(
        partial(ts_infinity, step),
        lambda _, path: jnp.asarray(penalties)[path.actions[:, 0].astype(int)],
        lower_bound=None if lower_bound is None else lambda _: jnp.asarray(lower_bound),
        risk=mean,
    )
    return objective((jnp.zeros(1), {}), jnp.asarray(weight), jnp.zeros(1))


PLANS = jnp.arange(float(N)).reshape(N, 1, 1)


@partial(jax.jit, static_argnames="best")
def scores_of(returns, penalties, weight, *, best):
    """Scores without a bound, and with the bound that penalties are at least -1."""
    return tuple(
        evaluate_candidates(
            rewarded(returns, penalties, weight, bound), jax.random.key(0), PLANS, 1, best=best
        )
        for bound in (None, -1.0)
    )


@given(world, st.sampled_from([0.0, 0.01, 1.0, 100.0]), st.sampled_from([1, 6, 7]))
def test_the_best_scores_are_those_of_a_search_that_penalises_all(plans, weight, best):
    returns, penalties = np.array(plans, np.float32).T
    every, some = scores_of(returns, penalties, weight, best=best)
    top, places = jax.lax.top_k(every, best)
    assert jax.lax.top_k(some, best)[0].tolist() == top.tolist()
    penalised = np.isfinite(some)
    assert np.asarray(some)[penalised].tolist() == np.asarray(every)[penalised].tolist()
    if len(set(np.asarray(every).tolist())) == N:
        assert jax.lax.top_k(some, best)[1].tolist() == places.tolist()


bad = st.lists(st.sampled_from([0.0, 0.0, np.nan, np.inf, -np.inf]), min_size=N, max_size=N)


@given(world, bad)
def test_what_is_not_finite_ranks_last_with_a_bound_as_without(plans, bad):
    returns, penalties = np.array(plans, np.float32).T
    added = np.array(bad, np.float32)
    for broken in ((returns + added, penalties), (returns, penalties + np.abs(added))):
        every, some = scores_of(*broken, 1.0, best=6)
        assert jax.lax.top_k(some, 6)[0].tolist() == jax.lax.top_k(every, 6)[0].tolist()


@pytest.mark.parametrize("bound", [-np.inf, np.nan, -1e38])
def test_a_bound_that_says_nothing_leaves_nothing_out(bound):
    returns, penalties = np.arange(N, dtype=np.float32), np.ones(N, np.float32)
    score = rewarded(returns, penalties, 1e3, bound)
    scores = evaluate_candidates(score, jax.random.key(0), PLANS, 1, best=6)
    assert scores.tolist() == (returns - 1e3).tolist()


@pytest.mark.parametrize(
    ("best", "weight", "penalised"),
    [
        (6, 0.0, 8), (6, 0.15, 8), (6, 0.16, N), (6, 1e3, N),
        (1, 0.0, 2), (7, 0.0, 9), (7, 1e3, N), (N, 0.0, N),
    ],
)  # fmt: skip
def test_no_more_candidates_are_penalised_than_it_takes(best, weight, penalised):
    """Plan n has a return of -n and a penalty of 24 - n; for 6 elites 8 are penalised first.

    Plan 5, the sixth of the first 8, scores ``-5 - 19 weight``, and plan 8 cannot be above -8.
    """
    seen: Counter[int] = Counter()
    score = rewarded(-np.arange(N, dtype=np.float32), np.arange(N, 0.0, -1.0), weight, 0.0)
    assert isinstance(score, BoundedScore)

    def penalise(plan):
        jax.debug.callback(lambda action: seen.update([int(action)]), plan.paths.actions[0, 0, 0])
        return score.penalise(plan)

    evaluate_candidates(replace(score, penalise=penalise), jax.random.key(0), PLANS, 1, best=best)
    jax.effects_barrier()
    assert seen == Counter(range(penalised))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("name", "weight", "suggestions"),
    [
        ("icem", 0.01, 0), ("icem", 0.3, 8), ("icem", 3.0, 0), ("cem", 0.3, 0), ("mppi", 0.3, 8),
        ("random-shooting", 0.3, 0),
    ],
)  # fmt: skip
def test_plans_are_those_of_a_search_that_penalises_all(name, weight, suggestions):
    """Episodes may end, a decision's penalty is at least -1, and -1.5 in all is familiar enough."""
    planner = planner_of(name, suggestions=suggestions)
    suggested = jax.random.uniform(jax.random.key(4), (suggestions, H, A)) if suggestions else None

    def step(params, noise, carry, action):
        moved = carry + params * jnp.sum(action) + 0.1 * jax.random.normal(noise, carry.shape)
        reward = -jnp.sum(jnp.square(moved - 1.0))
        goes_on = jax.nn.sigmoid(2.0 - jnp.sum(moved))
        return moved, StepOutput(observation=moved, reward=reward, continue_prob=goes_on)

    @partial(jax.jit, static_argnames="bounded")
    def plans(keys, *, bounded):
        objective = make_objective(
            partial(ts_infinity, step),
            lambda _, path: jnp.sum(jnp.square(path.observations[1:]), axis=-1) - 1.0,
            lower_bound=(lambda _: -jnp.ones(())) if bounded else None,
        )
        score = objective(
            (jnp.array([0.3, 0.5]), {}), jnp.asarray(weight), jnp.zeros(1),
            survival_bonus=2.0, least_penalty=-1.5,
        )  # fmt: skip
        return jax.vmap(lambda key: planner.plan(score, key, planner.init(), suggested))(keys)

    keys = jax.random.split(jax.random.key(3), 5)
    some, every = plans(keys, bounded=True), plans(keys, bounded=False)
    for leaf, other in zip(jax.tree.leaves(some), jax.tree.leaves(every), strict=True):
        assert np.asarray(leaf) == pytest.approx(np.asarray(other), rel=1e-9, abs=1e-9)
