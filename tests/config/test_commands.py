"""What the command lines of scripts accept, and what the scripts do with it."""

import contextlib
import importlib
import sys
import types
from pathlib import Path

import pytest
from running import run_program

from agents.commands.command import Command, carry_out
from agents.config import PRESETS, Config, dump, flag, options, override
from agents.config.benchmarks import DenoiseOptions, DetectionOptions, ReturnsOptions
from agents.config.commands import (
    EvaluateCommand,
    ResumeCommand,
    TrainCommand,
    parse_evaluate,
    parse_train,
)
from agents.config.flags import CommandLine
from agents.errors import UserError


def test_every_order_of_words_means_the_same():
    config = PRESETS["quick"].model_copy(update={"seed": 3, "num_envs": 2})
    for line in (
        "quick --seed 3 --num-envs 2 --run-dir somewhere",
        "--seed 3 --run-dir somewhere --num_envs=2 quick",
        "--run-dir=somewhere --seed 3 quick --num-envs 2",
        "--run-dir somewhere --seed=3 --num-envs 2 -- quick",
    ):
        assert parse_train(line.split()) == TrainCommand(config, Path("somewhere"))


def test_flags_reach_every_kind_of_option():
    line = (
        "pendulum --env.id my_package:Mine-v0 --env.kwargs gravity=-5.0 wind=true name=x n=3"
        " --model.hidden 32 16 --model.sample-noise --fit.learning-rate 1e-4"
        " --planner.name mppi --regularizer.weight 0 --run-dir somewhere"
    )
    given = {
        ("env", "id"): "my_package:Mine-v0",
        ("env", "kwargs"): {"gravity": -5.0, "wind": True, "name": "x", "n": 3},
        ("model", "hidden"): (32, 16),
        ("model", "sample_noise"): True,
        ("fit", "learning_rate"): 1e-4,
        ("planner", "name"): "mppi",
        ("regularizer", "weight"): 0.0,
    }
    expected = TrainCommand(override(PRESETS["pendulum"], given), Path("somewhere"))
    assert parse_train(line.split()) == expected


def test_flags_win_over_the_file_and_the_file_over_the_preset(tmp_path):
    file = tmp_path / "changes.yaml"
    file.write_text("seed: 7\nplanner:\n  horizon: 9\n  iterations: 2\n")
    command = parse_train(
        ["quick", "--config", str(file), "--planner.horizon", "11", "--run-dir", str(tmp_path)]
    )
    given = {("seed",): 7, ("planner", "horizon"): 11, ("planner", "iterations"): 2}
    assert command == TrainCommand(override(PRESETS["quick"], given), tmp_path)


def test_the_default_run_directory_names_preset_seed_and_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "20261122-153000")
    config = override(PRESETS["quick"], {("seed",): 3})
    named = Path("runs/quick-seed3-20261122-153000")  # numbered where another process has the name
    assert parse_train(["quick", "--seed", "3"]) == TrainCommand(config, named, numbered=True)
    mine = TrainCommand(PRESETS["quick"], Path("mine"), numbered=False)
    assert parse_train(["quick", "--run-dir", "mine"]) == mine


def test_resuming_and_evaluating_take_a_run_and_their_own_options(tmp_path):
    (tmp_path / "config.yaml").write_text(dump(PRESETS["quick"]))
    run = str(tmp_path)
    assert parse_train(["--resume", run]) == ResumeCommand(tmp_path, None)
    for line in (["--resume", run, "--env-steps", "5000"], ["--env-steps=5000", "--resume", run]):
        assert parse_train(line) == ResumeCommand(tmp_path, 5000)
    assert parse_train(["--resume", run, "--from-step=40"]) == ResumeCommand(tmp_path, None, 40)
    assert parse_evaluate([run]) == EvaluateCommand(tmp_path, None, None, gif=False)
    expected = EvaluateCommand(tmp_path, 3, 10_500, gif=True)
    assert parse_evaluate(["--gif", run, "--seed=10500", "--episodes=3"]) == expected


@pytest.mark.parametrize(
    ("line", "named", "schema"),
    [
        ("train --help", ["PRESET", "--resume", "--from-step", "default: 10000"], Config),
        ("train pendulum -h", ["--config", "--run-dir", "default: Pendulum-v1"], Config),
        ("evaluate --help", ["RUN_DIR", "--episodes", "--seed", "--gif", "from 10000"], None),
        ("report --help", ["RUN_DIR"], None),
        ("compare --help", ["LABEL=RUN_DIR", "--out"], None),
        ("returns --help", ["RUN_DIR ...", "--alphas", "--out"], ReturnsOptions),
        ("detection --help", ["RUN_DIR ...", "3000 6000 12000"], DetectionOptions),
        ("denoising --help", ["--out", "additive:0.3"], DenoiseOptions),
    ],
)
def test_help_shows_every_option_with_its_default(line, named, schema, capsys, monkeypatch):
    name, *args = line.split()
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "somewhere")  # which `denoising` sets
    assert run_program(name, args) == 0
    words = " ".join(capsys.readouterr().out.replace("\u2502", "").split())
    for path, field in options(schema).items() if schema else ():
        assert f"{flag(path)} " in words
        assert str(field.description) in words
    assert [word for word in named if word not in words] == []


