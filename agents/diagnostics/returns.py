"""The benchmark of planned against realised returns: which weight makes plans honest, at what cost?

For every run, regulariser and weight the three comparisons of `planned_realised`, at states of
fresh episodes of one frozen reference agent; written as tables with intervals, as figures, and as
one document that a run's report is made from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from agents.analysis.provenance import commit, versions
from agents.analysis.tables import Row, write_csv, writing
from agents.config.benchmarks import ReturnsOptions
from agents.diagnostics import boney_weights as boney
from agents.diagnostics import error_decomposition as exact
from agents.diagnostics import negative_windows as counterfeits
from agents.diagnostics import variants as rivals
from agents.diagnostics.open_loop import Situation, situations
from agents.diagnostics.path_penalties import path_cost, window_cost
from agents.diagnostics.planned_realised import Bench, Pair, of_run
from agents.diagnostics.return_figures import plot_returns
from agents.diagnostics.return_tables import Tables, verdicts
from agents.diagnostics.variants import Rival, Rivals
from agents.envs.dynamics import AnalyticDynamics, find_dynamics
from agents.errors import UserError
from agents.planning.agent import HOLDOUT_WINDOWS, AgentState
from agents.training.checkpoint import at_or_after
from agents.training.log import RETURNS_FILE
from agents.training.run import CHECKPOINTS, RunState, make_runner
from mbrl.replay import Replay
from mbrl.types import Trajectory

EPISODE_SEED = 30_000
"""Of the first episode acted in: neither a reference episode nor one that a run is evaluated on."""


def benchmark(
    run_dirs: Sequence[Path], options: ReturnsOptions, out: Path, *, alphas: bool = False
) -> Iterator[str]:
    """Measures all regularisers at all weights; writes `returns*.csv`, `returns.json`, figures.

    Args:
      run_dirs: of runs, one a training seed.
      options: regularisers, weights, and numbers of states and episodes.
      out: directory of the files, made where missing.
      alphas: also writes `boney-alphas.csv`, from the first run.

    Yields:
      A line a run, regulariser and weight; then what they say together.

    Raises:
      UserError: no usable run, a checkpoint that is missing, an environment that does not repeat
        itself, or `out` that cannot be used.
    """
    runs = [(run_dir, rivals.load(run_dir)) for run_dir in run_dirs]
    if options.checkpoint:  # what is missing is said before the work begins
        for run_dir in run_dirs:
            at_or_after(run_dir / CHECKPOINTS, options.checkpoint)
    env = runs[0][1].config.env
    dynamics = find_dynamics(options.dynamics, env.id, env.kwargs)
    with writing(out):
        pass
    yield from compare(runs, options, out)
    if dynamics is not None:
        rows = [row for run_dir, run in runs for row in _exact(run, run_dir, options, dynamics)]
        with writing(out):
            write_csv(out / "returns-exact.csv", rows)
        yield from map(exact.line, rows)
    if alphas:
        rows = _alphas(*runs[0], options)
        with writing(out):
            write_csv(out / "boney-alphas.csv", rows)
        yield from map(boney.line, rows)
    yield f"written to {out}: {RETURNS_FILE}, returns*.csv and figures"


def compare(
    runs: Sequence[tuple[Path, RunState]], options: ReturnsOptions, out: Path
) -> Iterator[str]:
    """The benchmark of runs that are loaded already; see `benchmark`."""
    pairs: list[Pair] = []
    costs: list[Row] = []
    for run_dir, run in runs:
        name = run_dir.resolve().name
        for judged, charged in measure(run, run_dir, options):
            pairs += judged
            costs += [{"run": name} | row for row in charged]
            yield from _progress(name, judged)
        document = document_of(pairs, costs, runs, options)
        with writing(out):  # at once: the whole takes long
            write(document, out)
    yield from verdicts(document["summary"])


def measure(
    run: RunState, run_dir: Path, options: ReturnsOptions
) -> Iterator[tuple[list[Pair], list[Row]]]:
    """One run: for every regulariser its promises, and what it charges for real and other paths."""
    learned, replay = _at(run, run_dir, options)
    horizon, weights = run.config.planner.horizon, _with_zero(options.weights)
    states = _situations(run, options)
    rivalry = Rivals(run, len(weights), {})
    runners = [make_runner(run.config) for _ in weights]
    for name in options.regularizers or (_own(run),):
        rival = _rival(rivalry, name, run, learned, replay)
        bench = Bench(rival, run.keys.evaluate, runners, weights, run_dir.resolve().name)
        promises: list[Pair] = []
        planned: list[float] = []
        for found, paths in of_run(
            bench,
            states,
            continuations=options.continuations,
            closed=options.closed,
            episodes=range(EPISODE_SEED, EPISODE_SEED + options.acted),
            horizon=horizon,
        ):
            promises += found
            if paths is not None:
                at_zero: Trajectory = jax.tree.map(lambda leaf: leaf[:1], paths)
                planned += path_cost(rival, at_zero, per_decision=True).tolist()
        yield promises, _charged(rival, replay, horizon, planned)
    for runner in runners:
        runner.env.close()


def document_of(
    promises: Sequence[Pair],
    costs: Sequence[Row],
    runs: Sequence[tuple[Path, RunState]],
    options: ReturnsOptions,
) -> dict[str, Any]:
    """All that was found, as it stands in `returns.json`."""
    tables, (_, first) = Tables(promises, options.resamples), runs[0]
    config = first.config
    return {
        "about": {
            "env": config.env.id,
            "runs": [run_dir.resolve().name for run_dir, _ in runs],
            "env_steps": options.checkpoint or first.progress.env_steps,
            "horizon": config.planner.horizon,
            "regularizer": config.regularizer.name,
            "weight": first.weight,
            **options.model_dump(include={"states", "episodes", "continuations", "closed"}),
            "commit": commit(),
            "versions": versions(),
        },
        "summary": list(tables.summary()),
        "by_step": list(tables.by_step()),
        "error_prediction": list(tables.foretells()),
        "costs": list(costs),
        "pairs": list(tables.pairs()),
    }


def write(document: dict[str, Any], out: Path) -> None:
    """Writes a document as JSON, its tables as CSV, and its figures."""
    about = {"env_steps": document["about"]["env_steps"], "commit": document["about"]["commit"]}
    for name, file in (
        ("summary", "returns.csv"),
        ("by_step", "returns-by-step.csv"),
        ("error_prediction", "returns-foretold.csv"),
        ("pairs", "returns-plans.csv"),
    ):
        write_csv(out / file, [row | about for row in document[name]])
    text = json.dumps(_without_nan(document), indent=1, allow_nan=False)
    (out / RETURNS_FILE).write_text(text + "\n", encoding="utf-8")
    plot_returns(document, out)


def _with_zero(weights: Sequence[float]) -> tuple[float, ...]:
    """Zero first: all that is compared is compared with it."""
    return (0.0, *sorted({weight for weight in weights if weight}))


def _own(run: RunState) -> str:
    """The run's own regulariser, or the default one's name where it has none."""
    own = run.config.regularizer.name
    return "rnn-dae" if own == "none" else own


def _at(run: RunState, run_dir: Path, options: ReturnsOptions) -> tuple[AgentState, Replay]:
    return rivals.at_age(run, run_dir, options.checkpoint or run.progress.env_steps)


def _situations(run: RunState, options: ReturnsOptions) -> list[Situation]:
    each = -(-options.states // options.episodes)
    horizon = run.config.planner.horizon
    found = situations(run, options.episodes, each, horizon)[: options.states]
    if not found:
        raise UserError(
            f"no decision of {options.episodes} episodes has {horizon} others before the time limit"
            " of the environment; a run with a smaller planner.horizon has"
        )
    return found


def _exact(
    run: RunState, run_dir: Path, options: ReturnsOptions, dynamics: AnalyticDynamics
) -> list[Row]:
    learned, _ = _at(run, run_dir, options)
    rows = exact.take_apart(
        run, learned, _situations(run, options), dynamics, count=options.resamples
    )
    about = {"run": run_dir.resolve().name, "commit": commit()}
    return [row | about for row in rows]


def _alphas(run_dir: Path, run: RunState, options: ReturnsOptions) -> list[Row]:
    about = {"run": run_dir.resolve().name, "commit": commit()}
    return [row | about for row in boney.alphas(run, *_at(run, run_dir, options))]


def _rival(rivalry: Rivals, name: str, run: RunState, learned: AgentState, replay: Replay) -> Rival:
    """The run's own regulariser as the run left it; another one fitted to the run's replay."""
    if name == run.config.regularizer.name:
        return Rival(name, rivalry.agent(name), learned, {})
    return rivalry.fitted(name, learned, replay)


def _charged(rival: Rival, replay: Replay, horizon: int, planned: Sequence[float]) -> list[Row]:
    """Mean penalties of a decision: in held-out real windows, in plans, in windows of noise."""
    real = replay.held_out_windows(HOLDOUT_WINDOWS, horizon)
    noise = counterfeits.noise_like(np.random.default_rng(0), replay.transitions(), real)
    costs = {
        "real": window_cost(rival, real).tolist(),
        "planned": list(planned),
        "noise": window_cost(rival, noise).tolist(),
    }
    return [
        {"regularizer": rival.name, "kind": kind, "values": values}
        for kind, values in costs.items()
    ]


def _progress(run: str, promises: Sequence[Pair]) -> Iterator[str]:
    """A line a weight, of the open loop."""
    rows = [promise for promise in promises if promise.comparison == "open loop"]
    for weight in dict.fromkeys(promise.weight for promise in rows):
        mine = [promise for promise in rows if promise.weight == weight]
        planned = np.mean([promise.planned[-1] for promise in mine])
        realised = np.mean([promise.realised[-1] for promise in mine])
        ended = np.mean([promise.ended for promise in mine])
        yield (
            f"{run}  {mine[0].regularizer:<13} weight {weight:<6g} planned {planned:7.1f}"
            f" realised {realised:7.1f}  ended {ended:4.0%}"
        )


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: a number that does not exist is null."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
