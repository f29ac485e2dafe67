"""States of fresh episodes, rebuilt exactly, and what plans bring when they are carried out there.

A state cannot be copied out of a simulator, but an environment that is deterministic given its seed
comes back to it when the episode is reset with the same seed and its actions are replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.envs.episodes import EpisodeRunner
from agents.errors import UserError
from agents.planning.actor import Actor
from agents.training.evaluation import evaluate
from agents.training.run import RunState, make_runner

REFERENCE_SEED = 20_000
"""Of the first reference episode; the episodes that a run is evaluated on begin at 10,000."""


@dataclass(frozen=True)
class Situation:
    """A decision of a reference episode.

    Attributes:
      seed: of the episode.
      past: `[t, A]`, the actions that led here.
      ahead: `[<= H, A]`, those that the episode went on with.
      observation: `[O]`, at the decision.
    """

    seed: int
    past: np.ndarray
    ahead: np.ndarray
    observation: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """What a plan brought when carried out without looking.

    Attributes:
      observations: `[H + 1, O]`, at decisions; behind an end, the last one again.
      rewards: `[H]`, of each decision; 0 behind an end.
      ended: whether the episode terminated within the plan.
    """

    observations: np.ndarray
    rewards: np.ndarray
    ended: bool

    @property
    def return_(self) -> float:
        """Sum of the rewards up to the end."""
        return float(self.rewards.sum())


def situations(run: RunState, episodes: int, each: int, horizon: int) -> list[Situation]:
    """Evenly spaced decisions of fresh episodes, played by the run's agent without a penalty.

    Decisions fewer than H before a time limit are left out: no plan foresees it.

    Args:
      run: with what is learned; the agent is the same for all that is compared.
      episodes: how many, reset with seeds from `REFERENCE_SEED` on.
      each: decisions of each at most.
      horizon: H, how many of the actions that followed are kept.
    """
    paths: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    runners = [make_runner(run.config) for _ in range(run.config.num_envs)]
    results = evaluate(
        Actor(run.agent, run.keys.evaluate, run.config.num_envs),
        run.learned,
        runners,
        range(REFERENCE_SEED, REFERENCE_SEED + episodes),
        horizon=horizon,
        weight=0.0,
        watch=lambda runner, plan: paths.setdefault(runner.index, []).append(
            (runner.observation.copy(), np.array(plan.actions[0], np.float32))
        ),
    )
    for runner in runners:
        runner.env.close()
    found = []
    for index, path in sorted(paths.items()):
        actions = np.stack([action for _, action in path])
        last = len(path) - (1 if results[index].ended == "terminated" else horizon)
        for place in np.unique(np.linspace(0, last, each if last >= 0 else 0).round().astype(int)):
            found.append(
                Situation(
                    seed=REFERENCE_SEED + index,
                    past=actions[:place],
                    ahead=actions[place : place + horizon],
                    observation=path[place][0],
                )
            )
    return found


def rebuild(runner: EpisodeRunner, situation: Situation, index: int = 0) -> None:
    """Brings an environment to a situation; `index` names the episode (`EpisodeRunner.start`).

    Raises:
      UserError: the rebuilt observation is not the recorded one, bit for bit.
    """
    runner.start(index, situation.seed)
    for action in situation.past:
        if runner.ended is None:
            runner.step(action)
    if runner.ended or runner.observation.tobytes() != situation.observation.tobytes():
        raise UserError(
            f"environment {runner.spec.id!r} does not repeat itself: episode {situation.seed} came"
            f" out differently after {len(situation.past)} decisions; plans cannot be carried out"
            " from its states"
        )


def go_on(runner: EpisodeRunner, plan: np.ndarray) -> Outcome:
    """Carries out a plan `[H, A]` from where the environment is, without looking."""
    observations, rewards = [runner.observation.copy()], []
    for action in plan:
        before = runner.return_
        if runner.ended is None:
            runner.step(action)
        observations.append(runner.observation.copy())
        rewards.append(runner.return_ - before)
    return Outcome(
        observations=np.stack(observations),
        rewards=np.asarray(rewards),
        ended=runner.ended == "terminated",
    )


def carry_out(
    runner: EpisodeRunner, situation: Situation, plans: Sequence[np.ndarray]
) -> list[Outcome]:
    """Rebuilds a situation and carries out each plan `[H, A]` from it.

    Raises:
      UserError: as `rebuild` does.
    """
    outcomes = []
    for plan in plans:
        rebuild(runner, situation)
        outcomes.append(go_on(runner, plan))
    return outcomes


def redraw(runner: EpisodeRunner, number: int) -> None:
    """Gives the world's noise another future, number `number`, from the present state on.

    Gymnasium's environments draw their randomness from `np_random`; one that draws it elsewhere
    goes on as its seed has it, and several continuations of it are one and the same.
    """
    runner.env.unwrapped.np_random = np.random.default_rng([runner.seed, runner.decisions, number])