@pytest.fixture
def stand_in(monkeypatch):
    """Puts functions in the place of a module that a command imports."""

    def put(name, **functions):
        module = types.ModuleType(name)
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, child = name.rpartition(".")
        monkeypatch.setattr(importlib.import_module(parent), child, module, raising=False)

    return put


@pytest.mark.parametrize(("saved", "advice"), [(True, "--resume"), (False, "nothing was saved")])
def test_an_interrupt_of_training_says_how_to_continue(
    saved, advice, stand_in, tmp_path, monkeypatch, capsys
):
    def interrupt():
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def begin(config, run_dir, *, numbered):
        assert (config, numbered) == (PRESETS["quick"], False)
        if not saved:
            interrupt()
        yield types.SimpleNamespace(run_dir=run_dir, train=interrupt)

    stand_in("agents.training.session", begin=begin, resume=None)
    stand_in("agents.reporting.conclude", conclude=None)
    args = ["quick", "--run-dir", str(tmp_path / "run")]
    assert run_program("train", args) == 130
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert advice in err


@pytest.mark.parametrize(
    ("more", "given"),
    [([], (None, None)), (["--env-steps", "5000"], (5_000, None)), (["--from-step=0"], (None, 0))],
)
def test_resume_is_handed_on(more, given, stand_in, tmp_path, monkeypatch):
    done = []

    @contextlib.contextmanager
    def resume(*args):
        assert args == (tmp_path, *given)
        yield types.SimpleNamespace(run_dir=tmp_path, train=lambda: done.append("train"))

    stand_in("agents.training.session", begin=None, resume=resume)
    stand_in("agents.reporting.conclude", conclude=lambda session: done.append("conclude"))
    (tmp_path / "config.yaml").write_text(dump(PRESETS["quick"]))
    assert run_program("train", ["--resume", str(tmp_path), *more]) == 0
    assert done == ["train", "conclude"]


@pytest.mark.parametrize(("more", "out"), [([], "runs/comparisons"), (["--out", "there"], "there")])
def test_a_comparison_has_a_directory_of_its_own(more, out, stand_in, tmp_path, capsys):
    def compare(*args):
        assert args == ("name", {"a": [tmp_path]}, Path(out))
        yield "done"

    (tmp_path / "config.yaml").write_text(dump(PRESETS["quick"]))
    stand_in("agents.reporting.comparison", compare=compare)
    assert run_program("compare", ["name", f"a={tmp_path}", *more]) == 0
    assert capsys.readouterr().out == "done\n"


def test_lines_are_printed_as_they_come_also_before_an_error(monkeypatch, capsys):
    def main(args):
        assert args == ["word"]
        yield "a line"
        assert capsys.readouterr().out == "a line\n"
        raise UserError("no more")

    command = Command("says a line", CommandLine("say", "Say a line."), main)
    assert (carry_out(command, ["word"]), *capsys.readouterr()) == (2, "", "error: no more\n")


def test_what_an_evaluation_refuses_is_one_line(stand_in, tmp_path, monkeypatch, capsys):
    def evaluate_run(*args):
        assert args == (tmp_path, None, None, True)
        raise UserError("no checkpoint in\nthis run")

    stand_in("agents.reporting.conclude", evaluate_run=evaluate_run)
    (tmp_path / "config.yaml").write_text(dump(PRESETS["quick"]))
    assert run_program("evaluate", [str(tmp_path), "--gif"]) == 2
    assert capsys.readouterr().err == "error: no checkpoint in this run\n"


def test_a_tilde_is_the_home_directory_within_a_word_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.yaml").write_text("seed: 7\n")
    command = parse_train(["quick", "--config=~/mine.yaml", "--run-dir=~/run"])
    assert isinstance(command, TrainCommand)
    assert (command.config.seed, command.run_dir) == (7, tmp_path / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(dump(command.config))
    resumed = parse_train(["--resume=~/run"])
    assert resumed.run_dir == tmp_path / "run"
    assert parse_evaluate(["~/run"]).run_dir == tmp_path / "run"
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    with pytest.raises(UserError, match="holds no run"):
        parse_evaluate(["~/run"])
