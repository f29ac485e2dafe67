"""A run goes on from a checkpoint before its newest, and its rows are kept with its checkpoints."""

import os
import shutil
from pathlib import Path

import pytest
from running import PowerCut, cut_power, stopped
from tiny import assert_same_run, finished, resume, train

from agents.checkpoints import checkpoint
from agents.checkpoints.saved import CHECKPOINTS
from agents.errors import UserError
from agents.logs.log import METRICS, RunLog


def contents(directory: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in directory.rglob("*") if file.is_file()}


def cut_off(run_dir: Path) -> tuple[int, int]:
    """A run that stopped dead, and whose newest checkpoint is damaged; the last two's steps."""
    with stopped(118, cut_power, PowerCut):
        train(finished().config, run_dir)
    older, newest = sorted(int(each.stem) for each in (run_dir / CHECKPOINTS).iterdir())[-2:]
    (run_dir / CHECKPOINTS / f"{newest}.npz").write_bytes(b"PK")
    return older, newest


def test_a_damaged_checkpoint_is_named_with_the_one_before_from_which_the_run_goes_on(tmp_path):
    whole = finished()
    older, newest = cut_off(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(UserError, match=rf"{newest}\.npz' cannot be read .*--from-step {older},"):
        resume(tmp_path)
    with pytest.raises(UserError, match=f"no checkpoint {older + 1} .*, {older}, {newest}"):
        resume(tmp_path, from_step=older + 1)
    assert contents(tmp_path) == before
    resume(tmp_path, from_step=older)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


def test_a_run_that_stopped_dead_while_later_checkpoints_go_can_be_resumed(tmp_path, monkeypatch):
    whole = finished()
    older, _ = cut_off(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "truncate", lambda *_: cut_power())
        with pytest.raises(PowerCut):
            resume(tmp_path, from_step=older)
    resume(tmp_path)
    assert_same_run(tmp_path, whole.run_dir, whole.config)


def test_a_finished_run_resumed_from_an_earlier_step_equals_itself(tmp_path):
    whole = finished()
    shutil.copytree(whole.run_dir, tmp_path / "run")
    first, *_ = sorted(int(each.stem) for each in (tmp_path / "run" / CHECKPOINTS).iterdir())
    resume(tmp_path / "run", from_step=first)
    assert_same_run(tmp_path / "run", whole.run_dir, whole.config)


def test_rows_are_on_disk_before_a_checkpoint_counts_them(tmp_path, monkeypatch):
    metrics, synced, counted = tmp_path / METRICS, [], []
    sync, rename = os.fsync, os.replace

    def recorded_sync(descriptor):
        sync(descriptor)
        if metrics.exists() and os.path.samestat(os.fstat(descriptor), metrics.stat()):
            synced.append(metrics.stat().st_size)

    def recorded_rename(old, new):
        if Path(new).parent.name == CHECKPOINTS:
            assert synced[-1] == metrics.stat().st_size
            counted.append(synced[-1])
        rename(old, new)

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", recorded_sync)
        patch.setattr("os.replace", recorded_rename)
        train(finished().config, tmp_path)
    assert len(set(counted)) > 3


@pytest.mark.parametrize("kept", ["all", "half", "none"])
def test_lost_rows_say_from_where_the_run_can_go_on(tmp_path, kept):
    whole = finished()
    run_dir = tmp_path / "run"
    shutil.copytree(whole.run_dir, run_dir)
    file = run_dir / METRICS
    steps = sorted(int(path.stem) for path in (run_dir / CHECKPOINTS).glob("*.npz"))
    first = checkpoint.read(run_dir / CHECKPOINTS, steps[0]).arrays["log_position"][METRICS]
    size = {"all": file.stat().st_size, "half": first + 1, "none": 0}[kept]
    file.write_bytes(file.read_bytes()[:size])
    if kept != "all":
        advice = {"half": rf"--from-step {steps[0]}, which drops", "none": "or train another run"}
        with pytest.raises(UserError, match=f"rows are missing; .*{advice[kept]}"):
            resume(run_dir)
        with pytest.raises(UserError, match="rows are missing"):
            resume(run_dir, from_step=steps[1])
        assert len(list((run_dir / CHECKPOINTS).glob("*.npz"))) == len(steps)  # none was dropped
    if kept != "none":
        resume(run_dir, from_step=None if kept == "all" else steps[0])
        assert_same_run(run_dir, whole.run_dir, whole.config)
