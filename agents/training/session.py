"""A run that is open in a directory: begun there, or resumed from its latest checkpoint.

How to use it:

    with begin(config, run_dir) as session:      # or resume(run_dir)
        session.train()
        conclude(session)                        # agents.reporting.conclude; may be left out
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.config import CONFIG_FILE, Config, dump, load_run
from agents.training import loop, saved
from agents.training.callbacks import LiveDisplay, MetricsLog, Saving, Stopwatch
from agents.training.display import Display
from agents.training.log import RunLog
from agents.training.run import Run


class Session:
    """A run with its open log and display; made by `begin` and `resume`.

    Attributes:
      run: as it is now.
      run_dir: its directory.
      log: of its metrics.
      display: what the terminal shows.
    """

    def __init__(self, run: Run, run_dir: Path, log: RunLog, display: Display) -> None:
        self.run = run
        self.run_dir = run_dir
        self.log = log
        self.display = display
        self._watch = Stopwatch(run, log)

    @property
    def wall_seconds(self) -> float:
        """Spent on the run, over all sessions."""
        return self._watch.wall_seconds

    def train(self) -> None:
        """Trains until all steps are spent.

        An interrupt takes effect after the decision under way, once a checkpoint is written.

        Raises:
          KeyboardInterrupt: on an interrupt.
          UserError: an environment or a fit failed.
        """
        with _deferred_interrupt() as interrupted:
            loop.train(
                self.run,
                [
                    MetricsLog(self.log),
                    LiveDisplay(self.display, self._watch),
                    self._watch,
                    Saving(self.run, self.run_dir, self.log, interrupted),
                ],
            )


@contextmanager
def begin(config: Config, run_dir: Path) -> Iterator[Session]:
    """Begins a run, and writes its first checkpoint.

    Args:
      config: the resolved configuration.
      run_dir: made, and filled as described in the README.

    Raises:
      UserError: the environment cannot be used; nothing has been written then.
    """
    run = Run(config)
    for index in range(config.num_envs):
        run.start_episode(index)
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / CONFIG_FILE).write_text(dump(config), encoding="utf-8")
    with RunLog(run_dir) as log, Display(config.env_steps, _title(config)) as display:
        run.save(run_dir, log.position())
        yield Session(run, run_dir, log, display)


@contextmanager
def resume(run_dir: Path, env_steps: int | None = None) -> Iterator[Session]:
    """Continues a run from its latest checkpoint, as if it had not been interrupted.

    Args:
      run_dir: of the run.
      env_steps: the new total, not below the run's own; None keeps it.

    Raises:
      UserError: no run, no usable checkpoint, or an open episode that replays differently now.
    """
    config = load_run(run_dir)
    if env_steps is not None:
        config = config.model_copy(update={"env_steps": env_steps})
    run = Run(config)
    found = saved.read(run_dir, run.agent, config)
    notes = run.restore(found)
    done = run.progress.env_steps
    with RunLog(run_dir) as log, Display(config.env_steps, _title(config), start=done) as display:
        log.truncate(found.log_position)
        (run_dir / CONFIG_FILE).write_text(dump(config), encoding="utf-8")  # of the new env_steps
        display.note(f"resumed at step {done:,}")
        for line in notes:
            display.note(line)
        yield Session(run, run_dir, log, display)


def _title(config: Config) -> str:
    return f"{config.env.id}, seed {config.seed}"


@contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Turns the first interrupt into a flag, which `Saving` reads after each decision.

    A second one interrupts at once. Python delivers signals to the main thread only, so that in
    another one there is nothing to defer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {each: signal.getsignal(each) for each in signals}

    def restore_and_record(number, frame) -> None:
        del frame
        received.append(number)
        for each in signals:
            signal.signal(each, before[each])

    for each in signals:
        signal.signal(each, restore_and_record)
    try:
        yield lambda: bool(received)
    finally:
        for each in signals:
            signal.signal(each, before[each])
