"""Where the error of a promise comes from, in an environment whose equations are known.

At every state three plans are made without a penalty: **learned**, by the planner in the learned
model; **exact**, by the same planner in the equations; **best**, in the equations with a search
`SEARCH` times as long. ``J`` is a plan's expected return by the equations. Then

    promise - realised   =  (promise - J(learned))        the model's error
                          + (J(learned) - realised)       the world's noise: 0 on average
    J(best) - J(learned) =  (J(exact) - J(learned))       what the model's errors cost
                          + (J(best) - J(exact))          what the search left lying

Each term is a mean over states, with an interval over episodes and states.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from agents.analysis.bootstrap import intervals, resamples
from agents.analysis.tables import Row
from agents.diagnostics.open_loop import Situation, carry_out, rebuild
from agents.diagnostics.planned_realised import promised
from agents.diagnostics.variants import Rivals
from agents.envs.dynamics import AnalyticDynamics
from agents.envs.episodes import EpisodeRunner
from agents.planning.actor import Actor
from agents.planning.agent import AgentState
from agents.training.run import RunState, make_runner

SEARCH = 8
_WITHOUT = {("regularizer", "name"): "none"}


def take_apart(
    run: RunState,
    learned: AgentState,
    situations: Sequence[Situation],
    dynamics: AnalyticDynamics,
    *,
    count: int,
) -> list[Row]:
    """The terms above, each a row: `term`, `mean`, `low`, `high`, `rmse`, and `states`.

    Args:
      run: whose planner is used.
      learned: the model.
      situations: where plans are made; those whose horizon a time limit cuts short are left out by
        the caller, since equations know no time limit.
      dynamics: the equations.
      count: resamples of the intervals.

    Raises:
      UserError: the environment does not repeat itself.
    """
    rounds = SEARCH * run.config.planner.iterations
    longer = {("planner", "iterations"): rounds} | _WITHOUT
    makers = {
        "learned": Rivals(run, 1, _WITHOUT),
        "exact": Rivals(run, 1, _WITHOUT, dynamics),
        "best": Rivals(run, 1, longer, dynamics),
    }
    agents = {name: maker.agent("none") for name, maker in makers.items()}
    runner = make_runner(run.config)
    worth: dict[str, list[float]] = {name: [] for name in (*makers, "promise", "realised")}
    for index, situation in enumerate(situations):
        rebuild(runner, situation, index)
        for name, agent in agents.items():
            plan = _plan(Actor(agent, run.keys.evaluate, 1), learned, runner)
            observation, actions = jnp.asarray(runner.observation)[None], jnp.asarray(plan)[None]
            key = jax.random.key(0)
            true = agents["exact"].imagine(learned, key, observation, actions)
            worth[name].append(float(promised(true)[0, -1]))
            if name == "learned":
                paths = agent.imagine(learned, key, observation, actions)
                worth["promise"].append(float(promised(paths)[0, -1]))
                chosen = plan
        (outcome,) = carry_out(runner, situation, [chosen])
        worth["realised"].append(outcome.return_)
    runner.env.close()
    found = {name: np.asarray(values) for name, values in worth.items()}
    terms = {
        "promise - realised": found["promise"] - found["realised"],
        "model's error": found["promise"] - found["learned"],
        "world's noise": found["learned"] - found["realised"],
        "cost of the model's errors": found["exact"] - found["learned"],
        "left by the search": found["best"] - found["exact"],
    }
    samples = resamples([(situation.seed,) for situation in situations], count)
    return [
        {
            "term": name, "mean": float(values.mean()),
            **dict(zip(("low", "high"), _interval(values, samples), strict=True)),
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


def _plan(actor: Actor, learned: AgentState, runner: EpisodeRunner) -> np.ndarray:
    return np.asarray(actor.plan(learned, [runner], 0.0).actions[0])


def _interval(values: np.ndarray, samples: Sequence[np.ndarray]) -> tuple[float, float]:
    return intervals(lambda drawn: {"mean": float(drawn.mean())}, [values], samples)["mean"]
