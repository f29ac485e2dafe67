"""The loop: what a run records, and that an interrupted one goes on as if it had not been."""

from pathlib import Path

import jax
import numpy as np
import pytest
import worlds
from tiny import (
    CARTPOLE,
    assert_same_run,
    finished,
    new_run,
    rows_of,
    rows_of_kind,
    sharing,
    state_of,
    tiny,
    traces_of,
    train,
)

from agents.checkpoints import checkpoint
from agents.checkpoints.saved import CHECKPOINTS
from agents.config import Config, load_run
from agents.envs import episode_seed
from agents.errors import UserError
from agents.logs.log import TIMINGS
from agents.planning.actor import Actor
from agents.planning.learner import Learner
from agents.reporting import conclude as reporting
from agents.training import evaluation
from agents.training.frozen import make_replay
from mbrl.replay import Replay


def replay_of(run_dir: Path, config: Config) -> Replay:
    """The episodes of a run's latest checkpoint."""
    replay = make_replay(config)
    replay.load_arrays(state_of(run_dir, config)["replay"])
    return replay


# What is compiled.


def test_everything_is_traced_once_in_a_whole_run():
    whole = finished()
    assert len(whole.of_kind("fit")) > 2  # on more and more data
    assert len(whole.of_kind("evaluation")) == 1
    assert whole.traces == dict.fromkeys(whole.traces, 1)


# What is recorded.

EPISODE = {"kind", "env_steps", "episode", "seed", "return", "length", "ended", "planned_return",
           "penalty", "realised_return", "gap", "weight"}  # fmt: skip
FIT = {"kind", "env_steps", "dynamics_nll", "reward_rmse", "termination_bce", "regularizer_mse",
       "regularizer_copy_mse", "epochs", "regularizer_epochs"}  # fmt: skip
EVALUATION = {"kind", "env_steps", "episodes", "seeds", "returns", "mean", "sd", "iqm", "iqm_ci95",
              "share_solved", "planned", "realised", "penalty", "survival_bonus",
              "lengths"}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "fields"), [("episode", EPISODE), ("fit", FIT), ("evaluation", EVALUATION)]
)
def test_rows_have_these_fields(kind, fields):
    rows = finished().of_kind(kind)
    assert rows
    for row in rows:
        assert set(row) == fields


def test_a_run_without_a_regularizer_says_nothing_of_its_errors():
    rows = finished(**CARTPOLE).of_kind("fit")
    assert rows
    for row in rows:
        assert set(row) == FIT - {"regularizer_mse", "regularizer_copy_mse"}


