"""Trials as processes of this machine, side by side on its cores. No port is opened."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection

from agents.devices import cores
from agents.experiments.learning.scheduling import DIED, Place
from agents.experiments.learning.trials import Trial
from agents.experiments.learning.worker import OUTPUT, Failure, Work, attempt


@contextmanager
def local_processes(cpus: int) -> Iterator[Place]:
    """Processes of this machine; those that still run at the end of the block are killed.

    Args:
      cpus: cores a trial.
    """
    futures: list[Future[Failure | None]] = []

    def submit(work: Work, trial: Trial) -> Future[Failure | None]:
        futures.append(threads.submit(_in_process, work, trial, cpus))
        return futures[-1]

    # It removes what workers leave that are killed, and would warn of each.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    resource_tracker.ensure_running()
    threads = ThreadPoolExecutor(cores() // cpus, initializer=_leave_interrupts)
    try:
        yield Place(submit)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        while not all(future.done() for future in futures):  # one may be about to start
            for child in multiprocessing.active_children():
                child.kill()
            time.sleep(0.05)


def _leave_interrupts() -> None:
    """Leaves Ctrl-C to the main thread: the processes that a thread starts inherit that from it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _in_process(work: Work, trial: Trial, cpus: int) -> Failure | None:
    """Tries a trial in a process of its own: one that dies takes no other along."""
    context = multiprocessing.get_context("spawn")  # JAX has threads
    answer, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, work, trial, cpus))
    process.start()
    sender.close()
    with answer:
        try:
            return answer.recv()
        except EOFError:
            return Failure(DIED)
        finally:
            process.join()


def _answer(sender: Connection, work: Work, trial: Trial, cpus: int) -> None:
    """What the process does; it ends with the one that started it, and prints into a file."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
    trial.run_dir.mkdir(exist_ok=True)
    output = os.open(trial.run_dir / OUTPUT, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):  # what the interpreter or a compiled library says at a crash
        os.dup2(output, stream)
    sender.send(attempt(work, trial, cpus))
