"""Trains contenders over seeds, evaluates them frozen: `python scripts/benchmark_learning.py`."""

from pathlib import Path

from agents.config.commands import run_command
from agents.experiments.learning.options import parse_learning
from agents.experiments.learning.run import detach, run_study


def main(args: list[str]) -> int:
    """Carries out the benchmark that the command line asks for."""
    study, options, background = parse_learning(args)
    if not background:
        return run_study(study, options)
    pid = detach(study, Path(__file__), args)
    print(f"runs in the background as process {pid}; see {study.out / 'output.txt'}")
    return 0


if __name__ == "__main__":
    run_command(main)
