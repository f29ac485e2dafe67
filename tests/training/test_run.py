"""A run at one moment: its names for randomness, and that it is saved and taken up whole."""

from dataclasses import asdict

import jax
import numpy as np
import pytest
import worlds
from tiny import assert_same_tree, finished, new_run, tiny

from agents.envs.episodes import episode_seed
from agents.envs.rewards import AnalyticReward
from agents.errors import UserError
from agents.training.evaluation import Promise
from agents.training.run import RECENT, Progress, RunKeys, build_agent, make_runner, repeats_itself

LOG = {"metrics.jsonl": 12, "timings.jsonl": 34, "env_steps": 5}
NOISY = {"id": "worlds:Noisy-v0", "kwargs": {"source": "unseeded"}, "action_repeat": 2}


def midway(config):
    """A run that has learned, with an ended episode and one under way in both environments."""
    run = new_run(config)
    run.load_learned(finished().run_dir)
    run.progress = Progress(recent_returns=[1 / 3])
    for slot in range(2):
        run.start_episode(slot)
    act(run, 0, 3)
    run.replay.append(run.slots[0].runner.episode())
    run.progress.env_steps, run.progress.fits, run.progress.unfitted_steps = 50, 2, 6
    run.start_episode(0)
    run.slots[0].promise = Promise(1 / 3, -0.1)
    act(run, 0, 2)
    act(run, 1, 4)
    return run


def act(run, slot, decisions):
    for decision in range(decisions):
        run.slots[slot].runner.step([0.1 * decision])


def everything(run):
    return {
        "learned": run.learned,
        "plan states": run.actor.plan_states,
        "progress": asdict(run.progress),
        "replay": run.replay.to_arrays(),
        "episodes": [slot.runner.snapshot() for slot in run.slots],
        "explores": [slot.explores for slot in run.slots],
        "promises": [slot.promise and vars(slot.promise) for slot in run.slots],
    }


def test_what_is_saved_comes_back_bit_for_bit(tmp_path):
    run = midway(tiny())
    run.actor.plan(run.learned, [slot.runner for slot in run.slots])
    run.save(tmp_path, LOG)
    back = new_run(tiny())
    assert back.load(tmp_path) == (LOG, [])
    assert_same_tree(everything(back), everything(run))
    for slot in range(2):  # and goes on alike
        for each in (run, back):
            act(each, slot, 1)
    assert_same_tree(everything(back), everything(run))
    plans = [r.actor.plan(r.learned, [slot.runner for slot in r.slots]) for r in (run, back)]
    assert_same_tree(plans[0], plans[1])


def test_what_is_learned_can_be_loaded_alone(tmp_path):
    run = midway(tiny())
    run.save(tmp_path, LOG)
    back = new_run(tiny())
    rest = back.load_learned(tmp_path)
    assert set(rest) == {"progress", "slots", "replay", "log_position"}
    assert_same_tree(back.learned, run.learned)
    assert vars(back.progress) == vars(run.progress)
    assert back.replay.episodes == []
    assert [slot.runner.index for slot in back.slots] == [-1, -1]


def test_no_checkpoint_is_said_so(tmp_path):
    with pytest.raises(UserError, match="no checkpoint"):
        new_run(tiny()).load(tmp_path)


def test_a_checkpoint_of_another_configuration_does_not_fit(tmp_path):
    midway(tiny()).save(tmp_path, LOG)
    other = new_run(tiny(num_envs=3))
    with pytest.raises(UserError, match="does not fit this run"):
        other.load(tmp_path)


def test_an_episode_that_cannot_be_rebuilt_is_followed_by_the_next(tmp_path):
    run = midway(tiny(env=NOISY))
    run.save(tmp_path, LOG)
    back = new_run(tiny(env=NOISY))
    back.actor.plan(run.learned, [slot.runner for slot in run.slots])  # something to forget
    _, dropped = back.load(tmp_path)
    assert [line.split()[:2] for line in dropped] == [["episode", "2"], ["episode", "1"]]
    assert all(line.endswith("went on with the next episode") for line in dropped)
    assert [slot.runner.index for slot in back.slots] == [3, 4]
    assert [slot.runner.decisions for slot in back.slots] == [0, 0]
    assert [slot.promise for slot in back.slots] == [None, None]
    assert back.progress.episodes == 5
    assert_same_tree(back.actor.plan_states, run.agent.initial_plans(2))


