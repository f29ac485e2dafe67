"""Trains contenders over seeds, evaluates them frozen: `python scripts/benchmark_learning.py`."""

from pathlib import Path

from agents.config.commands import run_command
from agents.experiments.learning.options import parse_learning
from agents.experiments.learning.run import detach, run_study


def main(args: list[str]) -> int:
    """Carries out the benchmark that the command line asks for."""
    request = parse_learning(args)
    if not request.background:
        return run_study(request)
    pid = detach(request, Path(__file__), args)
    print(f"runs in the background as process {pid}; see {request.study.out / 'output.txt'}")
    return 0


if __name__ == "__main__":
    run_command(main)
