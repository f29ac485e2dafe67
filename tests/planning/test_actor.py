"""Planning in time: the randomness of a decision has a name, and slots do not mix."""

import jax
import numpy as np
import pytest
from tiny import assert_same_tree, finished, new_run

from agents.envs.making import make_runner
from agents.planning.actor import Actor, plan_of


@pytest.fixture(scope="module")
def run():
    """A tiny run at its end."""
    whole = finished()
    run = new_run(whole.config)
    run.load_learned(whole.run_dir)
    return run


@pytest.fixture
def runners(run):
    """Episodes 3 and 8 under way, both at their first decision."""
    runners = [make_runner(run.config) for _ in range(2)]
    for runner, index in zip(runners, (3, 8), strict=True):
        runner.start(index, 100 + index)
    return runners


def actor_of(run):
    return Actor(run.agent, run.keys.evaluate, 2)


def test_plans_are_numpy_arrays_that_lead_with_the_slots(run, runners):
    plans = actor_of(run).plan(run.learned, runners)
    for leaf in jax.tree.leaves(plans):
        assert isinstance(leaf, np.ndarray)
        assert leaf.shape[0] == 2
    np.testing.assert_array_equal(plan_of(plans, 1).actions, plans.actions[1])


def test_a_plan_depends_neither_on_the_slot_nor_on_what_runs_beside_it(run, runners):
    plans = actor_of(run).plan(run.learned, runners)
    swapped = actor_of(run).plan(run.learned, runners[::-1])
    assert_same_tree(plan_of(swapped, 0), plan_of(plans, 1))
    assert_same_tree(plan_of(swapped, 1), plan_of(plans, 0))


def test_the_same_decision_gets_the_same_plan_and_every_other_one_fresh_noise(run, runners):
    first = plan_of(actor_of(run).plan(run.learned, runners), 0)
    again = plan_of(actor_of(run).plan(run.learned, runners), 0)
    assert_same_tree(first, again)

    observation = runners[0].observation
    later, other = make_runner(run.config), make_runner(run.config)
    later.start(3, 103)
    later.step(np.zeros(1, np.float32))
    later._observations[-1] = observation  # where the first decision was made, but the second one
    other.start(4, 103)
    assert np.array_equal(other.observation, observation)
    for runner in (later, other):
        plan = plan_of(actor_of(run).plan(run.learned, [runner, runners[1]]), 0)
        assert (plan.actions != first.actions).any()


def test_the_root_key_names_the_run(run, runners):
    ours = actor_of(run).plan(run.learned, runners)
    theirs = Actor(run.agent, run.keys.plan, 2).plan(run.learned, runners)
    assert (ours.actions != theirs.actions).any()


def test_a_slot_remembers_until_it_is_told_to_forget(run, runners):
    actor, fresh = actor_of(run), actor_of(run)
    actor.plan(run.learned, runners)
    for state, unused in zip(
        jax.tree.leaves(actor.plan_states), jax.tree.leaves(fresh.plan_states), strict=True
    ):
        assert state.dtype == unused.dtype
    remembered = plan_of(actor.plan_states, 1)
    with pytest.raises(AssertionError):
        assert_same_tree(remembered, plan_of(fresh.plan_states, 1))

    actor.forget(0)
    assert_same_tree(plan_of(actor.plan_states, 0), plan_of(fresh.plan_states, 0))
    assert_same_tree(plan_of(actor.plan_states, 1), remembered)
    both = actor.plan(run.learned, runners)
    first = fresh.plan(run.learned, runners)
    assert_same_tree(plan_of(both, 0), plan_of(first, 0))
    assert (both.actions[1] != first.actions[1]).any()  # it started from its last plan


def test_the_weight_can_be_another_one(run, runners):
    plans = [actor_of(run).plan(run.learned, runners, weight) for weight in (0.0, 5.0, None)]
    own = run.config.regularizer.weight
    assert_same_tree(plans[2], actor_of(run).plan(run.learned, runners, own))
    assert (plans[0].score != plans[1].score).all()
