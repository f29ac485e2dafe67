"""What hangs on the training loop: the log, the display, the stopwatch and the checkpoints."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from agents.logs.log import RunLog
from agents.training.display import Display
from agents.training.evaluation import EpisodeResult
from agents.training.run import Run


@dataclass(frozen=True)
class Finished:
    """A training episode that has ended.

    Attributes:
      episode: its number in the run.
      result: the episode in a few numbers.
      gap: mean over decisions of planned less realised return, where it is known.
      weight: of the penalty, in its last plan.
    """

    episode: int
    result: EpisodeResult
    gap: float | None
    weight: float

    @property
    def diverged(self) -> bool:
        """Whether the model's numbers grew without bounds in one of its plans."""
        return self.result.diverged or (self.gap is not None and not math.isfinite(self.gap))


class Callback:
    """Hooks of the training loop; each does nothing unless it is overridden."""

    def begin(self, run: Run, activity: str, plans: int) -> None:
        """Before `planning`, `stepping` or `fitting`; `plans` are the plans that are made."""

    def finish(self, run: Run, activity: str, plans: int) -> None:
        """After it."""

    def episode(self, run: Run, finished: Finished) -> None:
        """An episode has ended and is in the replay."""

    def fit(self, run: Run, errors: Mapping[str, float]) -> None:
        """Model and regulariser have been fitted; `errors` are held-out ones, by name."""

    def next_episode(self, run: Run) -> None:
        """All that follows from an episode, or from a data set, is done."""

    def decision(self, run: Run) -> None:
        """A decision has been taken in every environment. The run may be left here."""

    def end(self, run: Run) -> None:
        """All simulator steps are spent."""


@contextmanager
def during(
    activity: str, run: Run, callbacks: Sequence[Callback], plans: int = 0
) -> Iterator[None]:
    """Tells the callbacks when an activity begins and when it is finished."""
    for each in callbacks:
        each.begin(run, activity, plans)
    yield
    for each in callbacks:
        each.finish(run, activity, plans)


class Stopwatch(Callback):
    """Where the time since the last row of `timings.jsonl` went, and the wall time of the run."""

    def __init__(self, run: Run, log: RunLog) -> None:
        self._log = log
        self._started = time.perf_counter() - run.progress.wall_seconds
        self._began = 0.0
        self._clear()

    def _clear(self) -> None:
        self._seconds: dict[str, float] = dict.fromkeys(("planning", "fitting", "stepping"), 0.0)
        self._plans = 0

    @property
    def plans_per_second(self) -> float:
        """Since the last row; 0 where no plan was made."""
        planning = self._seconds["planning"]
        return self._plans / planning if planning else 0.0

    @property
    def wall_seconds(self) -> float:
        """Of the run, over all sessions."""
        return time.perf_counter() - self._started

    def begin(self, run: Run, activity: str, plans: int) -> None:
        """Starts the watch."""
        self._began = time.perf_counter()

    def finish(self, run: Run, activity: str, plans: int) -> None:
        """Stops it."""
        self._seconds[activity] += time.perf_counter() - self._began
        self._plans += plans

    def next_episode(self, run: Run) -> None:
        """Writes a row, and begins anew."""
        self._log.timings(
            env_steps=run.progress.env_steps,
            **{f"{name}_seconds": spent for name, spent in self._seconds.items()},
            plans=self._plans,
            plans_per_second=self.plans_per_second,
        )
        self._clear()
        run.progress.wall_seconds = self.wall_seconds

    def decision(self, run: Run) -> None:
        """The run remembers its wall time."""
        run.progress.wall_seconds = self.wall_seconds


