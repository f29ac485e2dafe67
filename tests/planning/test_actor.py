"""Planning in time: the randomness of a decision has a name, and environments do not mix."""

import jax
import numpy as np
import pytest
from tiny import assert_same_tree, finished, frozen_of

from agents.planning.actor import Actor, plan_of
from agents.planning.builders import build_runner


@pytest.fixture(scope="module")
def run():
    """The agent of a tiny run at its end."""
    return frozen_of(finished().run_dir)


@pytest.fixture
def runners(run):
    """Episodes 3 and 8 under way, both at their first decision."""
    runners = [build_runner(run.config.env) for _ in range(2)]
    for runner, index in zip(runners, (3, 8), strict=True):
        runner.start(index, 100 + index)
    return runners


def actor_of(run):
    return Actor(run.agent, run.keys.evaluate, 2)


def test_plans_are_numpy_arrays_that_lead_with_the_environments(run, runners):
    plans = actor_of(run).plan(run.learned, runners, 1.0)
    for leaf in jax.tree.leaves(plans):
        assert isinstance(leaf, np.ndarray)
        assert leaf.shape[0] == 2
    np.testing.assert_array_equal(plan_of(plans, 1).actions, plans.actions[1])


def test_a_plan_depends_neither_on_its_environments_place_nor_on_what_runs_beside_it(run, runners):
    plans = actor_of(run).plan(run.learned, runners, 1.0)
    swapped = actor_of(run).plan(run.learned, runners[::-1], 1.0)
    assert_same_tree(plan_of(swapped, 0), plan_of(plans, 1))
    assert_same_tree(plan_of(swapped, 1), plan_of(plans, 0))


def test_the_same_decision_gets_the_same_plan_and_every_other_one_fresh_noise(run, runners):
    first = plan_of(actor_of(run).plan(run.learned, runners, 1.0), 0)
    again = plan_of(actor_of(run).plan(run.learned, runners, 1.0), 0)
    assert_same_tree(first, again)

    observation = runners[0].observation
    later, other = build_runner(run.config.env), build_runner(run.config.env)
    later.start(3, 103)
    later.step(np.zeros(1, np.float32))
    later._observations[-1] = observation  # where the first decision was made, but the second one
    other.start(4, 103)
    assert np.array_equal(other.observation, observation)
    for runner in (later, other):
        plan = plan_of(actor_of(run).plan(run.learned, [runner, runners[1]], 1.0), 0)
        assert (plan.actions != first.actions).any()


def test_the_root_key_names_the_run(run, runners):
    ours = actor_of(run).plan(run.learned, runners, 1.0)
    theirs = Actor(run.agent, run.keys.plan, 2).plan(run.learned, runners, 1.0)
    assert (ours.actions != theirs.actions).any()


def test_an_environment_remembers_until_it_is_reset(run, runners):
    actor, fresh = actor_of(run), actor_of(run)
    actor.plan(run.learned, runners, 1.0)
    for state, unused in zip(
        jax.tree.leaves(actor.plan_states), jax.tree.leaves(fresh.plan_states), strict=True
    ):
        assert state.dtype == unused.dtype
    remembered = plan_of(actor.plan_states, 1)
    with pytest.raises(AssertionError):
        assert_same_tree(remembered, plan_of(fresh.plan_states, 1))

    actor.reset(0)
    assert_same_tree(plan_of(actor.plan_states, 0), plan_of(fresh.plan_states, 0))
    assert_same_tree(plan_of(actor.plan_states, 1), remembered)
    both = actor.plan(run.learned, runners, 1.0)
    first = fresh.plan(run.learned, runners, 1.0)
    assert_same_tree(plan_of(both, 0), plan_of(first, 0))
    assert (both.actions[1] != first.actions[1]).any()  # it started from its last plan
