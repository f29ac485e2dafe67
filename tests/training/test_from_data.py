"""A run that learns from a data set: with and without its environment, interrupted, and refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from logged import assert_same_episodes, small_dataset
from reading import read
from tiny import (
    Finished,
    assert_same_run,
    finished,
    frozen_of,
    resume,
    rows_of,
    rows_of_kind,
    tiny,
    train,
)

from agents import data
from agents.config.data_commands import ExportCommand
from agents.errors import UserError
from agents.logs.log import SUMMARY
from agents.recording.export import export
from agents.reporting import from_data
from agents.reporting.conclude import evaluate_run
from agents.reporting.html import REPORT, write_report
from agents.training import loop
from agents.training.run import Run
from mbrl.weights.familiar import SHARE

CHANGES = {
    "regularizer": {"name": "gaussian", "weight": "familiar"},
    "planner": {"policy_prior": True},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """The episodes of a run, as a data set."""
    run = finished()
    frozen = frozen_of(run.run_dir)
    path = tmp_path_factory.mktemp("data") / "walk.npz"
    kwargs, episodes = run.config.env.kwargs, frozen.replay.episodes
    data.save(data.from_replay(str(path), frozen.spec, kwargs, episodes), str(path))
    return path


@pytest.fixture(scope="module")
def learned(file) -> Finished:
    """A run that learned from it, made once."""
    return finished(data=str(file), **CHANGES)


def test_the_whole_data_set_is_in_the_replay_bit_for_bit(learned):
    ours, theirs = frozen_of(learned.run_dir).replay, frozen_of(finished().run_dir).replay
    assert len(ours.episodes) == len(theirs.episodes)
    for one, other in zip(ours.episodes, theirs.episodes, strict=True):
        for name in ("observations", "actions", "repeats", "rewards"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()
        assert one.terminated == other.terminated


def test_it_fits_once_and_acts_in_its_evaluation_only(learned):
    assert [row["kind"] for row in learned.rows] == ["fit", "evaluation"]
    summary = json.loads((learned.run_dir / SUMMARY).read_text())
    replay = frozen_of(learned.run_dir).replay
    assert summary["env_steps"] == replay.steps
    used = summary["data"]
    assert (used["episodes"], used["steps"]) == (len(replay.episodes), replay.steps)
    assert used["held_out_episodes"] == sum(map(replay.is_held_out, range(len(replay.episodes))))


def test_the_weight_is_the_smallest_that_keeps_plans_familiar(learned):
    row = learned.of_kind("fit")[0]
    plans = row["held_out_plans"]
    within = [each["familiar"] >= SHARE for each in plans["plans"]]
    chosen = within.index(True) if any(within) else len(within) - 1
    assert row["weight"] == plans["weights"][chosen]
    assert frozen_of(learned.run_dir).weight == row["weight"]
    summary = json.loads((learned.run_dir / SUMMARY).read_text())
    assert summary["weight"] == row["weight"]
    assert summary["held_out_plans"] == plans  # planned again, with the same random numbers


def test_the_survival_bonus_comes_from_the_returns_of_all_episodes(learned):
    frozen = frozen_of(learned.run_dir)
    returns = [episode.rewards.sum(dtype=np.float64) for episode in frozen.replay.episodes]
    assert frozen.progress.recent_returns == pytest.approx(returns)


def test_the_report_shows_the_data_and_is_written_again_from_the_directory(learned):
    page = read(learned.run_dir / REPORT)
    firsts = [row[0] for row in page.rows]
    assert "plan, weight 0" in firsts
    assert "the data's actions" in firsts
    written = (learned.run_dir / REPORT).read_text()
    write_report(learned.run_dir)
    assert (learned.run_dir / REPORT).read_text() == written


def test_a_run_of_before_there_were_cloned_policies_has_no_new_report(learned, tmp_path):
    run_dir = tmp_path / "run"
    shutil.copytree(learned.run_dir, run_dir)
    summary = json.loads((run_dir / SUMMARY).read_text())
    del summary["held_out_plans"]["imitated"]
    (run_dir / SUMMARY).write_text(json.dumps(summary))
    with pytest.raises(UserError, match="written by another version"):
        write_report(run_dir)


@pytest.mark.parametrize("moment", ["before the fit", "after it"])
def test_interrupted_and_resumed_it_equals_one_that_was_not(
    learned, file, tmp_path, monkeypatch, moment
):
    def stop(run, callbacks):
        if moment == "after it":
            fit(run, callbacks)
        raise KeyboardInterrupt

    fit = loop.fit
    monkeypatch.setattr(loop, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        train(learned.config, tmp_path / "run")
    monkeypatch.setattr(loop, "fit", fit)
    file.rename(file.with_suffix(".gone"))  # the checkpoint holds the data
    try:
        resume(tmp_path / "run")
    finally:
        file.with_suffix(".gone").rename(file)
    assert_same_run(tmp_path / "run", learned.run_dir, learned.config)


def test_without_an_environment_it_plans_from_the_data_alone(learned, file, tmp_path):
    env = {"id": "none", "kwargs": {"of_the_preset": True}, "action_repeat": 2}
    config = tiny(data=str(file), **CHANGES, env=env)
    run_dir = train(config, tmp_path / "run")
    (fit,) = rows_of(run_dir)
    assert fit == rows_of_kind(learned.rows, "fit")[0]
    summary = json.loads((run_dir / SUMMARY).read_text())
    assert "evaluation" not in summary
    assert summary["held_out_plans"]["plans"]
    # Its episodes are exported as those of no environment: the arguments are another's.
    list(export(ExportCommand(run_dir, str(tmp_path / "again.npz"), None)))
    exported = data.load(str(tmp_path / "again.npz"))
    assert (exported.spec.id, exported.env_kwargs) == ("", {})
    recorded = data.to_replay(data.load(str(file)), 2)
    assert_same_episodes(data.to_replay(exported, 2), recorded)
    write_report(run_dir)
    with pytest.raises(UserError, match=r"env\.id none: there is no environment to act in"):
        evaluate_run(run_dir, 1, None, False)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (lambda: small_dataset(repeat=1), "--env.action-repeat 1 takes such data"),
        (lambda: _first(small_dataset()), "has one episode; give two or more"),
    ],
)
def test_data_that_cannot_be_learned_from_are_refused(tmp_path, dataset, message):
    path = str(tmp_path / "small.npz")
    data.save(dataset(), path)
    with pytest.raises(UserError, match=message):
        Run(tiny(data=path))


def test_data_of_another_environment_are_refused(file):
    with pytest.raises(UserError, match="comes from environment 'Walk-v0', not from 'Pendulum-v1'"):
        Run(tiny(data=str(file), env={"id": "Pendulum-v1"}))


def _first(dataset: data.Dataset) -> data.Dataset:
    return data.Dataset(dataset.name, dataset.spec, dataset.env_kwargs, dataset.episodes[:1])


def test_a_penalty_or_a_model_that_says_nothing_is_reported(learned):
    frozen = frozen_of(learned.run_dir)
    summary = json.loads((learned.run_dir / SUMMARY).read_text())
    poor = {"regularizer_mse": 1.0, "regularizer_copy_mse": 1.0}
    assert "hardly denoises" in "".join(from_data.warnings(frozen, summary, poor))
    good = {"regularizer_mse": 0.1, "regularizer_copy_mse": 1.0}
    assert "hardly denoises" not in "".join(from_data.warnings(frozen, summary, good))
    plans = summary["held_out_plans"]
    for penalty, far in ((1e6, True), (float("nan"), True), (1.0, False)):
        plans["logged"]["penalty"] = penalty
        lines = "".join(from_data.warnings(frozen, summary, good))
        assert ("leaves the data" in lines) == far
