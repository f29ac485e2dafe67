"""The loop: random episodes, then fit and plan in turn.

until env_steps is spent:
    plan for every environment in one call, act, record
    at the end of an episode: keep it, and fit what is learned to all episodes so far
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np

from agents.config.loading import CONFIG_FILE, load_run
from agents.config.schema import Config
from agents.config.yaml_files import dump
from agents.envs.episodes import explored, random_action
from agents.planning.actor import slot_of
from agents.reporting.conclude import conclude
from agents.training.display import Display
from agents.training.evaluation import Promise, result_of
from agents.training.log import RunLog
from agents.training.run import RunState


def train(config: Config, run_dir: Path, *, concluded: bool = True) -> None:
    """Runs a configuration from the first random episode to the evaluation.

    Args:
      config: the resolved configuration.
      run_dir: made, and filled as described in the README.
      concluded: whether the run is evaluated, filmed and reported on at its end; one that is not
        can be resumed, and concluded then.

    Raises:
      UserError: the environment cannot be used; nothing has been written then.
      KeyboardInterrupt: on an interrupt, after a checkpoint.
    """
    run = RunState(config)
    for slot in range(config.num_envs):
        run.start_episode(slot)
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / CONFIG_FILE).write_text(dump(config), encoding="utf-8")
    with RunLog(run_dir) as log, Display(config.env_steps, _title(config)) as display:
        run.save(run_dir, log.position())  # from here on, whatever happens, the run can be resumed
        Training(run, run_dir, log, display).run(concluded)


def resume(run_dir: Path, env_steps: int | None = None, *, concluded: bool = True) -> None:
    """Goes on with a run from its latest checkpoint, as if it had not been interrupted.

    Args:
      run_dir: of the run.
      env_steps: the new total, not below the run's own; None keeps it.
      concluded: as for `train`.

    Raises:
      UserError: no run, no usable checkpoint, or an open episode that replays differently now.
      KeyboardInterrupt: on an interrupt, after a checkpoint.
    """
    config = load_run(run_dir)
    if env_steps is not None:
        config = config.model_copy(update={"env_steps": env_steps})
    run = RunState(config)
    position, dropped = run.load(run_dir)
    done = run.progress.env_steps
    with RunLog(run_dir) as log, Display(config.env_steps, _title(config), start=done) as display:
        log.truncate(position)
        (run_dir / CONFIG_FILE).write_text(dump(config), encoding="utf-8")
        display.note(f"resumed at step {done:,}")
        for line in dropped:
            display.note(line)
        Training(run, run_dir, log, display).run(concluded)


def _title(config: Config) -> str:
    return f"{config.env.id}, seed {config.seed}"


@dataclass
class Stopwatch:
    """Where the time since the last row went."""

    seconds: dict[str, float] = field(default_factory=dict)
    plans: int = 0

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Adds the time spent in the block to `name`."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def row(self) -> dict[str, float]:
        """Seconds by activity, plans and plans a second, as in `timings.jsonl`."""
        planning = self.seconds.get("planning", 0.0)
        return {
            "planning_seconds": planning,
            "fitting_seconds": self.seconds.get("fitting", 0.0),
            "stepping_seconds": self.seconds.get("stepping", 0.0),
            "plans": self.plans,
            "plans_per_second": self.plans / planning if planning else 0.0,
        }


class Training:
    """Takes a run from where it is to the end of its steps."""

    def __init__(self, run: RunState, run_dir: Path, log: RunLog, display: Display):
        self._run = run
        self._run_dir = run_dir
        self._log = log
        self._display = display
        self._watch = Stopwatch()
        self._saved_at = run.progress.env_steps

    def run(self, concluded: bool = True) -> None:
        """The loop. It is left only between decisions, so that what is saved is whole.

        Args:
          concluded: whether to evaluate, film and report on the run in the end.
        """
        run, progress = self._run, self._run.progress
        started = time.perf_counter() - progress.wall_seconds
        with _deferred_interrupt() as interrupted:
            while progress.env_steps < run.config.env_steps:
                self._decide()
                progress.wall_seconds = time.perf_counter() - started
                if interrupted():
                    self._save()
                    raise KeyboardInterrupt
                if self._save_is_due():
                    self._save()
            self._save()
            if interrupted():
                raise KeyboardInterrupt
        if concluded:
            conclude(run, self._run_dir, self._log, self._display, started)

    def _decide(self) -> None:
        """One decision in every environment, and what follows from it."""
        run, progress = self._run, self._run.progress
        runners = [slot.runner for slot in run.slots]
        weight = run.weight  # of these plans: an episode that ends now may move it
        plans = None
        if not all(slot.explores for slot in run.slots):
            self._display.progress(progress.env_steps, "planning")
            with self._watch.measure("planning"):
                plans = run.actor.plan(run.learned, runners, weight)
            self._watch.plans += sum(not slot.explores for slot in run.slots)
        for index, slot in enumerate(run.slots):
            runner = slot.runner
            rng = np.random.default_rng([run.config.seed, runner.index, runner.decisions])
            if slot.explores or plans is None:
                action = random_action(runner.spec, rng)
            else:
                plan = slot_of(plans, index)
                slot.promise = slot.promise.and_then(plan) if slot.promise else Promise.of(plan)
                noise = run.config.exploration_noise
                action = explored(runner.spec, plan.actions[0], noise, rng)
            before = runner.steps
            with self._watch.measure("stepping"):
                ending = runner.step(action)
            progress.env_steps += runner.steps - before
            if ending:
                self._finish_episode(index, weight)

    def _finish_episode(self, index: int, weight: float) -> None:
        """Keeps and reports an episode, fits where it is time to, and begins the next one."""
        run, progress = self._run, self._run.progress
        slot = run.slots[index]
        run.replay.append(slot.runner.episode())
        progress.unfitted_steps += slot.runner.steps
        result = result_of(slot.runner, slot.promise, run.config.planner.horizon)
        gap = run.learn_from(index)
        self._log.metrics(
            "episode",
            env_steps=progress.env_steps,
            episode=slot.runner.index,
            **result.row(),
            gap=gap,
            weight=weight,
        )
        self._display.episode(
            progress.env_steps,
            slot.runner.index,
            result.return_,
            result.length,
            result.ended,
            result.planned_return,
            result.realised_return,
            result.penalty,
            self._watch.row()["plans_per_second"],
            weight if run.config.regularizer.weight == "auto" else None,
        )
        enough = (
            progress.env_steps >= run.config.random_steps
            and progress.unfitted_steps >= run.config.fit_every
            and len(run.replay.episodes) > 1
        )
        if enough:
            self._fit()
        self._log.timings(env_steps=progress.env_steps, **self._watch.row())
        self._watch = Stopwatch()
        run.start_episode(index)

    def _fit(self) -> None:
        run, progress = self._run, self._run.progress
        progress.fits += 1
        progress.unfitted_steps = 0
        key = jax.random.fold_in(run.keys.fit, progress.fits)
        self._display.progress(progress.env_steps, "fitting")
        with self._watch.measure("fitting"):
            run.learned, errors = run.agent.fit(run.learned, key, run.replay, progress.fits)
        self._log.metrics("fit", env_steps=progress.env_steps, **errors)
        self._display.fit(progress.env_steps, errors)

    def _save_is_due(self) -> bool:
        """Whether it was long ago, or what was learned by a milestone is to be kept for good."""
        now, config = self._run.progress.env_steps, self._run.config
        passed = any(self._saved_at < step <= now for step in config.milestones)
        return passed or now - self._saved_at >= config.checkpoint_every

    def _save(self) -> None:
        self._run.save(self._run_dir, self._log.position())
        self._saved_at = self._run.progress.env_steps


@contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Turns the first interrupt into a flag, to be asked for where a run can be left.

    A second one interrupts at once. Python delivers signals to the main thread only, so that in
    another one there is nothing to defer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {}

    def remember(number, frame) -> None:
        del frame
        received.append(number)
        for each in signals:
            signal.signal(each, before[each])

    before = {each: signal.signal(each, remember) for each in signals}
    try:
        yield lambda: bool(received)
    finally:
        for each in signals:
            signal.signal(each, before[each])
