"""The agent: one plan however it is compiled, and what it learns, in units of the data."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import quickly
from tiny import JUDGED, JUDGES, assert_same_tree, finished, frozen_of, new_run, tiny, traces_of

from agents.errors import UserError
from agents.planning.learner import HOLDOUT_WINDOWS
from agents.training.frozen import make_replay
from mbrl import planners
from mbrl.regularizers import RegularizerState, as_trajectory, calibrated_penalty
from mbrl.replay import Episode, Replay

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


# Learning.


def test_a_fit_measures_units_on_the_training_episodes(run):
    learned, _ = run.agent.learner.fit(run.learned, jax.random.key(0), run.replay, 1)
    trained_on = [episode for index, episode in enumerate(run.replay.episodes) if index % 10 != 1]
    starts = np.concatenate([e.observations[np.cumsum([0, *e.repeats[:-1]])] for e in trained_on])
    np.testing.assert_allclose(learned.scales.observation.mean, starts.mean(0), rtol=1e-5)
    np.testing.assert_allclose(learned.scales.observation.std, starts.std(0), rtol=1e-5)
    ends = np.concatenate([e.observations[np.cumsum(e.repeats)] for e in trained_on])
    np.testing.assert_allclose(learned.scales.delta.std, (ends - starts).std(0), rtol=1e-4)
    actions = np.concatenate([e.actions for e in trained_on])
    np.testing.assert_allclose(learned.regularizer_scales.mean[2:], actions.mean(0), rtol=1e-5)
    rewards = np.concatenate(
        [np.add.reduceat(e.rewards, np.cumsum([0, *e.repeats[:-1]])) for e in trained_on]
    )
    ended = np.concatenate(
        [
            np.arange(len(e.repeats)) == (len(e.repeats) - 1 if e.terminated else -1)
            for e in trained_on
        ]
    )
    np.testing.assert_allclose(
        learned.scales.rewards.mean, [rewards[~ended].mean(), rewards[ended].mean()], rtol=1e-4
    )


def test_a_fit_learns_and_says_how_well(run):
    before = run.learned
    after, errors = run.agent.learner.fit(before, jax.random.key(0), run.replay, 1)
    assert set(errors) == {
        "dynamics_nll", "reward_rmse", "termination_bce", "regularizer_mse", "regularizer_copy_mse",
        "epochs", "regularizer_epochs",
    }  # fmt: skip
    assert all(np.isfinite(list(errors.values())))
    assert errors["epochs"] in range(1, run.config.fit.max_epochs + 1)
    assert errors["regularizer_epochs"] in range(1, run.config.regularizer.max_epochs + 1)
    for part in ("model", "regularizer"):
        old, new = getattr(before, part), getattr(after, part)
        assert jax.tree.structure(new) == jax.tree.structure(old)
        moved = jax.tree.map(lambda a, b: bool((a != b).any()), old.params, new.params)
        assert any(jax.tree.leaves(moved))
    assert after.calibration.scale > 0


def test_calibration_puts_the_median_of_held_out_steps_at_0_and_their_95_percent_at_1(run):
    learned, _ = run.agent.learner.fit(run.learned, jax.random.key(0), run.replay, 1)
    windows = run.replay.held_out_windows(HOLDOUT_WINDOWS, run.config.planner.horizon)
    state = RegularizerState(
        params=learned.regularizer.average,
        scales=learned.regularizer_scales,
        calibration=learned.calibration,
    )
    penalty = quickly(
        jax.vmap(lambda path: calibrated_penalty(run.agent._parts.regularizer, state, path))
    )
    steps = np.asarray(penalty(as_trajectory(windows)))[windows.mask]
    np.testing.assert_allclose(np.quantile(steps, [0.5, 0.95]), [0.0, 1.0], atol=1e-3)


def test_a_fit_is_named_by_its_key_and_its_number(run):
    def fitted(key, index):
        return run.agent.learner.fit(run.learned, jax.random.key(key), run.replay, index)[0].model

    assert_same_tree(fitted(0, 1), fitted(0, 1))
    for other in (fitted(1, 1), fitted(0, 2)):
        with pytest.raises(AssertionError):
            assert_same_tree(fitted(0, 1), other)


def test_a_growing_replay_compiles_nothing(run):
    before = traces_of(run.agent)
    state = run.learned
    for count in (2, 3, 7):
        replay = replay_of(run, run.replay.episodes[:count])
        state, _ = run.agent.learner.fit(state, jax.random.key(count), replay, count)
    assert traces_of(run.agent) == before


def replay_of(run, episodes: list[Episode]) -> Replay:
    replay = make_replay(run.config)
    for episode in episodes:
        replay.append(episode)
    return replay


@pytest.mark.parametrize("field", ["observations", "rewards"])
def test_data_that_is_not_finite_is_refused_in_one_line(run, field):
    episodes = [
        replace(episode, **{field: np.full_like(getattr(episode, field), np.nan)})
        for episode in run.replay.episodes[:3]
    ]
    with pytest.raises(UserError, match=r"the model's held-out loss is .* in fit 4") as error:
        run.agent.learner.fit(run.learned, jax.random.key(0), replay_of(run, episodes), 4)
    assert "\n" not in str(error.value)
    assert "learning rate" in str(error.value)


def test_a_regularizer_that_diverges_is_named(run):
    ruined = jax.tree.map(
        lambda leaf: leaf * jnp.nan if leaf.dtype == jnp.float32 else leaf, run.learned.regularizer
    )
    state = replace(run.learned, regularizer=ruined)
    with pytest.raises(UserError, match=r"the regularizer's held-out loss is .* in fit 4"):
        run.agent.learner.fit(state, jax.random.key(0), run.replay, 4)


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


# Units.


@pytest.mark.parametrize(
    "name", ["rnn-dae", *(pytest.param(name, marks=pytest.mark.slow) for name in JUDGES)]
)
def test_the_units_of_observations_and_rewards_change_no_plan(name):
    whole = finished(**JUDGED.get(name, {}))
    run, config = frozen_of(whole.run_dir), whole.config

    def planned(unit, reward_unit):
        replay = make_replay(config)
        for episode in run.replay.episodes:
            replay.append(
                replace(
                    episode,
                    observations=episode.observations * np.float32(unit),
                    rewards=episode.rewards * np.float32(reward_unit),
                )
            )
        learned, _ = run.agent.learner.fit(run.agent.learner.init(KEYS[0]), KEYS[1], replay, 1)
        plan, _ = run.agent.act(
            learned,
            KEYS,
            run.agent.initial_plans(2),
            OBSERVATIONS * unit,
            weight=0.5 * reward_unit,
            survival_bonus=2.0 * reward_unit,
        )
        return plan

    plain = planned(1.0, 1.0)
    for unit, reward_unit in itertools.product([2.0**-20, 1.0, 2.0**20], repeat=2):
        plan = planned(unit, reward_unit)
        np.testing.assert_array_equal(plan.actions, plain.actions)
        np.testing.assert_array_equal(plan.planned_return, plain.planned_return * reward_unit)
        np.testing.assert_array_equal(plan.penalty, plain.penalty)


# The cloned policy.


@pytest.fixture(scope="module")
def imitating():
    """An agent that clones a policy, at the end of a tiny run."""
    return frozen_of(finished(planner={"policy_prior": True}).run_dir)


def test_another_regulariser_keeps_the_model_and_the_cloned_policy(imitating):
    learned = imitating.learned
    state, errors = imitating.agent.learner.fit_another_regularizer(
        learned, jax.random.key(3), imitating.replay, 1
    )
    assert_same_tree((state.model, state.scales), (learned.model, learned.scales))
    assert_same_tree(state.policy, learned.policy)
    different = jax.tree.map(
        lambda ours, theirs: (ours != theirs).any(),
        state.regularizer.params, learned.regularizer.params,
    )  # fmt: skip
    assert any(jax.tree.leaves(different))
    assert {"regularizer_mse", "regularizer_copy_mse", "regularizer_epochs"} == set(errors)


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