def test_one_seed_one_record(tmp_path):
    whole = finished()
    train(whole.config, tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


def test_another_seed_brings_other_episodes_and_weights():
    one, other = finished(), finished(seed=1)
    returns = [[row["return"] for row in run.of_kind("episode")] for run in (one, other)]
    assert not set(returns[0]) & set(returns[1])
    assert one.of_kind("fit")[0]["dynamics_nll"] != other.of_kind("fit")[0]["dynamics_nll"]
    assert one.of_kind("evaluation")[0]["returns"] != other.of_kind("evaluation")[0]["returns"]


def test_timings_say_where_the_time_went():
    whole = finished()
    rows = rows_of(whole.run_dir, TIMINGS)
    assert [row["env_steps"] for row in rows] == [
        row["env_steps"] for row in whole.of_kind("episode")
    ]
    for row in rows:
        assert set(row) == {"env_steps", "planning_seconds", "fitting_seconds", "stepping_seconds",
                            "plans", "plans_per_second"}  # fmt: skip
        assert row["stepping_seconds"] > 0
        assert (row["planning_seconds"] > 0) == (row["plans"] > 0)
    fitted = {row["env_steps"] for row in whole.of_kind("fit")}
    assert {row["env_steps"] for row in rows if row["fitting_seconds"] > 0} == fitted


def test_the_run_directory_holds_what_it_should_and_to_draw_traces_nothing_again(tmp_path):
    whole = finished()
    agent = new_run(whole.config).agent
    before = traces_of(agent)
    train(whole.config, tmp_path, drawn=True)
    assert traces_of(agent) == before
    names = {path.name for path in tmp_path.iterdir() if path.is_dir() or path.stat().st_size}
    assert names == {"config.yaml", "metrics.jsonl", "timings.jsonl", "tensorboard", "checkpoints",
                     "summary.json", "learning.png", "report.html", "evaluation.gif"}  # fmt: skip
    assert load_run(tmp_path) == whole.config
    assert list((tmp_path / "tensorboard").glob("events.*"))
    steps = sorted(int(path.stem) for path in (tmp_path / "checkpoints").iterdir())
    assert len(steps) == whole.config.keep_checkpoints
    assert steps[-1] == whole.of_kind("evaluation")[0]["env_steps"]
    every = whole.config.checkpoint_every
    assert all(gap in range(every, every + 4) for gap in np.diff(steps[:-1]))


# Episodes and steps.


def test_episodes_have_seeds_of_their_own_that_no_evaluation_uses():
    whole = finished()
    rows = whole.of_kind("episode")
    assert len({row["seed"] for row in rows}) == len(rows)
    for row in rows:
        assert row["seed"] == episode_seed(whole.config.seed, row["episode"])
        assert 2**30 <= row["seed"] < 2**31
    assert whole.of_kind("evaluation")[0]["seeds"] == [10_000, 10_001, 10_002]


@pytest.mark.parametrize("repeat", [1, 3, 7])
def test_env_steps_are_the_simulators_and_overshoot_by_less_than_one_decision(
    tmp_path, monkeypatch, repeat
):
    taken = 0
    step = worlds.Walk.step

    def counted(self, action):
        nonlocal taken
        taken += 1
        return step(self, action)

    def at_random(env, seeds):  # its steps are not the agent's
        return {"mean": 0.0, "returns": [0.0] * len(seeds)}, None

    monkeypatch.setattr(worlds.Walk, "step", counted)
    monkeypatch.setattr(reporting, "evaluate_random", at_random)
    env = {"id": "worlds:Walk-v0", "kwargs": {"max_episode_steps": 15}, "action_repeat": repeat}
    config = tiny(env=env, env_steps=100)
    rows = rows_of(train(config, tmp_path))
    env_steps = rows[-1]["env_steps"]
    assert 100 <= env_steps < 100 + repeat * config.num_envs
    assert env_steps == taken - sum(rows[-1]["lengths"])

    state = state_of(tmp_path, config)
    under_way = sum(len(each["episode"]["rewards"]) for each in state["open_episodes"])
    recorded = sum(row["length"] for row in rows_of_kind(rows, "episode"))
    assert env_steps == recorded + under_way == state["progress"]["env_steps"]


def test_truncation_is_told_from_termination():
    whole = finished()
    rows = whole.of_kind("episode")
    episodes = replay_of(whole.run_dir, whole.config).episodes
    assert {row["ended"] for row in rows} == {"terminated", "truncated"}
    for row, episode in zip(rows, episodes, strict=True):
        left_the_track = abs(episode.observations[-1, 0]) > 1.0
        assert row["ended"] == ("terminated" if left_the_track else "truncated")
        assert episode.terminated == left_the_track
        assert row["length"] == len(episode.rewards)
        assert row["return"] == pytest.approx(episode.rewards.sum(), abs=1e-5)


@pytest.mark.parametrize("end", ["terminate_at", "truncate_at"])
def test_no_transition_crosses_a_reset(tmp_path, end):
    # The counter observes the steps since its reset, and pays as much.
    env = {"id": "worlds:Counter-v0", "kwargs": {end: 7}, "action_repeat": 2}
    config = tiny(env=env)
    rows = rows_of(train(config, tmp_path))
    ended = "terminated" if end == "terminate_at" else "truncated"
    for row in rows_of_kind(rows, "episode"):
        assert row["ended"] == ended
        # Four decisions of two steps reach beyond the end: 1 + 2 + .. + 7.
        assert (row["length"], row["return"], row["realised_return"]) == (7, 28.0, 28.0)

    seen = replay_of(tmp_path, config).draw_transitions(0, 100, 16)
    before, after = seen.observation[..., 0], seen.next_observation[..., 0]
    assert (after > before).all()
    assert (after <= before + np.round(seen.duration * 2)).all()
    np.testing.assert_array_equal(seen.reward, (after * (after + 1) - before * (before + 1)) / 2)
    ends = (after == 7) & (ended == "terminated")
    np.testing.assert_array_equal(seen.terminal, ends)
    assert ends.any() == (ended == "terminated")


def test_episodes_are_random_until_there_is_a_fit_and_enough_to_plan_with():
    whole = finished()
    config, fits = whole.config, 0
    begun = dict.fromkeys(range(config.num_envs), True)  # the first episodes are random
    for row, following in zip(whole.rows, whole.rows[1:], strict=False):
        if row["kind"] == "episode":  # in its place begins the next one
            fits += following["kind"] == "fit"
            begun[len(begun)] = fits == 0 or row["env_steps"] < config.random_steps
    for row in whole.of_kind("episode"):
        assert (row["planned_return"] is None) == begun[row["episode"]]
        assert (row["penalty"] is None) == begun[row["episode"]]
    assert set(begun.values()) == {True, False}


def test_plans_are_carried_out(tmp_path, monkeypatch):
    planned = {}
    plan = Actor.plan

    def recorded(self, state, runners, *args):
        plans = plan(self, state, runners, *args)
        for slot, runner in enumerate(runners):
            planned[runner.seed, runner.decisions] = plans.actions[slot, 0]
        return plans

    monkeypatch.setattr(Actor, "plan", recorded)
    config = tiny(exploration_noise=0.0)
    rows = rows_of(train(config, tmp_path))
    episodes = replay_of(tmp_path, config).episodes
    compared = 0
    for row, episode in zip(rows_of_kind(rows, "episode"), episodes, strict=True):
        if row["planned_return"] is not None:
            for decision, action in enumerate(episode.actions):
                np.testing.assert_array_equal(action, planned[row["seed"], decision])
                compared += 1
    assert compared > 20


def test_every_fit_draws_afresh(tmp_path, monkeypatch):
    drawn = []
    fit = Learner.fit

    def recorded(self, state, key, replay, index):
        drawn.append((*jax.random.key_data(key).tolist(), index))
        return fit(self, state, key, replay, index)

    monkeypatch.setattr(Learner, "fit", recorded)
    train(finished().config, tmp_path)
    assert [index for *_, index in drawn] == list(range(1, len(drawn) + 1))
    assert len({tuple(key) for *key, _ in drawn}) == len(drawn)


def test_fits_come_when_enough_is_new():
    whole = finished()
    config = whole.config
    new, episodes = 0, 0
    for row, following in zip(whole.rows, whole.rows[1:], strict=False):
        if row["kind"] == "fit":
            continue
        episodes += 1
        new += row["length"]
        due = row["env_steps"] >= config.random_steps and new >= config.fit_every and episodes > 1
        assert (following["kind"] == "fit") == due
        if due:
            assert following["env_steps"] == row["env_steps"]
            new = 0


# What cannot be trained.


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"env": {"id": "NoSuchWorld-v0"}}, "NoSuchWorld"),
        ({"env": {"id": "FrozenLake-v1"}}, "observation space"),
        (
            {
                "env": {
                    "id": "worlds:Counter-v0",
                    "kwargs": {"bad_observation_at": 0},
                }
            },
            "nan",
        ),
        ({"model": {"reward": "known"}}, "no analytic reward"),
        ({"model": {"reward": "known", "known_reward": "worlds:nothing"}}, "worlds:nothing"),
    ],
)
def test_what_cannot_be_used_leaves_nothing_behind(tmp_path, changes, named):
    run_dir = tmp_path / "deep" / "run"
    with pytest.raises(UserError, match=named):
        train(tiny(**changes), run_dir)
    assert list(tmp_path.iterdir()) == []


