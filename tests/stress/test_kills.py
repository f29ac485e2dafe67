"""Whole runs, in processes of their own, that are stopped at random moments again and again."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import ROOT, SUPPORT
from tiny import assert_same_run, rows_of, tiny

from agents.config import CONFIG_FILE, Config, dump
from agents.training.log import SUMMARY

pytestmark = pytest.mark.stress

CHAINS, KILLS = 6, 5
"""Runs, and how often each of them is killed."""

NOISY = {"source": "seeded", "max_episode_steps": 15}  # which draws no frames
CONFIG: Config = tiny(
    env={"id": "worlds:Noisy-v0", "kwargs": NOISY, "action_repeat": 2},
    env_steps=600,
    checkpoint_every=15,
    fit_every=60,
    planner={"name": "cem", "horizon": 3, "iterations": 1},
    regularizer={"name": "gaussian"},
)


def start(place: Path, name: str) -> subprocess.Popen:
    """Begins the run `name`, or resumes it where there is one."""
    run_dir = place / name
    file = place / "mine.yaml"
    file.write_text(dump(CONFIG))
    begun = (run_dir / CONFIG_FILE).exists()
    new = ("quick", "--config", str(file), "--run-dir", str(run_dir))
    return subprocess.Popen(
        [sys.executable, "-m", "agents", "train", *(("--resume", str(run_dir)) if begun else new)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, SUPPORT)))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> str:
    """What it says on its error stream."""
    return process.communicate(timeout=240)[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, float]:
    """A run that nothing disturbs, and the seconds that it takes with programs compiled before."""
    place = tmp_path_factory.mktemp("whole")
    for name in ("compiling", "whole"):
        begun = time.monotonic()
        process = start(place, name)
        assert "Traceback" not in finish(process)
        assert process.returncode == 0
    return place / "whole", time.monotonic() - begun


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("chain", range(CHAINS))
def test_killed_at_random_moments_and_resumed_it_equals_one_that_was_not(whole, tmp_path, chain):
    undisturbed, seconds = whole
    rng = random.Random(chain)
    for _ in range(KILLS):
        process = start(tmp_path, "run")
        time.sleep(rng.uniform(0.3, 1.05) * seconds)
        process.kill()
        said = finish(process)
        assert "Traceback" not in said, said
        assert process.returncode in (0, -signal.SIGKILL)
    process = start(tmp_path, "run")
    assert finish(process) == ""
    assert process.returncode == 0
    assert_same_run(tmp_path / "run", undisturbed, CONFIG)
    assert (tmp_path / "run" / SUMMARY).exists()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("rows", [2, 9, 20])
def test_told_to_end_it_says_one_line_and_loses_nothing(whole, tmp_path, number, rows):
    process = start(tmp_path, "run")
    deadline = time.monotonic() + 200
    while not (tmp_path / "run" / SUMMARY).exists() and time.monotonic() < deadline:
        metrics = tmp_path / "run" / "metrics.jsonl"
        if metrics.exists() and metrics.read_bytes().count(b"\n") >= rows:
            break
        time.sleep(0.01)
    process.send_signal(number)
    said = finish(process)
    assert process.returncode == 130, said
    (line,) = said.splitlines()
    assert line.startswith("interrupted; continue with: ")
    written = rows_of(tmp_path / "run")
    assert len(written) >= rows
    process = start(tmp_path, "run")
    assert finish(process) == ""
    assert_same_run(tmp_path / "run", whole[0], CONFIG)
