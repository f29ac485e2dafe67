"""The learning benchmark: who takes part, what is left to do, what is evaluated and reported."""

import contextlib
import csv
import json
import subprocess
import types
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from running import run_script
from tiny import PowerCut, cut_power, new_run, sharing, stopped, tiny

from agents.config.presets import PRESETS
from agents.config.schema import EnvConfig
from agents.errors import UserError
from agents.experiments.learning import conduct as learning_run
from agents.experiments.learning import model_free
from agents.experiments.learning import ray_tune as sweep_ray
from agents.experiments.learning import results as learning_results
from agents.experiments.learning.options import Asked, LearningOptions, parse_learning
from agents.experiments.learning.sweep_trial import OUTPUT
from agents.experiments.learning.trials import (
    FROZEN,
    Contender,
    LearningTrial,
    Protocol,
    add_row,
    read_rows,
    recorded,
    trials,
)
from agents.experiments.learning.worker import carry_out, check_place
from agents.training.checkpoint import at_or_after
from agents.training.evaluation import evaluate_frozen
from agents.training.saved import CHECKPOINTS

LANDER = EnvConfig(id="LunarLander-v3", kwargs={"continuous": True})


def protocol(**changes) -> Protocol:
    usual = Protocol(LANDER, seeds=(5, 6), steps=(100, 200), episodes=2, first_seed=10_000)
    return replace(usual, **changes)


def evaluated(out: Path, label: str, seed: int, step: int, returns: list[float], **changes) -> None:
    """What a trial leaves of an evaluation."""
    place = out / f"{label}-seed{seed}"
    place.mkdir(exist_ok=True)
    row = {
        "label": label, "kind": "planner", "env_id": "LunarLander-v3", "seed": seed,
        "env_steps": step, "seeds": list(range(10_000, 10_000 + len(returns))), "returns": returns,
        "lengths": [100] * len(returns), "evaluation_seconds": 1.0, "commit": "abc",
    }  # fmt: skip
    add_row(place / FROZEN, row | changes)


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


# --- what is asked for ---------------------------------------------------------------------------


def test_a_contender_is_what_train_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [
        "plain=lunar-lander --regularizer.name none --planner.horizon 7",
        "lunar-lander",
        "sac",
    ]
    asked = parse_learning([*words, "--seeds", "0..1", "--steps", "300", "900", "--out", "there"])
    names = [trial.name for trial in asked.trials]
    assert names == [
        "plain-seed0", "lunar-lander-seed0", "sac-seed0",
        "plain-seed1", "lunar-lander-seed1", "sac-seed1",
    ]  # fmt: skip
    config = asked.trials[3].config
    assert (config.regularizer.name, config.planner.horizon, config.seed) == ("none", 7, 1)
    assert (config.env_steps, config.milestones) == (900, (300, 900))
    assert asked.trials[0].run_dir == tmp_path / "there" / "plain-seed0"
    assert asked.trials[2].protocol.env == LANDER.model_copy(update={"action_repeat": 6})
    assert not (tmp_path / "there").exists()


def test_all_take_part_by_default_and_what_does_not_learn_once():
    kinds = [trial.contender.kind for trial in parse_learning([]).trials]
    assert kinds[:5] == ["planner", "random", "heuristic", "sac", "crossq"]
    assert kinds[5:] == ["planner", "sac", "crossq"] * 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["foo"], r"unknown contender 'foo'; give one of: lunar-lander, .*crossq"),
        (["lunar-lander", "pendulum"], "pendulum is for Pendulum-v1 .*give them one environment"),
        (["random"], "no agent of this project takes part"),
        (["sac --fast", "lunar-lander"], "'sac --fast': sac takes no options"),
        (["lunar-lander --seed 3"], "--seed is not its own; --seeds is"),
        (["lunar-lander --env-steps=9"], "--env-steps is not its own; --steps is"),
        (["lunar-lander --planner.hor 3"], "did you mean --planner.horizon"),
        (["lunar-lander", "lunar-lander"], "'lunar-lander' is given twice"),
        (["a b=lunar-lander"], "unknown contender 'a b=lunar-lander'"),
        (["=lunar-lander"], "'=lunar-lander' has no label"),
        (["x=lunar-lander 'a"], "is no contender"),
        (["lunar-lander", "--steps", "900", "300"], "is not ascending"),
        (["lunar-lander", "--seeds", "5..3"], "give the lower seed first"),
        (["lunar-lander", "--cpus", "999"], "give at most"),
        (["lunar-lander", "--first-seed", "9"], "--first-seed: 9 is not allowed"),
        (["lunar-lander", "--out", ""], "--out: '' is not allowed"),
    ],
)
def test_what_cannot_be_done_as_asked_is_refused(words, message):
    with pytest.raises(UserError, match=message):
        parse_learning(words)


