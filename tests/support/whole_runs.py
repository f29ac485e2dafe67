"""Whole runs of the tiny world `Noisy`, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from running import PATHS, ROOT, default_signals
from tiny import tiny

from agents.config import CONFIG_FILE, Config, dump

NOISY = {"source": "seeded", "max_episode_steps": 15}
"""Of an environment that draws no frames, so that there is no film."""


def noisy(**changes: Any) -> Config:
    """A run of 40 episodes, and a fit after every fourth."""
    usual: dict[str, Any] = {
        "env": {"id": "worlds:Noisy-v0", "kwargs": NOISY, "action_repeat": 2},
        "env_steps": 600,
        "checkpoint_every": 15,
        "fit_every": 60,
        "planner": {"name": "cem", "horizon": 3, "iterations": 1},
        "regularizer": {"name": "gaussian"},
    }
    return tiny(**(usual | changes))


def start(*words: str | Path, place: Path = ROOT) -> subprocess.Popen[str]:
    """Starts a command of ours in a directory."""
    with default_signals():
        return subprocess.Popen(
            [sys.executable, "-m", "agents", *map(str, words)],
            cwd=place,
            env=os.environ | {"PYTHONPATH": PATHS, "XLA_FLAGS": ""},  # compiled as a user's are
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )


def start_run(run_dir: Path, config: Config) -> subprocess.Popen[str]:
    """Begins a run, or resumes it where there is one."""
    file = run_dir.parent / "mine.yaml"
    file.write_text(dump(config))
    if (run_dir / CONFIG_FILE).exists():
        return start("train", "--resume", run_dir)
    return start("train", "quick", "--config", file, "--run-dir", run_dir)


def finish(process: subprocess.Popen[str], seconds: float = 240) -> str:
    """What it says on its error stream."""
    return process.communicate(timeout=seconds)[1]