def test_an_environment_that_fails_later_is_saved_as_it_was_before_that_decision(tmp_path):
    # The Counter's 40th step comes after the first checkpoint.
    kwargs = {"truncate_at": 50, "bad_reward_at": 40}
    config = tiny(env={"id": "worlds:Counter-v0", "kwargs": kwargs})
    with pytest.raises(UserError, match="reward nan at step 40"):
        train(config, tmp_path)
    assert checkpoint.latest(tmp_path / CHECKPOINTS) == 78


def test_that_no_episode_ends_is_said_once_and_its_evaluation_ends(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(evaluation, "LONGEST", 30)
    train(tiny(env={"id": "worlds:Counter-v0"}), tmp_path / "endless")
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("no episode has ended in 40 steps") == 1
    assert "max_episode_steps in --env.kwargs" in said
    assert "episodes of the evaluation were cut short after" in said
    (row,) = rows_of_kind(rows_of(tmp_path / "endless"), "evaluation")
    assert set(row["lengths"]) == {30}
    train(tiny(), tmp_path / "ending")
    assert "no episode has ended" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_learning_rate_that_diverges_is_named_in_one_line(tmp_path, capsys):
    config = tiny(fit={"learning_rate": 1e6}, checkpoint_every=20)
    with pytest.raises(UserError, match=r"the model's held-out loss is .* in fit 1") as error:
        train(config, tmp_path)
    assert "\n" not in str(error.value)
    with sharing():
        reporting.evaluate_run(tmp_path, episodes=2, seed=None, gif=False)
    assert "2 episodes" in capsys.readouterr().out
