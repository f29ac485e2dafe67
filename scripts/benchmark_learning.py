"""Trains contenders over seeds, evaluates them frozen: `python scripts/benchmark_learning.py`."""

import sys
from pathlib import Path

from agents.config.commands import report_errors
from agents.experiments.learning.options import parse_learning
from agents.experiments.learning.run import detach, run_study


def main() -> int:
    """Carries out the benchmark that the command line asks for; returns the exit status."""
    study, options, background = parse_learning(sys.argv[1:])
    if not background:
        return run_study(study, options)
    pid = detach(study, Path(__file__), sys.argv[1:])
    print(f"runs in the background as process {pid}; see {study.out / 'output.txt'}")
    return 0


if __name__ == "__main__":
    sys.exit(report_errors(main))
