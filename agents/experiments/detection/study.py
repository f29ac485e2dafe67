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

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from agents.analysis.provenance import commit
from agents.analysis.statistics import auroc, concordance
from agents.analysis.style import GREY, frame, series, write
from agents.analysis.tables import Row, grouped, write_csv, writing
from agents.config.benchmarks import DetectionOptions
from agents.diagnostics.negative_windows import changed, noise_windows, shuffled_windows
from agents.diagnostics.open_loop import reference_states
from agents.diagnostics.path_penalties import path_penalty, window_penalty
from agents.diagnostics.variants import Variant, Variants
from agents.experiments.detection.rollouts import Rollouts, planned, replayed, went_wrong
from agents.planning.builders import build_runner
from agents.training import checkpoint, saved
from agents.training.frozen import FrozenAgent, load_frozen
from mbrl import Replay, Window, normalizer

_WINDOWS = 256
_PANELS = {
    "replayed": "replayed actions",
    "planned": "plans made without a penalty",
    "within": "several plans of the same state",
}


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
        checkpoint.at_or_after(
            run_dir / saved.CHECKPOINTS, age
        )  # an age without a checkpoint is refused first
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
    runner = build_runner(config.env)
    for age in options.ages:
        young = load_frozen(run_dir, env_steps=age, agent=frozen.agent)
        base = variants.fitted("none", young)
        real = replayed(base, runner, states, horizon, unit)
        plans = planned(base, runner, states, options.plans, unit)
        wrong, ended = went_wrong(plans.errors[:: options.plans]), plans.ended[:: options.plans]
        windows = _test_windows(young.replay, horizon)
        for variant in variants.all(young):
            yield {
                "run": run_dir.resolve().name,
                "env_steps": age,
                "regularizer": variant.name,
                **_chances(variant, real, plans, len(states)),
                **_distinguished(variant, *windows),
                "states_replayed": len(real.errors),
                "states": len(states),
                # Of the agent's own plans, those that terminated.
                "ended_wrong": _share(ended[wrong]),
                "ended_rest": _share(ended[~wrong]),
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


def plot_detection(rows: Sequence[Row], path: Path) -> Path:
    """How well penalties detect rollouts that went wrong, over the age of the model.

    Lines are means over runs, points the runs.

    Args:
      rows: of `detect_in_run`.
      path: of the PNG file.
    """
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    variants = grouped((row for row in rows if row["regularizer"] != "none"), "regularizer")
    ages = sorted({row["env_steps"] for row in rows})
    panels = figure.subplots(1, len(_PANELS))
    for axes, (key, title) in zip(panels, _PANELS.items(), strict=True):
        axes.axhline(0.5, color=GREY, lw=1, ls="--")
        for index, (name, mine) in enumerate(variants.items()):
            runs = grouped(mine, "env_steps")
            values = [[row[key] for row in runs[age]] for age in ages]
            places = np.arange(len(ages)) + 0.09 * (index - (len(variants) - 1) / 2)
            style = series(index)
            axes.plot(places, [np.mean(each) for each in values], ms=6, lw=1.2, label=name, **style)
            for place, each in zip(places, values, strict=True):
                axes.plot([place] * len(each), each, ".", ms=4, alpha=0.6, color=style["color"])
        frame(axes)
        axes.set_xticks(np.arange(len(ages)), [f"{age:,}" for age in ages])
        axes.set_xlabel("environment steps learned from")
        axes.set_ylim(0.0, 1.02)
        axes.set_title(title, fontsize="medium")
    panels[0].set_ylabel("chance that the worse one is penalised more")
    panels[0].legend(frameon=False, fontsize="small", loc="lower right")
    return write(figure, path)
