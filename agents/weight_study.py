"""Every regulariser over its whole range of weights, on one frozen model: promises and returns.

**Open loop**: at states of fresh episodes a plan is made and carried out to its end without looking
again; its promise (`planned_return`, risk-neutral, without the penalty) against what it brought.
**Episodes**: the agent replans at every decision. All weights of a regulariser share one compiled
program. Each planning seed has states and episodes of its own, so that the intervals over seeds
speak of other states and other randomness, though not of other models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from agents import config as configuration
from agents import rivals
from agents.acting import Actor
from agents.benchmark_options import WeightOptions
from agents.environments import EpisodeRunner
from agents.evaluation import evaluate
from agents.logging import commit
from agents.open_loop import Situation, carry_out, situations
from agents.planning_agent import AgentState
from agents.regularizer_plots import plot_weights
from agents.rivals import NAMES, Rival, Rivals
from agents.run_state import RunState, make_runner
from agents.statistics import mean_ci95
from agents.tables import Row, write_csv, writing
from mbrl.replay import Replay

ALPHAS = (
    ("Cartpole", "CEM", 0.1, 0.001), ("Cartpole", "Adam", 0.2, 0.001),
    ("Reacher", "CEM", 0.1, 0.01), ("Reacher", "Adam", 0.1, 0.01),
    ("Pusher", "CEM", 0.1, 0.01), ("Pusher", "Adam", 0.1, 0.01),
    ("Half-cheetah", "CEM", 0.1, 2.0), ("Half-cheetah", "Adam", 0.2, 1.0),
    ("Ant", "CEM", 0.3, 0.045), ("Ant", "Adam", 0.4, 0.03),
)  # fmt: skip
"""Task, optimiser, noise and alpha of Boney et al. (2019), appendix; windows of 1."""


def compare(run_dir: Path, options: WeightOptions, out: Path) -> Iterator[str]:
    """Studies all regularisers; writes `regularizers.csv`, its figure and `boney-alphas.csv`.

    Args:
      run_dir: of a finished run.
      options: weights, seeds, and numbers of states and episodes.
      out: directory of the files, made where missing.

    Yields:
      A line a regulariser and weight, and then Boney's weights in our unit.

    Raises:
      UserError: no usable run, an environment that does not repeat itself, or `out` that cannot be
        used.
    """
    run = rivals.load(run_dir)
    learned, replay = rivals.at_age(run, run_dir, run.progress.env_steps)
    about = {"run": run_dir.resolve().name, "commit": commit()}
    rows: list[Row] = []
    for found in study(run, learned, replay, options):
        rows += found
        yield _line(found)
        with writing(out):  # at once: the whole takes long
            write_csv(out / "regularizers.csv", [row | about for row in rows])
    alphas = boney_alphas(run, learned, replay)
    for row in alphas:
        yield (
            f"Boney et al., {row['task']:<12} {row['optimizer']:<4} sigma {row['sigma']}: alpha"
            f" {row['alpha']:<5} = weight {row['weight']:.3g} here"
        )
    with writing(out):
        write_csv(out / "boney-alphas.csv", [row | about for row in alphas])
        plot_weights(rows, out / "regularizers.png")
    yield f"written to {out}: regularizers.csv, regularizers.png, boney-alphas.csv"


def study(
    run: RunState, learned: AgentState, replay: Replay, options: WeightOptions
) -> Iterator[list[Row]]:
    """For each regulariser and weight a row a seed."""
    horizon = run.config.planner.horizon
    states = situations(run, options.episodes * options.seeds, options.states, horizon)
    by_seed = [list(part) for part in np.array_split(np.array(states, object), options.seeds)]
    # A plan at a state by itself remembers nothing, so that its search gets twice the rounds.
    alone = Rivals(run, 1, {("planner", "iterations"): 2 * run.config.planner.iterations})
    acting = Rivals(run, 1, {})
    runner = make_runner(run.config)
    for name in NAMES:
        planner = alone.fitted(name, learned, replay)
        for weight in (0.0,) if name == "none" else options.weights:
            rows = []
            for seed, mine in enumerate(by_seed):
                row: Row = {"regularizer": name, "weight": weight, "seed": seed}
                row |= _open_loop(planner, runner, mine, weight, seed)
                rows.append(row)
            if options.acted:
                actor = acting.agent(name)
                results = evaluate(
                    Actor(actor, run.keys.evaluate, 1),
                    planner.state,
                    [runner],
                    range(10_000, 10_000 + options.seeds * options.acted),
                    horizon=horizon,
                    weight=weight,
                )
                returns = np.reshape([r.return_ for r in results], (options.seeds, -1))
                for row, own in zip(rows, returns, strict=True):
                    row["episode_return"] = float(own.mean())
            yield rows
    runner.env.close()


def _open_loop(
    rival: Rival, runner: EpisodeRunner, states: Sequence[Situation], weight: float, seed: int
) -> dict[str, float]:
    """Means over the states of what was planned, and of what came of it."""
    planned, penalty, realised, ended = [], [], [], []
    for number, state in enumerate(states):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), number), 1)
        memory = rival.agent.initial_plans(1)
        plan, _ = rival.agent.act(
            rival.state, keys, memory, jnp.asarray(state.observation)[None], weight
        )
        (outcome,) = carry_out(runner, state, [np.asarray(plan.actions[0])])
        planned.append(float(plan.planned_return[0]))
        penalty.append(float(plan.penalty[0]))
        realised.append(outcome.return_)
        ended.append(outcome.ended)
    return {
        "planned": float(np.mean(planned)),
        "realised": float(np.mean(realised)),
        "bias": float(np.mean(planned) - np.mean(realised)),
        "penalty": float(np.mean(penalty)),
        "correlation": float(np.corrcoef(planned, realised)[0, 1]) if len(states) > 2 else np.nan,
        "ended": float(np.mean(ended)),
    }


def boney_alphas(run: RunState, learned: AgentState, replay: Replay) -> list[Row]:
    """What Boney's alphas would be as weights, on the data of this run.

    ``alpha |g(x) - x|^2`` and ``weight (|g(x) - x|^2 - median) / (q95 - median)`` rank plans alike
    when ``weight = alpha (q95 - median)``, measured with a denoiser of their kind (windows of 1)
    and their noise. It stays in the unit of return of their task: the table compares the alphas
    with each other, and says nothing of which would suit this environment.
    """
    scales: dict[float, float] = {}
    for sigma in dict.fromkeys(sigma for _, _, sigma, _ in ALPHAS):
        changes: dict[configuration.OptionPath, object] = {
            ("regularizer", "noise_std"): sigma,
            ("regularizer", "window_dae", "window"): 1,
        }
        fitted = Rivals(run, 1, changes).fitted("window-dae", learned, replay)
        scales[sigma] = float(fitted.state.calibration.scale)
    return [
        {
            "task": task, "optimizer": optimizer, "sigma": sigma, "alpha": alpha,
            "scale": scales[sigma], "weight": alpha * scales[sigma],
        }
        for task, optimizer, sigma, alpha in ALPHAS
    ]  # fmt: skip


def _line(rows: Sequence[Row]) -> str:
    parts = [f"{rows[0]['regularizer']:<13} weight {rows[0]['weight']:<7g}"]
    for key in ("planned", "realised", "bias", "episode_return"):
        if key in rows[0]:
            values = [row[key] for row in rows]
            low, high = mean_ci95(values)
            parts.append(f"{key.replace('_', ' ')} {np.mean(values):7.1f} [{low:.1f}, {high:.1f}]")
    return "  ".join(parts)
