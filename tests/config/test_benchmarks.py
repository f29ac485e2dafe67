"""The command lines of the benchmarks: what may be asked for, and every reason to refuse."""

import os
from pathlib import Path

import pytest
from running import run_script

from agents.diagnostics import returns
from agents.experiments.denoising import study as denoising_study
from agents.experiments.detection import study as detection
from agents.experiments.planners import speed as planner_speed
from agents.experiments.planners import study as planner_study

CACHE = "JAX_COMPILATION_CACHE_DIR"
"""Which a script may set for its whole process, here the tests' own."""

SHORT = ["--env.id", "worlds:Counter-v0", "--env.kwargs", "terminate_at=3", "--length", "4"]


def asked(script, args, monkeypatch, capsys, tmp_path):
    """The exit status, standard output and standard error of a script."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CACHE, "somewhere")
    code = run_script(script, args, monkeypatch)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("script", "args", "said"),
    [
        ("benchmark_planner.py", ["--rounds", "0"], "--rounds: 0 is not allowed; give an integer"),
        ("benchmark_planner.py", ["--rounds", "many"], "--rounds: 'many' is not allowed"),
        ("benchmark_planner.py", ["--rounds"], "--rounds: a value is missing"),
        ("benchmark_planner.py", ["--peer"], "unknown option '--peer'; did you mean --peers?"),
        ("benchmark_planner.py", ["runs/a"], "no such word is allowed, not 'runs/a'"),
        ("benchmark_planner.py", ["--out="], "--out: '' is not allowed; give a directory"),
        ("compare_planners.py", [], "one RUN_DIR is allowed, not none"),
        ("compare_planners.py", ["a", "b"], "one RUN_DIR is allowed, not 'a', 'b'"),
        ("compare_planners.py", ["nowhere"], "'nowhere/config.yaml': cannot be read"),
        ("compare_planners.py", ["a", "--seeds", "-1"], "--seeds: -1 is not allowed"),
        ("compare_planners.py", ["a", "--episodes", "1.5"], "--episodes: 1.5 is not allowed"),
        ("detect_errors.py", [], "error: at least one RUN_DIR is allowed, not none"),
        ("detect_errors.py", ["nowhere", "b"], "'nowhere/config.yaml': cannot be read"),
        ("detect_errors.py", ["a", "--age", "3"], "unknown option '--age'; did you mean --ages?"),
        ("detect_errors.py", ["a", "--ages"], "--ages: a value is missing; give one or more"),
        ("detect_errors.py", ["a", "--ages", "9", "0"], "--ages: 0 is not allowed; give one or"),
        ("detect_errors.py", ["a", "--ages", "1e3"], "--ages: 1000.0 is not allowed"),
        ("detect_errors.py", ["a", "--states", "0"], "--states: 0 is not allowed"),
        ("detect_errors.py", ["a", "--plans", "1"], "--plans: 1 is not allowed; give an integer"),
        ("benchmark_returns.py", [], "error: at least one RUN_DIR is allowed, not none"),
        ("benchmark_returns.py", ["nowhere"], "'nowhere/config.yaml': cannot be read"),
        ("benchmark_returns.py", ["a", "--weight", "1"], "did you mean --weights?"),
        ("benchmark_returns.py", ["a", "--weights"], "--weights: a value is missing"),
        ("benchmark_returns.py", ["a", "--weights", "1", "-1"], "--weights: -1 is not allowed"),
        ("benchmark_returns.py", ["a", "--weights", ".inf"], "--weights: inf is not allowed"),
        ("benchmark_returns.py", ["a", "--weights", "much"], "--weights: 'much' is not allowed"),
        ("benchmark_returns.py", ["a", "--weights", "-1"], "one or more finite numbers >= 0"),
        ("benchmark_returns.py", ["a", "--seeds", "1"], "unknown option '--seeds'"),
        ("benchmark_returns.py", ["a", "--acted", "-1"], "--acted: -1 is not allowed"),
        ("benchmark_returns.py", ["a", "--out"], "--out: a value is missing"),
        ("denoise.py", ["--corruption", "foo"], "'foo' is not allowed; give one or more texts"),
        ("denoise.py", ["--corruption", "additive"], "--corruption: 'additive' is not allowed"),
        ("denoise.py", ["--corruption", "additive:-1"], "'additive:-1' is not allowed"),
        ("denoise.py", ["--corruption", "additive:.inf"], "'additive:.inf' is not allowed"),
        ("denoise.py", ["--corruption", "masking:1.5"], "'masking:1.5' is not allowed; give a"),
        ("denoise.py", ["--corruption", "additive:1", "masking:0"], "give a share > 0 and < 1"),
        ("denoise.py", ["--corruption", "additive:0"], "give a standard deviation > 0"),
        ("denoise.py", ["--corruption"], "a value is missing; give one or more texts"),
        ("denoise.py", ["--seeds", "0"], "--seeds: 0 is not allowed; give an integer >= 1"),
        ("denoise.py", ["--length", "0"], "--length: 0 is not allowed; give an integer >= 1"),
        ("denoise.py", ["--episodes", "19"], "--episodes: 19 is not allowed; give an"),
        ("denoise.py", ["--trajectories", "-1"], "--trajectories: -1 is not allowed"),
        ("denoise.py", ["--rnn-dae.architecture", "gru"], "one of: correction, encoder-decoder"),
        ("denoise.py", ["--lenght", "3"], "unknown option '--lenght'; did you mean --length?"),
        ("denoise.py", ["--weights", "3"], "unknown option '--weights'"),
        ("benchmark_returns.py", ["a", "b"], "the results of 2 runs belong to none of them; give"),
        ("benchmark_returns.py", ["a", "--regularizers", "dae"], "give one or more of: none, rnn"),
        ("benchmark_returns.py", ["a", "--weights", "-1"], "--weights: -1 is not allowed; give"),
        ("benchmark_returns.py", ["a", "--dynamics", "x"], "--dynamics: 'x' is not allowed"),
        ("denoise.py", ["lander"], "no such word is allowed, not 'lander'"),
        ("denoise.py", ["--env.id", "Nowhere-v0"], "environment 'Nowhere-v0' cannot be made"),
        ("denoise.py", SHORT, "'worlds:Counter-v0' are too short for windows of 4 decisions"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_status_2(script, args, said, monkeypatch, capsys, tmp_path):
    code, out, err = asked(script, args, monkeypatch, capsys, tmp_path)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert said in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("benchmark_planner.py", ["--peers", "--rounds INT"]),
        ("compare_planners.py", ["RUN_DIR", "default: 5"]),
        ("detect_errors.py", ["RUN_DIR ...", "--ages INT [INT ...]", "default: 3000 6000 12000"]),
        (
            "benchmark_returns.py",
            ["RUN_DIR ...", "--weights FLOAT [FLOAT ...]", "--regularizers {none,", "/returns)"],
        ),
        ("denoise.py", ["--corruption TEXT [TEXT ...]", "additive:0.3)", "--rnn-dae.hidden INT"]),
    ],
)
def test_help_shows_the_options(script, words, monkeypatch, capsys, tmp_path):
    code, out, _ = asked(script, ["--help"], monkeypatch, capsys, tmp_path)
    assert code == 0
    text = " ".join(out.replace("│", " ").split())
    place = "RUN_DIR/returns" if script == "benchmark_returns.py" else "scripts/results"
    for word in (f"python scripts/{script}", "--out DIR", f"default: {place}", *words):
        assert word in text


def test_what_is_asked_for_reaches_the_benchmark_of_speed(monkeypatch, capsys, tmp_path):
    seen = []

    def benchmark(options, out, *, peers, sizes):
        seen.append((options.rounds, options.plans, out, peers, sizes))
        yield "done"

    monkeypatch.setattr(planner_speed, "benchmark", benchmark)
    args = ["--peers", "--rounds", "2", "--out", "there"]
    assert asked("benchmark_planner.py", args, monkeypatch, capsys, tmp_path) == (0, "done\n", "")
    assert seen == [(2, 3, Path("there"), True, False)]


def test_what_is_asked_for_reaches_the_study(monkeypatch, capsys, tmp_path):
    seen = []

    def compare(run_dir, options, out):
        seen.append((run_dir, options.seeds, options.episodes, out))
        yield "done"

    monkeypatch.setattr(planner_study, "compare_planners", compare)
    args = ["a run", "--seeds", "3"]
    assert asked("compare_planners.py", args, monkeypatch, capsys, tmp_path) == (0, "done\n", "")
    assert seen == [(Path("a run"), 3, 4, Path("scripts/results"))]


def test_what_is_asked_for_reaches_the_detection(monkeypatch, capsys, tmp_path):
    seen = []

    def detect(run_dirs, options, out):
        seen.append((run_dirs, options.ages, options.episodes, options.plans, out))
        yield "done"

    monkeypatch.setattr(detection, "detect", detect)
    args = ["one", "two", "--ages", "500", "9000", "--plans", "2", "--out", "there"]
    assert asked("detect_errors.py", args, monkeypatch, capsys, tmp_path) == (0, "done\n", "")
    assert seen == [([Path("one"), Path("two")], (500, 9000), 24, 2, Path("there"))]


@pytest.mark.parametrize(
    ("args", "runs", "out"),
    [
        (["one"], ["one"], "one/returns"),
        (["one", "--out", "there"], ["one"], "there"),
        (["one", "two", "--out", "there"], ["one", "two"], "there"),
    ],
)
def test_what_is_asked_for_reaches_the_benchmark_of_returns(
    args, runs, out, monkeypatch, capsys, tmp_path
):
    seen = []

    def benchmark(run_dirs, options, out, *, alphas):
        seen.append((run_dirs, options.weights, options.regularizers, alphas, out))
        yield "done"

    monkeypatch.setattr(returns, "benchmark", benchmark)
    args = [*args, "--weights", "0", "0.5", "--regularizers", "none", "deen", "--alphas"]
    assert asked("benchmark_returns.py", args, monkeypatch, capsys, tmp_path) == (0, "done\n", "")
    assert seen == [([Path(run) for run in runs], (0.0, 0.5), ("none", "deen"), True, Path(out))]


def test_what_is_asked_for_reaches_the_study_of_denoisers(monkeypatch, capsys, tmp_path):
    seen = []

    def study(options, out):
        seen.append((options.env.id, options.corruption, options.rnn_dae.hidden, out))
        # What is compiled would else be found where an earlier call left it.
        seen.append(os.environ[CACHE])
        yield "done"

    monkeypatch.setattr(denoising_study, "run_study", study)
    args = ["--env.id", "Pendulum-v1", "--corruption", "masking:.5", "additive:2", "--out", "there"]
    assert asked("denoise.py", args, monkeypatch, capsys, tmp_path) == (0, "done\n", "")
    assert seen == [("Pendulum-v1", ("masking:.5", "additive:2"), 16, Path("there")), ""]
