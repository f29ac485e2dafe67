"""What the two scripts accept, and what they do with it."""

import sys
import types
from pathlib import Path

import pytest
from running import run_script

from agents.config.commands import (
    EvaluateCommand,
    ResumeCommand,
    TrainCommand,
    parse_evaluate,
    parse_train,
)
from agents.config.loading import load_run
from agents.config.options import flag, options
from agents.config.presets import PRESETS
from agents.config.schema import Config
from agents.config.yaml_files import dump
from agents.errors import UserError


def test_every_order_of_words_means_the_same():
    expected = TrainCommand(
        PRESETS["quick"].model_copy(update={"seed": 3, "num_envs": 2}), Path("somewhere")
    )
    for line in (
        "quick --seed 3 --num-envs 2 --run-dir somewhere",
        "--seed 3 --run-dir somewhere --num_envs=2 quick",
        "--run-dir=somewhere --seed 3 quick --num-envs 2",
        "--run-dir somewhere --seed=3 --num-envs 2 -- quick",
    ):
        assert parse_train(line.split()) == expected


def test_flags_reach_every_kind_of_option():
    line = (
        "pendulum --env.id my_package:Mine-v0 --env.kwargs gravity=-5.0 wind=true name=x n=3"
        " --model.hidden 32 16 --model.sample-noise --fit.learning-rate 1e-4"
        " --planner.name mppi --regularizer.weight 0 --run-dir somewhere"
    )
    command = parse_train(line.split())
    assert isinstance(command, TrainCommand)
    config = command.config
    assert config.env.id == "my_package:Mine-v0"
    assert config.env.kwargs == {"gravity": -5.0, "wind": True, "name": "x", "n": 3}
    assert config.model.hidden == (32, 16)
    assert config.model.sample_noise is True
    assert config.fit.learning_rate == 1e-4
    assert config.planner.name == "mppi"
    assert config.regularizer.weight == 0.0
    assert config.env_steps == PRESETS["pendulum"].env_steps


def test_flags_win_over_the_file_and_the_file_over_the_preset(tmp_path):
    file = tmp_path / "changes.yaml"
    file.write_text("seed: 7\nplanner:\n  horizon: 9\n  iterations: 2\n")
    command = parse_train(["quick", "--config", str(file), "--planner.horizon", "11"])
    assert isinstance(command, TrainCommand)
    assert command.config.seed == 7
    assert command.config.planner.horizon == 11
    assert command.config.planner.iterations == 2
    assert command.config.planner.population == PRESETS["quick"].planner.population


def test_the_default_run_directory_names_preset_seed_and_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "20261122-153000")
    names = []
    for _ in range(3):
        command = parse_train(["quick", "--seed", "3"])
        command.run_dir.mkdir(parents=True)
        names.append(str(command.run_dir))
    assert names == [f"runs/quick-seed3-20261122-153000{end}" for end in ("", "-2", "-3")]


def test_an_empty_directory_may_take_a_run(tmp_path):
    assert parse_train(["quick", "--run-dir", str(tmp_path)]).run_dir == tmp_path


def test_resuming_keeps_or_raises_the_steps(tmp_path):
    (tmp_path / "config.yaml").write_text(dump(PRESETS["quick"]))
    line = ["--resume", str(tmp_path)]
    assert parse_train(line) == ResumeCommand(tmp_path, None)
    assert parse_train([*line, "--env-steps", "1200"]) == ResumeCommand(tmp_path, 1200)
    assert parse_train(["--env-steps", "5000", *line]) == ResumeCommand(tmp_path, 5000)
    assert load_run(tmp_path) == PRESETS["quick"]


