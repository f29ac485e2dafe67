"""Error decomposition of planned returns, in an environment whose equations are known.

At every state three plans are made without a penalty: **learned**, by the planner in the learned
model; **exact**, by the same planner in the equations; **best**, in the equations with a search
`SEARCH` times as long. ``J`` is a plan's expected return by the equations. Then

    planned - realised   =  (planned - J(learned))        the model's error
                          + (J(learned) - realised)       the environment's noise: 0 on average
    J(best) - J(learned) =  (J(exact) - J(learned))       the cost of the model's errors
                          + (J(best) - J(exact))          the cost of a short search

Each term is a mean over states, with an interval over episodes and states.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from agents.analysis.bootstrap import intervals, resamples
from agents.analysis.tables import Row
from agents.diagnostics.open_loop import ReferenceState, execute, rebuild
from agents.diagnostics.return_pairs import planned_returns
from agents.diagnostics.variants import WITHOUT, Variants
from agents.envs import EpisodeRunner
from agents.envs.dynamics import AnalyticDynamics
from agents.planning.actor import Actor
from agents.planning.agent import PlanningAgent
from agents.planning.builders import build_runner
from agents.planning.learned import AgentState
from agents.training.frozen import FrozenAgent

SEARCH = 8
"""Iterations of the best plan's search, in multiples of the planner's."""


def decompose(
    frozen: FrozenAgent, states: Sequence[ReferenceState], dynamics: AnalyticDynamics, *, count: int
) -> list[Row]:
    """The terms above, each a row: `term`, `mean`, `low`, `high`, `rmse`, and `states`.

    Args:
      frozen: the model, and the planner.
      states: that plans are made for; H decisions or more before a time limit, which equations do
        not have.
      dynamics: the equations.
      count: resamples of the intervals.

    Raises:
      UserError: the environment does not repeat itself.
    """
    config, learned = frozen.config, frozen.learned
    longer = {("planner", "iterations"): SEARCH * config.planner.iterations} | WITHOUT
    agents = {
        "learned": Variants(config, 1, WITHOUT).agent("none"),
        "exact": Variants(config, 1, WITHOUT, dynamics).agent("none"),
        "best": Variants(config, 1, longer, dynamics).agent("none"),
    }
    runner = build_runner(config.env)
    returns: list[dict[str, float]] = []
    for index, state in enumerate(states):
        rebuild(runner, state, index)
        plans = {
            name: np.asarray(
                Actor(agent, frozen.keys.evaluate, 1).plan(learned, [runner], 0.0).actions
            )
            for name, agent in agents.items()
        }
        found = {
            name: _return(agents["exact"], learned, runner, plan) for name, plan in plans.items()
        }
        found["planned"] = _return(agents["learned"], learned, runner, plans["learned"])
        found["realised"] = execute(runner, plans["learned"][0]).return_
        returns.append(found)
    runner.close()
    differences = {
        "planned - realised": ("planned", "realised"),
        "model's error": ("planned", "learned"),
        "environment's noise": ("learned", "realised"),
        "cost of the model's errors": ("exact", "learned"),
        "cost of a short search": ("best", "exact"),
    }
    terms = {
        name: np.asarray([found[left] - found[right] for found in returns])
        for name, (left, right) in differences.items()
    }
    samples = resamples([(state.seed,) for state in states], count)
    bounds = {
        name: intervals(lambda drawn: {"mean": float(drawn.mean())}, [values], samples)["mean"]
        for name, values in terms.items()
    }
    return [
        {
            "term": name, "mean": float(values.mean()),
            "low": bounds[name][0], "high": bounds[name][1],
            "rmse": float(np.sqrt(np.square(values).mean())), "states": len(values),
        }
        for name, values in terms.items()
    ]  # fmt: skip


def line(row: Row) -> str:
    """A row in words."""
    return (
        f"{row['run']}  {row['term']:<26} {row['mean']:8.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        f"  rmse {row['rmse']:.2f}"
    )


def _return(
    agent: PlanningAgent, learned: AgentState, runner: EpisodeRunner, plan: np.ndarray
) -> float:
    """Expected return of a plan `[1, H, A]` from where the environment is, in an agent's model."""
    observation = jnp.asarray(runner.observation)[None]
    paths = agent.rollouts(learned, jax.random.key(0), observation, jnp.asarray(plan))
    return float(planned_returns(paths)[0, -1])
