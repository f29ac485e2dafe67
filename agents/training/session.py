"""A run that is open in a directory: begun there, or resumed from its latest checkpoint.

How to use it:

    with begin(config, run_dir) as session:      # or resume(run_dir)
        session.train()
        conclude(session)                        # agents.reporting.conclude; may be left out
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import jax

from agents import data
from agents.analysis.jsonl import read_rows
from agents.analysis.tables import of_kind
from agents.checkpoints import checkpoint, saved
from agents.config import CONFIG_FILE, NO_ENVIRONMENT, Config, dump, load_run
from agents.config.commands import refuse_taken
from agents.directories import locked, make_numbered, writable, write_whole
from agents.errors import EnvironmentFaultError, UserError, shown
from agents.logs.log import METRICS, START, RunLog
from agents.logs.wandb_run import WandbRun, refuse_missing
from agents.training import loop
from agents.training.callbacks import Callback, LiveDisplay, MetricsLog, Saving, Stopwatch
from agents.training.display import Display
from agents.training.evaluation import LONGEST
from agents.training.run import Run

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a run as Ctrl-C does."""


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

    def train(self, callbacks: Sequence[Callback] = ()) -> None:
        """Trains until all steps are spent, or the data set has been learned from.

        An interrupt takes effect after the decision under way, once a checkpoint is written; where
        a data set is learned from, after the epochs under way. So does the end of whoever reads the
        output.

        Args:
          callbacks: of one's own, called after those of the log and the display.

        Raises:
          KeyboardInterrupt: on an interrupt.
          EnvironmentFaultError: the environment failed; a checkpoint was written.
          UserError: a fit failed, or a file cannot be written.
        """
        self._warn_of_random_actions_only()
        self._warn_of_endless_episodes()
        # A fit to a whole data set may take minutes; an interrupt loses nothing but that.
        deferred = nullcontext(lambda: False) if self.run.config.data else _deferred_interrupt()
        with deferred as interrupted:
            saving = Saving(
                self.run, self.run_dir, self.log, lambda: interrupted() or self.display.unread
            )
            watching = [MetricsLog(self.log), LiveDisplay(self.display, self._watch), self._watch]
            try:
                loop.train(self.run, [*watching, *callbacks, saving])
            except EnvironmentFaultError:
                saving.save(self.run)
                raise

    def _warn_of_random_actions_only(self) -> None:
        """Says so where the run ends before anything is learned."""
        config = self.run.config
        if not config.data and not self.run.done and config.random_steps >= config.env_steps:
            self.display.note(
                f"nothing will be learned: of {config.env_steps:,} steps the first"
                f" {config.random_steps:,} are random; give more --env-steps, or fewer"
                " --random-steps"
            )

    def _warn_of_endless_episodes(self) -> None:
        """Says so where nothing but the environment itself ends an episode."""
        config = self.run.config
        if config.data or self.run.done or self.run.environments[0].runner.time_limit is not None:
            return
        self.display.note(
            f"environment {shown(config.env.id)} has no time limit: an episode that it never ends"
            f" is not learned from, and is cut short after {LONGEST:,} steps in evaluations; give"
            " max_episode_steps in --env.kwargs unless it ends its episodes itself"
        )


@contextmanager
def begin(config: Config, run_dir: Path, *, numbered: bool = False) -> Iterator[Session]:
    """Begins a run, and writes its first checkpoint.

    Args:
      config: the resolved configuration.
      run_dir: made, and filled as described in the README. No other process may train in it.
      numbered: whether a run gets another directory, `RUN_DIR-2` and so on, where there is one of
        this name.

    Raises:
      UserError: the environment cannot be used, wandb is asked for and not installed, or the
        directory holds a run; nothing has been written then.
    """
    if config.wandb:
        refuse_missing()
    run = _new(config)
    if numbered:
        run_dir = make_numbered(run_dir)
    else:
        with writable(run_dir):
            run_dir.mkdir(parents=True, exist_ok=True)
    with locked(run_dir, _refusal(run_dir)):
        refuse_taken(run_dir)
        write_whole(run_dir / CONFIG_FILE, dump(config))
        display = Display(_total_steps(run), _title(config), horizon=config.planner.horizon)
        with RunLog(run_dir, _mirror(config, run_dir, display)) as log, display:
            display.note(_about(config, run_dir))
            run.save(run_dir, log.position())
            if config.data:
                used = data.describe(data.summarise(run.replay))
                display.note(f"learning from {config.data}: {used}")
            yield Session(run, run_dir, log, display)


