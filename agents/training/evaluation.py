"""Frozen evaluation: fresh episodes, nothing learned, planned against realised."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np

from agents.analysis.statistics import summarise_returns
from agents.checkpoints.saved import PlanRecord
from agents.config import Config, EnvConfig, PlannerConfig
from agents.envs import EpisodeRunner, random_action
from agents.planning.actor import Actor, plan_of
from agents.planning.builders import build_runner, evaluated_at_once
from agents.planning.learned import AgentState
from agents.training.frozen import Acting
from mbrl import Plan

CUT_SHORT = "cut short"
"""How an episode ended that was not let run to its end."""

LONGEST = 10_000
"""Simulator steps of an evaluated episode, where the environment has no time limit of its own."""


@dataclass(frozen=True)
class EpisodeResult:
    """A planned episode in a few numbers.

    Attributes:
      seed: with which it was reset.
      return_: sum of its rewards.
      length: simulator steps.
      ended: how.
      planned_return: of its first plan, over the horizon.
      penalty: of that plan, in calibrated units.
      realised_return: over the horizon of the first plan and with its discount, replanning on the
        way.
    """

    seed: int
    return_: float
    length: int
    ended: str
    planned_return: float | None
    penalty: float | None
    realised_return: float

    @property
    def diverged(self) -> bool:
        """Whether the model's numbers grew without bounds in its first plan."""
        numbers = self.planned_return, self.penalty
        return any(each is not None and not math.isfinite(each) for each in numbers)

    def row(self) -> dict[str, Any]:
        """The episode as it is written to `metrics.jsonl`."""
        return {name.removesuffix("_"): value for name, value in asdict(self).items()}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        """The episode of a row, which may have other columns, too."""
        names = [field.name for field in fields(cls)]
        values: dict[str, Any] = {name: row.get(name.removesuffix("_")) for name in names}
        return cls(**values)


