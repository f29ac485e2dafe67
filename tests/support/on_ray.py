"""Trials that end in every way there is, on a Ray of their own: `python on_ray.py OUT`.

By itself, since Ray starts processes and threads that the tests' own process should not have.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.config import Config
from agents.devices import prepare
from agents.errors import UserError
from agents.experiments.learning import ray_tune
from agents.experiments.learning.trials import Contender, Trial
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


def work(trial: Trial, cpus: int, path: Sequence[str]) -> None:
    """Carries a trial out; its name says how that ends."""
    if trial.name == "failing":
        raise ValueError("out of luck\nand of words")
    if trial.name == "refused":
        raise UserError("no such world")
    died = trial.run_dir.parent / "died"
    if trial.name == "killed" and not died.exists():
        died.touch()
        prepare(cpus)  # before the environments bring JAX
        die_on_the_way()
    carry_out(trial, cpus, path)


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


def main(out: Path) -> None:
    contender = Contender("smallest", "planner", Config.model_validate(SMALLEST))
    names = ("failing", "killed", "refused", "whole")
    lines: list[str] = []
    with ray_tune.cluster(""):
        failures = ray_tune.run(
            [Trial(contender, 0, out / name) for name in names],
            cpus=1,
            retries=1,
            say=lines.append,
            work=work,
        )
    print(json.dumps({"failures": failures, "lines": lines}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
