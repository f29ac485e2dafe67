"""Does a penalty detect where the model is wrong? Tested beside yardsticks that know nothing of it.

For states of fresh episodes of one frozen agent, the same for every age and regulariser, plans of H
decisions are rolled out in the model and executed in the environment: the actions that the agent
really took there, and several plans made without a penalty. `rollouts` says what the error of a
rollout is, `scores` how well a penalty orders rollouts by it, between plans of one state (the
headline) and across states, and `yardsticks` what it must beat.

A rollout's penalty is the sum over its decisions, as in a score (each weighted by its survival
probability), and the mean per decision: a young model predicts an early end everywhere, and the sum
over few decisions is small however large each penalty is.
"""

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from agents.analysis.provenance import commit
from agents.analysis.statistics import auroc
from agents.analysis.tables import Row, write_csv, writing
from agents.checkpoints import checkpoint, saved
from agents.config.benchmarks import DetectionOptions
from agents.diagnostics.negative_windows import changed, noise_windows, shuffled_windows
from agents.diagnostics.open_loop import reference_states
from agents.diagnostics.path_penalties import path_penalty, window_penalty
from agents.diagnostics.variants import Variant, Variants
from agents.experiments.detection.figures import plot_detection
from agents.experiments.detection.rollouts import Rollouts, planned, replayed, went_wrong
from agents.experiments.detection.scores import COLUMNS, chances, count_pairs, over_runs
from agents.experiments.detection.yardsticks import (
    CONSTANT,
    FAMILIES,
    names_of,
    with_signs,
    yardsticks,
)
from agents.planning.builders import build_runner
from agents.training.frozen import FrozenAgent, load_frozen
from mbrl import Replay, Window, normalizer

_WINDOWS = 256


def detect(run_dirs: Sequence[Path], options: DetectionOptions, out: Path) -> Iterator[str]:
    """Tests every regulariser on every run at every age, and the yardsticks beside them.

    Writes `detection.csv`, `detection-summary.csv` and their figure.

    Args:
      run_dirs: of finished runs that kept their checkpoints; two or more, or the signs of single
        numbers cannot be chosen.
      options: ages and numbers of states and plans.
      out: directory of the files, made where missing.

    Yields:
      A line a run, age and penalty; then a line an age and penalty over all runs.

    Raises:
      UserError: no usable run, an age that no checkpoint has, an environment that does not repeat
        itself, or `out` that cannot be used.
    """
    runs = [(run_dir, load_frozen(run_dir)) for run_dir in run_dirs]
    for run_dir, age in itertools.product(run_dirs, options.ages):
        # An age without a checkpoint is refused first.
        checkpoint.find(run_dir / saved.CHECKPOINTS, age, or_later=True)
    with writing(out):
        pass  # and so is an `out` that cannot be used
    measured: list[Row] = []
    summary: list[Row] = []
    for run_dir, frozen in runs:
        for row in detect_in_run(frozen, run_dir, options):
            measured.append(row)
            if row["kind"] not in FAMILIES:  # whose signs are not known yet
                yield f"{row['run']} {_line(row)}"
        rows = [row | {"commit": commit()} for row in with_signs(measured)]
        summary = over_runs(rows, reference=CONSTANT)
        with writing(out):  # at once: the whole takes long
            write_csv(out / "detection.csv", rows)
            write_csv(out / "detection-summary.csv", summary)
            plot_detection(rows, out / "detection.png")
    yield f"means over {len(runs)} runs, intervals over runs:"
    for row in summary:
        if row["kind"] not in FAMILIES:
            yield (
                f"{_line(row)}; within {row['within_low']:.2f} to {row['within_high']:.2f},"
                f" {row['within_gain']:+.2f} ({row['within_gain_low']:+.2f} to"
                f" {row['within_gain_high']:+.2f}) beside {CONSTANT}"
            )
    yield f"written to {out}: detection.csv, detection-summary.csv, detection.png"


def _line(row: Row) -> str:
    return (
        f"{row['env_steps']:>6,} steps {row['penalty']:<22} within {row['within']:.2f}"
        f" ({row['within_equal']:.2f} of equal length) planned {row['planned']:.2f}"
        f" replayed {row['replayed']:.2f}"
    )