# --- what is left to do --------------------------------------------------------------------------


def test_a_trial_is_finished_when_every_age_is_evaluated_on_these_episodes(tmp_path):
    trial, _ = trials([Contender("a", "planner")], protocol(), tmp_path)
    evaluated(tmp_path, "a", 5, 100, [1.0, 2.0])
    assert set(trial.evaluated()) == {100}
    evaluated(tmp_path, "a", 5, 200, [1.0, 2.0], seeds=[7, 8])
    assert not trial.finished
    evaluated(tmp_path, "a", 5, 200, [3.0, 4.0])
    assert trial.finished
    assert trial.evaluated()[200]["returns"] == [3.0, 4.0]


def test_labels_make_names_of_files(tmp_path):
    label = "lunar-lander --fit.averaging 0.9 §/"
    (trial,) = trials([Contender(label, "planner")], protocol(seeds=(3,)), tmp_path)
    assert trial.name == "lunar-lander---fit.averaging-0.9----seed3"


def test_a_line_that_was_cut_short_is_written_anew(tmp_path):
    file = tmp_path / "rows.jsonl"
    assert read_rows(file) == []
    add_row(file, {"a": 1})
    with file.open("a") as stream:
        stream.write('{"a": ')
    assert read_rows(file) == [{"a": 1}]
    add_row(file, {"a": 2})
    assert [json.loads(line) for line in file.read_text().splitlines()] == [{"a": 1}, {"a": 2}]
    file.write_text('{"a": \n{"a": 2}\n')
    with pytest.raises(UserError, match=r"rows\.jsonl', line 1, is damaged"):
        read_rows(file)


# --- agents of this project ----------------------------------------------------------------------


def planner_trial(out: Path, steps=(70, 130), **changes) -> LearningTrial:
    config = tiny(**changes)
    shared = protocol(env=config.env, steps=steps, seeds=(3,))
    (trial,) = trials([Contender("tiny", "planner", config)], shared, out)
    return trial


def without_clock(rows: list[dict]) -> list[dict]:
    return [{k: v for k, v in row.items() if not k.endswith("_seconds")} for row in rows]


@pytest.fixture(scope="module")
def planned(tmp_path_factory) -> LearningTrial:
    trial = planner_trial(tmp_path_factory.mktemp("planned"))
    with sharing():
        carry_out(trial, 1)
    return trial


def test_an_agent_is_evaluated_as_it_was_at_every_age(planned):
    rows = read_rows(planned.run_dir / FROZEN)
    assert [row["env_steps"] for row in rows] == [70, 130]
    most = planned.config.num_envs * planned.config.env.action_repeat
    for row in rows:
        assert row["env_steps"] <= row["at"] < row["env_steps"] + most
        run = new_run(planned.config)
        run.load_learned(planned.run_dir, at_or_after(planned.run_dir / CHECKPOINTS, row["at"]))
        assert run.progress.env_steps == row["at"]
        results, _ = evaluate_frozen(run, 2, 10_000, lambda done: None)
        assert row["returns"] == [each.return_ for each in results]
        assert row["lengths"] == [each.length for each in results]
    assert rows[0]["returns"] != rows[1]["returns"]
    assert not (planned.run_dir / "report.html").exists()


def test_what_was_interrupted_ends_with_the_same_numbers(planned, tmp_path):
    trial = planner_trial(tmp_path)
    with sharing():
        for steps in (50, 70):  # while it learns; and in the second evaluation
            with stopped(steps, cut_power, PowerCut):
                carry_out(trial, 1)
        carry_out(trial, 1)
        assert trial.finished
        before = (trial.run_dir / OUTPUT).stat()
        carry_out(trial, 1)
    assert (trial.run_dir / OUTPUT).stat() == before
    ours, theirs = (without_clock(read_rows(each.run_dir / FROZEN)) for each in (trial, planned))
    assert ours == theirs


def test_more_steps_may_be_asked_for_and_other_ages_may_not(planned, tmp_path):
    trial = planner_trial(tmp_path, steps=(70,))
    longer = planner_trial(tmp_path, steps=(70, 130))
    earlier = planner_trial(tmp_path, steps=(40, 130))
    with sharing():
        carry_out(trial, 1)
        carry_out(longer, 1)
        with pytest.raises(UserError, match="kept no checkpoint of step 40"):
            carry_out(earlier, 1)
    ours, theirs = (without_clock(read_rows(each.run_dir / FROZEN)) for each in (longer, planned))
    assert ours == theirs


