"""Studies from start to end: what is carried out, what is printed, and trials on Ray itself."""

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import types
from unittest import mock

import pytest
from running import ROOT, SUPPORT, run_afresh, run_program
from studies import finish, planner_trial, small_benchmark, small_sweep, table
from tiny import tiny

from agents.config import CONFIG_FILE, dump
from agents.errors import UserError
from agents.experiments.learning import ray_tune
from agents.experiments.learning.options import RayOptions
from agents.experiments.learning.run import check_trials, run_study
from agents.experiments.learning.worker import OUTPUT

WITH_RAY = importlib.util.find_spec("ray") is not None


@pytest.fixture
def started(monkeypatch):
    """Names of the trials that Ray was given; the first one finishes and the second one fails."""
    names = []

    def run(trials, **options):
        names.extend(trial.name for trial in trials)
        finish(trials[0])
        return {trial.name: "no luck" for trial in trials[1:2]}

    monkeypatch.setattr(ray_tune, "cluster", contextlib.nullcontext)
    monkeypatch.setattr(ray_tune, "run", run)
    return names


@pytest.mark.parametrize("study_in", [small_benchmark, small_sweep])
def test_only_trials_that_are_left_are_started_and_failures_are_printed(
    study_in, started, tmp_path, capsys
):
    study = study_in(tmp_path)
    names = [trial.name for trial in study.trials]
    assert run_study(study, RayOptions()) == 1
    assert started == names
    out, err = capsys.readouterr()
    assert f"{len(names)} of {len(names)} trials to do" in out
    assert err.startswith(f"{names[1]} failed: no luck; see ")
    assert err.count("\n") == 1
    for trial in study.trials[2:]:
        finish(trial)
    assert run_study(study, RayOptions()) == 0
    assert run_study(study, RayOptions()) == 0
    assert started == [*names, names[1]]
    if study.base:
        assert {row["status"] for row in table(study.out / "sweep.csv")} == {"finished"}


@pytest.mark.parametrize("study_in", [small_benchmark, small_sweep])
def test_an_interruption_is_printed_and_a_sweep_reports_what_is_finished(
    study_in, started, tmp_path, monkeypatch, capsys
):
    def interrupted(trials, **options):
        finish(trials[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(ray_tune, "run", interrupted)
    assert run_study(study_in(tmp_path), RayOptions()) == 130
    assert "the same command resumes the" in capsys.readouterr().err
    if study_in is small_sweep:
        states = [row["status"] for row in table(tmp_path / "sweep.csv")]
        assert sorted(states) == ["finished"] + ["unfinished"] * 5


def test_a_sweep_that_is_interrupted_before_it_began_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_tune, "cluster", mock.Mock(side_effect=KeyboardInterrupt))
    assert run_study(small_sweep(tmp_path / "a"), RayOptions()) == 130
    assert not (tmp_path / "a").exists()


def test_a_trials_directory_that_holds_another_run_is_refused(tmp_path):
    trial = planner_trial(tmp_path)
    trial.run_dir.mkdir()
    (trial.run_dir / CONFIG_FILE).write_text(dump(tiny()))
    with pytest.raises(UserError, match=r"holds a run with --seed 0, not 3; give the same options"):
        check_trials([trial])


def test_in_the_background_the_same_command_is_started(tmp_path, monkeypatch, capsys):
    process = mock.Mock(return_value=types.SimpleNamespace(pid=77))
    monkeypatch.setattr(subprocess, "Popen", process)
    args = ["quick", "--background", "--seeds", "1", "--out", str(tmp_path / "b")]
    assert run_program("learning", args) == 0
    ((command,), options) = process.call_args
    words = [word for word in args if word != "--background"]
    assert command == [sys.executable, "-m", "agents", "learning", *words]
    assert options["start_new_session"]
    assert "process 77" in capsys.readouterr().out
    assert (tmp_path / "b" / "output.txt").exists()


# --- Ray -----------------------------------------------------------------------------------------


def test_without_ray_one_line_says_how_to_install_it(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ray" else find(name)
    )
    assert run_program("sweep", ["quick"]) == 2
    assert "pip install -c constraints.txt -e '.[sweep]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not WITH_RAY, reason="Ray is not installed")
@pytest.mark.parametrize("port", ["99999", "free"])
def test_an_address_where_no_server_listens_is_refused_at_once(port, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    with (
        mock.patch.dict(os.environ),  # what is set for Ray is undone
        socket.socket() as taken,  # bound, and not listening
    ):
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1] if port == 'free' else port}"
        assert run_program("sweep", ["quick", "--address", address]) == 2
    err = capsys.readouterr().err
    assert f"--address: nothing answers at '{address}'" in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_help_and_refusals_come_without_jax_and_ray(tmp_path):
    for line, status in (("learning --help", 0), ("sweep quick --weights -1", 2)):
        done = run_afresh(line.split(), tmp_path, {"jax", "ray", "numpy"})
        assert done.returncode == status, done.stderr
        assert ("--seeds SEED [SEED ...]" in done.stdout) == (status == 0)


@pytest.mark.slow
@pytest.mark.skipif(not WITH_RAY, reason="Ray is not installed")
def test_on_ray_a_killed_trial_ends_as_one_that_was_not(tmp_path):
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
    answer = json.loads(line)
    assert answer["failures"] == {"failing": "ValueError: out of luck", "refused": "no such world"}
    retried = sorted(line for line in answer["lines"] if "retried (1 of at most 1 times)" in line)
    assert [line.partition(" ")[0] for line in retried] == ["failing", "killed"]
    assert retried[1].endswith("its worker process died")
    assert "(4 of 4, " in answer["lines"][-1]
    metrics = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "killed")]
    assert metrics[0] == metrics[1]
    assert "resumed at step" in (tmp_path / "killed" / OUTPUT).read_text()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["died", "killed", "whole"]
