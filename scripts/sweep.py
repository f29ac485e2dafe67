"""Trains over weights, regularisers and seeds: `python scripts/sweep.py PRESET`, or `--help`."""

import sys

from agents.config.commands import report_errors
from agents.experiments.learning.run import run_study
from agents.experiments.learning.sweep import parse_sweep


def main() -> int:
    """Carries out the sweep that the command line asks for; returns the exit status."""
    return run_study(*parse_sweep(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(report_errors(main))
