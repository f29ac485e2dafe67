"""Where trials are carried out: on the cores of this machine, or with `--address` on Ray's tasks.

On this machine a trial is a process; no port is opened, and Ray is not imported.
"""

import logging
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path

from agents.devices import cores
from agents.errors import UserError, one_line, shown
from agents.experiments.learning.trials import Trial
from agents.experiments.learning.worker import OUTPUT

Work = Callable[[Trial, int], None]
"""``work(trial, cpus)`` carries out a trial in its own process, as `worker.carry_out` does."""


@dataclass(frozen=True)
class Place:
    """Where trials are carried out, each in a process of its own.

    Attributes:
      slots: trials that may be started and not ended.
      submit: starts a trial. Its future has the error that `Work` raised, or the place's own.
      usable: whether an answer of the place can still come.
    """

    slots: int
    submit: Callable[[Trial], Future[None]]
    usable: Callable[[], bool]


@contextmanager
def local_processes(work: Work, cpus: int) -> Iterator[Place]:
    """Processes of this machine; those that still run at the end of the block are killed.

    Args:
      work: a function that workers can import.
      cpus: cores a trial.
    """
    # It removes what workers leave that are killed, and would warn of each.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    resource_tracker.ensure_running()
    context = multiprocessing.get_context("spawn")  # JAX has threads

    def submit(trial: Trial) -> Future[None]:
        # A pool a trial: a process that dies breaks no other's. It inherits the block of Ctrl-C.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        pool = ProcessPoolExecutor(1, context, _begin, (trial.run_dir,))
        future = pool.submit(work, trial, cpus)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        pool.shutdown(wait=False)
        return future

    try:
        yield Place(cores() // cpus, submit, lambda: True)
    finally:
        for child in multiprocessing.active_children():
            child.kill()


def _begin(run_dir: Path) -> None:
    """Lets a process end with the one that started it, and print into a file of its trial."""
    threading.Thread(
        target=lambda parent: (parent.join(), os._exit(1)),
        args=(multiprocessing.parent_process(),),
        daemon=True,
    ).start()
    run_dir.mkdir(exist_ok=True)
    output = os.open(run_dir / OUTPUT, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):  # what the interpreter or a compiled library says at a crash
        os.dup2(output, stream)


@contextmanager
def ray_tasks(work: Work, cpus: int, address: str) -> Iterator[Place]:
    """Tasks of a Ray cluster, which is connected to within the block.

    Args:
      work: a function that workers can import.
      cpus: cores a trial.
      address: `HOST:PORT` of its head, or `auto` for the one that this machine is part of.

    Raises:
      UserError: there is no cluster at `address`, or none of its machines has so many cores.
    """
    _check_listener(address)
    # No upload of the directory that `uv run` was called in, and no messages of the cluster.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"--address: the Ray cluster at {shown(address)} cannot be used ({one_line(error)});"
            " if it asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
        ) from None

    def usable() -> bool:  # Ray itself would wait for ever
        try:
            _check_listener(ray.get_runtime_context().gcs_address)
        except UserError:
            return False
        return any(
            node["Alive"] and node["Resources"].get("CPU", 0) >= cpus for node in ray.nodes()
        )

    try:
        if not usable():
            raise UserError(f"--cpus: no machine of the Ray cluster has {cpus} cores; give less")
        # A trial a process: JAX is set up for its cores once.
        task = ray.remote(num_cpus=cpus, max_retries=0, max_calls=1)(work)
        yield Place(10**6, lambda trial: task.remote(trial, cpus).future(), usable)
    finally:
        ray.shutdown()


def _check_listener(address: str) -> None:
    """Refuses at once an address where no server listens: Ray tries for minutes."""
    host, _, port = address.rpartition(":")
    if not host:  # `auto`, which Ray looks up
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"--address: nothing answers at {shown(address)} ({error}); give HOST:PORT of a head"
            " that `ray start --head` has started"
        ) from None
