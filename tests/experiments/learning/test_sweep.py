"""Sweeps: what may be asked for, what is left to do, what is reported, and how trials end."""

import csv
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from running import ROOT, SCRIPTS, SUPPORT, run_script
from tiny import (
    CARTPOLE,
    PowerCut,
    assert_same_run,
    cut_power,
    finished,
    sharing,
    stopped,
    tiny,
)

from agents.analysis.statistics import summarise_returns
from agents.config.loading import override
from agents.config.presets import PRESETS
from agents.config.yaml_files import dump
from agents.errors import UserError
from agents.experiments.learning import ray_tune as sweep_ray
from agents.experiments.learning import sweep_run
from agents.experiments.learning.sweep import SWEEP_FILE, Grid, Sweep, Trial
from agents.experiments.learning.sweep_options import Asked, parse_sweep
from agents.experiments.learning.sweep_report import conclude, over_seeds, rows_of
from agents.experiments.learning.sweep_trial import OUTPUT, carry_out
from agents.training.log import write_summary

WITH_RAY = importlib.util.find_spec("ray") is not None


def asked(line: str, monkeypatch, tmp_path) -> Sweep:
    monkeypatch.chdir(tmp_path)
    return parse_sweep(line.split()).sweep


def small_sweep(out: Path, **grid) -> Sweep:
    points = {"regularizers": ("none", "deen"), "weights": (0.0, 0.03), "seeds": (0, 1)} | grid
    return Sweep(PRESETS["quick"], Grid(**points), out)


def finish(trial: Trial, mean: float, planned: float | None = 5.0, realised: float | None = 2.0):
    """What a finished run leaves, as far as a sweep reads it."""
    trial.run_dir.mkdir(parents=True)
    evaluation = summarise_returns([mean - 1, mean + 1], [0, 1], None)
    summary = {"env_steps": 1_200, "evaluation": evaluation, "planned": planned}
    summary |= {"realised": realised, "penalty": 0.0, "wall_seconds": 60.0}
    write_summary(trial.run_dir, summary | {"versions": {}, "commit": "abc"})


# --- what is asked for ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "seeds"),
    [
        ("", (0, 1, 2, 3, 4)),
        ("--seeds 0..4", (0, 1, 2, 3, 4)),
        ("--seeds 0 1 2", (0, 1, 2)),
        ("--seeds 7", (7,)),
        ("--seeds 9 2..3 5..5", (9, 2, 3, 5)),
    ],
)
def test_seeds_are_ranges_or_lists(words, seeds, monkeypatch, tmp_path):
    assert asked(f"quick {words}", monkeypatch, tmp_path).grid.seeds == seeds


def test_what_is_not_given_is_the_presets_and_places_are_absolute(monkeypatch, tmp_path):
    sweep = asked("quick", monkeypatch, tmp_path)
    own = PRESETS["quick"].regularizer
    assert sweep.grid.regularizers == (own.name,)
    assert sweep.grid.weights == (own.weight,)
    assert sweep.base == PRESETS["quick"]
    assert sweep.out == tmp_path / "runs" / "sweep-quick"


