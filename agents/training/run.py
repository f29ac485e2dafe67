"""All that a run is at one moment: built from its configuration, saved whole, and taken up again.

All randomness is named by the run's seed and by counters, so that there is no random state to lose.
What cannot be saved is the inside of a simulator; an open episode is rebuilt by replaying its
actions.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from agents.config.loading import Config
from agents.envs import rewards as known_rewards
from agents.envs.dynamics import KnownDynamics
from agents.envs.episodes import (
    EpisodeRunner,
    ReplayMismatch,
    describe,
    episode_seed,
    make_environment,
)
from agents.errors import UserError
from agents.planning.actor import Actor
from agents.planning.agent import AgentState, PlanningAgent
from agents.training import checkpoint
from agents.training.evaluation import Promise
from mbrl.dual import DualState, horizon_returns, observe, update
from mbrl.replay import Replay
from mbrl.types import KeyArray

CHECKPOINTS = "checkpoints"
RECENT = 10
"""Planned episodes whose returns say what an agent can do by now."""


@dataclass(frozen=True)
class RunKeys:
    """Roots of all the randomness of a run, by what it is for."""

    init: KeyArray
    fit: KeyArray
    plan: KeyArray
    evaluate: KeyArray

    @classmethod
    def of(cls, seed: int) -> "RunKeys":
        """Derives them from the run's seed."""
        init, fit, plan, evaluate = jax.random.split(jax.random.key(seed), 4)
        return cls(init=init, fit=fit, plan=plan, evaluate=evaluate)


@dataclass
class Slot:
    """One environment, and what is to be remembered of the episode under way in it."""

    runner: EpisodeRunner
    explores: bool = True  # every action of the episode is random
    promise: Promise | None = None  # of the episode's first plan


@dataclass
class Progress:
    """Counters of a run; the integers name its randomness.

    Attributes:
      env_steps: simulator steps so far, of all environments.
      episodes: episodes started so far.
      fits: fits so far.
      unfitted_steps: steps of finished episodes since the last fit.
      wall_seconds: spent so far, over all sessions; the only one that depends on the clock.
      dual: of the weight that follows the gap; nothing moves it where the weight is a number.
      recent_returns: of the last planned episodes, oldest first, at most `RECENT` of them.
    """

    env_steps: int = 0
    episodes: int = 0
    fits: int = 0
    unfitted_steps: int = 0
    wall_seconds: float = 0.0
    dual: DualState = field(default_factory=lambda: DualState(0.0))
    recent_returns: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, saved: dict[str, Any]) -> "Progress":
        """Out of `dataclasses.asdict` of one; runs did not always remember a `dual`."""
        return cls(**{**saved, "dual": DualState(**saved.get("dual", {"multiplier": 0.0}))})


