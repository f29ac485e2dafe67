"""A run at one moment: how its randomness is named, and that a checkpoint restores it whole."""

from dataclasses import asdict

import jax
import numpy as np
import pytest
import worlds
from tiny import assert_same_tree, finished, frozen_of, new_run, tiny

from agents.checkpoints import checkpoint, saved
from agents.checkpoints.saved import RECENT, PlanRecord, Progress, RunKeys
from agents.config import dump
from agents.envs import episode_seed
from agents.errors import UserError

LOG = {"metrics.jsonl": 12, "timings.jsonl": 34, "env_steps": 5}
NOISY = {"id": "worlds:Noisy-v0", "kwargs": {"source": "unseeded"}, "action_repeat": 2}


def midway(config):
    """A run that has learned, with an ended episode and one under way in both environments."""
    run = new_run(config)
    run.learned = frozen_of(finished().run_dir).learned
    run.progress = Progress(recent_returns=[1 / 3])
    for index in range(2):
        run.start_episode(index)
    act(run, 0, 3)
    run.replay.append(run.environments[0].runner.episode())
    run.progress.env_steps, run.progress.fits, run.progress.unfitted_steps = 50, 2, 6
    run.start_episode(0)
    run.environments[0].plans = PlanRecord(1 / 3, -0.1)
    act(run, 0, 2)
    act(run, 1, 4)
    return run


def act(run, index, decisions):
    for decision in range(decisions):
        run.environments[index].runner.step([0.1 * decision])


def plan(run):
    return run.actor.plan(run.learned, [opened.runner for opened in run.environments], 1.0)


def stored(directory):
    return checkpoint.read(directory / saved.CHECKPOINTS)


def restored(config, directory):
    """A fresh run, restored; and the lines about its dropped episodes."""
    run = new_run(config)
    return run, run.restore(saved.read(stored(directory), run.agent, config))


def everything(run):
    return {
        "learned": run.learned,
        "plan states": run.actor.plan_states,
        "progress": asdict(run.progress),
        "replay": run.replay.to_arrays(),
        "episodes": [opened.runner.snapshot() for opened in run.environments],
        "explores": [opened.explores for opened in run.environments],
        "plans": [opened.plans and vars(opened.plans) for opened in run.environments],
    }


def test_what_is_saved_comes_back_bit_for_bit(tmp_path):
    run = midway(tiny())
    plan(run)
    run.save(tmp_path, LOG)
    back, dropped = restored(tiny(), tmp_path)
    assert dropped == []
    assert saved.read(stored(tmp_path), run.agent, tiny()).log_position == LOG
    assert_same_tree(everything(back), everything(run))
    for index in range(2):  # and continues alike
        for each in (run, back):
            act(each, index, 1)
    assert_same_tree(everything(back), everything(run))
    assert_same_tree(plan(back), plan(run))


def test_a_frozen_agent_is_read_from_a_run_that_is_not_finished(tmp_path):
    run = midway(tiny())
    run.save(tmp_path, LOG)
    (tmp_path / "config.yaml").write_text(dump(run.config))
    frozen = frozen_of(tmp_path)
    assert_same_tree(frozen.learned, run.learned)
    assert frozen.progress == run.progress
    assert_same_tree(frozen.replay.to_arrays(), run.replay.to_arrays())
    assert (frozen.weight, frozen.survival_bonus) == (run.weight, run.frozen().survival_bonus)


def test_no_checkpoint_is_said_so(tmp_path):
    with pytest.raises(UserError, match="no checkpoint"):
        restored(tiny(), tmp_path)


def test_a_checkpoint_of_another_configuration_does_not_fit(tmp_path):
    midway(tiny()).save(tmp_path, LOG)
    with pytest.raises(UserError, match="does not fit this run"):
        restored(tiny(num_envs=3), tmp_path)


def test_an_episode_that_cannot_be_rebuilt_is_followed_by_the_next(tmp_path):
    run = midway(tiny(env=NOISY))
    run.save(tmp_path, LOG)
    back, dropped = restored(tiny(env=NOISY), tmp_path)
    assert [line.split()[:2] for line in dropped] == [["episode", "2"], ["episode", "1"]]
    assert [opened.runner.index for opened in back.environments] == [3, 4]
    assert [opened.runner.decisions for opened in back.environments] == [0, 0]
    assert [opened.plans for opened in back.environments] == [None, None]
    assert back.progress.episodes == 5
    assert_same_tree(back.actor.plan_states, run.agent.initial_plans(2))


