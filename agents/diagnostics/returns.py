"""The benchmark of planned against realised returns: which weight removes the bias, at what cost?

For every run, regulariser and weight the three comparisons of `return_pairs`, at states of
fresh episodes of one reference agent, the run's last; written as tables with intervals, as figures,
and as one document that a run's report is made from.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np

from agents.analysis.provenance import commit, versions
from agents.analysis.tables import Row, write_csv, writing
from agents.analysis.text import number
from agents.config.benchmarks import ReturnsOptions
from agents.diagnostics import boney_weights, error_decomposition
from agents.diagnostics.negative_windows import noise_windows
from agents.diagnostics.open_loop import ReferenceState, reference_states
from agents.diagnostics.path_penalties import path_penalty, window_penalty
from agents.diagnostics.return_figures import plot_returns
from agents.diagnostics.return_pairs import Measurement, Pair, all_pairs
from agents.diagnostics.return_tables import Tables
from agents.diagnostics.variants import Variant, Variants
from agents.diagnostics.verdicts import verdicts
from agents.envs.dynamics import find_dynamics
from agents.errors import UserError
from agents.logs.log import RETURNS_FILE, json_values
from agents.planning.builders import build_runner
from agents.planning.learner import HOLDOUT_WINDOWS
from agents.training.frozen import FrozenAgent, load_frozen
from mbrl import Trajectory

_ABOUT = {"states", "states_weight", "episodes", "continuations", "closed"}

ACTING_SEED = 30_000
"""Of the first episode acted in; see `agents.diagnostics.open_loop.REFERENCE_SEED`."""


@dataclass(frozen=True)
class MeasuredRun:
    """What is measured of a run.

    Attributes:
      name: of its directory.
      frozen: its agent at `ReturnsOptions.checkpoint`; its last one where that is 0.
      states: for the open and the closed loop. They are the last agent's, so that a run is measured
        at the same states at every age.
    """

    name: str
    frozen: FrozenAgent
    states: list[ReferenceState]

    @classmethod
    def of(
        cls, run_dir: Path, frozen: FrozenAgent, last: FrozenAgent, options: ReturnsOptions
    ) -> Self:
        """Plays the episodes of the last agent that the states come from.

        Raises:
          UserError: every state is too near the time limit.
        """
        each = -(-options.states // options.episodes)
        states = reference_states(last, options.episodes, each, options.states_weight)
        states = states[: options.states]
        if not states:
            raise UserError(
                f"no decision of {options.episodes} episodes has {last.config.planner.horizon}"
                " others before the time limit of the environment; a run with a smaller"
                " planner.horizon has"
            )
        return cls(run_dir.resolve().name, frozen, states)

    @property
    def origin(self) -> Row:
        """Columns that say where a row comes from."""
        return {"run": self.name, "commit": commit()}


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
      A line a run, regulariser and weight; then the verdict over all of them.

    Raises:
      UserError: no usable run, a checkpoint that is missing, an environment that does not repeat
        itself, or `out` that cannot be used.
    """
    frozen = last = [load_frozen(run_dir) for run_dir in run_dirs]
    if options.checkpoint:  # a missing one is refused before the work begins
        frozen = [
            load_frozen(run_dir, env_steps=options.checkpoint, agent=each.agent)
            for run_dir, each in zip(run_dirs, last, strict=True)
        ]
    env = last[0].config.env
    equations = find_dynamics(options.dynamics, env.id, env.kwargs)
    with writing(out):
        pass
    runs = [MeasuredRun.of(*each, options) for each in zip(run_dirs, frozen, last, strict=True)]
    yield from measure_returns(runs, options, out)
    if equations is not None:
        rows = [
            row | run.origin
            for run in runs
            for row in error_decomposition.decompose(
                run.frozen, run.states, equations, count=options.resamples
            )
        ]
        with writing(out):
            write_csv(out / "returns-exact.csv", rows)
        yield from map(error_decomposition.line, rows)
    if alphas:
        rows = [row | runs[0].origin for row in boney_weights.alphas(runs[0].frozen)]
        with writing(out):
            write_csv(out / "boney-alphas.csv", rows)
        yield from map(boney_weights.line, rows)
    yield f"written to {out}: {RETURNS_FILE}, returns*.csv and figures"


def measure_returns(
    runs: Sequence[MeasuredRun], options: ReturnsOptions, out: Path
) -> Iterator[str]:
    """Measures runs, one a training seed; writes and yields as `benchmark` does."""
    pairs: list[Pair] = []
    penalties: list[Row] = []
    for run in runs:
        for found, rows in measure_run(run, options):
            pairs += found
            penalties += rows
            yield from _progress(run.name, found)
        document = document_of(pairs, penalties, runs, options)
        with writing(out):  # at once: the whole takes long
            write(document, out)
    for name, said in verdicts(document).items():
        yield f"{name}: {said}"


