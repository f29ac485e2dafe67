"""The learner: what is fitted to a replay, in units of the data, and how well."""

import itertools
from dataclasses import replace
from threading import Event

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import JUDGED, JUDGES, assert_same_tree, finished, frozen_of, traces_of

from agents.errors import UserError
from agents.planning import learner
from agents.planning.fits import FitStoppedError
from agents.planning.learner import HOLDOUT_WINDOWS
from agents.training.frozen import make_replay
from mbrl.regularizers import RegularizerState, as_trajectory, calibrated_penalty
from mbrl.replay import Episode, Replay

OBSERVATIONS = jnp.array([[0.1, 0.0], [-0.7, 0.9]])
KEYS = jax.random.split(jax.random.key(7), 2)


@pytest.fixture(scope="module")
def run():
    """The agent of a tiny run at its end, with all that it has learned."""
    return frozen_of(finished().run_dir)


@pytest.fixture(scope="module")
def imitating():
    """The same, of a run that clones a policy."""
    return frozen_of(finished(planner={"policy_prior": True}).run_dir)


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
    penalty = jax.jit(
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


def test_side_by_side_or_one_after_the_other_the_same_is_learned(imitating, monkeypatch):
    def fitted():
        return imitating.agent.learner.fit(
            imitating.learned, jax.random.key(5), replay_of(imitating, imitating.replay.episodes), 2
        )

    together = fitted()
    taken = []

    def in_turn(tasks):
        taken.extend(tasks)
        return [task(Event()) for task in tasks]

    monkeypatch.setattr(learner, "side_by_side", in_turn)
    assert_same_tree(fitted(), together)
    assert len(taken) == 3
    stop = Event()
    stop.set()
    for task in taken:
        with pytest.raises(FitStoppedError):
            task(stop)


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


def test_another_regulariser_keeps_the_model_and_the_cloned_policy(imitating):
    learned = imitating.learned
    state, errors = imitating.agent.learner.fit_fresh_regularizer(
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
