"""What of a run is on disk: a checkpoint, read as a value.

All randomness is named by the run's seed and by counters, so that there is no random state to save.
What cannot be saved is the inside of a simulator; an open episode is rebuilt by replaying its
actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from agents.config import CONFIG_FILE, Config, difference, load_run
from agents.envs import EnvironmentSpec
from agents.errors import UserError, shown
from agents.planning.agent import AgentState, PlanningAgent
from agents.training import checkpoint
from mbrl import KeyArray, PlanState
from mbrl.weights.dual import DualState

CHECKPOINTS = "checkpoints"
RECENT = 10
"""Planned episodes whose returns say how well an agent does by now."""


@dataclass(frozen=True)
class RunKeys:
    """Roots of all the randomness of a run, by what it is for."""

    init: KeyArray
    fit: KeyArray
    plan: KeyArray
    evaluate: KeyArray

    @classmethod
    def of(cls, seed: int) -> RunKeys:
        """Derives them from the run's seed."""
        init, fit, plan, evaluate = jax.random.split(jax.random.key(seed), 4)
        return cls(init=init, fit=fit, plan=plan, evaluate=evaluate)


@dataclass
class Progress:
    """Counters of a run; the integers name its randomness.

    Attributes:
      env_steps: simulator steps so far, of all environments.
      episodes: episodes started so far.
      fits: fits so far.
      unfitted_steps: steps of finished episodes since the last fit.
      wall_seconds: spent so far, over all sessions; the only one that depends on the clock.
      dual: of the adaptive weight; unused where the weight is a number.
      recent_returns: of the last planned episodes, oldest first, at most `RECENT` of them; of all
        episodes of a data set.
      familiar: the weight `familiar`, as of the last fit; 0 before it.
    """

    env_steps: int = 0
    episodes: int = 0
    fits: int = 0
    unfitted_steps: int = 0
    wall_seconds: float = 0.0
    dual: DualState = field(default_factory=lambda: DualState(0.0))
    recent_returns: list[float] = field(default_factory=list)
    familiar: float = 0.0

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Progress:
        """Out of `dataclasses.asdict` of one; older runs have no `dual`."""
        return cls(**{**saved, "dual": DualState(**saved.get("dual", {"multiplier": 0.0}))})

    def weight(self, config: Config) -> float:
        """Weight of the penalty at the moment."""
        match config.regularizer.weight:
            case "auto":
                return self.dual.weight
            case "familiar":
                return self.familiar
            case weight:
                return weight

    def survival_bonus(self, config: Config) -> float:
        """Survival bonus at the horizon, for plans of a frozen evaluation.

        A share of recent returns, and so in the units of the reward; 0 for an agent whose recent
        returns are negative.
        """
        mean = float(np.mean(self.recent_returns or [0.0]))
        return config.evaluation.survival_share * max(0.0, mean)


@dataclass(frozen=True)
class Saved:
    """A checkpoint.

    Attributes:
      learned: of the agent.
      plan_states: of the planner, `[B, ...]`.
      progress: counters.
      replay: `mbrl.replay.Replay.to_arrays`.
      open_episodes: for each environment the episode under way: `explores`, `promise` (what its
        plans predicted, None where actions are random) and `episode` (`EpisodeRunner.snapshot`).
      log_position: `agents.training.log.RunLog.position`.
      spec: what the environment observes and takes; older checkpoints have None.
    """

    learned: AgentState
    plan_states: PlanState
    progress: Progress
    replay: Mapping[str, Any]
    open_episodes: list[dict[str, Any]]
    log_position: Mapping[str, int]
    spec: EnvironmentSpec | None


def write(run_dir: Path, saved: Saved, config: Config) -> None:
    """Writes a checkpoint, named by the simulator steps so far."""
    checkpoint.save(
        run_dir / CHECKPOINTS,
        saved.progress.env_steps,
        {"learned": saved.learned, "plan_states": saved.plan_states},
        {
            "config": config.model_dump(mode="json"),
            "progress": asdict(saved.progress),
            "slots": saved.open_episodes,  # names of the format, as older checkpoints have them
            "replay": saved.replay,
            "log_position": saved.log_position,
            "spec": saved.spec and _as_json(saved.spec),
        },
        keep=config.keep_checkpoints,
        milestones=config.milestones,
    )


def load_config(run_dir: Path) -> Config:
    """Reads the configuration of a run, and compares it with the one in its newest checkpoint.

    The total of steps in the file may be larger. An option that both lack has its default, so that
    runs of before the option can be read. Older checkpoints hold no configuration to compare with.

    Raises:
      UserError: the file cannot be read, or is not the configuration that the run was trained with.
    """
    config = load_run(run_dir)
    stored = checkpoint.stored(run_dir / CHECKPOINTS, "config")
    if stored is None:
        return config
    trained = Config.model_validate(stored)
    grown = {("env_steps",)} if config.env_steps > trained.env_steps else ()
    changed = difference(config, trained, grown)
    if changed:
        raise UserError(
            f"{shown(str(run_dir / CONFIG_FILE))} is not what the run was trained with: it has"
            f" {changed}; restore the file, or train another run"
        )
    return config


def read_spec(run_dir: Path) -> EnvironmentSpec | None:
    """What the environment of a run observes and takes; None where no checkpoint says so.

    Raises:
      UserError: the newest checkpoint cannot be read.
    """
    return _spec_of(checkpoint.stored(run_dir / CHECKPOINTS, "spec"))


def read(run_dir: Path, agent: PlanningAgent, config: Config, step: int | None = None) -> Saved:
    """Reads a checkpoint.

    Args:
      run_dir: of the run.
      agent: gives the structure of what is learned.
      config: of the run.
      step: which checkpoint; the latest when None.

    Raises:
      UserError: no such checkpoint, or one that cannot be read or does not fit the configuration.
    """
    keys = RunKeys.of(config.seed)
    target = {
        "learned": jax.eval_shape(agent.init, keys.init),
        "plan_states": jax.eval_shape(lambda: agent.initial_plans(config.num_envs)),
    }
    _, tree, arrays = checkpoint.restore(run_dir / CHECKPOINTS, target, step)
    return Saved(
        learned=tree["learned"],
        plan_states=tree["plan_states"],
        progress=Progress.of(arrays["progress"]),
        replay=arrays["replay"],
        open_episodes=arrays["slots"],
        log_position=arrays["log_position"],
        spec=_spec_of(arrays.get("spec")),
    )


def _as_json(spec: EnvironmentSpec) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(spec).items()
    }


def _spec_of(stored: Mapping[str, Any] | None) -> EnvironmentSpec | None:
    """The inverse of `_as_json`."""
    if stored is None:
        return None
    lists = {name: tuple(value) for name, value in stored.items() if isinstance(value, list)}
    return EnvironmentSpec(**{**stored, **lists})
