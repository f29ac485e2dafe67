"""Which planner finds the best plans for its cost? Planners with budgets on one frozen model.

Every planner plans at the same states, the reference episodes of the run's own agent, in order, so
that each plan is warm-started by the last one. The score is that of the plan returned, evaluated
afresh over all members: the quantity that the planner maximises. Beside it stands the realised
return of episodes in which the planner acts, planning as in training: once a decision, without a
survival bonus. It depends on the model's errors as much as on the search.
"""

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
from agents.analysis.text import number
from agents.config import Config, PlannerConfig, override
from agents.config.benchmarks import StudyOptions
from agents.diagnostics.open_loop import reference_episodes
from agents.envs import EpisodeRunner
from agents.experiments.planners.figures import plot_study
from agents.planning import builders
from agents.planning.actor import Actor
from agents.planning.agent import PlanningAgent
from agents.training.evaluation import evaluate
from agents.training.frozen import FrozenAgent, load_frozen

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


@dataclass(frozen=True)
class PlannerSetting:
    """A planner with a budget.

    Attributes:
      label: of its line in the figure.
      options: of the section `planner`, by their names there ("cem.elites").
      acts: whether it also acts in the environment, which takes most of the time.
    """

    label: str
    options: dict[str, Any]
    acts: bool = True

    def config(self, base: Config, count: int) -> Config:
        """The run's configuration with this planner, for `count` environments at once."""
        planner = {("planner", *name.split(".")): value for name, value in self.options.items()}
        return override(base, {("num_envs",): count, **planner})


def planner_settings() -> list[PlannerSetting]:
    """Every planner at several budgets, plain CEM, and the default without each ingredient.

    To act takes most of the time, so that each planner acts at one budget: that of the default, or
    the nearest to it.
    """
    default = PlannerConfig().population
    return [
        *(PlannerSetting(PLAIN, _PLAIN | {"population": n, "cem.elites": n // 10}, n == 500)
          for n in (100, 500)),
        *(PlannerSetting(name, {"name": name, "population": n, f"{name}.elites": max(n // 10, 4)},
                         n == default)
          for name in ("icem", "cem") for n in (24, 48, default, 160)),
        *(PlannerSetting("mppi", {"name": "mppi", "population": n}, n == default)
          for n in (24, 48, default, 160)),
        *(PlannerSetting("random-shooting", {"name": "random-shooting", "population": n}, n == 500)
          for n in (100, 500)),
        *(PlannerSetting("gradient", {"name": "gradient", "gradient.starts": starts,
                                      "gradient.steps": steps}, (starts, steps) == (8, 20))
          for starts, steps in ((2, 20), (8, 20), (4, 40))),
        *(PlannerSetting(f"icem, {name}", {"name": "icem"} | changes, acts=False)
          for name, changes in _ABLATIONS.items()),
    ]  # fmt: skip


def compare_planners(run_dir: Path, options: StudyOptions, out: Path) -> Iterator[str]:
    """Measures all `planner_settings`, and writes `planners.csv` and `planners.png`.

    Args:
      run_dir: of a finished run.
      options: how many seeds, episodes and decisions.
      out: directory of the files, made where missing.

    Yields:
      A line a setting, as soon as it is measured.

    Raises:
      UserError: as `measure_settings`, or `out` cannot be used.
    """
    with writing(out):
        pass
    rows: list[Row] = []
    for found in measure_settings(run_dir, planner_settings(), options):
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


def measure_settings(
    run_dir: Path, settings: Sequence[PlannerSetting], options: StudyOptions
) -> Iterator[list[Row]]:
    """Plans with the model of a run at every setting.

    Args:
      run_dir: of a finished run; its latest checkpoint is used and not changed.
      settings: planners with budgets.
      options: how many seeds, episodes and decisions.

    Yields:
      For each setting a row a seed.

    Raises:
      UserError: no run or no usable checkpoint.
    """
    frozen = load_frozen(run_dir)
    episodes, _ = reference_episodes(frozen, options.episodes, frozen.weight)
    paths = [
        np.stack([observation for observation, _ in episode[: options.decisions]])
        for episode in episodes
    ]
    for setting in settings:
        config = setting.config(frozen.config, options.episodes)
        runners = [builders.build_runner(config.env) for _ in paths]
        agent = builders.build_agent(config, runners[0].spec)
        plans = [
            _plan_along(agent, frozen, jax.random.key(seed), paths) for seed in range(options.seeds)
        ]
        realised = _act(agent, frozen, runners, options) if setting.acts else [None] * len(plans)
        for runner in runners:
            runner.close()
        yield [
            {
                "label": setting.label,
                "planner": config.planner.name,
                "evaluations": agent.evaluations,
                "seed": seed,
                "score": score,
                "realised": return_,
                "seconds_per_plan": seconds,
            }
            for seed, ((score, seconds), return_) in enumerate(zip(plans, realised, strict=True))
        ]


def _spread(rows: Sequence[Row], key: str) -> str:
    """Mean and standard deviation over the seeds."""
    values = [row[key] for row in rows if row[key] is not None]
    if not values:
        return "n/a"
    return f"{number(float(np.mean(values))):>7} ± {number(float(np.std(values))):>4}"


def _act(
    agent: PlanningAgent, frozen: FrozenAgent, runners: list[EpisodeRunner], options: StudyOptions
) -> list[float]:
    """Mean return by seed, of as many episodes each; their randomness is that of the episode."""
    first = frozen.config.evaluation.seed
    results = evaluate(
        Actor(agent, frozen.keys.evaluate, len(runners)),
        frozen.learned,
        runners,
        range(first, first + options.seeds * options.acted),
        planner=frozen.config.planner,
        weight=frozen.weight,
    )
    returns = np.reshape([result.return_ for result in results], (options.seeds, options.acted))
    return returns.mean(axis=1).tolist()


def _plan_along(
    agent: PlanningAgent, frozen: FrozenAgent, root: jax.Array, paths: Sequence[np.ndarray]
) -> tuple[float, float]:
    """Mean score of the plans at all states of the paths, and the seconds of one plan."""
    plan_states = agent.initial_plans(len(paths))
    scores, seconds = [], []
    for decision in range(max(map(len, paths))):
        # A path that has ended stays where it was, and its plans are not counted.
        observations = jnp.stack([path[min(decision, len(path) - 1)] for path in paths])
        keys = jax.random.split(jax.random.fold_in(root, decision), len(paths))
        begin = time.perf_counter()
        plans, plan_states = agent.act(
            frozen.learned, keys, plan_states, observations, frozen.weight
        )
        found = np.asarray(plans.score)
        seconds.append((time.perf_counter() - begin) / len(paths))
        scores += [score for score, path in zip(found, paths, strict=True) if decision < len(path)]
    return float(np.mean(scores)), float(np.median(seconds))
