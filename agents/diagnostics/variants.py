"""All regularisers on one frozen model: fitted afresh, each on the same replay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import jax

from agents.config import loading as configuration
from agents.config.options import OptionPath
from agents.config.regularizer_schema import RegularizerConfig
from agents.config.schema import Config
from agents.envs.dynamics import AnalyticDynamics
from agents.planning.agent import AgentState, PlanningAgent
from agents.training import run as run_state
from agents.training.checkpoint import at_or_after
from agents.training.run import CHECKPOINTS, RunState
from mbrl.replay import Replay

NAMES: tuple[str, ...] = get_args(RegularizerConfig.model_fields["name"].annotation)
"""Of all regularisers, `none` first."""

_THOROUGH = {"min_epochs": 20, "max_epochs": 60, "patience": 10}
"""A run fits again after every episode and goes on where it was; here one fit has to do. The loss
of two or three held-out episodes, all there are after 3,000 steps, must not end it at once."""


@dataclass(frozen=True)
class Rival:
    """An agent with one regulariser.

    Attributes:
      name: of the regulariser.
      agent: plans and judges with it.
      state: the frozen model, and the regulariser fitted to the replay that the model came from.
      errors: of the regulariser on held-out episodes, by name.
    """

    name: str
    agent: PlanningAgent
    state: AgentState
    errors: dict[str, float]


def load(run_dir: Path) -> RunState:
    """The run as it was when it ended.

    Raises:
      UserError: no run or no usable checkpoint.
    """
    run = RunState(configuration.load_run(run_dir))
    run.load_learned(run_dir)
    return run


def at_age(run: RunState, run_dir: Path, env_steps: int) -> tuple[AgentState, Replay]:
    """What the run had learned after `env_steps` steps, and the episodes that it had learned from.

    Raises:
      UserError: it kept no checkpoint from then on.
    """
    step = at_or_after(run_dir / CHECKPOINTS, env_steps)
    latest = run.learned, run.actor.plan_states, run.progress
    arrays = run.load_learned(run_dir, step)
    learned = run.learned
    run.learned, run.actor.plan_states, run.progress = latest
    config = run.config
    replay = Replay(
        members=config.model.members,
        repeat=config.env.action_repeat,
        holdout=config.fit.holdout,
        seed=config.seed,
        bootstrap=config.fit.bootstrap,
    )
    replay.load_arrays(arrays["replay"])
    return learned, replay


class Rivals:
    """The agents of one run with every regulariser, compiled once.

    Args:
      run: whose model, planner and environment they share.
      slots: environments that each plans for at once.
      changes: to the configuration, by option.
      dynamics: the environment's equations, to plan in instead of the learned model.
    """

    def __init__(
        self,
        run: RunState,
        slots: int,
        changes: Mapping[OptionPath, object],
        dynamics: AnalyticDynamics | None = None,
    ):
        self._run = run
        self._dynamics = dynamics
        self._changes = {("num_envs",): slots, **changes}
        self._agents: dict[str, tuple[Config, PlanningAgent]] = {}

    def config(self, name: str) -> Config:
        """The run's configuration with the regulariser `name`."""
        base = self._run.config
        thorough = {("regularizer", knob): value for knob, value in _THOROUGH.items()}
        named = {("regularizer", "name"): name, **thorough, **self._changes}
        return configuration.override(base, named)

    def agent(self, name: str) -> PlanningAgent:
        """The agent with the regulariser `name`, which has learned nothing."""
        if name not in self._agents:
            config = self.config(name)
            runner = run_state.make_runner(config)
            self._agents[name] = (config, run_state.build_agent(config, runner, self._dynamics))
            runner.env.close()
        return self._agents[name][1]

    def fitted(self, name: str, learned: AgentState, replay: Replay) -> Rival:
        """The model of `learned` with a regulariser fitted from fresh weights."""
        agent = self.agent(name)
        init, key, metrics = jax.random.split(self._run.keys.fit, 3)
        fresh = replace(agent.init(init), model=learned.model, scales=learned.scales)
        state, errors = agent.fit_regularizer(fresh, key, metrics, replay, 0)
        return Rival(name, agent, state, errors)

    def all(self, learned: AgentState, replay: Replay) -> Iterator[Rival]:
        """Every regulariser in turn."""
        for name in NAMES:
            yield self.fitted(name, learned, replay)