@contextmanager
def resume(
    run_dir: Path, env_steps: int | None = None, from_step: int | None = None
) -> Iterator[Session]:
    """Continues a run from its latest checkpoint, as if it had not been interrupted.

    A run that was killed before its first checkpoint begins again.

    Args:
      run_dir: of the run. No other process may train in it.
      env_steps: the new total, not below the run's own; None keeps it.
      from_step: the checkpoint to continue from, when it is not the latest; what came after is
        dropped. Of use where the latest is damaged.

    Raises:
      UserError: no run, no usable checkpoint, another configuration than the checkpoint's, or an
        open episode that replays differently now.
    """
    with locked(run_dir, _refusal(run_dir)):
        checkpoints = run_dir / saved.CHECKPOINTS
        begun = from_step is not None or checkpoint.latest(checkpoints) is not None
        config, stored = saved.open_run(run_dir, from_step) if begun else (load_run(run_dir), None)
        if env_steps is not None:
            config = config.model_copy(update={"env_steps": env_steps})
        if stored is None:
            run = _new(config)
            notes, position = ["there is no checkpoint yet: the run begins again"], START
        else:
            run = Run(config, saved.read_spec(stored))
            found = saved.read(stored, run.agent, config)
            dropped, position = run.restore(found), found.log_position
            notes = [f"resumed at step {run.progress.env_steps:,}", *dropped]
        start = run.progress.env_steps
        total = _total_steps(run)
        show = Display(total, _title(config), horizon=config.planner.horizon, start=start)
        with RunLog(run_dir, _mirror(config, run_dir, show)) as log, show:
            if lost := log.lost(position):
                raise UserError(f"{lost}; {_advice(checkpoints, start, log)}")
            # Before the rows that the later checkpoints count: one killed here can be resumed.
            checkpoint.drop_after(checkpoints, start)
            log.truncate(position)
            write_whole(run_dir / CONFIG_FILE, dump(config))
            for note in (_about(config, run_dir), *notes):
                show.note(note)
            if position is START:
                run.save(run_dir, log.position())
            else:
                show.recall(of_kind(read_rows(run_dir / METRICS), "episode"))
            yield Session(run, run_dir, log, show)


def _new(config: Config) -> Run:
    """A run that begins."""
    run = Run(config)
    for index in range(len(run.environments)):
        run.start_episode(index)
    return run


def _mirror(config: Config, run_dir: Path, display: Display) -> WandbRun | None:
    """Where the log goes as well. Before the display moves: wandb may ask who the user is."""
    if not config.wandb:
        return None
    return WandbRun(config.wandb, run_dir, config.model_dump(mode="json"), display.note)


def _total_steps(run: Run) -> int:
    """Simulator steps of the whole run: of acting, or in the data set."""
    return run.replay.steps if run.config.data else run.config.env_steps


def _refusal(run_dir: Path) -> str:
    where = shown(str(run_dir))
    return f"another process is training in {where}; wait for its end, or give another --run-dir"


def _advice(checkpoints: Path, step: int, log: RunLog) -> str:
    """How to go on where a log lacks rows that checkpoint `step` counts."""
    for earlier in checkpoint.before(checkpoints, step):
        with suppress(UserError):  # one that cannot be read is of no use here
            if not log.lost(checkpoint.read(checkpoints, earlier).arrays["log_position"]):
                return (
                    "restore the file from a copy, or go on from an earlier checkpoint with"
                    f" train --resume RUN_DIR --from-step {earlier}, which drops what came after"
                )
    return "no earlier checkpoint fits it: restore the file from a copy, or train another run"


def _title(config: Config) -> str:
    world = config.data if config.env.id == NO_ENVIRONMENT else config.env.id
    return f"{world}, seed {config.seed}"


def _about(config: Config, run_dir: Path) -> str:
    """What runs, with what, and where its files are."""
    planner, regularizer = config.planner, config.regularizer
    penalty = f"penalty {regularizer.name}, weight {regularizer.weight}"
    devices = jax.devices()
    return (
        f"planner {planner.name}, {planner.horizon} decisions ahead;"
        f" {penalty if regularizer.name != 'none' else 'no penalty'};"
        f" devices: {len(devices)} {devices[0].device_kind}; files in {run_dir}"
    )


@contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Turns the first interrupt into a flag, which `Saving` reads after each decision.

    A second one interrupts at once, or after the epochs of a fit under way. Signals that the
    process ignores, as one in the background or under `nohup` does, stay ignored. Python delivers
    signals to the main thread only, so that in another one there is nothing to defer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []
    before = {each: signal.getsignal(each) for each in INTERRUPTS}
    signals = [each for each in INTERRUPTS if before[each] not in (signal.SIG_IGN, None)]

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
