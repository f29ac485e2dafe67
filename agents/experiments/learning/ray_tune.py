"""Carries the trials of a sweep out on Ray Tune: on this machine, or on a cluster.

Ray decides where and when a trial runs, notices when it fails and starts it again. It is told
nothing of what is learned: a trial goes on from the checkpoint in its own directory. So Tune's
own snapshots are of no use, and what it writes goes to a directory that is removed.

Ray is imported within `cluster` only, since it changes the environment of a process; and `cluster`
has to come before JAX, which does not bear that Ray forks.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import pickle
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from agents.devices import cores
from agents.errors import UserError, shown

_STATE = ".ray"  # in the directory of the sweep
_OBJECTS = 100 * 2**20  # bytes for Ray's own messages; by default it takes a third of the memory

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anyone
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # no upload of the directory that `uv run` was called in
    "RAY_AIR_NEW_OUTPUT": "0",  # the older one can be silenced
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # so that a path in env.kwargs leads where it did
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # and no tip about it
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # it would wait for the trials; they have checkpoints
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # a run writes its own files
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "A worker died or was killed",  # a paragraph; ours is a line
    "TUNE_WARN_THRESHOLD_S": "60",
}

Say = Callable[[str], None]


class Trial(Protocol):
    """What a trial is here: a name, and a directory of that name beside those of the others."""

    @property
    def name(self) -> str:
        """Of the trial."""
        ...

    @property
    def run_dir(self) -> Path:
        """Its own."""
        ...


_Trial = TypeVar("_Trial", bound=Trial)


def run(
    trials: Sequence[_Trial],
    *,
    cpus: int,
    retries: int,
    say: Say,
    work: Callable[[_Trial, int, Sequence[str]], None],
) -> dict[str, str]:
    """Carries out all trials within a `cluster`, as many at a time as it has cores for.

    Args:
      trials: at least one, with directories in one directory.
      cpus: cores a trial.
      retries: how often a trial that fails, or whose worker dies, is started again.
      say: gets a line for each trial that ends, fails or is tried again.
      work: what is done with a trial; a function that workers can import.

    Returns:
      Why the trials failed that did, by name. What cannot go right the next time, a `UserError`, is
      not retried.

    Raises:
      KeyboardInterrupt: on an interrupt; the workers end with the cluster's block.
    """
    from ray import tune

    out = trials[0].run_dir.parent
    by_name = {trial.name: trial for trial in trials}
    reporter = Reporter(len(trials), retries, say)
    path = [os.getcwd()]

    def attempt(point: dict[str, str]) -> None:
        try:
            work(by_name[point["name"]], cpus, path)
        except UserError as error:
            tune.report({"refused": str(error)})

    try:
        tune.Tuner(
            tune.with_resources(attempt, {"cpu": cpus}),
            param_space={"name": tune.grid_search(list(by_name))},
            tune_config=tune.TuneConfig(trial_name_creator=_name, trial_dirname_creator=_name),
            run_config=tune.RunConfig(
                name=_STATE,
                storage_path=str(out),
                failure_config=tune.FailureConfig(max_failures=retries),
                callbacks=[_told_by_tune(reporter)],
                verbose=0,
            ),
        ).fit()
    finally:
        shutil.rmtree(out / _STATE, ignore_errors=True)
    return reporter.failures


def require() -> None:
    """Refuses to go on without Ray.

    Raises:
      UserError: it is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            "this needs Ray, which is not installed: pip install -c constraints.txt -e '.[sweep]'"
        )


def _prepare() -> None:
    """Tells Ray, before it is imported, to keep to itself."""
    require()
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


def _name(trial: Any) -> str:
    return trial.config["name"]


