"""What a worker does with one trial: agents of this project, fixed policies, agents of sbx-rl."""

import types

import gymnasium as gym
import numpy as np
import pytest
from running import PowerCut, cut_power, stopped
from studies import planner_trial, protocol
from tiny import CARTPOLE, assert_same_run, finished, frozen_of, sharing

from agents.analysis.jsonl import read_rows
from agents.config import CONFIG_FILE, dump
from agents.errors import UserError
from agents.experiments.learning import model_free
from agents.experiments.learning.trials import FROZEN, Contender, Trial, make_trials
from agents.experiments.learning.worker import OUTPUT, carry_out
from agents.training.evaluation import evaluate_frozen


def frozen(trial: Trial) -> list[dict]:
    """Its evaluations, without what depends on the clock."""
    rows = read_rows(trial.run_dir / FROZEN)
    return [{k: v for k, v in row.items() if not k.endswith("_seconds")} for row in rows]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Trial:
    """A trial of a benchmark that nothing has interrupted."""
    trial = planner_trial(tmp_path_factory.mktemp("whole"))
    with sharing():
        carry_out(trial, 1)
    return trial


def test_an_agent_is_evaluated_as_it_was_at_every_age(whole):
    rows = frozen(whole)
    assert [row["env_steps"] for row in rows] == [70, 130]
    most = whole.config.num_envs * whole.config.env.action_repeat
    for row in rows:
        assert row["env_steps"] <= row["at"] < row["env_steps"] + most
        results, _ = evaluate_frozen(frozen_of(whole.run_dir, row["at"]), 2, 10_000)
        assert row["returns"] == [each.return_ for each in results]
        assert row["lengths"] == [each.length for each in results]
    assert rows[0]["returns"] != rows[1]["returns"]
    assert not (whole.run_dir / "report.html").exists()


def test_a_benchmarks_trial_that_was_interrupted_ends_with_the_same_numbers(whole, tmp_path):
    trial = planner_trial(tmp_path)
    with sharing():
        for steps in (50, 70):  # in training; and in the second evaluation
            with stopped(steps, cut_power, PowerCut):
                carry_out(trial, 1)
        carry_out(trial, 1)
        before = (trial.run_dir / OUTPUT).stat()
        carry_out(trial, 1)
    assert (trial.run_dir / OUTPUT).stat() == before
    assert frozen(trial) == frozen(whole)


def test_a_trial_that_died_before_its_first_checkpoint_begins_again(whole, tmp_path):
    trial = planner_trial(tmp_path)
    trial.run_dir.mkdir()
    (trial.run_dir / CONFIG_FILE).write_text(dump(trial.config))  # the first that a run writes
    with sharing():
        carry_out(trial, 1)
    assert frozen(trial) == frozen(whole)


def test_a_sweeps_trial_that_was_interrupted_ends_as_one_that_was_not(tmp_path):
    alone = finished(**CARTPOLE)
    trial = Trial(Contender("a", "planner", alone.config), alone.config.seed, tmp_path / "trial")
    with sharing():
        with stopped(120, cut_power, PowerCut):
            carry_out(trial, 1)
        assert not trial.finished
        carry_out(trial, 1)
    assert trial.finished
    assert_same_run(trial.run_dir, alone.run_dir, alone.config)
    output = (trial.run_dir / OUTPUT).read_text()
    assert "PowerCut" in output  # why the first attempt ended
    assert "resumed at step" in output


def test_more_steps_may_be_given_later_and_other_ages_may_not(whole, tmp_path):
    trial = planner_trial(tmp_path, steps=(70, 130))
    with sharing():
        carry_out(planner_trial(tmp_path, steps=(70,)), 1)
        carry_out(trial, 1)
        with pytest.raises(UserError, match="kept no checkpoint of step 40"):
            carry_out(planner_trial(tmp_path, steps=(40, 130)), 1)
    assert frozen(trial) == frozen(whole)


def test_a_machine_without_the_studys_directory_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere'; give an --out on a disk that all machines"):
        carry_out(planner_trial(tmp_path / "nowhere"), 1)
    assert not list(tmp_path.iterdir())


# --- policies to compare with --------------------------------------------------------------------


def test_the_heuristic_lands_and_random_actions_crash_the_same_way_each_time(tmp_path):
    found = {}
    for place, kind in enumerate(("heuristic", "random", "random")):
        contender = Contender(f"{kind}{place}", kind)
        (trial,) = make_trials([contender], [5], tmp_path, protocol(episodes=3))
        carry_out(trial, 1)
        assert trial.finished
        (row,) = frozen(trial)
        assert found.setdefault(kind, row["returns"]) == row["returns"]
    assert np.mean(found["heuristic"]) > 200
    assert np.mean(found["random"]) < 0


class FakeSac:
    """Stands for an agent of sbx-rl: it acts by the number of steps that it has learned from."""

    def __init__(self, policy, env, *, seed, policy_kwargs, **settings):
        self.env, self.num_timesteps = env, 0
        env.reset(seed=seed)

    def learn(self, total_timesteps, reset_num_timesteps):
        assert not reset_num_timesteps
        for _ in range(total_timesteps):
            *_, terminated, truncated, _ = self.env.step(np.zeros(2, np.float32))
            self.num_timesteps += 1
            if terminated or truncated:
                self.env.reset()

    def predict(self, observation, deterministic):
        assert deterministic
        return np.full(2, self.num_timesteps / 1_000, np.float32), None


def test_an_agent_of_sbx_is_evaluated_on_the_way(tmp_path, monkeypatch):
    sbx = types.SimpleNamespace(SAC=FakeSac)
    real = model_free.importlib.import_module
    monkeypatch.setattr(
        model_free.importlib, "import_module", lambda name: sbx if name == "sbx" else real(name)
    )
    (trial,) = make_trials([Contender("sac", "sac")], [5], tmp_path, protocol(steps=(150, 300)))
    carry_out(trial, 1)
    rows = frozen(trial)
    assert [(row["env_steps"], row["at"]) for row in rows] == [(150, 150), (300, 300)]
    env = gym.make("LunarLander-v3", continuous=True)
    for row in rows:
        acting = model_free.play(
            lambda _, row=row: np.full(2, row["at"] / 1_000, np.float32), env, row["seeds"]
        )
        assert row["returns"] == [value for value, _ in acting]
    episodes = read_rows(trial.run_dir / "metrics.jsonl")
    assert episodes
    ends = np.cumsum([row["length"] for row in episodes])
    assert [row["env_steps"] for row in episodes] == ends.tolist()


def test_policies_that_cannot_act_in_an_environment_are_refused(monkeypatch):
    pendulum, discrete = gym.make("Pendulum-v1"), gym.make("LunarLander-v3")
    with pytest.raises(UserError, match="Pendulum-v1 has no heuristic"):
        model_free.check("heuristic", pendulum)
    with pytest.raises(UserError, match=r"crossq needs continuous actions, not .* LunarLander-v3"):
        model_free.check("crossq", discrete)
    monkeypatch.setattr(model_free.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"sac needs sbx-rl, .*'\.\[baselines\]'"):
        model_free.check("sac", pendulum)
    model_free.check("heuristic", discrete)
