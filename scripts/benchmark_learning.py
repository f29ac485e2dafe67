"""Trains contenders over seeds, evaluates them frozen: `python scripts/benchmark_learning.py`."""

import sys
from pathlib import Path

from agents.config.commands import report_errors
from agents.experiments.learning.options import parse_learning
from agents.experiments.learning.run import detach, run_study


def main() -> int:
    """Carries out the benchmark that the command line asks for; returns the exit status."""
    request = parse_learning(sys.argv[1:])
    if not request.background:
        return run_study(request)
    pid = detach(request, Path(__file__), sys.argv[1:])
    print(f"runs in the background as process {pid}; see {request.study.out / 'output.txt'}")
    return 0


if __name__ == "__main__":
    sys.exit(report_errors(main))
