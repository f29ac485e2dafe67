"""Trains on the paper's tasks with and without a penalty: `python scripts/reproduce_boney.py`."""

from pathlib import Path

from agents.config.commands import run_command
from agents.experiments.learning.run import detach, run_study
from agents.experiments.reproduction.options import parse_reproduction


def main(args: list[str]) -> int:
    """Carries out the trials that the command line asks for, and compares the arms."""
    study, options, background = parse_reproduction(args)
    if background:
        pid = detach(study, Path(__file__), args)
        print(f"runs in the background as process {pid}; see {study.out / 'output.txt'}")
        return 0
    status = run_study(study, options)
    from agents.experiments.reproduction.results import write_results  # brings JAX, after Ray

    print(*write_results(study.out), sep="\n")
    return status


if __name__ == "__main__":
    run_command(main)