@pytest.mark.parametrize("drift", [1e-3, 5.0])  # by a little, and so that the episode ends early
def test_an_environment_that_has_changed_is_refused(tmp_path, monkeypatch, drift):
    midway(tiny()).save(tmp_path, LOG)
    monkeypatch.setattr(worlds.Walk, "drift", drift)
    with pytest.raises(UserError, match=r"cannot be resumed: episode 2 of .* replay"):
        new_run(tiny()).load(tmp_path)


@pytest.mark.parametrize(("source", "repeats"), [("seeded", True), ("unseeded", False),
                                                 ("reward", False)])  # fmt: skip
def test_whether_an_environment_repeats_itself(source, repeats):
    env = {"id": "worlds:Noisy-v0", "kwargs": {"source": source}}
    runner = make_runner(tiny(env=env))
    runner.start(0, 1)
    for _ in range(5):
        runner.step([0.5])
    assert repeats_itself(runner, runner.snapshot()) == repeats


def test_episodes_are_numbered_over_all_environments_and_each_has_its_seed():
    run = new_run(tiny())
    for count, slot in enumerate([0, 1, 1, 0]):
        run.start_episode(slot)
        runner = run.slots[slot].runner
        assert (runner.index, runner.seed) == (count, episode_seed(0, count))
        assert runner.decisions == 0
    assert run.progress.episodes == 4


def test_an_episode_is_random_until_there_is_a_fit_and_enough_to_plan_with():
    run = new_run(tiny(random_steps=40))
    for fits, env_steps, explores in [(0, 0, True), (0, 50, True), (1, 39, True), (1, 40, False)]:
        run.progress.fits, run.progress.env_steps = fits, env_steps
        run.slots[0].promise = Promise(0.0, 0.0)
        run.start_episode(0)
        assert run.slots[0].explores == explores
        assert run.slots[0].promise is None


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


def test_a_known_reward_is_found_by_its_name_or_with_its_environment():
    config = tiny(model={"reward": "known"})
    with pytest.raises(UserError, match="no analytic reward comes with environment"):
        build_agent(config, make_runner(config))
    named = tiny(model={"reward": "known", "known_reward": "worlds:wages"})
    build_agent(named, make_runner(named))
    assert isinstance(worlds.wages, AnalyticReward)


def test_runners_have_environments_of_their_own():
    run = new_run(tiny())
    run.start_episode(0)
    run.start_episode(1)
    before = run.slots[1].runner.observation.copy()
    act(run, 0, 3)
    np.testing.assert_array_equal(run.slots[1].runner.observation, before)
    assert run.slots[0].runner.env is not run.slots[1].runner.env


def test_a_checkpoint_that_remembers_no_gap_is_taken_up_all_the_same():
    saved = asdict(Progress(env_steps=7))
    del saved["dual"]
    progress = Progress.of(saved)
    assert progress.env_steps == 7
    assert progress.dual.weight == 0.0
    assert Progress.of(asdict(progress)) == progress


# What going on behind the horizon is taken for.


def test_going_on_is_worth_a_share_of_what_planned_episodes_lately_brought():
    run = new_run(tiny(evaluation={"survival_share": 0.25}))
    assert run.survival_bonus == 0.0  # nothing is known yet
    brought = []
    for number in range(RECENT + 3):
        run.start_episode(0)
        run.slots[0].explores = number == 1
        act(run, 0, 1 + number % 2)
        run.learn_from(0)
        if number != 1:  # what random actions bring says nothing
            brought.append(run.slots[0].runner.return_)
    assert np.mean(brought[-RECENT:]) != pytest.approx(np.mean(brought))
    assert run.survival_bonus == pytest.approx(0.25 * np.mean(brought[-RECENT:]))


@pytest.mark.parametrize("returns", [[-30.0], [-200.0, 50.0]])
def test_where_episodes_cost_their_end_is_no_loss(returns):
    run = new_run(tiny())
    run.progress.recent_returns = returns
    assert run.survival_bonus == 0.0
