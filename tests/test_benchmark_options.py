"""The command lines of the benchmarks: what may be asked for, and every reason to refuse."""

from pathlib import Path

import pytest
from running import run_script

from agents import detection, planner_speed, planner_study


def asked(script, args, monkeypatch, capsys, tmp_path):
    """The exit status, standard output and standard error of a script."""
    monkeypatch.chdir(tmp_path)
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
        ("detect_errors.py", [], "RUN_DIR is allowed, not none"),
        ("detect_errors.py", ["nowhere", "b"], "'nowhere/config.yaml': cannot be read"),
        ("detect_errors.py", ["a", "--age", "3"], "unknown option '--age'; did you mean --ages?"),
        ("detect_errors.py", ["a", "--ages"], "--ages: a value is missing; give one or more"),
        ("detect_errors.py", ["a", "--ages", "9", "0"], "--ages: 0 is not allowed; give one or"),
        ("detect_errors.py", ["a", "--ages", "1e3"], "--ages: 1000.0 is not allowed"),
        ("detect_errors.py", ["a", "--states", "0"], "--states: 0 is not allowed"),
        ("detect_errors.py", ["a", "--plans", "1"], "--plans: 1 is not allowed; give an integer"),
        ("compare_regularizers.py", [], "RUN_DIR is allowed, not none"),
        ("compare_regularizers.py", ["nowhere"], "'nowhere/config.yaml': cannot be read"),
        ("compare_regularizers.py", ["a", "--weight", "1"], "did you mean --weights?"),
        ("compare_regularizers.py", ["a", "--weights"], "--weights: a value is missing"),
        ("compare_regularizers.py", ["a", "--weights", "1", "-1"], "--weights: -1 is not allowed"),
        ("compare_regularizers.py", ["a", "--weights", ".inf"], "--weights: inf is not allowed"),
        ("compare_regularizers.py", ["a", "--weights", "much"], "--weights: 'much' is not allowed"),
        ("compare_regularizers.py", ["a", "--seeds", "1"], "--seeds: 1 is not allowed"),
        ("compare_regularizers.py", ["a", "--acted", "-1"], "--acted: -1 is not allowed"),
        ("compare_regularizers.py", ["a", "--out"], "--out: a value is missing"),
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
        ("compare_regularizers.py", ["RUN_DIR", "--weights", "default: 0.03 0.1 0.3 1.0 3.0 10.0"]),
    ],
)
def test_help_shows_the_options(script, words, monkeypatch, capsys, tmp_path):
    code, out, _ = asked(script, ["--help"], monkeypatch, capsys, tmp_path)
    assert code == 0
    text = " ".join(out.replace("│", " ").split())
    for word in (f"python scripts/{script}", "--out DIR", "default: scripts/results", *words):
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

    monkeypatch.setattr(planner_study, "compare", compare)
    args = ["a run", "--seeds", "3"]
    assert asked("compare_planners.py", args, monkeypatch, capsys, tmp_path) == (0, "done\n", "")
    assert seen == [(Path("a run"), 3, 4, Path("scripts/results"))]


def test_what_is_asked_for_reaches_the_detection(monkeypatch, capsys, tmp_path):
    seen = []

    def detect(run_dirs, options, out):
        seen.append((run_dirs, options.ages, options.states, options.plans, out))
        yield "done"

    monkeypatch.setattr(detection, "detect", detect)
    args = ["one", "two", "--ages", "500", "9000", "--plans", "2", "--out", "there"]
    assert asked("detect_errors.py", args, monkeypatch, capsys, tmp_path) == (0, "done\n", "")
    assert seen == [([Path("one"), Path("two")], (500, 9000), 12, 2, Path("there"))]