def detect_in_run(frozen: FrozenAgent, run_dir: Path, options: DetectionOptions) -> Iterator[Row]:
    """The rows of one run: at every age a row a regulariser, and a row a yardstick.

    Args:
      frozen: the agent at the end of the run, which plays the episodes that the states come from.
      run_dir: of the run.
      options: ages and numbers of states and plans.
    """
    config, horizon = frozen.config, frozen.config.planner.horizon
    states = reference_states(frozen, options.episodes, options.states)
    # No plan is warm-started by the last one, so that the search gets twice the iterations.
    variants = Variants(config, 1, {("planner", "iterations"): 2 * config.planner.iterations})
    unit = normalizer.fit(frozen.replay.transitions().observation)
    runner = build_runner(config.env)
    names = names_of(runner.spec.id, runner.spec.observation_size)
    for age in options.ages:
        young = load_frozen(run_dir, env_steps=age, agent=frozen.agent)
        base = variants.fitted("none", young)
        real = replayed(base, runner, states, horizon, unit)
        plans = planned(base, runner, states, options.plans, unit)
        about: Row = {
            "run": run_dir.resolve().name,
            "env_steps": age,
            "states": len(states),
            "states_replayed": len(real.errors),
            **count_pairs(plans),
            **_ended(plans),
        }
        for kind, name, score in yardsticks(names):
            yield about | {"penalty": name, "kind": kind} | chances(score, real, plans) | _NO_FIT
        windows = _test_windows(young.replay, horizon)
        for variant in variants.all(young):
            yield (
                about
                | {"penalty": variant.name, "kind": "regulariser"}
                | chances(partial(_penalty, variant, False), real, plans)
                | _per_decision(chances(partial(_penalty, variant, True), real, plans))
                | _distinguished(variant, *windows)
                | {name: variant.errors.get(name) for name in _ERRORS}
            )
    runner.close()


_ERRORS = ("regularizer_mse", "regularizer_copy_mse")


def _per_decision(row: Row) -> Row:
    return {f"{name}_per_decision": value for name, value in row.items()}


_NO_FIT: Row = dict.fromkeys(
    (
        *(f"{column}_per_decision" for column in COLUMNS),
        *("noise", "shuffled", "shuffled_all", "windows_moved"),
        *_ERRORS,
    )
)
"""Columns that yardsticks do not have."""


def _penalty(variant: Variant, per_decision: bool, rollouts: Rollouts) -> np.ndarray:
    return path_penalty(variant, rollouts.paths, per_decision=per_decision)


def _ended(plans: Rollouts) -> Row:
    """Of the agent's own plans, those that terminated: of wrong ones, and of the others."""
    own = slice(None, None, plans.plans)
    wrong, ended = went_wrong(plans.errors[own]), plans.ended[own]
    return {"ended_wrong": _share(ended[wrong]), "ended_rest": _share(ended[~wrong])}


def _share(of: np.ndarray) -> float:
    """NaN of nothing: where all errors are equal, all of them are in the worst quarter."""
    return float(of.mean()) if of.size else np.nan


def _test_windows(replay: Replay, horizon: int) -> tuple[Window, Window, Window, np.ndarray]:
    """Held-out windows, noise, shuffled ones, and which of them the shuffling changed, `[N]`."""
    rng, seen = np.random.default_rng(0), replay.transitions()
    real = replay.held_out_windows(_WINDOWS, horizon)
    shuffled = shuffled_windows(rng, real)
    noise = noise_windows(rng, seen, real)
    unit = normalizer.fit(seen.observation)
    return real, noise, shuffled, changed(real, shuffled, np.asarray(unit.std))


def _distinguished(
    variant: Variant, real: Window, noise: Window, shuffled: Window, differ: np.ndarray
) -> Row:
    """AUROC against the real windows; of shuffled ones also of those alone that changed."""
    usual, mixed = window_penalty(variant, real), window_penalty(variant, shuffled)
    return {
        "noise": auroc(usual, window_penalty(variant, noise)),
        "shuffled": auroc(usual[differ], mixed[differ]),
        "shuffled_all": auroc(usual, mixed),
        "windows_moved": int(differ.sum()),
    }