class RunState:
    """A run: its agent, what that has learned, its open episodes, its replay and its counters.

    Args:
      config: the resolved configuration.

    Raises:
      UserError: the environment or its known reward cannot be used.
    """

    def __init__(self, config: Config):
        self.config = config
        self.keys = RunKeys.of(config.seed)
        # The environments come first: a bad one should be refused before anything is compiled.
        self.slots = [Slot(make_runner(config)) for _ in range(config.num_envs)]
        self.agent = build_agent(config, self.slots[0].runner)
        self.learned: AgentState = self.agent.init(self.keys.init)
        self.actor = Actor(self.agent, self.keys.plan, config.num_envs)
        self.progress = Progress(dual=DualState(config.regularizer.auto.first))
        self.replay = Replay(
            members=config.model.members,
            repeat=config.env.action_repeat,
            holdout=config.fit.holdout,
            seed=config.seed,
            bootstrap=config.fit.bootstrap,
        )

    @property
    def weight(self) -> float:
        """Of the penalty, at the moment."""
        weight = self.config.regularizer.weight
        return self.progress.dual.weight if weight == "auto" else weight

    @property
    def survival_bonus(self) -> float:
        """What plans of a frozen evaluation take going on behind their horizon for.

        A share of what episodes have lately brought, and so in the units of the reward: an agent
        whose episodes bring less than nothing has nothing to survive for.
        """
        recent = self.progress.recent_returns
        return self.config.evaluation.survival_share * max(0.0, float(np.mean(recent or [0.0])))

    def learn_from(self, slot: int) -> float | None:
        """Remembers what a planned episode brought, and moves the weight if it is to follow.

        Returns:
          The mean over decisions of planned less realised return over the horizon; None where
          actions were random, or no decision had its whole horizon.
        """
        opened, progress = self.slots[slot], self.progress
        planner, knobs = self.config.planner, self.config.regularizer.auto
        follows = self.config.regularizer.weight == "auto"
        episode = opened.runner.episode()
        if not opened.explores:
            returns = [*progress.recent_returns, opened.runner.return_]
            progress.recent_returns = returns[-RECENT:]
        rewards = np.add.reduceat(episode.rewards, np.cumsum(episode.repeats) - episode.repeats)
        realised = horizon_returns(
            rewards, planner.horizon, discount=planner.discount, terminated=episode.terminated
        )
        if follows:
            progress.dual = observe(progress.dual, realised)
        promised = opened.promise.each if opened.promise else []
        # An episode that was open in an older checkpoint does not remember its first promises.
        if not len(realised) or len(promised) != len(rewards):
            return None
        gap = float(np.mean(np.asarray(promised[: len(realised)]) - realised))
        if follows:
            progress.dual = update(
                progress.dual, gap,
                target=knobs.target, rate=knobs.rate, least=knobs.least, most=knobs.most,
            )  # fmt: skip
        return gap

    def start_episode(self, slot: int) -> None:
        """Begins the run's next episode in a slot."""
        opened, progress = self.slots[slot], self.progress
        index = progress.episodes
        progress.episodes += 1
        opened.runner.start(index, episode_seed(self.config.seed, index))
        opened.explores = progress.fits == 0 or progress.env_steps < self.config.random_steps
        opened.promise = None
        self.actor.forget(slot)

    def save(self, run_dir: Path, log_position: dict[str, int]) -> None:
        """Writes a checkpoint, named by the simulator steps so far."""
        slots = [
            {
                "explores": slot.explores,
                "promise": slot.promise and asdict(slot.promise),
                "episode": slot.runner.snapshot(),
            }
            for slot in self.slots
        ]
        checkpoint.save(
            run_dir / CHECKPOINTS,
            self.progress.env_steps,
            self._saved_tree(),
            {
                "progress": asdict(self.progress),
                "slots": slots,
                "replay": self.replay.to_arrays(),
                "log_position": log_position,
            },
            keep=self.config.keep_checkpoints,
            milestones=self.config.milestones,
        )

    def load(self, run_dir: Path) -> tuple[dict[str, int], list[str]]:
        """Takes up the latest checkpoint, and rebuilds the episodes that were open.

        Returns:
          The log's position at the time, and a line for every episode that could not be rebuilt
          because its environment does not repeat itself; the next episode was begun in its place.

        Raises:
          UserError: no usable checkpoint, or an environment that repeats itself, but not the way it
            went when the checkpoint was made.
        """
        arrays = self.load_learned(run_dir)
        self.replay.load_arrays(arrays["replay"])
        dropped = []
        for index, (slot, saved) in enumerate(zip(self.slots, arrays["slots"], strict=True)):
            slot.explores = saved["explores"]
            slot.promise = Promise(**saved["promise"]) if saved["promise"] else None
            try:
                slot.runner.restore(saved["episode"])
            except ReplayMismatch as mismatch:
                if repeats_itself(slot.runner, saved["episode"]):
                    raise UserError(f"{run_dir} cannot be resumed: {mismatch}") from mismatch
                self.start_episode(index)
                dropped.append(f"{mismatch}; went on with the next episode")
        return arrays["log_position"], dropped

    def load_learned(self, run_dir: Path, step: int | None = None) -> dict[str, Any]:
        """Takes up what was learned and the counters, without the episodes: enough to evaluate.

        Args:
          run_dir: of the run.
          step: which checkpoint; the latest when None.

        Returns:
          The rest of the checkpoint.

        Raises:
          UserError: no usable checkpoint.
        """
        _, tree, arrays = checkpoint.restore(run_dir / CHECKPOINTS, self._saved_tree(), step)
        self.learned, self.actor.plan_states = tree["learned"], tree["plan_states"]
        self.progress = Progress.of(arrays["progress"])
        return arrays

    def _saved_tree(self) -> dict[str, Any]:
        return {"learned": self.learned, "plan_states": self.actor.plan_states}


def repeats_itself(runner: EpisodeRunner, snapshot: dict[str, Any]) -> bool:
    """Whether two replays of an episode agree with each other, if not with the record."""
    outcomes = []
    for _ in range(2):
        runner.start(int(snapshot["index"]), int(snapshot["seed"]))
        for action in snapshot["actions"]:
            if runner.step(action):
                break
        episode = runner.episode()
        outcomes.append((episode.observations.tobytes(), episode.rewards.tobytes()))
    return outcomes[0] == outcomes[1]


def make_runner(config: Config, hold: int | None = None) -> EpisodeRunner:
    """One more environment of the configuration.

    Args:
      config: of the run.
      hold: simulator steps that a decision is held; `env.action_repeat` when None.

    Raises:
      UserError: it cannot be used.
    """
    env = make_environment(config.env.id, config.env.kwargs)
    return EpisodeRunner(env, describe(env), config.env.action_repeat, hold)


def evaluation_hold(config: Config) -> int:
    """Simulator steps from plan to plan in a frozen evaluation."""
    return -(-config.env.action_repeat // config.evaluation.plans_per_decision)


def build_agent(
    config: Config, runner: EpisodeRunner, dynamics: KnownDynamics | None = None
) -> PlanningAgent:
    """The agent that a configuration describes; it plans in `dynamics` where they are given.

    Raises:
      UserError: the known reward that it asks for does not exist.
    """
    known = None
    if config.model.reward == "known":
        known = known_rewards.resolve(config.model.known_reward, config.env.id, config.env.kwargs)
    return PlanningAgent(config, runner.spec, known, dynamics)
