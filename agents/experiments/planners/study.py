"""Planners on one frozen model: what a plan is worth against what it costs.

Every planner plans at the same states, those that the run's own agent meets in a few fresh
episodes, in order, so that each is warm-started by its own last plan. The score is that of the plan
returned, evaluated afresh over all members: what the planner was asked for. Beside it stands what
the planner realises when it acts for itself in the environment, planning as in training: once a
decision, without a survival bonus. The model's errors decide that as much as the search.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from agents.analysis.provenance import commit
from agents.analysis.tables import Row, write_csv, writing
from agents.config import loading as configuration
from agents.config.benchmarks import StudyOptions
from agents.config.options import OptionPath
from agents.config.planner_schema import PlannerConfig
from agents.config.schema import Config
from agents.envs.episodes import EpisodeRunner
from agents.envs.making import make_runner
from agents.experiments.planners.figures import plot_study
from agents.planning.actor import Actor
from agents.planning.agent import PlanningAgent
from agents.training import run as run_state
from agents.training.evaluation import evaluate
from agents.training.run import RunState

REFERENCE_SEED = 20_000
"""Of the first reference episode; the episodes that planners act in begin at 10,000."""


@dataclass(frozen=True)
class Contender:
    """A planner with a budget.

    Attributes:
      label: of its line in the figure.
      options: of the section `planner`, by their names there ("cem.elites").
      acts: whether it also acts in the environment, which takes most of the time.
    """

    label: str
    options: dict[str, Any]
    acts: bool = True

    def config(self, base: Config, slots: int) -> Config:
        """The run's configuration with this planner, for `slots` environments at once."""
        values: dict[OptionPath, Any] = {("num_envs",): slots}
        for name, value in self.options.items():
            values["planner", *name.split(".")] = value
        return configuration.override(base, values)


PLAIN = "plain CEM"
"""The reference: CEM as in PETS, its mean returned, without any later improvement."""

_PLAIN: dict[str, Any] = {
    "name": "cem",
    "iterations": 5,
    "cem.momentum": 0.1,
    "noise_beta": 0.0,
    "init_std": 0.5,
    "bounds": "truncate",
    "returns": "mean",
}


def contenders() -> list[Contender]:
    """Every planner at several budgets, plain CEM, and the default without each ingredient.

    To act takes most of the time, so that each planner acts at one budget: that of the default, or
    the nearest to it.
    """
    return [
        *(_plain(population, acts=population == 500) for population in (100, 500)),
        *(_search(name, population) for name in ("icem", "cem", "mppi")
          for population in (24, 48, _DEFAULT, 160)),
        *(Contender("random-shooting", {"name": "random-shooting", "population": n}, n == 500)
          for n in (100, 500)),
        *(Contender("gradient", {"name": "gradient", "gradient.starts": starts,
                                 "gradient.steps": steps}, (starts, steps) == (8, 20))
          for starts, steps in ((2, 20), (8, 20), (4, 40))),
        *(Contender(f"icem, {name}", {"name": "icem"} | changes, acts=False)
          for name, changes in _ABLATIONS.items()),
    ]  # fmt: skip


_DEFAULT = PlannerConfig().population


