"""Small trials of sweeps and of learning benchmarks, and what they leave when they are finished."""

import csv
from pathlib import Path
from typing import Any

from tiny import tiny

from agents.analysis.jsonl import append_row
from agents.analysis.statistics import summarise_returns
from agents.config import PRESETS, EnvConfig
from agents.experiments.learning.sweep import sweep
from agents.experiments.learning.trials import (
    FROZEN,
    Contender,
    Protocol,
    Study,
    Trial,
    make_trials,
)
from agents.logs.log import write_summary

LANDER = EnvConfig(id="LunarLander-v3", kwargs={"continuous": True})


def protocol(steps: tuple[int, ...] = (100, 200), episodes: int = 2) -> Protocol:
    return Protocol(LANDER, steps, range(10_000, 10_000 + episodes))


def planner_trial(out: Path, steps: tuple[int, ...] = (70, 130), **changes: Any) -> Trial:
    """An agent of `tiny(**changes)` that is evaluated at some ages."""
    config = tiny(**changes)
    shared = Protocol(config.env, steps, range(10_000, 10_002))
    (trial,) = make_trials([Contender("tiny", "planner", config)], [3], out, shared)
    return trial


def small_benchmark(out: Path) -> Study:
    contenders = [Contender("a", "random"), Contender("b", "heuristic")]
    return Study("benchmark", make_trials(contenders, [5, 6], out, protocol()), out)


def small_sweep(
    out: Path, regularizers: Any = ("none", "deen"), weights: Any = (0.0, 0.03), seeds: Any = (0, 1)
) -> Study:
    return sweep(PRESETS["quick"], regularizers, weights, seeds, out)


def evaluated(trial: Trial, step: int, returns: list[float], **changes: Any) -> None:
    """What an evaluation of a benchmark's trial leaves."""
    trial.run_dir.mkdir(exist_ok=True, parents=True)
    row = {
        "label": trial.contender.label, "kind": trial.contender.kind, "env_id": LANDER.id,
        "seed": trial.seed, "env_steps": step, "returns": returns, "lengths": [100] * len(returns),
        "seeds": list(range(10_000, 10_000 + len(returns))), "evaluation_seconds": 1.0,
        "commit": "abc",
    }  # fmt: skip
    append_row(trial.run_dir / FROZEN, row | changes)


def finish(
    trial: Trial, mean: float = 1.0, planned: float | None = 5.0, realised: float | None = 2.0
) -> None:
    """What a finished trial leaves, as far as a study reads it."""
    returns = [mean - 1, mean + 1]
    for step in trial.steps:
        evaluated(trial, step, returns)
    if trial.protocol is None:
        trial.run_dir.mkdir(parents=True)
        summary = {"evaluation": summarise_returns(returns, [0, 1], None), "env_steps": 1_200}
        summary |= {"planned": planned, "realised": realised, "penalty": 0.0, "wall_seconds": 60.0}
        write_summary(trial.run_dir, summary | {"versions": {}, "commit": "abc"})


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))
