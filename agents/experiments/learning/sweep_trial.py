"""One trial of a sweep, as a worker of whatever kind carries it out.

Nothing is imported here that brings JAX: it must be told its share of the cores before it starts.
"""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from agents.config.schema import Config
from agents.devices import prepare
from agents.errors import UserError, shown
from agents.experiments.learning.sweep import SWEEP_FILE, Trial

OUTPUT = "output.txt"
"""In the directory of a trial: what it printed, over all its attempts."""


def carry_out(trial: Trial, cpus: int, path: Sequence[str] = ()) -> None:
    """Trains a trial on processor cores, from the beginning or from its latest checkpoint.

    A trial that has been killed and is carried out again ends with the same numbers as one that
    has not, since training resumes exactly.

    Args:
      trial: which one.
      cpus: cores that it may use.
      path: where modules of the user are, as in `--env.id my_module:MyEnv-v0`.

    Raises:
      UserError: the directory of the sweep is not there, or as `agents.training.loop` does.
    """
    begin_work(cpus, path)
    place = trial.run_dir.parent
    if not (place / SWEEP_FILE).is_file():
        raise UserError(
            f"{platform.node() or 'a machine'} has no {shown(str(place))}; give an --out on a disk"
            " that all machines of the cluster share"
        )
    if trial.finished:  # a worker died between the last file and its own end
        return
    from agents.training import checkpoint
    from agents.training import loop as training
    from agents.training.saved import CHECKPOINTS

    trial.run_dir.mkdir(exist_ok=True)
    with told_to(trial.run_dir / OUTPUT):
        if checkpoint.latest(trial.run_dir / CHECKPOINTS) is None:
            training.train(trial.config, trial.run_dir)
        else:
            training.resume(trial.run_dir)


def begin_work(cpus: int, path: Sequence[str]) -> None:
    """What a worker does first: it takes its share of the cores, and finds the user's modules.

    Args:
      cpus: cores that it may use.
      path: where the modules are.
    """
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # Ray hands out cores, and no accelerator
    prepare(cpus)
    sys.path += [each for each in path if each not in sys.path]


@contextmanager
def told_to(file: Path) -> Iterator[None]:
    """Adds what is printed within the block to a file, and the error that ends it, if one does."""
    with file.open("a", encoding="utf-8") as out, redirect_stdout(out), redirect_stderr(out):
        try:
            yield
        except BaseException as error:
            traceback.print_exception(error)
            raise


def check(config: Config) -> None:
    """Refuses what every trial would stumble over, before a worker is started.

    Raises:
      UserError: the environment or its analytic reward cannot be used.
    """
    from agents.training import run as run_state

    runner = run_state.make_runner(config)
    run_state.build_agent(config, runner)
    runner.env.close()
