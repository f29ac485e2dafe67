"""Studies from start to end: what is carried out, and what is printed."""

import subprocess
import sys
import types
from unittest import mock

import pytest
from running import run_afresh, run_program
from studies import finish, planner_trial, small_benchmark, small_sweep, table
from tiny import tiny

from agents.config import CONFIG_FILE, dump
from agents.errors import UserError
from agents.experiments.learning import run, scheduling
from agents.experiments.learning.options import TrialOptions
from agents.experiments.learning.run import check_trials, run_study
from agents.experiments.learning.scheduling import PlaceLost


@pytest.fixture
def started(monkeypatch):
    """Names of the trials that were scheduled; the first one finishes and the second one fails."""
    names = []

    def run(trials, *args, **options):
        names.extend(trial.name for trial in trials)
        finish(trials[0])
        return {trial.name: "no luck" for trial in trials[1:2]}

    monkeypatch.setattr(scheduling, "run", run)
    return names


@pytest.mark.parametrize("study_in", [small_benchmark, small_sweep])
def test_only_trials_that_are_left_are_started_and_failures_are_printed(
    study_in, started, tmp_path, capsys
):
    study = study_in(tmp_path)
    names = [trial.name for trial in study.trials]
    assert run_study(study, TrialOptions()) == 1
    assert started == names
    out, err = capsys.readouterr()
    assert f"{len(names)} of {len(names)} trials to do" in out
    assert err.startswith(f"{names[1]} failed: no luck; see ")
    assert err.count("\n") == 1
    for trial in study.trials[2:]:
        finish(trial)
    assert run_study(study, TrialOptions()) == 0
    assert run_study(study, TrialOptions()) == 0
    assert started == [*names, names[1]]
    if study.base:
        assert {row["status"] for row in table(study.out / "sweep.csv")} == {"finished"}


@pytest.mark.parametrize("study_in", [small_benchmark, small_sweep])
@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        (KeyboardInterrupt, 130, "interrupted"),
        (PlaceLost, 1, "the Ray cluster at  was lost"),  # of no address here
    ],
)
def test_what_stops_a_study_is_printed_and_a_sweep_reports_what_is_finished(
    end, status, said, study_in, tmp_path, monkeypatch, capsys
):
    def stopped(trials, *args, **options):
        finish(trials[0])
        raise end

    monkeypatch.setattr(scheduling, "run", stopped)
    study = study_in(tmp_path)
    assert run_study(study, TrialOptions()) == status
    assert capsys.readouterr().err == f"{said}; the same command resumes the {study.kind}\n"
    if study_in is small_sweep:
        states = [row["status"] for row in table(tmp_path / "sweep.csv")]
        assert sorted(states) == ["finished"] + ["unfinished"] * 5


def test_a_sweep_that_is_interrupted_before_it_began_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "check_trials", mock.Mock(side_effect=KeyboardInterrupt))
    assert run_study(small_sweep(tmp_path / "a"), TrialOptions()) == 130
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


def test_help_and_refusals_come_without_jax_and_ray(tmp_path):
    for line, status in (("learning --help", 0), ("sweep quick --weights -1", 2)):
        done = run_afresh(line.split(), tmp_path, {"jax", "ray", "numpy"})
        assert done.returncode == status, done.stderr
        assert ("--seeds SEED [SEED ...]" in done.stdout) == (status == 0)