def measure_run(
    run: MeasuredRun, options: ReturnsOptions
) -> Iterator[tuple[list[Pair], list[Row]]]:
    """Measures one run.

    Args:
      run: its agent and states.
      options: regularisers, weights, and numbers of continuations and episodes. The weights are
        sorted, with zero first, against which changes are reported.

    Yields:
      For each regulariser its pairs, and its penalties of real windows, plans and noise.

    Raises:
      UserError: the environment does not repeat itself.
    """
    frozen, config = run.frozen, run.frozen.config
    own = config.regularizer.name
    weights = (0.0, *sorted({weight for weight in options.weights if weight}))
    variants = Variants(config, len(weights), options.search())
    runners = [build_runner(config.env) for _ in weights]
    for regularizer in options.regularizers or ("rnn-dae" if own == "none" else own,):
        variant = variants.of_run(regularizer, frozen)
        pairs: list[Pair] = []
        planned: list[float] = []
        for found, paths in all_pairs(
            Measurement(variant, frozen.keys.evaluate, runners, weights, run.name),
            run.states,
            continuations=options.continuations,
            closed=options.closed,
            episodes=range(ACTING_SEED, ACTING_SEED + options.acted),
            horizon=config.planner.horizon,
        ):
            pairs += found
            if paths is not None:
                at_zero: Trajectory = jax.tree.map(lambda leaf: leaf[:1], paths)
                planned += path_penalty(variant, at_zero, per_decision=True).tolist()
        yield pairs, _penalties(run, variant, planned)
    for runner in runners:
        runner.close()


def document_of(
    pairs: Sequence[Pair],
    penalties: Sequence[Row],
    runs: Sequence[MeasuredRun],
    options: ReturnsOptions,
) -> dict[str, Any]:
    """All that was found, as it stands in `returns.json`."""
    tables = Tables(pairs, options.resamples)
    first = runs[0].frozen
    return {
        "about": {
            "env": first.config.env.id,
            "runs": [run.name for run in runs],
            "env_steps": options.checkpoint or first.progress.env_steps,
            "horizon": first.config.planner.horizon,
            "planner": options.planner or first.config.planner.name,
            "regularizer": first.config.regularizer.name,
            "weight": first.weight,
            **options.model_dump(include=_ABOUT),
            "commit": commit(),
            "versions": versions(),
        },
        "summary": list(tables.summary()),
        "by_step": list(tables.by_step()),
        "error_prediction": list(tables.error_prediction()),
        "costs": list(penalties),
        "pairs": list(tables.plans()),
    }


def write(document: dict[str, Any], out: Path) -> None:
    """Writes a document as JSON, its tables as CSV, and its figures."""
    about = {"env_steps": document["about"]["env_steps"], "commit": document["about"]["commit"]}
    for name, file in (
        ("summary", "returns.csv"),
        ("by_step", "returns-by-step.csv"),
        ("error_prediction", "returns-error-prediction.csv"),
        ("pairs", "returns-plans.csv"),
    ):
        write_csv(out / file, [row | about for row in document[name]])
    text = json.dumps(json_values(document), indent=1, allow_nan=False)
    (out / RETURNS_FILE).write_text(text + "\n", encoding="utf-8")
    plot_returns(document, out)


def _penalties(run: MeasuredRun, variant: Variant, planned: Sequence[float]) -> list[Row]:
    """Mean penalties per decision, of held-out real windows, of plans and of windows of noise."""
    replay = run.frozen.replay
    real = replay.held_out_windows(HOLDOUT_WINDOWS, run.frozen.config.planner.horizon)
    noise = noise_windows(np.random.default_rng(0), replay.transitions(), real)
    return [
        {"run": run.name, "regularizer": variant.name, "kind": kind, "values": list(values)}
        for kind, values in (
            ("real", window_penalty(variant, real).tolist()),
            ("planned", planned),
            ("noise", window_penalty(variant, noise).tolist()),
        )
    ]


def _progress(run: str, pairs: Sequence[Pair]) -> Iterator[str]:
    """A line a weight, of the open loop."""
    opened = [pair for pair in pairs if pair.comparison == "open loop"]
    for weight in dict.fromkeys(pair.weight for pair in opened):
        mine = [pair for pair in opened if pair.weight == weight]
        planned, realised, ended = np.mean(
            [(pair.planned[-1], pair.realised[-1], pair.ended) for pair in mine], axis=0
        )
        yield (
            f"{run}  {mine[0].regularizer:<13} weight {weight:<6g} planned {number(planned):>7}"
            f" realised {number(realised):>7}  ended {ended:4.0%}"
        )
