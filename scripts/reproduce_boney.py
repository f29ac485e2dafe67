"""Trains on the paper's tasks with and without a penalty: `python scripts/reproduce_boney.py`."""

from pathlib import Path

from agents.config.commands import run_command
from agents.devices import prepare
from agents.experiments.learning.run import detach, run_study
from agents.experiments.reproduction.options import parse_reproduction


def main(args: list[str]) -> int:
    """Carries out the trials that the command line asks for, and compares the arms."""
    asked = parse_reproduction(args)
    study = asked.study
    if asked.background:
        pid = detach(study, Path(__file__), args)
        print(f"runs in the background as process {pid}; see {study.out / 'output.txt'}")
        return 0
    if asked.open_loop:
        prepare()
        from agents.experiments.reproduction.open_loop import measure_open_loop

        for line in measure_open_loop([trial.run_dir for trial in study.trials], study.out):
            print(line, flush=True)
        return 0
    status = run_study(study, asked.options)
    from agents.experiments.reproduction.results import write_results  # brings JAX

    for line in write_results(study.out):
        print(line, flush=True)
    return status


if __name__ == "__main__":
    run_command(main)
