"""A sweep from its start to its report: what is left to do is done, and what there is, is shown."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from agents.experiments.learning import ray_tune as sweep_ray
from agents.experiments.learning.sweep import SWEEP_FILE, Trial
from agents.experiments.learning.sweep_options import Asked
from agents.experiments.learning.sweep_trial import OUTPUT, carry_out, check


def conduct(asked: Asked) -> int:
    """Carries out what a sweep lacks, then writes its table and its page.

    After an interruption, too, they are written, of what is finished by then.

    Args:
      asked: the sweep, and how it is to be carried out.

    Returns:
      The exit status: 0 where all trials are finished, 1 where some failed, 130 after an
      interruption.

    Raises:
      UserError: Ray is missing or cannot be reached, or the configuration cannot be used; nothing
        has been written then.
    """
    sweep = asked.sweep
    trials = sweep.trials()
    left = [trial for trial in trials if not trial.finished]
    failures: dict[str, str] = {}
    interrupted = False
    if left:
        try:
            failures = _carry_out(left, asked)
        except KeyboardInterrupt:
            interrupted = True
    if (sweep.out / SWEEP_FILE).is_file():  # else it was interrupted before it began
        from agents.experiments.learning import (
            sweep_report,  # brings JAX, which does not bear that Ray forks
        )

        for line in sweep_report.conclude(sweep, failures):
            say(line)
    return end(sweep.out, failures, interrupted, "sweep")


def _carry_out(trials: list[Trial], asked: Asked) -> dict[str, str]:
    sweep = asked.sweep
    with sweep_ray.cluster(asked.address):
        check(sweep.base)
        with sweep.place():
            say(f"{len(trials)} of {len(sweep.grid)} trials to do, in {sweep.out}")
            return sweep_ray.run(
                trials, cpus=asked.cpus, retries=asked.retries, say=say, work=carry_out
            )


def end(out: Path, failures: Mapping[str, str], interrupted: bool, what: str) -> int:
    """Says what went wrong with trials, a line each, on standard error.

    Args:
      out: that their directories are in.
      failures: why some failed for good, by name.
      interrupted: whether the command was.
      what: they are the trials of, for the message.

    Returns:
      The exit status: 0, 1 where some failed, 130 after an interruption.
    """
    for name, why in failures.items():
        print(f"{name} failed: {why}; see {out / name / OUTPUT}", file=sys.stderr)
    if interrupted:
        print(f"interrupted; the same command goes on with the {what}", file=sys.stderr)
        return 130
    return 1 if failures else 0


def say(line: str) -> None:
    """Prints a line at once, also where it goes to a file."""
    print(line, flush=True)