def test_evaluation_takes_the_run_and_its_own_options(tmp_path):
    (tmp_path / "config.yaml").write_text(dump(PRESETS["quick"]))
    run = str(tmp_path)
    assert parse_evaluate([run]) == EvaluateCommand(tmp_path, None, None, gif=False)
    expected = EvaluateCommand(tmp_path, 3, 10_500, gif=True)
    assert parse_evaluate([run, "--episodes", "3", "--seed", "10500", "--gif"]) == expected
    assert parse_evaluate(["--gif", run, "--seed=10500", "--episodes=3"]) == expected


@pytest.mark.parametrize("preset", [None, *PRESETS])
def test_help_shows_every_option_with_the_defaults_of_the_preset(preset, capsys, monkeypatch):
    args = ["--help"] if preset is None else [preset, "--help"]
    assert run_script("train.py", args, monkeypatch) == 0
    out, err = capsys.readouterr()
    assert err == ""
    shown = out.replace("\u2502", "")
    words = " ".join(shown.split())
    for path, field in options(Config).items():
        assert f"{flag(path)} " in shown
        assert field.description is not None
        assert field.description in words
    for name in (*PRESETS, "--config", "--run-dir", "--resume"):
        assert name in shown
    config = PRESETS[preset or "lunar-lander"]
    assert f"default: {config.env.id}" in words
    assert f"default: {config.env_steps})" in words
    assert f"default: {config.planner.population})" in words
    assert f"default: {config.planner.risk.name})" in words


def test_help_of_evaluate_mentions_its_options(capsys, monkeypatch):
    assert run_script("evaluate.py", ["-h"], monkeypatch) == 0
    out = capsys.readouterr().out
    for word in ("RUN_DIR", "--episodes", "--seed", "--gif", "from 10000"):
        assert word in out


def module_that(**functions) -> types.ModuleType:
    module = types.ModuleType("stand_in")
    vars(module).update(functions)
    return module


def test_train_hands_the_command_on(tmp_path, monkeypatch):
    calls = []
    stand_in = module_that(
        train=lambda *args: calls.append(args), resume=lambda *args: calls.append(args)
    )
    monkeypatch.setitem(sys.modules, "agents.training.loop", stand_in)
    monkeypatch.setattr("agents.training.loop", stand_in, raising=False)
    (tmp_path / "old").mkdir()
    (tmp_path / "old/config.yaml").write_text(dump(PRESETS["quick"]))
    new, old = tmp_path / "new", tmp_path / "old"
    assert run_script("train.py", ["quick", "--run-dir", str(new)], monkeypatch) == 0
    assert run_script("train.py", ["--resume", str(old)], monkeypatch) == 0
    assert calls == [(PRESETS["quick"], new), (old, None)]


@pytest.mark.parametrize(("saved", "advice"), [(True, "--resume"), (False, "nothing was saved")])
def test_an_interrupt_says_how_to_go_on(saved, advice, tmp_path, monkeypatch, capsys):
    def train(config, run_dir):
        if saved:
            (run_dir / "checkpoints").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "agents.training.loop", module_that(train=train))
    monkeypatch.setattr("agents.training.loop", module_that(train=train), raising=False)
    run_dir = tmp_path / "run"
    assert run_script("train.py", ["quick", "--run-dir", str(run_dir)], monkeypatch) == 130
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert advice in err


def test_evaluate_hands_the_command_on_and_reports_what_it_refuses(tmp_path, monkeypatch, capsys):
    calls = []

    def evaluate_run(*args):
        calls.append(args)
        raise UserError("no checkpoint in\nthis run")

    stand_in = module_that(evaluate_run=evaluate_run)
    monkeypatch.setitem(sys.modules, "agents.reporting.conclude", stand_in)
    monkeypatch.setattr("agents.reporting.conclude", stand_in, raising=False)
    (tmp_path / "config.yaml").write_text(dump(PRESETS["quick"]))
    assert run_script("evaluate.py", [str(tmp_path), "--gif"], monkeypatch) == 2
    assert calls == [(tmp_path, None, None, True)]
    assert capsys.readouterr().err == "error: no checkpoint in this run\n"
