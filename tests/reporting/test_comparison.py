"""Made-up runs side by side: what is written of them, and what is refused."""

import csv
import json
import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image
from running import run_program

from agents.analysis.statistics import summarise_returns
from agents.config import PRESETS, EnvConfig, dump
from agents.config.comparison_command import parse_words
from agents.errors import UserError
from agents.logs.log import RunLog, write_summary
from agents.reporting import comparison

SEEDS = [10_000, 10_001, 10_002]
FIGURES = {"planned": 40.0, "realised": 30.0, "penalty": 0.25}
FIT = {
    "dynamics_nll": -3.0,
    "reward_rmse": 2.5,
    "termination_bce": 0.5,
    "regularizer_mse": 0.02,
    "regularizer_copy_mse": 0.04,
}


def write_run(run_dir, seed=0, returns=(100.0, 200.0, 300.0), weight=1.0, env=None, **regularizer):
    config = PRESETS["lunar-lander"].model_copy(update={"seed": seed, "env_steps": 500})
    changes = {
        "evaluation": config.evaluation.model_copy(update={"episodes": len(returns)}),
        "regularizer": config.regularizer.model_copy(update={"weight": weight, **regularizer}),
        "env": env or config.env,
    }
    evaluation = summarise_returns(returns, SEEDS, 200.0)
    with RunLog(run_dir) as log:
        episode = {"length": 100, "ended": "terminated", "penalty": None, "realised_return": -5.0}
        row = {"return": -150.0, "planned_return": None}
        log.metrics("episode", env_steps=100, episode=0, **row, **episode)
        log.metrics("fit", env_steps=100, **(FIT | {"dynamics_nll": 7.0}))
        row = {"return": 50.0 + seed, "planned_return": 12.5}
        log.metrics("episode", env_steps=500, episode=1, **row, **(episode | {"penalty": 1.5}))
        log.metrics("fit", env_steps=500, **FIT)
        log.metrics("evaluation", env_steps=505, **evaluation, **FIGURES)
    (run_dir / "config.yaml").write_text(dump(config.model_copy(update=changes)))
    extra = {"wall_seconds": 9.5, "versions": {"jax": "0.10.2"}, "commit": "abc"}
    write_summary(run_dir, {"env_steps": 505, "evaluation": evaluation, **FIGURES, **extra})
    return run_dir


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A place with the runs a and b (weight 1, seeds 0 and 1) and c (no penalty)."""
    monkeypatch.chdir(tmp_path)
    write_run(Path("runs/a"))
    write_run(Path("runs/b"), seed=1, returns=(0.0, 50.0, 250.0))
    write_run(Path("runs/c"), name="none")
    return tmp_path


def compare(line, monkeypatch, capsys):
    """Exit status, standard output and standard error of the script."""
    status = run_program("compare", line.split(" "))
    return status, *capsys.readouterr()


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_written(runs, monkeypatch, capsys):
    line = "demo weight-1=runs/a runs/b --out out none= runs/c"
    status, text, err = compare(line, monkeypatch, capsys)
    assert (status, err) == (0, "")
    first, second, third, random = rows_of(runs / "out" / "demo.csv")
    low, high = summarise_returns((100.0, 200.0, 300.0), SEEDS, None)["iqm_ci95"]
    assert first == {
        "label": "weight-1",
        "env_id": "LunarLander-v3",
        "seed": "0",
        "env_steps": "505",
        "action_repeat": "6",
        "regularizer": "rnn-dae",
        "weight": "1.0",
        "mean": "200.0",
        "sd": "100.0",
        "iqm": "200.0",
        "iqm_ci95_low": str(low),
        "iqm_ci95_high": str(high),
        "share_solved": str(2 / 3),
        "episodes": "3",
        "wall_seconds": "9.5",
        "commit": "abc",
        "jax": "0.10.2",
        **{key: str(value) for key, value in (FIGURES | FIT).items()},
    }
    assert (second["seed"], second["mean"]) == ("1", "100.0")
    # A weight of no penalty has no meaning.
    assert (third["label"], third["regularizer"], third["weight"]) == ("none", "none", "")
    filled = {"label": "random", "env_id": "LunarLander-v3", "action_repeat": "6", "episodes": "3"}
    assert filled.items() <= random.items()
    assert random.keys() - {key for key, value in random.items() if value} >= FIT.keys()

    curves = rows_of(runs / "out" / "demo-curves.csv")
    assert [(row["label"], row["seed"], row["return"]) for row in curves] == [
        (label, seed, returned)
        for label, seed in (("weight-1", "0"), ("weight-1", "1"), ("none", "0"))
        for returned in ("-150.0", f"{50.0 + int(seed)}")
    ]
    assert (curves[0]["planned_return"], curves[1]["planned_return"]) == ("", "12.5")
    with Image.open(runs / "out" / "demo.png") as image:
        assert image.size == (900, 504)
    lines = text.splitlines()
    assert lines[5].startswith("| random | n/a | ")
    assert lines[7].startswith("- weight-1, 2 seeds: mean 150.0 (from 100.0 to 200.0), IQM 150.0,")


def test_what_is_missing_is_left_empty(tmp_path):
    run_dir = write_run(tmp_path / "run")
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    text = "".join(json.dumps(row) + "\n" for row in rows if row["kind"] != "fit")
    (run_dir / "metrics.jsonl").write_text(text)
    summary = json.loads((run_dir / "summary.json").read_text())
    write_summary(run_dir, summary | {"planned": None, "commit": None, "versions": {}})
    comparison.compare("x", {"a": [run_dir]}, tmp_path)
    (row, _) = rows_of(tmp_path / "x.csv")
    assert {key for key, value in row.items() if not value} == {"planned", "commit", "jax", *FIT}


def test_random_actions_are_repeated_as_a_run_repeats_its_own():
    env = EnvConfig(id="Pendulum-v1", action_repeat=2)
    found, solved_at = comparison.evaluate_random(env, [10_007])
    assert (solved_at, found["share_solved"]) == (None, None)
    assert str(found["sd"]) == "nan"
    made, rng, total = gym.make("Pendulum-v1"), np.random.default_rng([10_007, 1]), 0.0
    made.reset(seed=10_007)
    for _ in range(100):
        action = 2 * rng.uniform(-1.0, 1.0, 1).astype(np.float32)
        total += sum(float(np.float32(made.step(action)[1])) for _ in range(2))
    assert found["mean"] == total


def test_labels():
    assert parse_words(["n-1.x", " a b=", "p", "c=q=r", "s", "a b=t"]) == (
        "n-1.x",
        {"a b": [Path("p"), Path("t")], "c": [Path("q=r"), Path("s")]},
    )


# A command line, and what its one line of refusal must hold.
BAD = {
    "": ["'' is no name for files", "NAME LABEL=RUN_DIR"],
    "a=runs/a": ["'a=runs/a' is no name for files"],
    "x/y a=runs/a": ["'x/y' is no name for files"],
    "x": ["no runs for 'x'", "LABEL=RUN_DIR"],
    "x runs/a": ["'runs/a' has no label"],
    "x =runs/a": ["'' is no label"],
    "x random=runs/a": ["'random' is no label"],
    "x a\nb=runs/a": [r"'a\nb' is no label"],
    "x a= b=runs/a": ["label 'a' has no run"],
    "x a=nowhere": ["'nowhere' holds no run (no config.yaml)"],
    "x a=unfinished": ["'unfinished' is not finished (summary.json: No such file"],
    "x a=raised": ["'raised' is not finished (summary.json is of step 505 of 900)"],
    "x a=runs/a runs/../runs/a": ["'runs/../runs/a' is given twice"],
    "x a=runs/a b=link": ["'link' is given twice"],
    "x a=runs/a copy": ["'copy' is of seed 0, as is 'runs/a'", "'a'"],
    "x a=runs/a b=repeat": ["'repeat' has env", "4, 'id'", "'runs/a' has", "6, 'id'"],
    "x a=runs/a b=episodes": ["'episodes' has evaluation", "'seed': 20000", "'seed': 10000"],
    "x a=broken": ["'broken/config.yaml': unknown option 'sead'"],
    "x a=old": ["'old/summary.json', penalty: Field required"],
    "x a=torn": ["'torn/summary.json', the file: Invalid JSON"],
    "x a=silent": ["'silent/metrics.jsonl': FileNotFoundError"],
    "x a=runs/a --out=": ["--out: ''"],
    "x a=runs/a --out": ["--out: a value is missing"],
    "x a=runs/a --ou y": ["'--ou'", "did you mean --out?"],
    "x a=runs/a --out runs/a/summary.json": ["'runs/a/summary.json' cannot be written to"],
}


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def bad_runs(runs):
    for name in ("unfinished", "raised", "copy", "repeat", "episodes"):
        shutil.copytree("runs/a", name)
    for name in ("broken", "old", "torn", "silent"):
        shutil.copytree("runs/a", name)
    Path("link").symlink_to("runs/a")
    Path("unfinished/summary.json").unlink()
    change(Path("raised/config.yaml"), "env_steps: 500", "env_steps: 900")
    change(Path("repeat/config.yaml"), "action_repeat: 6", "action_repeat: 4")
    change(Path("episodes/config.yaml"), "seed: 10000", "seed: 20000")
    change(Path("broken/config.yaml"), "seed: 0", "sead: 0")
    change(Path("old/summary.json"), '"penalty"', '"fine"')
    change(Path("torn/summary.json"), "{", "")
    Path("silent/metrics.jsonl").unlink()
    return runs


def listing(place):
    return {path: path.stat().st_mtime_ns for path in place.rglob("*")}


def test_bad_input(bad_runs, monkeypatch, capsys):
    before = listing(bad_runs)
    for line, parts in BAD.items():
        status, text, err = compare(line, monkeypatch, capsys)
        assert (status, text) == (2, ""), line
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert [part for part in parts if part not in err] == [], err
    assert listing(bad_runs) == before


def test_a_run_without_a_finished_episode_is_refused(tmp_path):
    run_dir = write_run(tmp_path / "run")
    (run_dir / "metrics.jsonl").write_text("")
    with pytest.raises(UserError, match="no episode has finished in"):
        comparison.compare("x", {"a": [run_dir]}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
