"""The agent: one plan however it is compiled, and what its cloned policy suggests."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import assert_same_tree, finished, frozen_of, new_run, tiny, traces_of

from agents.planning import builders
from mbrl import planners

OBSERVATIONS = jnp.array([[0.1, 0.0], [-0.7, 0.9]])
KEYS = jax.random.split(jax.random.key(7), 2)


@pytest.fixture(scope="module")
def run():
    """The agent of a tiny run at its end, with all that it has learned."""
    return frozen_of(finished().run_dir)


def act(run, weight=1.0, keys=KEYS, plan_states=None, observations=OBSERVATIONS, bonus=0.0):
    if plan_states is None:
        plan_states = run.agent.initial_plans(len(keys))
    return run.agent.act(run.learned, keys, plan_states, observations, weight, bonus)


# Planning.


def test_a_plan_is_within_bounds_and_comes_with_its_evidence(run):
    plan, plan_states = act(run)
    knobs = run.config.planner
    assert plan.actions.shape == (2, knobs.horizon, 1)
    assert (jnp.abs(plan.actions) <= 1.0).all()
    assert plan.elite_scores.shape == (2, knobs.icem.elites)
    for number in (plan.planned_return, plan.penalty, plan.spread, plan.score):
        assert number.shape == (2,)
        assert jnp.isfinite(number).all()
    np.testing.assert_allclose(
        plan.score,
        plan.planned_return - knobs.risk.aversion * plan.spread - plan.penalty,
        rtol=1e-4,
        atol=1e-5,
    )
    assert jax.tree.structure(plan_states) == jax.tree.structure(run.agent.initial_plans(2))


def test_one_key_one_plan(run):
    assert_same_tree(act(run), act(run))
    other, _ = act(run, keys=jax.random.split(jax.random.key(8), 2))
    assert (other.actions != act(run)[0].actions).any()


def test_an_environments_plan_does_not_depend_on_the_others(run):
    both, states = act(run)
    changed, changed_states = act(run, observations=OBSERVATIONS.at[1].set(0.4))
    swapped, _ = act(run, keys=KEYS[::-1], observations=OBSERVATIONS[::-1])
    first = lambda tree: jax.tree.map(lambda leaf: leaf[0], tree)  # noqa: E731
    assert_same_tree(first(changed), first(both))
    assert_same_tree(first(changed_states), first(states))
    assert (changed.score[1] != both.score[1]).all()
    assert_same_tree(jax.tree.map(lambda leaf: leaf[::-1], swapped), both)


def test_changing_the_weight_compiles_nothing_and_changes_the_scores(run):
    before = traces_of(run.agent)
    free, dear = (act(run, weight=weight)[0] for weight in (0.0, 5.0))
    assert traces_of(run.agent) == before
    assert (free.score != dear.score).all()
    assert (free.elite_scores != dear.elite_scores).all()
    risk = run.config.planner.risk.aversion
    for plan, weight in ((free, 0.0), (dear, 5.0)):
        np.testing.assert_allclose(
            plan.planned_return - risk * plan.spread - plan.score,
            weight * plan.penalty,
            rtol=1e-3,
            atol=1e-5,
        )


def test_the_survival_bonus_compiles_nothing_and_counts_in_the_scores_alone(run):
    before = traces_of(run.agent)
    plain, valued = (act(run, bonus=bonus)[0] for bonus in (0.0, 1e6))
    assert traces_of(run.agent) == before
    assert (valued.score > plain.score + 1e3).all()
    assert (abs(valued.planned_return) < 1e3).all()


def test_planning_in_a_batch_agrees_with_planning_one_by_one(run):
    both, states = act(run)
    for each in range(2):
        only = slice(each, each + 1)
        alone, alone_states = act(run, keys=KEYS[only], observations=OBSERVATIONS[only])
        for left, right in zip(
            jax.tree.leaves((alone, alone_states)), jax.tree.leaves((both, states)), strict=True
        ):
            np.testing.assert_allclose(left[0], right[each], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weight", [0.03, 30.0])
def test_plans_are_those_of_an_agent_that_penalises_every_candidate(run, weight, monkeypatch):
    build, counts = builders.build_regularizer, []
    for bound in (0.0, None):
        penalised: list[int] = []

        def counting(*given, bound=bound, penalised=penalised):
            made = build(*given)

            def penalty(scales, params, path):
                jax.debug.callback(lambda _: penalised.append(1), path.rewards[0])
                return made.penalty(scales, params, path)

            return made._replace(penalty=penalty, lower_bound=bound)

        monkeypatch.setattr(builders, "build_regularizer", counting)
        one = replace(run, agent=builders.build_agent(run.config, run.spec))
        for left, right in zip(
            jax.tree.leaves(act(one, weight)), jax.tree.leaves(act(run, weight)), strict=True
        ):
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)
        jax.effects_barrier()
        counts.append(len(penalised))
    assert build(run.config.regularizer, run.spec).lower_bound == 0.0
    assert 0 < counts[0] <= counts[1]
    assert (counts[0] < counts[1]) == (weight < 1)


@pytest.mark.slow
def test_planning_compiled_agrees_with_planning_step_by_step(run):
    compiled = act(run)
    with jax.disable_jit():
        plain = act(run)
    for left, right in zip(jax.tree.leaves(plain), jax.tree.leaves(compiled), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


def test_plans_are_made_with_the_averaged_weights(run):
    def without_latest(part):
        return part._replace(params=jax.tree.map(lambda leaf: leaf * jnp.nan, part.params))

    learned = run.learned
    averaged = replace(
        learned,
        model=without_latest(learned.model),
        regularizer=without_latest(learned.regularizer),
    )
    plan, _ = run.agent.act(averaged, KEYS, run.agent.initial_plans(2), OBSERVATIONS, 1.0)
    assert_same_tree(plan, act(run)[0])


def test_a_plan_starts_where_the_last_one_leads(run):
    _, states = act(run)
    warm, _ = act(run, plan_states=states)
    cold, _ = act(run)
    assert (warm.actions != cold.actions).any()
    # The mean and the plans kept move up by one decision, the last of which is repeated.
    for plans in (states.distribution.mean, states.kept):
        np.testing.assert_array_equal(plans[..., -1, :], plans[..., -2, :])


@pytest.fixture(scope="module")
def wages():
    """An agent that knows that every step pays 7, for ever, and has learned nothing else."""
    return new_run(
        tiny(
            model={"reward": "known", "known_reward": "worlds:wages"}, regularizer={"name": "none"}
        )
    )


def test_a_reward_that_is_known_is_planned_with(wages):
    plan, _ = act(wages)
    config = wages.config
    planned = 7.0 * config.env.action_repeat * config.planner.horizon
    np.testing.assert_allclose(plan.planned_return, planned, rtol=1e-6)
    np.testing.assert_allclose(plan.spread, 0.0, atol=1e-4)


def test_without_a_regularizer_the_weight_means_nothing(wages):
    free, dear = act(wages, weight=0.0), act(wages, weight=5.0)
    assert_same_tree(free, dear)
    assert (free[0].penalty == 0.0).all()


# What it is built from.


def test_propagating_the_expectation_takes_one_particle():
    with pytest.raises(ValueError, match="particles"):
        tiny(model={"propagation": "expectation"}, planner={"particles": 2})


@pytest.mark.parametrize("count", [2, 49, 50, 64, 1000])
def test_any_number_of_discrete_actions_can_be_learned(count):
    # A floor of 2 % under each would leave less than nothing to share out among more than 50.
    proposal = planners.categorical(3, count)
    candidates = jax.nn.one_hot(jnp.array([[0, 1, 1], [count - 1, 0, count - 1]]), count)
    learned = proposal.refit(proposal.init(), candidates, jnp.array([0.0, 1.0]))
    np.testing.assert_allclose(learned.sum(-1), 1.0, rtol=1e-5)
    assert (learned > 0).all()
    assert (proposal.mode(learned) == candidates[1]).all()


# The cloned policy.


@pytest.fixture(scope="module")
def imitating():
    """An agent that clones a policy, at the end of a tiny run."""
    return frozen_of(finished(planner={"policy_prior": True}).run_dir)


def test_a_plan_depends_on_what_the_policy_suggests(imitating):
    plan, _ = act(imitating, weight=0.0)  # so that only the candidates differ
    forgetful = replace(
        imitating.learned, policy=imitating.agent.learner.init(jax.random.key(9)).policy
    )
    other, _ = act(replace(imitating, learned=forgetful), weight=0.0)
    assert (other.actions != plan.actions).any()


def test_the_policys_plans_begin_with_its_action_and_differ_by_member(imitating):
    plans = imitating.agent.suggestions(imitating.learned, KEYS, OBSERVATIONS)
    knobs = imitating.config
    assert plans.shape == (2, knobs.model.members, knobs.planner.horizon, 1)
    for observation, of_members in zip(OBSERVATIONS, plans, strict=True):
        first = imitating.agent.imitate(imitating.learned, observation)
        np.testing.assert_allclose(
            of_members[:, 0], jnp.stack([first] * len(of_members)), rtol=1e-5
        )
    assert (plans[:, 0] != plans[:, 1]).any()


def test_a_plan_need_not_be_more_familiar_than_the_policys(imitating):
    observations = jnp.linspace(-1.0, 1.0, 8)[:, None] * jnp.array([1.0, 0.5])
    keys = jax.random.split(jax.random.key(3), 8)
    weight, aversion = 5.0, imitating.config.planner.risk.aversion
    plan, _ = act(imitating, weight=weight, keys=keys, observations=observations)
    plain = plan.planned_return - aversion * plan.spread - weight * plan.penalty
    # The score counts at least the penalty of the policy's plans, however familiar a plan is.
    np.testing.assert_array_less(plan.score, plain + 1e-3)
    assert (plan.score < plain - 1e-2).any()


def test_without_a_cloned_policy_there_is_nothing_to_imitate(run, imitating):
    assert run.learned.policy is None
    with pytest.raises(ValueError, match=r"planner\.policy_prior"):
        run.agent.imitate(run.learned, OBSERVATIONS[0])
    action = imitating.agent.imitate(imitating.learned, OBSERVATIONS[0])
    assert action.shape == (1,)
    assert (jnp.abs(action) <= 1.0).all()
