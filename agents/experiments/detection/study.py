"""Does a penalty find what is wrong? Rollouts that went wrong, against those that did not.

For states of fresh episodes of one frozen agent, the same for every age and regulariser, the model
imagines H decisions: under the actions that the agent really took there, and under plans made
without a penalty. Both are carried out, so that the truth is known. A rollout's error is the
distance of its last state from the true one (mean over members, in standard deviations of the run's
last replay; where the episode ended, in truth or in the imagination, the state at the end stands).
The worst quarter went wrong; the area under the ROC curve (AUROC) is the chance that a wrong one
costs more than another.

Rollouts from different states differ in how hard their state is, and a planner never chooses
between states. So several plans from the same state are compared, too: the share of pairs in which
the plan with the larger error costs more (`within`).

Two sums over a rollout, as a score has it (each decision by its probability of being made), and per
decision that is made: a young model believes that everything ends soon, and a sum over a life that
is thought short is small however strange that life is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from agents.analysis.provenance import commit
from agents.analysis.statistics import auroc, concordance
from agents.analysis.tables import Row, write_csv, writing
from agents.config.benchmarks import DetectionOptions
from agents.diagnostics import negative_windows as counterfeits
from agents.diagnostics import variants as rivals
from agents.diagnostics.open_loop import Situation, carry_out, situations
from agents.diagnostics.path_penalties import path_cost, window_cost
from agents.diagnostics.variants import Rival, Rivals
from agents.envs.episodes import EpisodeRunner
from agents.envs.making import make_runner
from agents.errors import UserError
from agents.experiments.detection.figures import plot_detection
from agents.training.checkpoint import at_or_after
from agents.training.run import RunState
from agents.training.saved import CHECKPOINTS
from mbrl import normalizer
from mbrl.normalizer import Normalizer
from mbrl.regularizers import Window
from mbrl.replay import Replay
from mbrl.types import Trajectory

WORST = 0.25
"""Share of the rollouts that count as gone wrong."""

_WINDOWS = 256


@dataclass(frozen=True)
class Rollouts:
    """Imagined paths whose truth is known.

    Attributes:
      paths: leading with `[N, E]`.
      errors: `[N]`, standardised distance of the last state.
      ended: `[N]`, whether the episode terminated when they were carried out.
    """

    paths: Trajectory
    errors: np.ndarray
    ended: np.ndarray

    @property
    def wrong(self) -> np.ndarray:
        """`[N]`, which of them are in the worst quarter."""
        return _worst(self.errors)


def _share(of: np.ndarray) -> float:
    """NaN of nothing: errors that are all alike leave nobody who is better."""
    return float(of.mean()) if of.size else np.nan


def _worst(errors: np.ndarray) -> np.ndarray:
    return errors >= np.quantile(errors, 1 - WORST)


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
    runs = [(run_dir, rivals.load(run_dir)) for run_dir in run_dirs]
    for run_dir, age in itertools.product(run_dirs, options.ages):
        at_or_after(run_dir / CHECKPOINTS, age)  # what is missing is said before the work begins
    with writing(out):
        pass  # and so is what cannot be written to
    rows: list[Row] = []
    for run_dir, run in runs:
        for row in detect_in_run(run, run_dir, options):
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


def detect_in_run(run: RunState, run_dir: Path, options: DetectionOptions) -> Iterator[Row]:
    """The rows of one run, a row an age and regulariser."""
    horizon = run.config.planner.horizon
    states = situations(run, options.episodes, options.states, horizon)
    # Nothing is remembered from a last decision, so that the search gets twice the rounds.
    rivalry = Rivals(run, 1, {("planner", "iterations"): 2 * run.config.planner.iterations})
    _, last = rivals.at_age(run, run_dir, run.progress.env_steps)
    unit = normalizer.fit(last.transitions().observation)
    runner = make_runner(run.config)
    for age in options.ages:
        learned, replay = rivals.at_age(run, run_dir, age)
        base = rivalry.fitted("none", learned, replay)
        replayed = _replayed(base, runner, states, horizon, unit)
        planned = _planned(base, runner, states, options.plans, unit)
        fakes = _Counterfeits.of(replay, horizon)
        for rival in rivalry.all(learned, replay):
            row: Row = {"run": run_dir.resolve().name, "env_steps": age, "regularizer": rival.name}
            for suffix, per_decision in (("", False), ("_per_decision", True)):
                cost = path_cost(rival, replayed.paths, per_decision=per_decision)
                row[f"replayed{suffix}"] = auroc(cost[~replayed.wrong], cost[replayed.wrong])
                cost = path_cost(rival, planned.paths, per_decision=per_decision)
                by_state = cost.reshape(len(states), -1)
                errors = planned.errors.reshape(by_state.shape)
                best = _worst(errors[:, 0])
                row[f"planned{suffix}"] = auroc(by_state[~best, 0], by_state[best, 0])
                row[f"within{suffix}"] = concordance(by_state, errors)
            row |= fakes.told_apart(rival)
            row["states_replayed"], row["states"] = len(replayed.errors), len(states)
            ended = planned.ended[:: options.plans]
            row |= {"ended_wrong": _share(ended[best]), "ended_rest": _share(ended[~best])}
            row |= {name: rival.errors.get(name) for name in _ERRORS}
            yield row
    runner.env.close()


_ERRORS = ("regularizer_mse", "regularizer_copy_mse")


def _replayed(
    rival: Rival, runner: EpisodeRunner, states: list[Situation], horizon: int, unit: Normalizer
) -> Rollouts:
    """What the model makes of the actions that were taken, where H of them followed."""
    whole = [state for state in states if len(state.ahead) == horizon]
    if not whole:
        raise UserError(
            f"of {len(states)} states none was followed by {horizon} decisions; give more"
            " --episodes or --states"
        )
    plans = np.stack([state.ahead for state in whole])[:, None]
    return _rollouts(rival, runner, whole, plans, unit)


def _planned(
    rival: Rival, runner: EpisodeRunner, states: list[Situation], count: int, unit: Normalizer
) -> Rollouts:
    """The plan at each state and `count - 1` variations of it, that drift away from it."""
    rng = np.random.default_rng(0)
    plans = []
    for number, state in enumerate(states):
        keys = jax.random.split(jax.random.key(number), 1)
        memory = rival.agent.initial_plans(1)
        plan, _ = rival.agent.act(
            rival.state, keys, memory, jnp.asarray(state.observation)[None], 0.0
        )
        vary = _swapped if runner.spec.discrete else _drifting
        plans.append(vary(rng, np.asarray(plan.actions[0]), count))
    return _rollouts(rival, runner, states, np.stack(plans), unit)


def _drifting(rng: np.random.Generator, plan: np.ndarray, count: int) -> np.ndarray:
    """`[count, H, A]`: the plan, then plans that wander away from it."""
    steps = rng.normal(size=(count, *plan.shape)) * 0.5
    steps[0] = 0.0
    wandered = plan + np.cumsum(steps, axis=1) / np.sqrt(1 + np.arange(len(plan)))[:, None]
    return np.clip(wandered, -1.0, 1.0).astype(np.float32)


def _swapped(rng: np.random.Generator, plan: np.ndarray, count: int) -> np.ndarray:
    """The same of discrete actions: plans with some decisions drawn at random."""
    drawn = np.eye(plan.shape[-1])[rng.integers(plan.shape[-1], size=(count, len(plan)))]
    swapped = rng.random((count, len(plan), 1)) < np.linspace(0.0, 0.5, count)[:, None, None]
    return np.where(swapped, drawn, plan).astype(np.float32)


def _rollouts(
    rival: Rival,
    runner: EpisodeRunner,
    states: Sequence[Situation],
    plans: np.ndarray,
    unit: Normalizer,
) -> Rollouts:
    """Imagines and carries out plans `[S, M, H, A]`; the rollouts are S times M."""
    outcomes = [
        outcome
        for state, group in zip(states, plans, strict=True)
        for outcome in carry_out(runner, state, group)
    ]
    truth = np.stack([outcome.observations[-1] for outcome in outcomes])
    observations = np.repeat(np.stack([s.observation for s in states]), plans.shape[1], axis=0)
    flat = jnp.asarray(plans.reshape(-1, *plans.shape[2:]))
    paths = rival.agent.imagine(rival.state, jax.random.key(0), jnp.asarray(observations), flat)
    paths = jax.tree.map(np.asarray, paths)
    gap = (_where_it_ends(paths) - truth[:, None]) / np.asarray(unit.std)
    errors = np.sqrt(np.square(gap).sum(axis=-1)).mean(axis=1)
    return Rollouts(paths, errors, np.array([outcome.ended for outcome in outcomes]))


def _where_it_ends(paths: Trajectory) -> np.ndarray:
    """`[N, E, O]`: the last state, or the one in which the episode is over as likely as not.

    What a model imagines behind an end that it foresaw is no mistake of its, and no truth to
    compare it with exists.
    """
    over = np.cumprod(paths.continue_probs, axis=-1) < 0.5
    last = np.where(over.any(axis=-1), over.argmax(axis=-1) + 1, over.shape[-1])
    return np.take_along_axis(np.asarray(paths.observations), last[..., None, None], axis=2)[
        :, :, 0
    ]


@dataclass(frozen=True)
class _Counterfeits:
    """Held-out windows, and windows that never happened.

    Attributes:
      real: `[N, ...]`.
      noise, shuffled: the same, `agents.diagnostics.negative_windows`.
      moved: `[N]`, which are not the same again when shuffled.
    """

    real: Window
    noise: Window
    shuffled: Window
    moved: np.ndarray

    @classmethod
    def of(cls, replay: Replay, horizon: int) -> _Counterfeits:
        rng, seen = np.random.default_rng(0), replay.transitions()
        real = replay.held_out_windows(_WINDOWS, horizon)
        mixed = counterfeits.shuffled(rng, real)
        return cls(
            real=real,
            noise=counterfeits.noise_like(rng, seen, real),
            shuffled=mixed,
            moved=counterfeits.moved(real, mixed, np.asarray(normalizer.fit(seen.observation).std)),
        )

    def told_apart(self, rival: Rival) -> Row:
        """AUROC against the real windows; of shuffled ones also of those alone that changed."""
        real, mixed = window_cost(rival, self.real), window_cost(rival, self.shuffled)
        return {
            "noise": auroc(real, window_cost(rival, self.noise)),
            "shuffled": auroc(real[self.moved], mixed[self.moved]),
            "shuffled_all": auroc(real, mixed),
            "windows_moved": int(self.moved.sum()),
        }
