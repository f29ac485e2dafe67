"""Every regulariser over its whole range of weights, on frozen models: promises and returns.

**Open loop**: at states of fresh episodes a plan is made and carried out to its end without looking
again; its promise (`planned_return`, risk-neutral, without the penalty) against what it brought.
**Episodes**: the agent replans at every decision. All weights of a regulariser share one compiled
program. Every run brings a model, states and episodes of its own, so that intervals over runs speak
of other models, too.
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


def compare(run_dirs: Sequence[Path], options: WeightOptions, out: Path) -> Iterator[str]:
    """Studies all regularisers; writes `regularizers.csv`, its figure and `boney-alphas.csv`.

    Args:
      run_dirs: of finished runs, one a training seed.
      options: weights, and numbers of states and episodes.
      out: directory of the files, made where missing.

    Yields:
      A line a run, regulariser and weight; the means over runs; Boney's weights in our unit, from
      the first run.

    Raises:
      UserError: no usable run, an environment that does not repeat itself, or `out` that cannot be
        used.
    """
    runs = [(run_dir, rivals.load(run_dir)) for run_dir in run_dirs]
    with writing(out):
        pass  # what cannot be written to is said before the work begins
    rows: list[Row] = []
    alphas: list[Row] = []
    for number, (run_dir, run) in enumerate(runs):
        about = {"run": run_dir.resolve().name, "commit": commit()}
        learned, replay = rivals.at_age(run, run_dir, run.progress.env_steps)
        found: list[Row] = []
        for row in study(run, learned, replay, options, seed=number):
            found.append(row)
            yield f"{about['run']}  {_line([row])}"
        rows += [row | about for row in with_changes(found)]
        alphas = alphas or [row | about for row in boney_alphas(run, learned, replay)]
        with writing(out):  # at once: the whole takes long
            write_csv(out / "regularizers.csv", rows)
            plot_weights(rows, out / "regularizers.png")
            write_csv(out / "boney-alphas.csv", alphas)
    for name, weight in dict.fromkeys((row["regularizer"], row["weight"]) for row in rows):
        yield _line([r for r in rows if (r["regularizer"], r["weight"]) == (name, weight)])
    for row in alphas:
        yield (
            f"Boney et al., {row['task']:<12} {row['optimizer']:<4} sigma {row['sigma']}: alpha"
            f" {row['alpha']:<5} = weight {row['weight']:.3g} here"
        )
    yield f"written to {out}: regularizers.csv, regularizers.png, boney-alphas.csv"


def study(
    run: RunState, learned: AgentState, replay: Replay, options: WeightOptions, *, seed: int
) -> Iterator[Row]:
    """A row a regulariser and weight, on one frozen model; `seed` is that of the planner."""
    horizon = run.config.planner.horizon
    states = situations(run, options.episodes, options.states, horizon)
    # A plan at a state by itself remembers nothing, so that its search gets twice the rounds.
    alone = Rivals(run, 1, {("planner", "iterations"): 2 * run.config.planner.iterations})
    acting = Rivals(run, 1, {})
    runner = make_runner(run.config)
    for name in NAMES:
        planner = alone.fitted(name, learned, replay)
        for weight in (0.0,) if name == "none" else options.weights:
            row: Row = {"regularizer": name, "weight": weight, "seed": seed}
            row |= _open_loop(planner, runner, states, weight, seed)
            if options.acted:
                results = evaluate(
                    Actor(acting.agent(name), run.keys.evaluate, 1),
                    planner.state,
                    [runner],
                    range(_ACTED_SEED, _ACTED_SEED + options.acted),
                    horizon=horizon,
                    weight=weight,
                )
                row["episode_return"] = float(np.mean([result.return_ for result in results]))
            yield row
    runner.env.close()


def with_changes(rows: Sequence[Row]) -> list[Row]:
    """The rows of one run, with what changed against the one without a penalty.

    Runs differ from each other by far more than weights do, so that only differences within a run
    have intervals that say something.
    """
    (without,) = (row for row in rows if row["regularizer"] == "none")
    return [
        row | {f"change_in_{key}": row[key] - without[key] for key in _COMPARED if key in row}
        for row in rows
    ]


_COMPARED = ("planned", "realised", "bias", "episode_return")
_ACTED_SEED = 30_000
"""Of the first episode acted in: neither a reference episode nor one that a run is evaluated on."""


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
        "correlation": _correlation(planned, realised),
        "ended": float(np.mean(ended)),
    }


def _correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Pearson's; NaN of less than three pairs, or where one side never varies."""
    if len(left) < 3 or not (np.std(left) and np.std(right)):
        return np.nan
    return float(np.corrcoef(left, right)[0, 1])


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
    changes = [f"change_in_{key}" for key in _COMPARED[1:]] if len(rows) > 1 else []
    for key in (*_COMPARED, *changes):
        if key in rows[0]:
            values = [row[key] for row in rows]
            text = f"{key.replace('_', ' ')} {np.mean(values):7.1f}"
            if len(values) > 1:
                text += " [{:.1f}, {:.1f}]".format(*mean_ci95(values))
            parts.append(text)
    return "  ".join(parts)