def test_a_directory_with_another_run_is_refused(planned):
    other = planner_trial(planned.run_dir.parent, planner={"horizon": 5})
    with pytest.raises(UserError, match=r"holds a run with --planner\.horizon 4, not 5"):
        check_place(other)
    check_place(planned)


# --- policies to compare with --------------------------------------------------------------------


def test_the_heuristic_lands_and_chance_crashes_the_same_way_each_time(tmp_path):
    shared = protocol(episodes=3)
    found = {}
    for kind in ("heuristic", "random", "random"):
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        (trial,) = trials([Contender(kind, kind)], shared, place)
        carry_out(trial, 1)
        assert trial.finished
        (row,) = read_rows(trial.run_dir / FROZEN)
        assert row["env_steps"] == 0
        assert found.setdefault(kind, row["returns"]) == row["returns"]
    assert np.mean(found["heuristic"]) > 200
    assert np.mean(found["random"]) < 0


class Pupil:
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
    sbx = types.SimpleNamespace(SAC=Pupil)
    real = model_free.importlib.import_module
    monkeypatch.setattr(
        model_free.importlib, "import_module", lambda name: sbx if name == "sbx" else real(name)
    )
    trial, _ = trials([Contender("sac", "sac")], protocol(steps=(150, 300)), tmp_path)
    carry_out(trial, 1)
    rows = read_rows(trial.run_dir / FROZEN)
    assert [(row["env_steps"], row["at"]) for row in rows] == [(150, 150), (300, 300)]
    env = gym.make("LunarLander-v3", continuous=True)
    for row in rows:
        acting = model_free.play(
            lambda _, row=row: np.full(2, row["at"] / 1_000, np.float32), env, row["seeds"]
        )
        assert row["returns"] == [value for value, _ in acting]
    episodes = read_rows(trial.run_dir / "metrics.jsonl")
    assert episodes
    assert [row["env_steps"] for row in episodes] == np.cumsum(
        [row["length"] for row in episodes]
    ).tolist()


def test_who_cannot_take_part_is_refused_before_anything_is_trained(monkeypatch):
    pendulum, discrete = gym.make("Pendulum-v1"), gym.make("LunarLander-v3")
    with pytest.raises(UserError, match="Pendulum-v1 has no heuristic"):
        model_free.check("heuristic", pendulum)
    with pytest.raises(UserError, match="crossq needs continuous actions, which LunarLander-v3"):
        model_free.check("crossq", discrete)
    monkeypatch.setattr(model_free.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"sac needs sbx-rl, .*'\.\[baselines\]'"):
        model_free.check("sac", pendulum)
    model_free.check("heuristic", discrete)
    model_free.check("random", pendulum)


# --- from start to end ---------------------------------------------------------------------------


@pytest.fixture
def carried_out(monkeypatch):
    """Names of the trials that Ray was given; the second one fails."""
    names = []

    def run(trials, *, cpus, retries, say, work):
        names.extend(trial.name for trial in trials)
        return {trial.name: "no luck" for trial in trials[1:2]}

    monkeypatch.setattr(sweep_ray, "cluster", contextlib.nullcontext)
    monkeypatch.setattr(sweep_ray, "run", run)
    return names


def asked_of(out: Path) -> Asked:
    contenders = [Contender("a", "random"), Contender("b", "heuristic")]
    return Asked(trials(contenders, protocol(), out), out, LearningOptions(), False)


def test_only_what_is_left_is_carried_out_and_failures_are_said(carried_out, tmp_path, capsys):
    asked = asked_of(tmp_path)
    assert learning_run.conduct(asked) == 1
    assert carried_out == ["a-seed5", "b-seed5"]
    out, err = capsys.readouterr()
    assert "2 of 2 trials to do" in out
    assert err.startswith("b-seed5 failed: no luck; see ")
    evaluated(tmp_path, "a", 5, 0, [1.0, 2.0])
    carried_out.clear()
    assert learning_run.conduct(asked) == 0
    assert carried_out == ["b-seed5"]


def test_a_benchmark_that_is_finished_starts_nothing(carried_out, tmp_path):
    for label in "ab":
        evaluated(tmp_path, label, 5, 0, [1.0, 2.0])
    assert learning_run.conduct(asked_of(tmp_path)) == 0
    assert carried_out == []


def test_an_interruption_is_said(carried_out, tmp_path, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_ray, "run", interrupted)
    assert learning_run.conduct(asked_of(tmp_path)) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_in_the_background_the_same_command_is_started(tmp_path, monkeypatch, capsys):
    started = {}

    def start(command, **kinds):
        started.update(kinds, command=command)
        return types.SimpleNamespace(pid=77)

    monkeypatch.setattr(subprocess, "Popen", start)
    args = ["quick", "--background", "--seeds", "1", "--out", str(tmp_path / "b")]
    assert run_script("benchmark_learning.py", args, monkeypatch) == 0
    assert started["command"][2:] == [word for word in args if word != "--background"]
    assert started["start_new_session"]
    assert "process 77" in capsys.readouterr().out
    assert (tmp_path / "b" / "output.txt").exists()


