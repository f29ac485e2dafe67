"""Open loop: plans executed to their end from states of fresh episodes, rebuilt exactly.

A state cannot be copied out of a simulator, but an environment that is deterministic given its seed
reaches it again when the episode is reset with the same seed and its actions are replayed.
"""

from dataclasses import dataclass

import numpy as np

from agents.envs import EpisodeRunner
from agents.errors import UserError
from agents.planning.actor import Actor
from agents.planning.builders import build_runner, evaluated_at_once
from agents.training.evaluation import EpisodeResult, evaluate
from agents.training.frozen import FrozenAgent

REFERENCE_SEED = 20_000
"""Of the first reference episode. A run is evaluated on episodes from 10,000 on, and the benchmark
of planned against realised returns acts in episodes from 30,000 on."""


@dataclass(frozen=True)
class ReferenceState:
    """A decision of a reference episode.

    Attributes:
      seed: of the episode.
      past: `[t, A]`, the actions that led here.
      ahead: `[<= H, A]`, those that followed in the episode.
      observation: `[O]`, at the decision.
    """

    seed: int
    past: np.ndarray
    ahead: np.ndarray
    observation: np.ndarray


@dataclass(frozen=True)
class Execution:
    """A plan that was executed in open loop.

    Attributes:
      observations: `[H + 1, O]`, at decisions; after an end, the last one again.
      rewards: `[H]`, of each decision; 0 after an end.
      ended: whether the episode terminated within the plan.
    """

    observations: np.ndarray
    rewards: np.ndarray
    ended: bool

    @property
    def return_(self) -> float:
        """Sum of the rewards up to the end."""
        return float(self.rewards.sum())


Decision = tuple[np.ndarray, np.ndarray]
"""Observation `[O]` and planned action `[A]`."""


def reference_episodes(
    frozen: FrozenAgent, episodes: int, weight: float
) -> tuple[list[list[Decision]], list[EpisodeResult]]:
    """Plays fresh episodes with a frozen agent, reset with seeds from `REFERENCE_SEED` on.

    Args:
      frozen: the agent.
      episodes: how many.
      weight: of the penalty.

    Returns:
      For each episode its decisions, and its result.
    """
    config, count = frozen.config, evaluated_at_once(frozen.config, episodes)
    paths: list[list[Decision]] = [[] for _ in range(episodes)]
    runners = [build_runner(config.env) for _ in range(count)]
    results = evaluate(
        Actor(frozen.agent, frozen.keys.evaluate, count),
        frozen.learned,
        runners,
        range(REFERENCE_SEED, REFERENCE_SEED + episodes),
        planner=config.planner,
        weight=weight,
        watch=lambda runner, plan: paths[runner.index].append(
            (runner.observation.copy(), np.array(plan.actions[0], np.float32))
        ),
    )
    for runner in runners:
        runner.close()
    return paths, results


def reference_states(
    frozen: FrozenAgent, episodes: int, each: int, weight: float = 0.0
) -> list[ReferenceState]:
    """Evenly spaced decisions of fresh episodes, played by the agent.

    Decisions fewer than H before a time limit are left out: the model knows none.

    Args:
      frozen: the agent, the same for all that is compared.
      episodes: how many.
      each: decisions of an episode, at most.
      weight: of its penalty.
    """
    horizon = frozen.config.planner.horizon
    states = []
    for path, result in zip(*reference_episodes(frozen, episodes, weight), strict=True):
        actions = np.stack([action for _, action in path])
        last = len(path) - (1 if result.ended == "terminated" else horizon)
        places = np.linspace(0, last, each if last >= 0 else 0).round().astype(int)
        states += [
            ReferenceState(
                seed=result.seed,
                past=actions[:place],
                ahead=actions[place : place + horizon],
                observation=path[place][0],
            )
            for place in np.unique(places)
        ]
    return states


def rebuild(runner: EpisodeRunner, state: ReferenceState, index: int = 0) -> None:
    """Rebuilds a state in an environment; `index` names the episode (`EpisodeRunner.start`).

    Raises:
      UserError: the rebuilt observation is not the recorded one, bit for bit.
    """
    runner.start(index, state.seed)
    for action in state.past:
        if runner.ended is None:
            runner.step(action)
    if runner.ended or runner.observation.tobytes() != state.observation.tobytes():
        raise UserError(
            f"environment {runner.spec.id!r} does not repeat itself: episode {state.seed} went"
            f" differently after {len(state.past)} decisions; plans cannot be executed from its"
            " states"
        )


def execute(runner: EpisodeRunner, plan: np.ndarray) -> Execution:
    """Executes a plan `[H, A]` from where the environment is, in open loop."""
    observations, returns = [runner.observation.copy()], [runner.return_]
    for action in plan:
        if runner.ended is None:
            runner.step(action)
        observations.append(runner.observation.copy())
        returns.append(runner.return_)
    return Execution(
        observations=np.stack(observations),
        rewards=np.diff(returns),
        ended=runner.ended == "terminated",
    )


def reseed(runner: EpisodeRunner, number: int) -> None:
    """Reseeds the environment's noise: continuation `number` of the present state, >= 1.

    Gymnasium's environments draw their randomness from `np_random`; one that draws it elsewhere
    continues as its seed has it, and all its continuations are the same.
    """
    runner.env.unwrapped.np_random = np.random.default_rng([runner.seed, runner.decisions, number])
