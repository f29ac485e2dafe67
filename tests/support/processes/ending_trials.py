"""Trials that end in every way there is: `python ending_trials.py OUT ADDRESS NAME ...`.

By itself, since processes and signals should not be those of the tests.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from agents.config import Config
from agents.devices import prepare
from agents.errors import UserError
from agents.experiments.learning import run
from agents.experiments.learning.options import TrialOptions
from agents.experiments.learning.trials import Contender, Study, Trial
from agents.experiments.learning.worker import carry_out

KILLED_AT = 110
"""Steps after which the worker of `killed` dies, rows beyond its checkpoint."""

SMALLEST: dict[str, Any] = {
    "env_steps": 160,
    "random_steps": 60,
    "fit_every": 40,
    "checkpoint_every": 30,
    "env": {"id": "worlds:Walk-v0", "kwargs": {"max_episode_steps": 20}},
    "model": {"members": 2, "hidden": [8], "head_hidden": [8], "potential_hidden": [8]},
    "fit": {"min_epochs": 1, "max_epochs": 1, "steps_per_epoch": 2, "batch_size": 8},
    "planner": {"name": "random-shooting", "horizon": 3, "population": 8},
    "regularizer": {"name": "none"},
    "evaluation": {"episodes": 1, "states": 0},
}


def work(trial: Trial, cpus: int) -> None:
    """Carries a trial out; its name says how that ends."""
    trial.run_dir.mkdir(exist_ok=True)
    with (trial.run_dir / "pids").open("a") as pids:
        print(os.getpid(), file=pids)
    first = len((trial.run_dir / "pids").read_text().split()) == 1
    match trial.name:
        case "failing":
            raise ValueError("out of luck\nand of words")
        case "refused":
            raise UserError("no such world")
        case "dying" if first:
            os.kill(os.getpid(), signal.SIGKILL)
        case name if name.startswith("sleeping") and first:
            time.sleep(600)
        case "killed" | "whole":
            if trial.name == "killed" and first:
                prepare(cpus)  # before the environments bring JAX
                die_on_the_way()
            carry_out(trial, cpus)


def die_on_the_way() -> None:
    from agents.envs.episodes import EpisodeRunner

    step, done = EpisodeRunner.step, 0

    def counted(runner: EpisodeRunner, action: Any):
        nonlocal done
        before = runner.steps
        ending = step(runner, action)
        done += runner.steps - before
        if done >= KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        return ending

    setattr(EpisodeRunner, "step", counted)  # noqa: B010 - pyright minds the plain assignment


def main(out: Path, address: str, names: list[str]) -> int:
    learning = Contender("smallest", "planner", Config.model_validate(SMALLEST))
    brief = Contender("brief", "random")  # nothing of it is checked beforehand, which takes time
    trials = [
        Trial(learning if name in ("killed", "whole") else brief, 0, out / name) for name in names
    ]
    run.carry_out = work
    # A shell lets its background jobs ignore interrupts, and the tests may be one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return run.run_study(Study("study", trials, out), TrialOptions(address=address, retries=1))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
