"""Trials as processes of this machine, side by side on its cores. No port is opened."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from agents.devices import cores
from agents.experiments.learning.scheduling import Place
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

    threads = ThreadPoolExecutor(cores() // cpus, initializer=_leave_interrupts)
    try:
        yield Place(submit)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        while wait(futures, timeout=0.1).not_done:  # one may be about to start
            for child in multiprocessing.active_children():
                child.kill()


def _leave_interrupts() -> None:
    """Leaves Ctrl-C to the main thread: processes that others start inherit that from them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _in_process(work: Work, trial: Trial, cpus: int) -> Failure | None:
    """Carries out a trial in a process of its own, so that one that dies takes no other along."""
    context = multiprocessing.get_context("spawn")  # JAX has threads
    with ProcessPoolExecutor(1, context, _begin, (trial.run_dir,)) as process:
        return process.submit(attempt, work, trial, cpus).result()


def _begin(run_dir: Path) -> None:
    """Lets a process end with the one that started it, and print nothing on its terminal."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
    run_dir.mkdir(exist_ok=True)
    output = os.open(run_dir / OUTPUT, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):  # what the interpreter or a compiled library says at a crash
        os.dup2(output, stream)
