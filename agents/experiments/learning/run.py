"""A study from its start to its end, here or in the background."""

import subprocess
import sys
from collections.abc import Sequence

from agents.analysis.tables import writing
from agents.config import CONFIG_FILE, difference, load_run
from agents.errors import UserError, shown
from agents.experiments.learning import scheduling
from agents.experiments.learning.options import TrialOptions
from agents.experiments.learning.places import local_processes, ray_tasks
from agents.experiments.learning.trials import SWEEP_FILE, Study, Trial
from agents.experiments.learning.worker import OUTPUT, carry_out


def run_study(study: Study, options: TrialOptions) -> int:
    """Carries out the trials of a study that are not finished; writes the report of a sweep.

    The report is written after an interruption too, of the trials that are finished by then.

    Args:
      study: the trials.
      options: where they are carried out.

    Returns:
      The exit status: 0 if all trials are finished, 1 if some failed or the cluster was lost, 130
      after an interruption.

    Raises:
      UserError: sbx-rl is missing, the cluster cannot be reached, or as `check_trials`;
        nothing has been written then.
    """
    left = [trial for trial in study.trials if not trial.finished]
    failures: dict[str, str] = {}
    stopped, status = "", 0
    if left:
        address, cpus = options.address, options.cpus
        try:
            # A cluster is connected to before JAX is imported: Ray forks, and JAX has threads.
            with (
                ray_tasks(carry_out, cpus, address) if address else local_processes(carry_out, cpus)
            ) as place:
                check_trials(left)
                with study.claimed():
                    say(f"{len(left)} of {len(study.trials)} trials to do, in {study.out}")
                    failures = scheduling.run(left, place, retries=options.retries, say=say)
        except KeyboardInterrupt:
            stopped, status = "interrupted", 130
        except scheduling.PlaceLost:
            stopped, status = f"the Ray cluster at {address} was lost", 1
    # There is no claim if the study was interrupted before it began.
    if study.base is not None and (study.out / SWEEP_FILE).is_file():
        from agents.experiments.learning.sweep_report import write_sweep_report

        say("\n".join(write_sweep_report(study, failures)))
    for name, why in failures.items():
        print(f"{name} failed: {why}; see {study.out / name / OUTPUT}", file=sys.stderr)
    if stopped:
        print(f"{stopped}; the same command resumes the {study.kind}", file=sys.stderr)
    return status or (1 if failures else 0)


def check_trials(trials: Sequence[Trial]) -> None:
    """Refuses trials that cannot be carried out, before a worker is started.

    Raises:
      UserError: an environment or its analytic reward cannot be used, a policy cannot act in it,
        or the directory of a trial holds another run.
    """
    from agents.envs.making import make_environment
    from agents.experiments.learning import model_free
    from agents.planning import builders

    different: dict[str, Trial] = {}
    for trial in trials:
        config = trial.contender.config
        if config is not None and (trial.run_dir / CONFIG_FILE).is_file():
            earlier = load_run(trial.run_dir)
            # Its total of steps may be raised.
            if changed := difference(earlier, trial.config, {("env_steps",), ("milestones",)}):
                raise UserError(
                    f"{shown(str(trial.run_dir))} holds a run with {changed}; give the same"
                    " options, or another --out"
                )
        # Contenders of a sweep share both parts, so that one of them is checked.
        parts = trial.contender.kind, config and (config.env, config.model)
        different.setdefault(repr(parts), trial)
    for trial in different.values():
        config, protocol = trial.contender.config, trial.protocol
        if config is not None:
            builders.build_agent(config)
        elif protocol is not None:
            env = make_environment(protocol.env.id, protocol.env.kwargs)
            model_free.check(trial.contender.kind, env)
            env.close()


def detach(study: Study, name: str, args: Sequence[str]) -> int:
    """Starts the same command in a session of its own, which outlives this one.

    Args:
      study: trials of it that cannot be carried out are refused here, where it is seen.
      name: of the command.
      args: its words; `--background` is left out.

    Returns:
      The number of the process; what it prints goes to `output.txt` in the study's directory.

    Raises:
      UserError: as for `run_study`.
    """
    check_trials([trial for trial in study.trials if not trial.finished])
    words = [word for word in args if word != "--background"]
    with writing(study.out), (study.out / OUTPUT).open("a", encoding="utf-8") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "agents", name, *words],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        ).pid  # fmt: skip


def say(line: str) -> None:
    """Prints a line at once, also where it goes to a file."""
    print(line, flush=True)
