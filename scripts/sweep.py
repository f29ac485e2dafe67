"""Trains over weights, regularisers and seeds: `python scripts/sweep.py PRESET`, or `--help`."""

from __future__ import annotations

import sys

from agents.config.commands import report_errors
from agents.experiments.learning.sweep_options import parse_sweep


def main() -> int:
    """Sweeps as the command line asks; returns the exit status."""
    asked = parse_sweep(sys.argv[1:])
    from agents.experiments.learning import (
        sweep_run,  # brings JAX, which bad input need not wait for
    )

    return sweep_run.conduct(asked)


if __name__ == "__main__":
    sys.exit(report_errors(main))
