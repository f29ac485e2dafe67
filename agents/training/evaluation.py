"""Frozen evaluation: fresh episodes, nothing learned, planned against realised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from agents.envs.episodes import EpisodeRunner
from agents.planning.actor import Actor, slot_of
from agents.planning.agent import AgentState
from mbrl.types import Plan


@dataclass(frozen=True)
class EpisodeResult:
    """What one planned episode brought.

    Attributes:
      seed: with which it was reset.
      return_: sum of its rewards.
      length: simulator steps.
      ended: how.
      planned_return: what its first plan promised over the horizon.
      penalty: what the regulariser said of that plan, in calibrated units.
      realised_return: what the time of the first plan brought, replanning on the way.
    """

    seed: int
    return_: float
    length: int
    ended: str
    planned_return: float | None
    penalty: float | None
    realised_return: float

    def row(self) -> dict[str, Any]:
        """The episode as it is written to `metrics.jsonl`."""
        return {
            "seed": self.seed,
            "return": self.return_,
            "length": self.length,
            "ended": self.ended,
            "planned_return": self.planned_return,
            "penalty": self.penalty,
            "realised_return": self.realised_return,
        }


@dataclass(frozen=True)
class Promise:
    """What the plans of an episode promised.

    Attributes:
      planned_return, penalty: of the first one, and what the regulariser said of it.
      each: returns that all of them promised, decision by decision.
    """

    planned_return: float
    penalty: float
    each: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, plan: Plan) -> "Promise":
        """Reads it off the first plan of one slot."""
        promised = float(plan.planned_return)
        return cls(promised, float(plan.penalty), [promised])

    def and_then(self, plan: Plan) -> "Promise":
        """With the next plan."""
        return replace(self, each=[*self.each, float(plan.planned_return)])


def result_of(runner: EpisodeRunner, promise: Promise | None, horizon: int) -> EpisodeResult:
    """Sums an episode up; `promise` is None where actions were random."""
    within = horizon * runner.action_repeat
    return EpisodeResult(
        seed=runner.seed,
        return_=runner.return_,
        length=runner.steps,
        ended=runner.ended or "cut short",
        planned_return=promise and promise.planned_return,
        penalty=promise and promise.penalty,
        realised_return=float(np.sum(runner.episode().rewards[:within], dtype=np.float64)),
    )


def evaluate(
    actor: Actor,
    state: AgentState,
    runners: Sequence[EpisodeRunner],
    seeds: Sequence[int],
    *,
    horizon: int,
    weight: float | None = None,
    survival_bonus: float = 0.0,
    watch: Callable[[EpisodeRunner, Plan], None] | None = None,
    finished: Callable[[int], None] | None = None,
) -> list[EpisodeResult]:
    """Runs one episode per seed with a frozen agent.

    Slots that finish take the next seed, so that every plan is made in batches of the actor's size
    and compiles nothing that training had not compiled.

    Args:
      actor: of as many slots as there are runners.
      state: what is learned; not changed.
      runners: environments to use; the episodes under way in them are dropped.
      seeds: of the episodes, >= 10,000 so that none was trained on.
      horizon: decisions over which planned and realised return are compared.
      weight: of the penalty; the configuration's when None.
      survival_bonus: of every plan; see `mbrl.objective`.
      watch: called with the runner and its plan whenever there is a new one.
      finished: called with the number of episodes done, after each.

    Returns:
      The results in the order of `seeds`.
    """
    results: dict[int, EpisodeResult] = {}
    waiting = list(enumerate(seeds))
    promises: dict[int, Promise] = {}
    active: dict[int, EpisodeRunner] = {}

    def start(slot: int) -> None:
        index, seed = waiting.pop(0)
        runners[slot].start(index, seed)
        actor.forget(slot)
        active[slot] = runners[slot]

    for slot in range(len(runners)):
        # With fewer seeds than slots, the rest plans for an episode that nobody reads.
        if waiting:
            start(slot)
        else:
            runners[slot].start(len(seeds), seeds[-1])
    while active:
        plans = actor.plan(state, list(runners), weight, survival_bonus)
        for slot, runner in list(active.items()):
            plan = slot_of(plans, slot)
            if runner.decisions == 0:
                promises[runner.index] = Promise.of(plan)
            if watch is not None:
                watch(runner, plan)
            if runner.step(plan.actions[0]):
                results[runner.index] = result_of(runner, promises[runner.index], horizon)
                del active[slot]
                if finished is not None:
                    finished(len(results))
                if waiting:
                    start(slot)
    return [results[index] for index in range(len(seeds))]
