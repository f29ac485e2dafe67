"""Carries out trials on Ray Tune: on this machine, or on a cluster.

Ray decides where and when a trial runs, notices when it fails and starts it again. It knows nothing
of the training: a trial resumes from the checkpoint in its own directory. So Tune's own snapshots
are not needed, and what it writes goes to a directory that is removed.

Ray is imported within `cluster` only, since it changes the environment of a process; and `cluster`
has to be entered before JAX is imported, since Ray forks, and JAX has threads.
"""

import importlib.util
import itertools
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
from typing import Any

from agents.analysis.text import clock
from agents.devices import cores
from agents.errors import UserError, shown
from agents.experiments.learning.trials import Trial

_STATE = ".ray"  # in the directory of the study
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


def run(
    trials: Sequence[Trial],
    *,
    cpus: int,
    retries: int,
    say: Say,
    work: Callable[[Trial, int, Sequence[str]], None],
) -> dict[str, str]:
    """Carries out all trials within a `cluster`, as many at a time as it has cores for.

    Args:
      trials: at least one, with directories in one directory.
      cpus: cores a trial.
      retries: how often a trial that fails, or whose worker dies, is started again.
      say: gets a line for each trial that ends, fails or is tried again.
      work: ``work(trial, cpus, path)`` carries out a trial; a function that workers can import.
        A `UserError` that it raises is not retried.

    Returns:
      Why trials failed, by name.

    Raises:
      KeyboardInterrupt: on an interrupt; the workers end with the cluster's block.
    """
    from ray import tune

    out = trials[0].run_dir.parent
    by_name = {trial.name: trial for trial in trials}
    path = [os.getcwd()]
    failures: dict[str, str] = {}

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
                callbacks=[_reporter(len(trials), retries, say, failures)],
                verbose=0,
            ),
        ).fit()
    finally:
        shutil.rmtree(out / _STATE, ignore_errors=True)
    return failures


def require() -> None:
    """Refuses to run without Ray.

    Raises:
      UserError: it is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            "this needs Ray, which is not installed: pip install -c constraints.txt -e '.[sweep]'"
        )


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
    require()
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    _check_listener(address)
    import ray

    # Of Ray's own messages, the user needs what `_reporter` says.
    for name in ("ray.tune.tune", "ray.tune.execution.tune_controller"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    before = signal.getsignal(signal.SIGTERM)
    own = {"num_cpus": cores(), "include_dashboard": False, "object_store_memory": _OBJECTS}
    try:
        ray.init(
            address=address or "local",  # RAY_ADDRESS may name another cluster
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else own),
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        if not address:
            raise
        raise UserError(
            f"--address: the Ray cluster at {shown(address)} cannot be used ({_first_line(error)});"
            " if it asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
        ) from None
    try:
        # Instead of Ray's own handler: `kill` does what Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        yield
    finally:
        ray.shutdown()
        signal.signal(signal.SIGTERM, before)


def _check_listener(address: str) -> None:
    """Refuses at once an address where no server listens: Ray tries for minutes."""
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


def _reporter(count: int, retries: int, say: Say, failures: dict[str, str]) -> Any:
    """A callback of Tune that says a line for each trial that ends, fails or is tried again.

    It is of the kind of Tune's own, which prints more, and takes its place.

    Args:
      count: trials in all.
      retries: how often one is tried again.
      say: gets the lines.
      failures: gets why trials failed, by name.
    """
    from ray.tune.progress_reporter import TrialProgressCallback

    numbers = itertools.count(1)
    started = time.monotonic()

    def end(trial: Any, how: str) -> None:
        done, spent = next(numbers), time.monotonic() - started
        rest = f"; about {clock(spent / done * (count - done))} left" if done < count else ""
        say(f"{_name(trial)}  {how} ({done} of {count}, {clock(spent)}{rest})")

    def fail(trial: Any, why: str) -> None:
        failures[_name(trial)] = why
        end(trial, f"failed: {why}")

    class Reporter(TrialProgressCallback):
        def on_trial_result(self, iteration, trials, trial, result, **info) -> None:
            """Says nothing: a line follows at the end of the trial."""

        def on_trial_complete(self, iteration, trials, trial, **info) -> None:
            if refused := trial.last_result.get("refused"):
                fail(trial, refused)
            else:
                end(trial, "finished")

        def on_trial_recover(self, iteration, trials, trial, **info) -> None:
            attempt = f"{trial.num_failures} of at most {retries} times"
            say(f"{_name(trial)}  retried ({attempt}): {_reason(trial)}")

        def on_trial_error(self, iteration, trials, trial, **info) -> None:
            fail(trial, _reason(trial))

    return Reporter()


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
    lines = map(str.strip, str(error).splitlines())
    return next(filter(None, lines), "no reason given")
