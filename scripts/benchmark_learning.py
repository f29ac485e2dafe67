"""Trains contenders over seeds, evaluates them frozen: `python scripts/benchmark_learning.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from agents.config.commands import report_errors
from agents.experiments.learning.options import parse_learning


def main() -> int:
    """Carries the benchmark out as the command line asks; returns the exit status."""
    asked = parse_learning(sys.argv[1:])
    from agents.experiments.learning import (
        conduct as learning_run,  # brings JAX, which bad input need not wait for
    )

    if asked.background:
        pid = learning_run.detach(asked, Path(__file__), sys.argv[1:])
        print(f"works in the background as process {pid}; see {asked.out / 'output.txt'}")
        return 0
    return learning_run.conduct(asked)


if __name__ == "__main__":
    sys.exit(report_errors(main))
