"""A run goes on from a checkpoint before its newest, and its rows are kept with its checkpoints."""

import os
import shutil
from pathlib import Path

import pytest
from running import PowerCut, cut_power, stopped
from tiny import assert_same_run, finished, resume, train

from agents.errors import UserError
from agents.training.log import METRICS, RunLog
from agents.training.saved import CHECKPOINTS


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
