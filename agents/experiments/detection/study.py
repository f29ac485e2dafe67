"""Does a penalty detect where the model is wrong? Rollouts that went wrong, against the others.

For states of fresh episodes of one frozen agent, the same for every age and regulariser, plans of H
decisions are rolled out in the model and executed in the environment: the actions that the agent
really took there, and plans made without a penalty. A rollout **went wrong** if its error
(`rollouts`) is in the worst quarter. The area under the ROC curve (AUROC) is the probability that
the penalty of a rollout that went wrong is larger than that of another one.

States differ in how hard they are to predict from, and a planner never chooses between states. So
several plans from the same state are compared, too: the share of pairs in which the plan with the
larger error has the larger penalty (`within`).

A rollout's penalty is the sum over its decisions, as in a score (each weighted by its survival
probability), and the mean per decision: a young model predicts an early end everywhere, and the sum
over few decisions is small however large each penalty is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.analysis.provenance import commit
from agents.analysis.statistics import auroc, concordance
from agents.analysis.tables import Row, write_csv, writing
from agents.config.benchmarks import DetectionOptions
from agents.diagnostics.negative_windows import changed, noise_windows, shuffled_windows
from agents.diagnostics.open_loop import reference_states
from agents.diagnostics.path_penalties import path_penalty, window_penalty
from agents.diagnostics.variants import Variant, Variants
from agents.envs import make_runner
from agents.experiments.detection.figures import plot_detection
from agents.experiments.detection.rollouts import Rollouts, planned, replayed, went_wrong
from agents.training.checkpoint import at_or_after
from agents.training.frozen import FrozenAgent, load_frozen
from agents.training.saved import CHECKPOINTS
from mbrl import Replay, Window, normalizer

_WINDOWS = 256


def detect(run_dirs: Sequence[Path], options: DetectionOptions, out: Path) -> Iterator[str]:
    """Tests every regulariser on every run at every age; writes `detection.csv` and its figure.

    Args:
      run_dirs: of finished runs that kept their checkpoints.
      options: ages and numbers of states and plans.
      out: directory of the files, made where missing.

    Yields:
      A line a run, age and regulariser.

    Raises:
      UserError: no usable run, an age that no checkpoint has, an environment that does not repeat
        itself, or `out` that cannot be used.
    """
    runs = [(run_dir, load_frozen(run_dir)) for run_dir in run_dirs]
    for run_dir, age in itertools.product(run_dirs, options.ages):
        at_or_after(run_dir / CHECKPOINTS, age)  # an age without a checkpoint is refused first
    with writing(out):
        pass  # and so is an `out` that cannot be used
    rows: list[Row] = []
    for run_dir, frozen in runs:
        for row in detect_in_run(frozen, run_dir, options):
            yield (
                f"{row['run']} {row['env_steps']:>6,} steps {row['regularizer']:<13}"
                f" replayed {row['replayed']:.2f} planned {row['planned']:.2f}"
                f" within {row['within']:.2f}; per decision {row['replayed_per_decision']:.2f}"
                f" {row['planned_per_decision']:.2f} {row['within_per_decision']:.2f};"
                f" noise {row['noise']:.3f} shuffled {row['shuffled']:.3f}"
            )
            rows.append(row | {"commit": commit()})
        with writing(out):  # at once: the whole takes long
            write_csv(out / "detection.csv", rows)
            plot_detection(rows, out / "detection.png")
    yield f"written to {out}: detection.csv, detection.png"


def detect_in_run(frozen: FrozenAgent, run_dir: Path, options: DetectionOptions) -> Iterator[Row]:
    """The rows of one run, a row an age and regulariser.

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
    runner = make_runner(config.env)
    for age in options.ages:
        young = load_frozen(run_dir, env_steps=age, agent=frozen.agent)
        base = variants.fitted("none", young)
        real = replayed(base, runner, states, horizon, unit)
        plans = planned(base, runner, states, options.plans, unit)
        windows = _TestWindows.of(young.replay, horizon)
        for variant in variants.all(young):
            yield {
                "run": run_dir.resolve().name,
                "env_steps": age,
                "regularizer": variant.name,
                **_chances(variant, real, plans, len(states)),
                **windows.distinguished(variant),
                "states_replayed": len(real.errors),
                "states": len(states),
                **_ended(plans, options.plans),
                "regularizer_mse": variant.errors.get("regularizer_mse"),
                "regularizer_copy_mse": variant.errors.get("regularizer_copy_mse"),
            }
    runner.env.close()


def _chances(variant: Variant, real: Rollouts, plans: Rollouts, states: int) -> Row:
    """How well a penalty finds the rollouts that went wrong, as a sum and per decision."""
    row: Row = {}
    wrong, errors = went_wrong(real.errors), plans.errors.reshape(states, -1)
    wrong_plan = went_wrong(errors[:, 0])
    for suffix, per_decision in (("", False), ("_per_decision", True)):
        penalty = path_penalty(variant, real.paths, per_decision=per_decision)
        row[f"replayed{suffix}"] = auroc(penalty[~wrong], penalty[wrong])
        penalty = path_penalty(variant, plans.paths, per_decision=per_decision).reshape(states, -1)
        row[f"planned{suffix}"] = auroc(penalty[~wrong_plan, 0], penalty[wrong_plan, 0])
        row[f"within{suffix}"] = concordance(penalty, errors)
    return row


def _ended(plans: Rollouts, count: int) -> Row:
    """Share of the agent's own plans that terminated: of those that went wrong, and of the rest."""
    wrong, ended = went_wrong(plans.errors[::count]), plans.ended[::count]
    return {"ended_wrong": _share(ended[wrong]), "ended_rest": _share(ended[~wrong])}


def _share(of: np.ndarray) -> float:
    """NaN of nothing: where all errors are equal, all of them are in the worst quarter."""
    return float(of.mean()) if of.size else np.nan


@dataclass(frozen=True)
class _TestWindows:
    """Held-out windows, and `agents.diagnostics.negative_windows` made from them.

    Attributes:
      real, noise, shuffled: `[N, ...]`.
      changed: `[N]`, which windows the shuffling changed.
    """

    real: Window
    noise: Window
    shuffled: Window
    changed: np.ndarray

    @classmethod
    def of(cls, replay: Replay, horizon: int) -> _TestWindows:
        rng, seen = np.random.default_rng(0), replay.transitions()
        real = replay.held_out_windows(_WINDOWS, horizon)
        shuffled = shuffled_windows(rng, real)
        noise = noise_windows(rng, seen, real)
        std = np.asarray(normalizer.fit(seen.observation).std)
        return cls(real, noise, shuffled, changed(real, shuffled, std))

    def distinguished(self, variant: Variant) -> Row:
        """AUROC against the real windows; of shuffled ones also of those alone that changed."""
        real, mixed = window_penalty(variant, self.real), window_penalty(variant, self.shuffled)
        return {
            "noise": auroc(real, window_penalty(variant, self.noise)),
            "shuffled": auroc(real[self.changed], mixed[self.changed]),
            "shuffled_all": auroc(real, mixed),
            "windows_moved": int(self.changed.sum()),
        }
