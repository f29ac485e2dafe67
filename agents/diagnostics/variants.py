"""Regulariser variants: every regulariser on one frozen model, fitted on the same replay."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from agents.config import Config, OptionPath, RegularizerName, override
from agents.envs.dynamics import AnalyticDynamics
from agents.planning import builders
from agents.planning.agent import PlanningAgent
from agents.planning.learned import AgentState
from agents.training.frozen import FrozenAgent

NAMES: tuple[str, ...] = get_args(RegularizerName)
"""Of all regularisers, `none` first."""

WITHOUT = {("regularizer", "name"): "none", ("regularizer", "weight"): 0.0}
"""Changes to a configuration that leave the penalty out."""

_THOROUGH = {"min_epochs": 20, "max_epochs": 60, "patience": 10, "passes": 0.0}
"""A run fits again after every episode and starts from its last weights; here one fit must do. The
loss of two or three held-out episodes, all there are after 3,000 steps, must not end it at once."""


@dataclass(frozen=True)
class Variant:
    """An agent with one regulariser.

    Attributes:
      name: of the regulariser.
      agent: plans and computes penalties with it.
      state: the frozen model, and the regulariser fitted to the replay of the model.
      errors: of the fitted regulariser on held-out episodes, by name; empty for the run's own.
    """

    name: str
    agent: PlanningAgent
    state: AgentState
    errors: dict[str, float]


class Variants:
    """The agents of one run with every regulariser, compiled once.

    Args:
      config: of the run whose model, planner and environment they share.
      count: environments that each plans for at once.
      changes: to the configuration, by option.
      dynamics: the environment's equations, to plan in instead of the learned model.
    """

    def __init__(
        self,
        config: Config,
        count: int,
        changes: Mapping[OptionPath, object],
        dynamics: AnalyticDynamics | None = None,
    ):
        self._config = config
        self._dynamics = dynamics
        self._changes = {("num_envs",): count, **changes}
        self._agents: dict[str, PlanningAgent] = {}
        unchanged = not changes and dynamics is None
        self._as_evaluated = unchanged and builders.evaluated_at_once(config, count) == count

    def config(self, name: str) -> Config:
        """The run's configuration with the regulariser `name`."""
        thorough = {("regularizer", option): value for option, value in _THOROUGH.items()}
        named = WITHOUT if name == "none" else {("regularizer", "name"): name}
        return override(self._config, {**named, **thorough, **self._changes})

    def agent(self, name: str) -> PlanningAgent:
        """The agent with the regulariser `name`, which has learned nothing."""
        if name not in self._agents:
            config = self.config(name)
            self._agents[name] = builders.build_agent(config, dynamics=self._dynamics)
        return self._agents[name]

    def fitted(self, name: str, frozen: FrozenAgent) -> Variant:
        """The model of `frozen` with a regulariser fitted from fresh weights to its replay."""
        agent = self.agent(name)
        state, errors = agent.learner.fit_fresh_regularizer(
            frozen.learned, frozen.keys.fit, frozen.replay, 0
        )
        return Variant(name, agent, state, errors)

    def of_run(self, name: str, frozen: FrozenAgent) -> Variant:
        """The run's own regulariser as the run left it; another one fitted to the run's replay."""
        if name != frozen.config.regularizer.name:
            return self.fitted(name, frozen)
        # An evaluation of so many episodes at once has compiled what is needed.
        agent = frozen.agent if self._as_evaluated else self.agent(name)
        return Variant(name, agent, frozen.learned, {})

    def all(self, frozen: FrozenAgent) -> Iterator[Variant]:
        """Every regulariser in turn, fitted."""
        for name in NAMES:
            yield self.fitted(name, frozen)
