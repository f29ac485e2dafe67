"""256 environments in one run, and four runs side by side."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tiny import assert_same_run, rows_of, rows_of_kind
from whole_runs import finish, noisy, start, start_run

from agents.config import dump
from agents.logs.log import METRICS, SUMMARY

pytestmark = pytest.mark.stress

WIDE = noisy(
    num_envs=256, env_steps=256 * 60, random_steps=256 * 15, fit_every=256 * 15,
    checkpoint_every=256 * 6,
)  # fmt: skip
"""Four episodes in each environment, of which two are random, and a fit after each round."""


def assert_ends_well(process: subprocess.Popen[str]) -> None:
    """Without a word on the error stream."""
    assert finish(process, 900) == ""
    assert process.returncode == 0


@pytest.mark.timeout(1_800)
def test_256_environments_train_are_killed_go_on_and_are_evaluated(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert_ends_well(start_run(whole, WIDE))
    episodes = rows_of_kind(rows_of(whole), "episode")
    assert sorted(row["episode"] for row in episodes) == list(range(4 * 256))
    # The first fit comes with the last of 256 first episodes, when 255 second ones have begun.
    assert sum(row["planned_return"] is not None for row in episodes) == 2 * 256 + 1
    process = start_run(killed, WIDE)
    deadline = time.monotonic() + 600
    while process.poll() is None and time.monotonic() < deadline:
        metrics = killed / METRICS
        if metrics.exists() and metrics.read_bytes().count(b"\n") > 300:
            break
        time.sleep(0.01)
    assert process.poll() is None, "it ended before it was killed"
    process.kill()
    finish(process)
    assert_ends_well(start_run(killed, WIDE))
    assert_same_run(killed, whole, WIDE)
    assert_ends_well(start("evaluate", killed, "--episodes", "300"))


@pytest.mark.timeout(1_200)
def test_four_runs_side_by_side_do_not_meet(tmp_path):
    """Two have the same seed, and so the same name if they begin in the same second."""
    file = tmp_path / "mine.yaml"
    file.write_text(dump(noisy()))
    words = ("train", "quick", "--config", file, "--seed")
    seeds = (3, 3, 4, 4)
    processes = [start(*words, str(seed), place=tmp_path) for seed in seeds]
    for process in processes:
        assert_ends_well(process)
    made = sorted((tmp_path / "runs").iterdir())
    assert len(made) == len(seeds)
    for seed in set(seeds):
        alone = tmp_path / f"alone-{seed}"
        assert_ends_well(start(*words, str(seed), "--run-dir", str(alone), place=tmp_path))
        beside = [each for each in made if each.name.startswith(f"quick-seed{seed}-")]
        assert len(beside) == 2
        for run_dir in beside:
            assert_same_run(run_dir, alone, noisy(seed=seed))
            assert summary_of(run_dir) == summary_of(alone)


def summary_of(run_dir: Path) -> dict[str, Any]:
    """All of it that does not depend on the clock."""
    summary = json.loads((run_dir / SUMMARY).read_text())
    return {name: value for name, value in summary.items() if name != "wall_seconds"}
