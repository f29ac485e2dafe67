"""Planners on one frozen model: what a plan is worth against what it costs.

Every planner plans at the same states, those that the run's own agent meets in a few fresh
episodes, in order, so that each is warm-started by its own last plan. The score is that of the plan
returned, evaluated afresh over all members: what the planner was asked for. Beside it stands what
the planner realises when it acts for itself in the environment, which the model's errors decide as
much as the search.
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

from agents import config as configuration
from agents import run_state
from agents.acting import Actor
from agents.benchmark_options import StudyOptions
from agents.config import Config, OptionPath
from agents.errors import UserError, shown
from agents.evaluation import evaluate
from agents.logging import commit
from agents.planner_plots import plot_study
from agents.planning_agent import PlanningAgent
from agents.run_state import RunState, make_runner
from agents.tables import Row, write_csv

REFERENCE_SEED = 20_000
"""Of the first reference episode; the episodes that planners act in begin at 10,000."""


@dataclass(frozen=True)
class Contender:
    """A planner with a budget.

    Attributes:
      label: of its line in the figure.
      options: of the section `planner`, by their names there ("cem.elites").
    """

    label: str
    options: dict[str, Any]

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
    """The default planner at several budgets, every other one, and plain CEM."""
    plain = [
        Contender(PLAIN, _PLAIN | {"population": n, "cem.elites": n // 10}) for n in (50, 150, 500)
    ]
    return [
        *plain,
        *_budgets("icem", "icem", (24, 48, 96, 192)),
        *_budgets("cem", "cem", (24, 48, 96, 192)),
        *_budgets("mppi", "mppi", (24, 48, 96, 192)),
        *(Contender("random-shooting", {"name": "random-shooting", "population": n})
          for n in (150, 600, 2400)),
        *(Contender("gradient", {"name": "gradient", "gradient.starts": n}) for n in (1, 4, 12)),
    ]  # fmt: skip


def _budgets(label: str, name: str, populations: Sequence[int]) -> list[Contender]:
    elites = {"icem": "icem.elites", "cem": "cem.elites"}.get(name)
    return [
        Contender(
            label,
            {"name": name, "population": n} | ({elites: max(n // 10, 4)} if elites else {}),
        )
        for n in populations
    ]


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
        score, realised = ([row[key] for row in found] for key in ("score", "realised"))
        yield (
            f"{found[0]['label']:<16} {found[0]['evaluations']:>8,} evaluations"
            f"  score {np.mean(score):7.1f} ± {np.std(score):4.1f}"
            f"  realised {np.mean(realised):7.1f} ± {np.std(realised):5.1f}"
            f"  {1e3 * float(np.median([row['seconds_per_plan'] for row in found])):6.1f} ms"
        )
        rows += found
    about = {"run": run_dir.resolve().name, "commit": commit()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_csv(out / "planners.csv", [row | about for row in rows])
        plot_study(rows, out / "planners.png", PLAIN)
    except OSError as error:
        raise UserError(f"{shown(str(out))} cannot be written to: {error.strerror}") from None
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
        rows = []
        for seed in range(options.seeds):
            root = jax.random.key(seed)
            score, seconds = _plan_along(agent, run, root, paths)
            first = config.evaluation.seed + seed * options.episodes
            results = evaluate(
                Actor(agent, root, options.episodes),
                run.learned,
                runners,
                range(first, first + options.episodes),
                horizon=config.planner.horizon,
            )
            rows.append(
                {
                    "label": contender.label,
                    "planner": config.planner.name,
                    "evaluations": agent.evaluations,
                    "seed": seed,
                    "score": score,
                    "realised": float(np.mean([result.return_ for result in results])),
                    "seconds_per_plan": seconds,
                }
            )
        for runner in runners:
            runner.env.close()
        yield rows


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
        watch=lambda runner, _: seen.setdefault(runner.index, []).append(runner.observation.copy()),
    )
    for index in range(episodes):
        yield np.stack(seen[index])


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
        plans, plan_states = agent.act(run.learned, keys, plan_states, observations)
        found = np.asarray(plans.score)
        seconds.append((time.perf_counter() - begin) / len(paths))
        scores += [score for score, path in zip(found, paths, strict=True) if decision < len(path)]
    return float(np.mean(scores)), float(np.median(seconds))
