"""A sweep from its start to its report: what is left to do is done, and what there is, is shown."""

from __future__ import annotations

import importlib.util
import os
import sys

from agents.errors import UserError
from agents.sweep import Sweep, Trial
from agents.sweep_options import Asked
from agents.sweep_trial import OUTPUT, check

_RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anyone
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # no upload of the directory that `uv run` was called in
    "RAY_AIR_NEW_OUTPUT": "0",  # the older one can be silenced
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # and no tip about it
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # it would wait for the trials; they have checkpoints
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # a run writes its own files
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "A worker died or was killed",  # a paragraph; ours is a line
    "TUNE_WARN_THRESHOLD_S": "60",
}


def prepare_ray() -> None:
    """Tells Ray, before it is imported, to keep to itself.

    Raises:
      UserError: it is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            "sweeps need Ray, which is not installed: pip install -c constraints.txt -e '.[sweep]'"
        )
    for name, value in _RAY_SETTINGS.items():
        os.environ.setdefault(name, value)


def conduct(asked: Asked) -> int:
    """Carries out what a sweep lacks, then writes its table and its page.

    After an interruption, too, they are written, of what is finished by then.

    Args:
      asked: the sweep, and how it is to be carried out.

    Returns:
      The exit status: 0 where all trials are finished, 1 where some failed, 130 after an
      interruption.

    Raises:
      UserError: Ray is missing or cannot be reached, or the configuration cannot be used.
    """
    sweep = asked.sweep
    trials = sweep.trials()
    failures: dict[str, str] = {}
    interrupted = False
    with sweep.place():
        left = [trial for trial in trials if not trial.finished]
        _say(f"sweep      {sweep.out}: {len(trials)} trials, {len(left)} to do")
        if left:
            try:
                failures = _carry_out(left, asked)
            except KeyboardInterrupt:
                interrupted = True
        from agents import sweep_report  # brings JAX, which bears no fork, and Ray forks

        for line in sweep_report.conclude(sweep, failures):
            _say(line)
    return _end(sweep, failures, interrupted)


def _carry_out(trials: list[Trial], asked: Asked) -> dict[str, str]:
    prepare_ray()
    from agents import sweep_ray  # only now, with Ray prepared

    with sweep_ray.cluster(asked.address):
        check(asked.sweep.base)
        return sweep_ray.run(trials, cpus=asked.cpus, retries=asked.retries, say=_say)


def _end(sweep: Sweep, failures: dict[str, str], interrupted: bool) -> int:
    for name, why in failures.items():
        print(f"{name} failed: {why}; see {sweep.out / name / OUTPUT}", file=sys.stderr)
    if interrupted:
        print("interrupted; the same command goes on with the sweep", file=sys.stderr)
        return 130
    return 1 if failures else 0


def _say(line: str) -> None:
    print(line, flush=True)
