"""An agent that learns no more: what evaluations and diagnostics work on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import jax

from agents.checkpoints import saved
from agents.checkpoints.saved import Progress, RunKeys
from agents.config import NO_ENVIRONMENT, Config
from agents.envs import EnvironmentSpec
from agents.planning import builders
from agents.planning.agent import PlanningAgent
from agents.planning.familiar import GRID, HeldOutPlans, plan_held_out, typical_return
from agents.planning.learned import AgentState
from mbrl import Replay


class Acting(Protocol):
    """What acts in an evaluation or a film: `FrozenAgent`, or what stands in for one."""

    @property
    def config(self) -> Config:
        """Of the run."""
        ...

    @property
    def agent(self) -> PlanningAgent:
        """The compiled functions."""
        ...

    @property
    def learned(self) -> AgentState:
        """What they use."""
        ...

    @property
    def keys(self) -> RunKeys:
        """Roots of the run's randomness."""
        ...

    @property
    def weight(self) -> float:
        """Of the penalty."""
        ...

    @property
    def survival_bonus(self) -> float:
        """Of every plan; see `mbrl.objective`."""
        ...


@dataclass(frozen=True)
class FrozenAgent:
    """A run's agent at one moment. Nothing that is done with it changes it.

    Attributes:
      config: of the run.
      agent: the compiled functions.
      learned: what they use.
      progress: counters of the run at that moment.
      replay: the episodes that were learned from.
      spec: of its environment.
    """

    config: Config
    agent: PlanningAgent
    learned: AgentState
    progress: Progress
    replay: Replay
    spec: EnvironmentSpec

    @property
    def keys(self) -> RunKeys:
        """Roots of the run's randomness."""
        return RunKeys.of(self.config.seed)

    @property
    def weight(self) -> float:
        """Weight of the penalty."""
        return self.progress.weight(self.config)

    @property
    def survival_bonus(self) -> float:
        """Survival bonus of evaluated plans."""
        return self.progress.survival_bonus(self.config)

    def plan_held_out(self) -> HeldOutPlans:
        """Plans from states of held-out episodes, for every weight of a grid and its own."""
        config, planner = self.config, self.config.planner
        weights = {0.0}
        if config.regularizer.name != "none":
            unit = typical_return(self.replay, planner.horizon, planner.discount)
            weights |= {unit * each for each in GRID}
            # A weight that is to be chosen does not depend on what it was before.
            if config.regularizer.weight != "familiar":
                weights.add(self.weight)
        return plan_held_out(
            self.agent,
            self.learned,
            # Fits count from 1, so that 0 is free.
            jax.random.fold_in(jax.random.fold_in(self.keys.fit, 0), self.progress.fits),
            self.replay,
            sorted(weights),
            horizon=planner.horizon,
            survival_bonus=self.survival_bonus,
        )


def load_frozen(
    run_dir: Path, *, env_steps: int | None = None, agent: PlanningAgent | None = None
) -> FrozenAgent:
    """Reads a run's agent from a checkpoint.

    Args:
      run_dir: of the run, finished or not.
      env_steps: the first checkpoint at or after so many simulator steps; the latest when None.
      agent: of this run, where it has been built before; its compiled functions are used again.

    Raises:
      UserError: no run, no such checkpoint, or an environment that cannot be used.
    """
    config, stored = saved.open_run(run_dir, env_steps, or_later=True)
    spec = saved.read_spec(stored) if config.env.id == NO_ENVIRONMENT else None
    agent = agent or builders.build_agent(config, spec)
    found = saved.read(stored, agent, config)
    replay = make_replay(config)
    replay.load_arrays(found.replay)
    return FrozenAgent(config, agent, found.learned, found.progress, replay, found.spec)


def make_replay(config: Config) -> Replay:
    """An empty replay, as a run of this configuration has it."""
    return Replay(
        members=config.model.members,
        repeat=config.env.action_repeat,
        holdout=config.fit.holdout,
        holdout_from=config.fit.holdout_from,
        seed=config.seed,
        bootstrap=config.fit.bootstrap,
    )