def _plain(population: int, *, acts: bool) -> Contender:
    sizes = {"population": population, "cem.elites": population // 10}
    return Contender(PLAIN, _PLAIN | sizes, acts)


def _search(name: str, population: int) -> Contender:
    elites = {f"{name}.elites": max(population // 10, 4)} if name in ("cem", "icem") else {}
    options = {"name": name, "population": population} | elites
    return Contender(name, options, acts=population == _DEFAULT)


_ABLATIONS: dict[str, dict[str, Any]] = {
    "white noise": {"noise_beta": 0.0},
    "truncated": {"bounds": "truncate"},
    "no elites kept": {"icem.keep": 0.0},
    "none shifted": {"icem.shift_kept": False},
    "population decays": {"population": 128, "icem.decay": 1.25},
    "momentum 0.1": {"icem.momentum": 0.1},
    "mean not tried": {"icem.try_mode": False},
    "best returned": {"returns": "best"},
    "mean returned": {"returns": "mean"},
    "2 particles": {"population": 200, "particles": 2, "icem.elites": 20},
    "1 particle": {"population": 400, "particles": 1, "icem.elites": 40},
}


def compare(run_dir: Path, options: StudyOptions, out: Path) -> Iterator[str]:
    """Studies all `contenders`, and writes `planners.csv` and `planners.png`.

    Args:
      run_dir: of a finished run.
      options: how many seeds, episodes and decisions.
      out: directory of the files, made where missing.

    Yields:
      A line a contender, when it is known.

    Raises:
      UserError: as `study`, or `out` cannot be used.
    """
    rows: list[Row] = []
    for found in study(run_dir, contenders(), options):
        seconds = float(np.median([row["seconds_per_plan"] for row in found]))
        yield (
            f"{found[0]['label']:<24} {found[0]['evaluations']:>8,} evaluations"
            f" {1e3 * seconds:6.1f} ms  score {_spread(found, 'score')}"
            f"  realised {_spread(found, 'realised')}"
        )
        rows += found
    about = {"run": run_dir.resolve().name, "commit": commit()}
    with writing(out):
        write_csv(out / "planners.csv", [row | about for row in rows])
        plot_study(rows, out / "planners.png", PLAIN)
    yield f"written to {out}: planners.csv, planners.png"


def study(
    run_dir: Path, contenders: Sequence[Contender], options: StudyOptions
) -> Iterator[list[Row]]:
    """Lets every contender plan with the model of a run.

    Args:
      run_dir: of a finished run; its latest checkpoint is used and not changed.
      contenders: planners with budgets.
      options: how many seeds, episodes and decisions.

    Yields:
      For each contender a row a seed.

    Raises:
      UserError: no run or no usable checkpoint.
    """
    run = RunState(configuration.load_run(run_dir))
    run.load_learned(run_dir)
    paths = [path[: options.decisions] for path in _reference_paths(run, options.episodes)]
    for contender in contenders:
        config = contender.config(run.config, options.episodes)
        runners = [make_runner(config) for _ in paths]
        agent = run_state.build_agent(config, runners[0])
        planned = [
            _plan_along(agent, run, jax.random.key(seed), paths) for seed in range(options.seeds)
        ]
        realised = _act(agent, run, runners, options) if contender.acts else [None] * options.seeds
        rows = [
            {
                "label": contender.label,
                "planner": config.planner.name,
                "evaluations": agent.evaluations,
                "seed": seed,
                "score": score,
                "realised": realised[seed],
                "seconds_per_plan": seconds,
            }
            for seed, (score, seconds) in enumerate(planned)
        ]
        for runner in runners:
            runner.env.close()
        yield rows


def _spread(rows: Sequence[Row], key: str) -> str:
    """Mean and standard deviation over the seeds."""
    values = [row[key] for row in rows if row[key] is not None]
    return f"{np.mean(values):7.1f} ± {np.std(values):4.1f}" if values else "n/a"


def _reference_paths(run: RunState, episodes: int) -> Iterator[np.ndarray]:
    """Observations `[T, O]` at the decisions of the run's own agent, an episode at a time."""
    seen: dict[int, list[np.ndarray]] = {}
    runners = [make_runner(run.config) for _ in range(run.config.num_envs)]
    evaluate(
        Actor(run.agent, run.keys.evaluate, run.config.num_envs),
        run.learned,
        runners,
        range(REFERENCE_SEED, REFERENCE_SEED + episodes),
        horizon=run.config.planner.horizon,
        weight=run.weight,
        watch=lambda runner, _: seen.setdefault(runner.index, []).append(runner.observation.copy()),
    )
    for index in range(episodes):
        yield np.stack(seen[index])


def _act(
    agent: PlanningAgent, run: RunState, runners: list[EpisodeRunner], options: StudyOptions
) -> list[float]:
    """Mean return by seed, of as many episodes each; their randomness is that of the episode."""
    first, each = run.config.evaluation.seed, options.acted
    results = evaluate(
        Actor(agent, run.keys.evaluate, len(runners)),
        run.learned,
        runners,
        range(first, first + options.seeds * each),
        horizon=run.config.planner.horizon,
        weight=run.weight,
    )
    returns = np.reshape([result.return_ for result in results], (options.seeds, each))
    return returns.mean(axis=1).tolist()


def _plan_along(
    agent: PlanningAgent, run: RunState, root: jax.Array, paths: Sequence[np.ndarray]
) -> tuple[float, float]:
    """Mean score of the plans at all states of the paths, and the seconds of one plan."""
    plan_states = agent.initial_plans(len(paths))
    scores, seconds = [], []
    for decision in range(max(map(len, paths))):
        # A path that has ended stays where it was, and its plans are not counted.
        observations = jnp.stack([path[min(decision, len(path) - 1)] for path in paths])
        keys = jax.random.split(jax.random.fold_in(root, decision), len(paths))
        begin = time.perf_counter()
        plans, plan_states = agent.act(run.learned, keys, plan_states, observations, run.weight)
        found = np.asarray(plans.score)
        seconds.append((time.perf_counter() - begin) / len(paths))
        scores += [score for score, path in zip(found, paths, strict=True) if decision < len(path)]
    return float(np.mean(scores)), float(np.median(seconds))
