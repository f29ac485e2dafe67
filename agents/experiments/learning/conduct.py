"""A learning benchmark from its start to its end: what is left to do is done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from agents.analysis.tables import writing
from agents.directories import claimed
from agents.experiments.learning import ray_tune as sweep_ray
from agents.experiments.learning.options import Asked
from agents.experiments.learning.sweep_run import end, say
from agents.experiments.learning.sweep_trial import OUTPUT, check
from agents.experiments.learning.trials import FIXED, MODEL_FREE, LearningTrial
from agents.experiments.learning.worker import carry_out, check_place

_CLAIM = ".benchmark"  # in the directory of a benchmark; locked while it works


def conduct(asked: Asked) -> int:
    """Carries out what a benchmark lacks.

    Args:
      asked: the trials, and how they are to be carried out.

    Returns:
      The exit status: 0 where all trials are finished, 1 where some failed, 130 after an
      interruption.

    Raises:
      UserError: Ray or sbx-rl is missing, or a contender cannot take part; nothing has been trained
        then.
    """
    left = [trial for trial in asked.trials if not trial.finished]
    failures: dict[str, str] = {}
    if left:
        try:
            with sweep_ray.cluster(asked.options.address):
                check_contenders(left)
                with claimed(asked.out, asked.out / _CLAIM, "a benchmark"):
                    say(f"{len(left)} of {len(asked.trials)} trials to do, in {asked.out}")
                    failures = sweep_ray.run(
                        left, cpus=asked.options.cpus, retries=asked.options.retries, say=say,
                        work=carry_out,
                    )  # fmt: skip
        except KeyboardInterrupt:
            return end(asked.out, failures, True, "benchmark")
    return end(asked.out, failures, False, "benchmark")


def check_contenders(trials: Sequence[LearningTrial]) -> None:
    """Refuses what trials would stumble over, before a worker is started.

    Raises:
      UserError: an environment cannot be used, a policy cannot take part, or the directory of a
        trial holds another run.
    """
    from agents.envs.making import make_environment
    from agents.experiments.learning import model_free

    for trial in trials:
        if trial.contender.config is not None:
            check_place(trial)
    for contender in dict.fromkeys(trial.contender.label for trial in trials):
        trial = next(each for each in trials if each.contender.label == contender)
        if trial.contender.config is not None:
            check(trial.contender.config)
        if trial.contender.kind in (*FIXED, *MODEL_FREE):
            env = make_environment(trial.protocol.env.id, trial.protocol.env.kwargs)
            model_free.check(trial.contender.kind, env)
            env.close()


def detach(asked: Asked, script: Path, args: Sequence[str]) -> int:
    """Starts the same command in a session of its own, which outlives this one.

    Args:
      asked: the benchmark; what cannot be carried out is refused here, where it is seen.
      script: of the command.
      args: its words; `--background` is left out.

    Returns:
      The number of the process; what it says goes to `output.txt` in the benchmark's directory.

    Raises:
      UserError: as for `conduct`.
    """
    sweep_ray.require()
    left = [trial for trial in asked.trials if not trial.finished]
    check_contenders(left)
    words = [word for word in args if word != "--background"]
    with writing(asked.out), (asked.out / OUTPUT).open("a", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, str(script), *words],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    return process.pid