class MetricsLog(Callback):
    """Rows of `metrics.jsonl`."""

    def __init__(self, log: RunLog) -> None:
        self._log = log

    def episode(self, run: Run, finished: Finished) -> None:
        """A row `episode`; `diverged` only where it is true, since null means random actions."""
        self._log.metrics(
            "episode",
            env_steps=run.progress.env_steps,
            episode=finished.episode,
            **finished.result.row(),
            gap=finished.gap,
            weight=finished.weight,
            **({"diverged": True} if finished.diverged else {}),
        )

    def fit(self, run: Run, errors: Mapping[str, float]) -> None:
        """A row `fit`."""
        chosen = run.held_out_plans
        self._log.metrics(
            "fit",
            env_steps=run.progress.env_steps,
            **errors,
            **({"weight": chosen.weight, "held_out_plans": asdict(chosen)} if chosen else {}),
        )


class LiveDisplay(Callback):
    """What the terminal shows."""

    def __init__(self, display: Display, watch: Stopwatch) -> None:
        self._display = display
        self._watch = watch
        self._warned = self._warned_of_divergence = False

    def decision(self, run: Run) -> None:
        """Says once that nothing may ever be learned: no episode has ended, and none need end."""
        steps, config = run.progress.env_steps, run.config
        if self._warned or steps < config.random_steps or run.replay.episodes:
            return
        limit = run.environments[0].runner.time_limit
        if limit is None or limit > config.env_steps / config.num_envs:
            self._warned = True
            self._display.note(
                f"no episode has ended in {steps:,} steps, and only ended episodes are learned"
                " from: give the environment a lower time limit (max_episode_steps in --env.kwargs)"
            )

    def begin(self, run: Run, activity: str, plans: int) -> None:
        """Says what is going on, where it takes longer than a moment."""
        if activity != "stepping":
            self._display.progress(run.progress.env_steps, activity)

    def episode(self, run: Run, finished: Finished) -> None:
        """A line about the episode."""
        adaptive = isinstance(run.config.regularizer.weight, str)  # auto or familiar
        self._display.episode(
            run.progress.env_steps,
            finished.episode,
            finished.result,
            self._watch.plans_per_second,
            finished.weight if adaptive else None,
        )
        if finished.diverged and not self._warned_of_divergence:
            self._warned_of_divergence = True
            self._display.note(
                f"a plan of episode {finished.episode} diverged: the model's numbers grow"
                f" without bounds within {run.config.planner.horizon} decisions, and plans are then"
                " no better than random; a smaller --planner.horizon may help, and more training"
            )

    def fit(self, run: Run, errors: Mapping[str, float]) -> None:
        """A line about the fit."""
        self._display.fit(run.progress.env_steps, errors)


class Saving(Callback):
    """Checkpoints, and the end of a run that is interrupted.

    Args:
      run: as it is now.
      run_dir: where checkpoints go.
      log: whose position is saved with them.
      interrupted: whether the run is to end as soon as it can.
    """

    def __init__(
        self, run: Run, run_dir: Path, log: RunLog, interrupted: Callable[[], bool]
    ) -> None:
        self._run_dir = run_dir
        self._log = log
        self._interrupted = interrupted
        self._saved_at = run.progress.env_steps

    def decision(self, run: Run) -> None:
        """Saves the run if that is due, and ends it if it is interrupted.

        Raises:
          KeyboardInterrupt: after a checkpoint.
        """
        if self._interrupted():
            self.end(run)
        elif self._is_due(run):
            self.save(run)

    def end(self, run: Run) -> None:
        """Saves the run.

        Raises:
          KeyboardInterrupt: it was interrupted.
        """
        self.save(run)
        if self._interrupted():
            raise KeyboardInterrupt

    def save(self, run: Run) -> None:
        """Saves the run as it is."""
        run.save(self._run_dir, self._log.position())
        self._saved_at = run.progress.env_steps

    def _is_due(self, run: Run) -> bool:
        """Whether the last checkpoint is old, or a milestone has been passed since."""
        now, config = run.progress.env_steps, run.config
        passed = any(self._saved_at < step <= now for step in config.milestones)
        return passed or now - self._saved_at >= config.checkpoint_every