def test_every_training_option_may_be_given(monkeypatch, tmp_path):
    (tmp_path / "my.yaml").write_text("planner: {horizon: 7}\nseed: 3\n")
    line = "pendulum --config my.yaml --env-steps 900 --regularizer.noise-std 0.5 --weights 0 1e-5"
    sweep = asked(f"{line} --regularizers deen none --seeds 1 2 --out here", monkeypatch, tmp_path)
    trials = sweep.trials()
    assert [trial.name for trial in trials] == [
        "deen-w0-seed1", "deen-w1e-05-seed1", "none-w0-seed1",
        "deen-w0-seed2", "deen-w1e-05-seed2", "none-w0-seed2",
    ]  # fmt: skip
    config = trials[4].config
    assert (config.seed, config.regularizer.name, config.regularizer.weight) == (2, "deen", 1e-5)
    assert (config.planner.horizon, config.env_steps, config.env.id) == (7, 900, "Pendulum-v1")
    assert {trial.config.regularizer.noise_std for trial in trials} == {0.5}
    assert trials[4].run_dir == tmp_path / "here" / "deen-w1e-05-seed2"


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("", ["one preset is allowed, not none", "quick"]),
        ("lunar", ["unknown preset 'lunar'"]),
        ("quick pendulum", ["one preset is allowed, not 'quick', 'pendulum'"]),
        ("quick --weight 1", ["unknown option '--weight'"]),
        ("quick --weights -1", ["--weights: -1 is not allowed", "finite numbers >= 0"]),
        ("quick --weights much", ["--weights: 'much' is not allowed"]),
        ("quick --weights", ["--weights: a value is missing"]),
        ("quick --weights 1 1.0", ["--weights: 1.0 is given twice"]),
        ("quick --regularizers dae", ["--regularizers: 'dae' is not allowed", "rnn-dae"]),
        ("quick --seeds 1 0..2", ["--seeds: 1 is given twice"]),
        ("quick --seeds 4..0", ["--seeds: '4..0' is not allowed", "the lower seed first"]),
        ("quick --seeds 0...4", ["--seeds: '0...4' is not allowed", "such as 0..4"]),
        ("quick --seeds -1", ["--seeds: '-1' is not allowed"]),
        ("quick --seeds 0..2147483647", ["--seeds: '0..2147483647'", "10,000 or less"]),
        ("quick --seeds 2147483648", ["--seeds: 2147483648 is not allowed", "to 2147483647"]),
        ("quick --seeds 0..9999 --weights 1 2", ["more than 10,000 trials"]),
        ("quick --seed 3", ["--seed is swept over; give --seeds"]),
        ("quick --regularizer.name deen", ["--regularizer.name is swept over", "--regularizers"]),
        ("quick --regularizer.weight 1", ["--regularizer.weight is swept over", "--weights"]),
        ("quick --planner.horizon 0", ["--planner.horizon: 0 is not allowed"]),
        ("quick --cpus 0", ["--cpus: 0 is not allowed"]),
        ("quick --cpus 9999", ["--cpus: 9999 is not allowed; give at most"]),
        ("quick --retries -1", ["--retries: -1 is not allowed"]),
        ("quick --address ray://host:1", ["--address: 'ray://host:1' is not allowed", "auto"]),
        ("quick --address host", ["--address: 'host' is not allowed"]),
        ("quick --out=", ["--out: '' is not allowed"]),
        ("quick --out file", ["--out:", "file'", "Not a directory"]),
        ("quick --out full", ["--out:", "full' holds other files and no sweep"]),
        ("quick --config missing.yaml", ["'missing.yaml'", "No such file"]),
        (
            "quick --regularizers none deen --regularizer.corruption masking",
            ["'masking' does not go with regularizer.name deen"],
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(line, parts, monkeypatch, capsys, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").touch()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert run_script("sweep.py", line.split(), monkeypatch) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err
    assert sorted(tmp_path.rglob("*")) == before


def test_without_ray_one_line_says_how_to_install_it(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ray" else find(name)
    )
    assert run_script("sweep.py", ["quick"], monkeypatch) == 2
    assert "pip install -c constraints.txt -e '.[sweep]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not WITH_RAY, reason="Ray is not installed")
@pytest.mark.parametrize("port", ["99999", "free"])
def test_an_address_where_nobody_listens_is_refused_at_once(port, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in sweep_ray._SETTINGS:
        monkeypatch.setenv(name, "")  # so that what is set is undone
    with socket.socket() as taken:  # bound, and not listened at
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1] if port == 'free' else port}"
        assert run_script("sweep.py", ["quick", "--address", address], monkeypatch) == 2
    err = capsys.readouterr().err
    assert f"--address: nothing answers at '{address}'" in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_help_and_refusals_come_without_jax_and_ray(tmp_path):
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally: assert not {'jax', 'ray', 'numpy'} & set(sys.modules)"
    )
    for words, status in ((["--help"], 0), (["quick", "--weights", "-1"], 2)):
        done = subprocess.run(
            [sys.executable, "-c", code, str(SCRIPTS / "sweep.py"), *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(SCRIPTS.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert ("--seeds SEED [SEED ...]" in done.stdout) == (status == 0)


# --- what there is already -----------------------------------------------------------------------


def test_a_directory_belongs_to_one_configuration_whatever_the_grid(tmp_path):
    sweep = small_sweep(tmp_path / "a")
    sweep.check_place()
    with sweep.place():
        pass
    sweep.check_place()
    small_sweep(tmp_path / "a", weights=(5.0,), seeds=(7, 8)).check_place()
    other = override(sweep.base, {("planner", "horizon"): 9})
    with pytest.raises(UserError, match=r"a sweep with --planner.horizon 20, not 9; give the same"):
        Sweep(other, sweep.grid, sweep.out).check_place()
    other = override(sweep.base, {("env", "kwargs"): {"gravity": -5.0}})
    with pytest.raises(UserError, match=r"--env.kwargs \{'continuous': True\}, not \{'gravity'"):
        Sweep(other, sweep.grid, sweep.out).check_place()
    # What is swept over may stand in the configuration, and makes no difference.
    swept = override(sweep.base, {("seed",): 4, ("regularizer", "weight"): 2.0})
    Sweep(swept, sweep.grid, sweep.out).check_place()


def test_one_sweep_at_a_time_is_at_work_in_a_directory(tmp_path):
    sweep = small_sweep(tmp_path / "a")
    with sweep.place(), pytest.raises(UserError, match="a sweep is at work in"), sweep.place():
        pass
    with sweep.place():  # it is free again
        pass


def test_nothing_is_started_where_all_is_finished(tmp_path, monkeypatch, capsys):
    sweep = small_sweep(tmp_path / "a")
    with sweep.place():
        pass
    for number, trial in enumerate(sweep.trials()):
        finish(trial, mean=float(number))
    monkeypatch.setattr(sweep_run, "_carry_out", None)
    assert sweep_run.conduct(Asked(sweep, 1, 3, "")) == 0
    assert "sweep.html" in capsys.readouterr().out


def test_only_what_is_not_finished_is_carried_out_and_failures_are_said(
    tmp_path, monkeypatch, capsys
):
    sweep = small_sweep(tmp_path / "a")
    for trial in sweep.trials()[:4]:
        finish(trial, mean=1.0)
    left = []

    def carry_out(trials, asked):
        left.extend(trial.name for trial in trials)
        with sweep.place():
            finish(trials[0], mean=2.0)
        return {trials[1].name: "ValueError: <no luck>"}

    monkeypatch.setattr(sweep_run, "_carry_out", carry_out)
    assert sweep_run.conduct(Asked(sweep, 1, 3, "")) == 1
    assert left == ["deen-w0-seed1", "deen-w0.03-seed1"]
    out, err = capsys.readouterr()
    assert err.startswith("deen-w0.03-seed1 failed: ValueError: <no luck>; see ")
    assert err.count("\n") == 1
    assert "1 of 2" in out  # seeds of deen at weight 0.03
    states = [row["status"] for row in rows_from(sweep.out / "sweep.csv")]
    assert states == ["finished"] * 5 + ["failed"]
    assert "ValueError: &lt;no luck&gt;" in (sweep.out / "sweep.html").read_text()


def test_an_interruption_leaves_a_report_of_what_is_finished(tmp_path, monkeypatch, capsys):
    sweep = small_sweep(tmp_path / "a")

    def carry_out(trials, asked):
        with sweep.place():
            finish(trials[0], mean=2.0)
            raise KeyboardInterrupt

    monkeypatch.setattr(sweep_run, "_carry_out", carry_out)
    assert sweep_run.conduct(Asked(sweep, 1, 3, "")) == 130
    assert "the same command goes on" in capsys.readouterr().err
    states = [row["status"] for row in rows_from(sweep.out / "sweep.csv")]
    assert sorted(states) == ["finished"] + ["unfinished"] * 5


def test_interrupted_before_it_began_a_sweep_leaves_nothing(tmp_path, monkeypatch):
    def carry_out(trials, asked):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_run, "_carry_out", carry_out)
    assert sweep_run.conduct(Asked(small_sweep(tmp_path / "a"), 1, 3, "")) == 130
    assert not (tmp_path / "a").exists()


# --- what is reported ----------------------------------------------------------------------------


def rows_from(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_intervals_over_seeds_are_students(tmp_path):
    sweep = small_sweep(tmp_path, regularizers=("deen",), weights=(0.5,), seeds=(0, 1))
    one, two = sweep.trials()
    finish(one, mean=10.0, planned=5.0, realised=2.0)
    (before,) = over_seeds(rows_of(sweep, {}))
    assert (before["seeds"], before["asked"], before["mean"]) == (1, 2, 10.0)
    assert np.isnan(before["mean_low"])
    finish(two, mean=14.0, planned=3.0, realised=4.0)
    (after,) = over_seeds(rows_of(sweep, {}))
    assert after["mean"] == 12.0
    # Of two values the standard error is half their distance; t(0.975, 1 degree) is 12.706.
    assert after["mean_high"] - 12.0 == pytest.approx(2 * 12.7062, rel=1e-5)
    assert 12.0 - after["mean_low"] == pytest.approx(2 * 12.7062, rel=1e-5)
    assert after["bias"] == pytest.approx((3.0 - 1.0) / 2)


def test_an_evaluation_without_plans_has_no_bias(tmp_path):
    sweep = small_sweep(tmp_path, regularizers=("deen",), weights=(0.5,), seeds=(0,))
    finish(sweep.trials()[0], mean=10.0, planned=None, realised=None)
    (row,) = over_seeds(rows_of(sweep, {}))
    assert (row["mean"], row["bias"], row["planned"]) == (10.0, None, None)
    assert "n/a" in conclude(sweep, {})[1]


def test_the_table_is_ordered_and_the_page_stands_alone(tmp_path):
    sweep = small_sweep(tmp_path, regularizers=("deen", "none"), weights=(3.0, 0.0))
    for trial in sweep.trials():
        if trial.config.seed == 0:
            finish(trial, mean=100.0 + float(trial.config.regularizer.weight))
    lines = conclude(sweep, {})
    assert [line.split()[:4] for line in lines[1:4]] == [
        ["deen", "3", "1", "of"],
        ["deen", "0", "1", "of"],
        ["none", "-", "1", "of"],
    ]
    rows = rows_from(tmp_path / "sweep.csv")
    assert [(row["regularizer"], row["weight"], row["seed"]) for row in rows] == [
        ("deen", "3.0", "0"), ("deen", "3.0", "1"), ("deen", "0.0", "0"),
        ("deen", "0.0", "1"), ("none", "", "0"), ("none", "", "1"),
    ]  # fmt: skip
    assert rows[0] | {"sd": ""} == {
        "regularizer": "deen", "weight": "3.0", "seed": "0", "mean": "103.0", "sd": "",
        "iqm": "103.0", "planned": "5.0", "realised": "2.0", "bias": "3.0",
        "wall_seconds": "60.0", "commit": "abc", "status": "finished",
    }  # fmt: skip
    page = (tmp_path / "sweep.html").read_text()
    assert re.findall(r'(?:src|href)="([^"]{10})', page) == ["data:image"]
    assert dump(sweep.base).splitlines()[-1] in page
    assert "3 of 6 trials" in page
    assert (tmp_path / "sweep.png").stat().st_size > 10_000


def test_a_damaged_summary_is_named(tmp_path):
    sweep = small_sweep(tmp_path)
    finish(sweep.trials()[0], mean=1.0)
    (sweep.trials()[0].run_dir / "summary.json").write_text("{")
    with pytest.raises(UserError, match=r"none-w0-seed0/summary\.json' cannot be read"):
        conclude(sweep, {})


# --- one trial -----------------------------------------------------------------------------------


def test_a_trial_is_begun_gone_on_with_and_left_alone(tmp_path):
    whole = finished(**CARTPOLE)
    (tmp_path / SWEEP_FILE).touch()
    trial = Trial(whole.config, tmp_path / "trial")
    with sharing():
        with stopped(120, cut_power, PowerCut):
            carry_out(trial, 1)
        assert not trial.finished
        carry_out(trial, 1)
    assert trial.finished
    assert_same_run(trial.run_dir, whole.run_dir, whole.config)
    said = (trial.run_dir / OUTPUT).read_text()
    assert "PowerCut" in said  # why the first attempt ended
    assert "resumed at step" in said
    before = (trial.run_dir / OUTPUT).stat()
    carry_out(trial, 1)
    assert (trial.run_dir / OUTPUT).stat() == before


def test_a_machine_without_the_directory_says_so(tmp_path):
    trial = Trial(tiny(), tmp_path / "nowhere" / "trial")
    with pytest.raises(UserError, match=r"nowhere'; give an --out on a disk that all machines"):
        carry_out(trial, 1)
    assert not list(tmp_path.iterdir())


# --- on Ray --------------------------------------------------------------------------------------


@pytest.mark.skipif(not WITH_RAY, reason="Ray is not installed")
def test_on_ray_a_killed_trial_ends_as_if_nothing_had_happened(tmp_path):
    flags = {"XLA_FLAGS": "--xla_backend_optimization_level=0", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, str(SUPPORT / "on_ray.py"), str(tmp_path)],
        cwd=SUPPORT,
        env=os.environ | flags | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(SUPPORT)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()  # Ray itself says nothing
    told = json.loads(line)
    assert told["failures"] == {"failing": "ValueError: out of luck", "refused": "no such world"}
    lines = told["lines"]
    assert sum("retried (1 of at most 1 times)" in line for line in lines) == 2
    assert any(re.fullmatch("killed  retried .*: its worker process died", line) for line in lines)
    assert sum("finished" in line for line in lines) == 2
    assert sum("failed" in line for line in lines) == 2
    assert "(4 of 4, " in lines[-1]
    assert (tmp_path / "whole" / "metrics.jsonl").read_bytes() == (
        tmp_path / "killed" / "metrics.jsonl"
    ).read_bytes()
    assert "resumed at step" in (tmp_path / "killed" / OUTPUT).read_text()
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "died", "killed", SWEEP_FILE, "whole",
    ]  # fmt: skip
