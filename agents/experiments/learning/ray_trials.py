"""Trials as tasks of a Ray cluster, with `--address`. Ray is imported within functions only."""

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from agents.errors import UserError, one_line, shown
from agents.experiments.learning.scheduling import DIED, Place, PlaceLost
from agents.experiments.learning.worker import attempt

_SETTINGS = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # no upload of the directory that `uv run` was called in
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # the cluster's own messages; ours are lines
}


@contextmanager
def ray_tasks(address: str, cpus: int) -> Iterator[Place]:
    """A Ray cluster, connected to within the block.

    Args:
      address: `HOST:PORT` of its head, or `auto` for the one that this machine is part of.
      cpus: cores a trial.

    Raises:
      UserError: there is no cluster at `address`, or none of its machines has so many cores.
    """
    _check_listener(address)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    import ray

    sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"--address: the Ray cluster at {shown(address)} cannot be used ({one_line(error)});"
            " if it asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
        ) from None
    finally:
        signal.signal(signal.SIGTERM, sigterm)  # instead of Ray's own
    try:
        # One trial a process: JAX is set up for the cores that it has.
        task = ray.remote(num_cpus=cpus, max_retries=0, max_calls=1)(attempt)
        head = ray.get_runtime_context().gcs_address

        def most_cores() -> float:
            alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            return max((resources.get("CPU", 0) for resources in alive), default=0)

        def check() -> None:
            # Ray itself would wait for ever.
            try:
                _check_listener(head)
            except UserError:
                raise PlaceLost(f"the Ray cluster at {head} was lost") from None
            if most_cores() < cpus:
                raise PlaceLost(f"the Ray cluster at {head} lost its machines of {cpus} cores")

        if most_cores() < cpus:
            raise UserError(
                f"--cpus: {cpus} is not allowed; give at most {most_cores():.0f}, the cores of the"
                " largest machine"
            )
        died = (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.LocalRayletDiedError,
        )
        yield Place(
            lambda work, trial: task.remote(work, trial, cpus).future(),
            check,
            lambda error: DIED if isinstance(error, died) else one_line(error),
        )
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
