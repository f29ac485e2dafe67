"""What of a run is on disk: a checkpoint, read as a value.

All randomness is named by the run's seed and by counters, so that there is no random state to save.
What cannot be saved is the inside of a simulator; an open episode is rebuilt by replaying its
actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from pydantic import ValidationError

from agents.checkpoints import checkpoint
from agents.checkpoints.checkpoint import Checkpoint
from agents.config import CONFIG_FILE, Config, difference, load_run
from agents.envs import EnvironmentSpec
from agents.errors import UserError, one_line, shown
from agents.planning.agent import PlanningAgent
from agents.planning.learned import AgentState
from mbrl import KeyArray, Plan, PlanState
from mbrl.weights.dual import DualState

_Kind = TypeVar("_Kind")

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
class PlanRecord:
    """What the plans of an episode predicted.

    Attributes:
      planned_return, penalty: of the first plan.
      each: planned returns of all plans, decision by decision.
    """

    planned_return: float
    penalty: float
    each: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, plan: Plan) -> PlanRecord:
        """Of the first plan of one environment."""
        planned = float(plan.planned_return)
        return cls(planned, float(plan.penalty), [planned])

    def and_then(self, plan: Plan) -> PlanRecord:
        """With the next plan."""
        return replace(self, each=[*self.each, float(plan.planned_return)])


@dataclass(frozen=True)
class Saved:
    """A checkpoint.

    Attributes:
      learned: of the agent.
      plan_states: of the planner, `[B, ...]`.
      progress: counters.
      replay: `mbrl.replay.Replay.to_arrays`.
      open_episodes: for each environment the episode under way: `explores`, `plans` (a
        `PlanRecord`, None where actions are random) and `episode` (`EpisodeRunner.snapshot`).
      log_position: `agents.logs.log.RunLog.position`.
      spec: what the environment observes and takes.
    """

    learned: AgentState
    plan_states: PlanState
    progress: Progress
    replay: Mapping[str, Any]
    open_episodes: list[dict[str, Any]]
    log_position: Mapping[str, int]
    spec: EnvironmentSpec


def write(run_dir: Path, saved: Saved, config: Config) -> None:
    """Writes a checkpoint, named by the simulator steps so far."""
    checkpoint.save(
        run_dir / CHECKPOINTS,
        saved.progress.env_steps,
        {"learned": saved.learned, "plan_states": saved.plan_states},
        {
            **described(config, saved.spec),
            "progress": asdict(saved.progress),
            "open_episodes": [
                {**each, "plans": each["plans"] and asdict(each["plans"])}
                for each in saved.open_episodes
            ],
            "replay": saved.replay,
            "log_position": saved.log_position,
        },
        keep=config.keep_checkpoints,
        milestones=config.milestones,
    )


def described(config: Config, spec: EnvironmentSpec) -> dict[str, Any]:
    """What a file says of its agent; `read_config` and `read_spec` read it."""
    return {
        "config": config.model_dump(mode="json"),
        "spec": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(spec).items()
        },
    }


def open_run(
    run_dir: Path, step: int | None = None, *, or_later: bool = False
) -> tuple[Config, Checkpoint]:
    """Reads the configuration of a run and a checkpoint, and compares it with the one in that.

    The checkpoint is chosen as by `checkpoint.find`. The total of steps in the file may be larger,
    and the wandb project another.
    An option that both lack has its default, so that runs of before the option can be read.

    Raises:
      UserError: one of the two cannot be read, or the configuration is not the one that the run was
        trained with.
    """
    config = load_run(run_dir)
    found = checkpoint.read(run_dir / CHECKPOINTS, step, or_later=or_later)
    trained = read_config(found)
    grown = {("env_steps",)} if config.env_steps > trained.env_steps else set()
    changed = difference(config, trained, {("wandb",), *grown})
    if changed:
        raise UserError(
            f"{shown(str(run_dir / CONFIG_FILE))} is not what the run was trained with: it has"
            f" {changed}; restore the file, or train another run"
        )
    return config, found


def read_config(found: Checkpoint) -> Config:
    """The configuration of an agent.

    Raises:
      UserError: another version of the program wrote it.
    """
    try:
        return Config.model_validate(found.arrays["config"])
    except ValidationError as error:
        option = ".".join(map(str, error.errors()[0]["loc"]))
        raise _of_another_version(found, f"its configuration: {option}") from None


def load_config(run_dir: Path) -> Config:
    """Reads the configuration of a run, and compares it with its newest checkpoint if there is one.

    Raises:
      UserError: as `open_run`.
    """
    if checkpoint.latest(run_dir / CHECKPOINTS) is None:
        return load_run(run_dir)
    return open_run(run_dir)[0]


def read_spec(found: Checkpoint) -> EnvironmentSpec:
    """What the environment of a run observes and takes.

    Raises:
      UserError: another version of the program wrote the checkpoint.
    """
    values = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in found.arrays["spec"].items()
    }
    return _rebuilt(found, EnvironmentSpec, values)


def read(found: Checkpoint, agent: PlanningAgent, config: Config) -> Saved:
    """Makes out what a checkpoint holds; `agent` gives the structure of what is learned.

    Raises:
      UserError: it does not fit the configuration, or another version of the program wrote it.
    """
    keys = RunKeys.of(config.seed)
    tree = found.state(
        {
            "learned": jax.eval_shape(agent.learner.init, keys.init),
            "plan_states": jax.eval_shape(lambda: agent.initial_plans(config.num_envs)),
        }
    )
    progress = found.arrays["progress"]
    dual = _rebuilt(found, DualState, progress["dual"])
    return Saved(
        learned=tree["learned"],
        plan_states=tree["plan_states"],
        progress=_rebuilt(found, Progress, {**progress, "dual": dual}),
        replay=found.arrays["replay"],
        open_episodes=[
            {**each, "plans": each["plans"] and _rebuilt(found, PlanRecord, each["plans"])}
            for each in found.arrays["open_episodes"]
        ],
        log_position=found.arrays["log_position"],
        spec=read_spec(found),
    )


def _rebuilt(found: Checkpoint, kind: type[_Kind], values: Mapping[str, Any]) -> _Kind:
    """A dataclass out of its `asdict`."""
    try:
        return kind(**values)
    except TypeError as error:  # a field is unknown, or missing
        raise _of_another_version(found, error) from None


def _of_another_version(found: Checkpoint, what: object) -> UserError:
    return UserError(
        f"{found.where} was written by another version of this program ({one_line(what)}); use"
        " that version"
    )