@contextmanager
def cluster(address: str) -> Iterator[None]:
    """Ray, connected to within the block.

    Args:
      address: `HOST:PORT` of a cluster's head, `auto` for the one that this machine is part of;
        empty for a Ray of its own on this machine, which ends with the block.

    Raises:
      UserError: Ray is not installed, or there is no cluster at `address`.
    """
    _prepare()
    _check_listener(address)
    import ray

    # Of what Ray has to say, the user needs what `Reporter` says.
    for name in ("ray.tune.tune", "ray.tune.execution.tune_controller"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    before = signal.getsignal(signal.SIGTERM)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            # `local`, since RAY_ADDRESS may name a cluster that was not asked for.
            ray.init(
                address="local",
                num_cpus=cores(),
                include_dashboard=False,
                object_store_memory=_OBJECTS,
                **quiet,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        if not address:
            raise
        raise UserError(
            f"--address: the Ray cluster at {shown(address)} cannot be used ({_first_line(error)});"
            " if it asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
        ) from None
    try:
        # Ray has put a handler of its own there. What `kill` does should be what Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        yield
    finally:
        ray.shutdown()
        signal.signal(signal.SIGTERM, before)


def _check_listener(address: str) -> None:
    """Asks at once whether anybody is there: Ray goes on asking for minutes."""
    host, _, port = address.rpartition(":")
    if not host:  # this machine, or `auto`, which Ray looks up
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"--address: nothing answers at {shown(address)} ({error}); give HOST:PORT of a head"
            " that `ray start --head` has started"
        ) from None


class Reporter:
    """Says what becomes of trials, a line each time, and remembers why they failed.

    Args:
      count: trials in all.
      retries: how often one is tried again.
      say: gets the lines.
    """

    def __init__(self, count: int, retries: int, say: Say) -> None:
        self.failures: dict[str, str] = {}
        self._count = count
        self._ended = 0
        self._retries = retries
        self._say = say
        self._started = time.monotonic()

    def finished(self, name: str) -> None:
        """A trial has come to its end."""
        self._end(name, "finished")

    def failed(self, name: str, why: str) -> None:
        """A trial has failed for the last time."""
        self.failures[name] = why
        self._end(name, f"failed: {why}")

    def retried(self, name: str, attempt: int, why: str) -> None:
        """A trial has failed and will be tried again."""
        self._say(f"{name}  retried ({attempt} of at most {self._retries} times): {why}")

    def _end(self, name: str, how: str) -> None:
        self._ended += 1
        spent, left = time.monotonic() - self._started, self._count - self._ended
        rest = f"; about {_clock(spent / self._ended * left)} left" if left else ""
        self._say(f"{name}  {how} ({self._ended} of {self._count}, {_clock(spent)}{rest})")


def _told_by_tune(reporter: Reporter) -> Any:
    """The reporter as Tune wants it, where Tune's own, which says more, would stand."""
    from ray.tune.progress_reporter import TrialProgressCallback

    class Told(TrialProgressCallback):
        def on_trial_result(self, iteration, trials, trial, result, **info) -> None:
            """A result says nothing that the end of its trial does not."""

        def on_trial_complete(self, iteration, trials, trial, **info) -> None:
            refused = trial.last_result.get("refused")
            if refused:
                reporter.failed(_name(trial), refused)
            else:
                reporter.finished(_name(trial))

        def on_trial_recover(self, iteration, trials, trial, **info) -> None:
            reporter.retried(_name(trial), trial.num_failures, _reason(trial))

        def on_trial_error(self, iteration, trials, trial, **info) -> None:
            reporter.failed(_name(trial), _reason(trial))

    return Told()


def _reason(trial: Any) -> str:
    """Why a trial failed last, in one line."""
    from ray.exceptions import RayActorError, RayTaskError

    # Tune's own `get_pickled_error` looks where the file is copied to later.
    error = pickle.loads(Path(trial.pickled_error_file).read_bytes())
    if isinstance(error, RayActorError):
        return "its worker process died"
    if isinstance(error, RayTaskError):
        error = error.cause
    return f"{type(error).__name__}: {_first_line(error)}"


def _first_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else "no reason given"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
