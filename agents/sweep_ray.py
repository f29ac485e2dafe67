"""Carries the trials of a sweep out on Ray Tune: on this machine, or on a cluster.

Ray decides where and when a trial runs, notices when it fails and starts it again. It is told
nothing of what is learned: a trial goes on from the checkpoint in its own directory. So Tune's
own snapshots are of no use, and what it writes goes to a directory that is removed.

Ray is imported here, so that `agents.sweep_run.prepare_ray` has to come first; and Ray starts other
processes, so that `cluster` has to come before JAX, which bears no fork.
"""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.progress_reporter import TrialProgressCallback

from agents.devices import cores
from agents.errors import UserError, shown
from agents.sweep import Trial
from agents.sweep_trial import carry_out

_STATE = ".ray"  # in the directory of the sweep
_OBJECTS = 100 * 2**20  # bytes for Ray's own messages; by default it takes a third of the memory

Say = Callable[[str], None]
Work = Callable[[Trial, int, Sequence[str]], None]


def run(
    trials: Sequence[Trial],
    *,
    cpus: int,
    retries: int,
    say: Say,
    work: Work = carry_out,
) -> dict[str, str]:
    """Carries out all trials within a `cluster`, as many at a time as it has cores for.

    Args:
      trials: at least one, all of one sweep.
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
    out = trials[0].run_dir.parent
    by_name = {trial.name: trial for trial in trials}
    reporter = _Reporter(trials, retries, say)
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
                callbacks=[reporter],
                verbose=0,
            ),
        ).fit()
    finally:
        shutil.rmtree(out / _STATE, ignore_errors=True)
    return reporter.failures


def _name(trial: Any) -> str:
    return trial.config["name"]


@contextmanager
def cluster(address: str) -> Iterator[None]:
    """Ray, connected to within the block.

    Args:
      address: `HOST:PORT` of a cluster's head, `auto` for the one that this machine is part of;
        empty for a Ray of its own on this machine, which ends with the block.

    Raises:
      UserError: there is no cluster at `address`.
    """
    # Of what Ray has to say, the user needs what `_Reporter` says.
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
            f"--address: no Ray cluster can be reached at {shown(address)}"
            f" ({_first_line(error)}); start one by `ray start --head`"
        ) from None
    try:
        # Ray has put a handler of its own there. What `kill` does should be what Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        yield
    finally:
        ray.shutdown()
        signal.signal(signal.SIGTERM, before)


class _Reporter(TrialProgressCallback):
    """Says what becomes of the trials, a line each time; it stands where Tune's own would."""

    def __init__(self, trials: Sequence[Trial], retries: int, say: Say) -> None:
        super().__init__()
        self.failures: dict[str, str] = {}
        self._count = len(trials)
        self._ended = 0
        self._retries = retries
        self._say = say
        self._started = time.monotonic()

    def on_trial_result(
        self, iteration: int, trials: list, trial: Any, result: dict, **info: Any
    ) -> None:
        """A result says nothing that the end of its trial does not."""

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """A trial has come to its end, or has been refused."""
        refused = trial.last_result.get("refused")
        if refused:
            self._end(_name(trial), f"failed: {refused}", refused)
        else:
            self._end(_name(trial), "finished")

    def on_trial_recover(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """A trial has failed and will be tried again."""
        why, attempt = _reason(trial), trial.num_failures
        self._say(f"{_name(trial)}  retried ({attempt} of at most {self._retries} times): {why}")

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """A trial has failed for the last time."""
        why = _reason(trial)
        self._end(_name(trial), f"failed: {why}", why)

    def _end(self, name: str, how: str, why: str | None = None) -> None:
        self._ended += 1
        if why is not None:
            self.failures[name] = why
        spent, left = time.monotonic() - self._started, self._count - self._ended
        rest = f"; about {_clock(spent / self._ended * left)} left" if left else ""
        self._say(f"{name}  {how} ({self._ended} of {self._count}, {_clock(spent)}{rest})")


def _reason(trial: Any) -> str:
    """Why a trial failed last, in one line."""
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