def result_of(
    runner: EpisodeRunner, plans: PlanRecord | None, planner: PlannerConfig
) -> EpisodeResult:
    """Sums an episode up; `plans` is None where actions were random."""
    rewards = runner.episode().rewards[: planner.horizon * runner.action_repeat]
    discounts = planner.discount ** (np.arange(len(rewards)) // runner.action_repeat)
    return EpisodeResult(
        seed=runner.seed,
        return_=runner.return_,
        length=runner.steps,
        ended=runner.ended or CUT_SHORT,
        planned_return=plans and plans.planned_return,
        penalty=plans and plans.penalty,
        realised_return=float(np.sum(discounts * rewards)),
    )


def evaluate(
    actor: Actor,
    state: AgentState,
    runners: Sequence[EpisodeRunner],
    seeds: Sequence[int],
    *,
    planner: PlannerConfig,
    weight: float,
    survival_bonus: float = 0.0,
    watch: Callable[[EpisodeRunner, Plan], None] | None = None,
    finished: Callable[[EpisodeRunner, int], None] | None = None,
) -> list[EpisodeResult]:
    """Runs one episode per seed with a frozen agent.

    An episode of an environment without a time limit is cut short after `LONGEST` steps. An
    environment whose episode ends takes the next seed, so that every plan is made in batches of
    the actor's size.

    Args:
      actor: of as many environments as there are runners.
      state: what is learned; not changed.
      runners: environments to use; the episodes under way in them are dropped.
      seeds: of the episodes, >= 10,000 so that none was trained on.
      planner: with the horizon and the discount of planned and realised return.
      weight: of the penalty.
      survival_bonus: of every plan; see `mbrl.objective`.
      watch: called with the runner and its plan whenever there is a new one.
      finished: called with the runner of an episode that has ended, and how many have.

    Returns:
      The results in the order of `seeds`.
    """
    results: dict[int, EpisodeResult] = {}
    waiting = list(enumerate(seeds))
    first_plans: dict[int, PlanRecord] = {}
    active: dict[int, EpisodeRunner] = {}

    def start(index: int) -> None:
        episode, seed = waiting.pop(0)
        runners[index].start(episode, seed)
        actor.reset(index)
        active[index] = runners[index]

    for index in range(len(runners)):
        # With fewer seeds than environments, the rest plans for an episode that is not used.
        if waiting:
            start(index)
        else:
            runners[index].start(len(seeds), seeds[-1])
    while active:
        plans = actor.plan(state, list(runners), weight, survival_bonus)
        for index, runner in list(active.items()):
            plan = plan_of(plans, index)
            if runner.decisions == 0:
                first_plans[runner.index] = PlanRecord.of(plan)
            if watch is not None:
                watch(runner, plan)
            if runner.step(plan.actions[0]) or lasts_too_long(runner):
                results[runner.index] = result_of(runner, first_plans[runner.index], planner)
                del active[index]
                if finished is not None:
                    finished(runner, len(results))
                if waiting:
                    start(index)
    return [results[index] for index in range(len(seeds))]


def evaluate_frozen(
    frozen: Acting,
    episodes: int,
    seed: int,
    *,
    watch: Callable[[EpisodeRunner, Plan], None] | None = None,
    finished: Callable[[EpisodeRunner, int], None] | None = None,
) -> tuple[list[EpisodeResult], dict[str, Any]]:
    """Evaluates a frozen agent, on environments of its own, as its configuration says.

    Args:
      frozen: not changed.
      episodes: how many.
      seed: of the first one; the others count up from it.
      watch: called with the runner and its plan whenever there is a new one.
      finished: called with the runner of an episode that has ended, and how many have.

    Returns:
      The episodes, and their summary: `evaluation`, the means over episodes of first plans'
      planned return, realised return and penalty, and the `survival_bonus` of all plans.
    """
    config, count = frozen.config, evaluated_at_once(frozen.config, episodes)
    runners = [build_runner(config.env, evaluation_steps_per_plan(config)) for _ in range(count)]
    seeds = list(range(seed, seed + episodes))
    results = evaluate(
        Actor(frozen.agent, frozen.keys.evaluate, count),
        frozen.learned,
        runners,
        seeds,
        planner=config.planner,
        weight=frozen.weight,
        survival_bonus=frozen.survival_bonus,
        watch=watch,
        finished=finished,
    )
    for runner in runners:
        runner.close()
    return results, {
        "evaluation": summarise_returns([r.return_ for r in results], seeds, runners[0].solved_at),
        "planned": _mean(r.planned_return for r in results),
        "realised": _mean(r.realised_return for r in results),
        "penalty": _mean(r.penalty for r in results),
        "survival_bonus": frozen.survival_bonus,
    }


def evaluate_random(env: EnvConfig, seeds: Sequence[int]) -> tuple[dict[str, Any], float | None]:
    """Runs one episode per seed with random actions, each repeated as a run repeats its own.

    Args:
      env: the environment and its action repeat.
      seeds: of the episodes.

    Returns:
      The summary of their returns, and the return from which an episode counts as solved, if there
      is one.
    """
    runner = build_runner(env)
    returns = []
    for index, seed in enumerate(seeds):
        # Neither the numbers of `seed` alone, which the environment draws, nor of [seed, 0]: NumPy
        # pads with zeros, so that they are the same.
        rng = np.random.default_rng([seed, 1])
        runner.start(index, seed)
        while runner.ended is None and not lasts_too_long(runner):
            runner.step(random_action(runner.spec, rng))
        returns.append(runner.return_)
    runner.close()
    return summarise_returns(returns, seeds, runner.solved_at), runner.solved_at


def lasts_too_long(runner: EpisodeRunner) -> bool:
    """Whether an episode is to be cut short, since nothing else need ever end it."""
    return runner.time_limit is None and runner.steps >= LONGEST


def evaluation_steps_per_plan(config: Config) -> int:
    """Simulator steps from plan to plan in a frozen evaluation."""
    return -(-config.env.action_repeat // config.evaluation.plans_per_decision)


def _mean(values: Iterable[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None]))