@pytest.mark.parametrize("drift", [1e-3, 5.0])  # by a little, and so that the episode ends early
def test_an_environment_that_has_changed_is_refused(tmp_path, monkeypatch, drift):
    midway(tiny()).save(tmp_path, LOG)
    monkeypatch.setattr(worlds.Walk, "drift", drift)
    with pytest.raises(UserError, match=r"cannot be resumed: episode 2 of .* replay"):
        restored(tiny(), tmp_path)


def test_episodes_are_numbered_over_all_environments_and_each_has_its_seed():
    run = new_run(tiny())
    for count, index in enumerate([0, 1, 1, 0]):
        run.start_episode(index)
        runner = run.environments[index].runner
        assert (runner.index, runner.seed) == (count, episode_seed(0, count))
        assert runner.decisions == 0
    assert run.progress.episodes == 4


def test_an_episode_is_random_until_there_is_a_fit_and_enough_to_plan_with():
    run = new_run(tiny(random_steps=40))
    for fits, env_steps, explores in [(0, 0, True), (0, 50, True), (1, 39, True), (1, 40, False)]:
        run.progress.fits, run.progress.env_steps = fits, env_steps
        run.environments[0].plans = PlanRecord(0.0, 0.0)
        run.start_episode(0)
        assert run.environments[0].explores == explores
        assert run.environments[0].plans is None


def test_keys_differ_by_what_they_are_for_and_by_seed():
    keys = [
        tuple(jax.random.key_data(key).tolist())
        for seed in (0, 1)
        for key in vars(RunKeys.of(seed)).values()
    ]
    assert len(set(keys)) == 8
    assert_same_tree(
        [jax.random.key_data(key) for key in vars(RunKeys.of(5)).values()],
        [jax.random.key_data(key) for key in vars(RunKeys.of(5)).values()],
    )


def test_seeds_of_two_runs_give_other_weights():
    one, same, other = (new_run(tiny(seed=seed)).learned.model.params for seed in (0, 0, 1))
    assert_same_tree(one, same)
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    assert any((left != right).any() for left, right in pairs)


def test_runners_have_environments_of_their_own():
    run = new_run(tiny())
    run.start_episode(0)
    run.start_episode(1)
    before = run.environments[1].runner.observation.copy()
    act(run, 0, 3)
    np.testing.assert_array_equal(run.environments[1].runner.observation, before)
    assert run.environments[0].runner.env is not run.environments[1].runner.env


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("progress", {"novelty": 1.0}, "unexpected keyword argument 'novelty'"),
        ("spec", {"frame": "RGB"}, "unexpected keyword argument 'frame'"),
        ("config", {"novel": 3}, "its configuration: novel"),
    ],
)
def test_what_another_version_saved_is_refused_in_one_line(
    tmp_path, monkeypatch, part, change, words
):
    run = midway(tiny())
    save = checkpoint.save

    def later(directory, step, state, arrays, **options):
        save(directory, step, state, {**arrays, part: {**arrays[part], **change}}, **options)

    monkeypatch.setattr(checkpoint, "save", later)
    run.save(tmp_path, LOG)
    (tmp_path / "config.yaml").write_text(dump(run.config))
    with pytest.raises(UserError, match=words) as error:
        frozen_of(tmp_path)
    assert "50.npz' was written by another version of this program" in str(error.value)
    assert str(error.value).endswith("use that version")
    assert "\n" not in str(error.value)


# The survival bonus.


def test_the_survival_bonus_is_a_share_of_recent_planned_returns():
    run = new_run(tiny(evaluation={"survival_share": 0.25}))
    assert run.frozen().survival_bonus == 0.0  # nothing is known yet
    returns = []
    for number in range(RECENT + 3):
        run.start_episode(0)
        run.environments[0].explores = number == 1
        act(run, 0, 1 + number % 2)
        run.append_episode(0)
        if number != 1:  # returns of random actions do not count
            returns.append(run.environments[0].runner.return_)
    assert np.mean(returns[-RECENT:]) != pytest.approx(np.mean(returns))
    assert run.frozen().survival_bonus == pytest.approx(0.25 * np.mean(returns[-RECENT:]))


@pytest.mark.parametrize("returns", [[-30.0], [-200.0, 50.0]])
def test_there_is_no_survival_bonus_where_recent_returns_are_negative(returns):
    run = new_run(tiny())
    run.progress.recent_returns = returns
    assert run.frozen().survival_bonus == 0.0
