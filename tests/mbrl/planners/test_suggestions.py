"""Plans that come from elsewhere are tried by every planner, and win only where they are better."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import certain
from small.planners import MAKERS, A, H, planner_of

from mbrl import categorical

each_planner = pytest.mark.parametrize("name", MAKERS)
NEEDLE = 0.37 * jnp.ones((H, A))
STEPS = 8
RARE = jax.nn.one_hot(jnp.arange(STEPS) % 3, 3)  # one plan of 6,561


def planned(planner, score, suggested, key):
    def one(key):
        return planner.plan(score, key, planner.init(), suggested)

    return jax.jit(one)(key)


def needle_in_a_haystack(target):
    def score(key, actions, *, particles):
        return certain(1.0 * (jnp.max(jnp.abs(actions - target)) < 1e-3))

    return score


@each_planner
def test_a_suggestion_that_no_search_would_find_is_found(name, key):
    others = -0.2 * jnp.ones_like(NEEDLE)
    suggested = jnp.stack([others, NEEDLE, others])
    score = needle_in_a_haystack(NEEDLE)
    plan, state = planned(planner_of(name, suggestions=3), score, suggested, key)
    assert plan.score == 1.0
    assert plan.actions == pytest.approx(np.asarray(NEEDLE), abs=1e-3)
    assert plan.elite_scores[0] == 1.0
    assert jax.tree.structure(state) == jax.tree.structure(planner_of(name).init())
    alone, _ = planned(planner_of(name), score, None, key)
    assert alone.score == 0.0


@each_planner
def test_discrete_suggestions_are_found_too(name, key):
    planner = planner_of(name, categorical(STEPS, 3, noise_beta=0.0), suggestions=1)
    plan, _ = planned(planner, needle_in_a_haystack(RARE), RARE[None], key)
    assert plan.score == 1.0
    assert plan.actions.tolist() == RARE.tolist()


@each_planner
@pytest.mark.parametrize("bad", [-10.0, np.nan, np.inf])
def test_a_suggestion_of_a_bad_or_no_score_never_wins(name, bad, key):
    def score(key, actions, *, particles):
        return certain(jnp.where(actions[0, 0] > 0.99, bad, -jnp.sum(jnp.square(actions))))

    suggested = jnp.ones((2, H, A))
    plan, _ = planned(planner_of(name, suggestions=2), score, suggested, key)
    assert jnp.isfinite(plan.score)
    assert plan.actions[0, 0] <= 0.99


@each_planner
def test_the_paths_of_suggestions_are_counted(name, key):
    calls = []

    def counting(key, actions, *, particles):
        jax.debug.callback(lambda *_: calls.append(particles), jax.random.key_data(key), actions)
        return certain(-jnp.sum(jnp.square(actions)))

    planner = planner_of(name, suggestions=3, particles=2, final_particles=7)
    planned(planner, counting, jnp.zeros((3, H, A)), key)
    jax.effects_barrier()
    searched = 2 * calls.count(2) * (3 if name == "gradient" else 1)
    assert planner.paths == searched + 7 * calls.count(7)