# --- what is reported ----------------------------------------------------------------------------


def test_seeds_are_what_intervals_are_over(tmp_path):
    for seed, value in ((5, 100.0), (6, 300.0)):
        evaluated(tmp_path, "a", seed, 100, [value] * 8)
    rows = [row for _, rows in recorded(tmp_path) for row in rows]
    (row,) = learning_results.summarise(rows, 200.0)
    # Episodes of a seed are equal, so that a resample has 0, 1 or 2 of the better seed.
    assert (row["mean"], row["mean_low"], row["mean_high"]) == (200.0, 100.0, 300.0)
    assert (row["lowest"], row["highest"]) == (100.0, 300.0)
    assert (row["share_solved"], row["solved"], row["seeds"]) == (0.5, 1, 2)
    assert row["iqm"] == 200.0


def test_a_task_is_solved_at_the_first_age_whose_mean_reaches_the_threshold():
    rows = [
        {"env_steps": step, "returns": [mean - 1, mean + 1]}
        for step, mean in ((300, 250.0), (100, 150.0), (200, 200.0))
    ]
    assert learning_results.steps_to_solve(rows, 200.0) == 200
    assert learning_results.steps_to_solve(rows, 251.0) is None


def test_everything_is_drawn_from_the_disk(tmp_path, planned, monkeypatch, capsys):
    place = tmp_path / "benchmark"
    place.mkdir()
    for seed, means in ((5, (120.0, 210.0)), (6, (90.0, 150.0)), (7, (230.0, 240.0))):
        for step, mean in zip((100, 200), means, strict=True):
            evaluated(place, "ours", seed, step, [mean - 5, mean + 5])
    evaluated(place, "random", 5, 0, [-200.0, -100.0], kind="random")
    evaluated(place, "a sac", 5, 100, [-50.0, -40.0], kind="sac")
    curve = (planned.run_dir / "metrics.jsonl").read_text()
    (place / "ours-seed5" / "metrics.jsonl").write_text(curve)
    args = [str(place), "--name", "test", "--out", str(tmp_path / "drawn")]
    assert run_script("draw_learning.py", args, monkeypatch) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "|  | seeds | 100 | 200 |"
    assert lines[2].startswith("| ours | 3 | 147 [")
    assert lines[2].endswith("(2/3) |")
    assert lines[3:5] == ["| a sac | 1 | -45 | n/a |", "| random | 1 | -150 | -150 |"]
    assert lines[6:] == [
        "| steps to solve | median | seed 5 | seed 6 | seed 7 |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| ours | 200 | 200 | not | 100 |",
        "| a sac | not | not | n/a | n/a |",
    ]
    drawn = tmp_path / "drawn"
    assert [row["mean"] for row in table(drawn / "test.csv")][:2] == ["120.0", "210.0"]
    assert table(drawn / "test-summary.csv")[1]["solved"] == "2"
    episodes = table(drawn / "test-episodes.csv")
    assert len(episodes) == 16
    assert [row["return"] for row in episodes[:4]] == ["115.0", "125.0", "205.0", "215.0"]
    assert len(table(drawn / "test-curves.csv")) == sum(
        '"episode"' in line for line in curve.splitlines()
    )
    assert (drawn / "test.png").stat().st_size > 10_000


def test_nothing_to_draw_is_said_and_other_episodes_are_not_compared(tmp_path):
    with pytest.raises(UserError, match="holds no evaluated trial"):
        learning_results.draw(tmp_path, "a", tmp_path / "out")
    evaluated(tmp_path, "a", 5, 100, [1.0])
    evaluated(tmp_path, "b", 5, 100, [1.0, 2.0])
    with pytest.raises(UserError, match="b was evaluated on other episodes than a"):
        learning_results.draw(tmp_path, "a", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["a", "b"], "one directory is allowed, not 'a', 'b'"),
        (["a", "--name", "x/y"], "--name: 'x/y' is no name for files"),
        (["a", "--out", ""], "--out: '' is not allowed"),
    ],
)
def test_bad_words_for_drawing_are_refused(args, message, monkeypatch, capsys):
    assert run_script("draw_learning.py", args, monkeypatch) == 2
    assert message in capsys.readouterr().err


def test_the_presets_can_all_take_part():
    for name in PRESETS:
        (trial,) = parse_learning([name, "--seeds", "5"]).trials
        assert trial.config.env == PRESETS[name].env
