"""Trains over weights, regularisers and seeds: `python scripts/sweep.py PRESET`, or `--help`."""

from agents.config.commands import run_command
from agents.experiments.learning.run import run_study
from agents.experiments.learning.sweep import parse_sweep


def main(args: list[str]) -> int:
    """Carries out the sweep that the command line asks for."""
    return run_study(*parse_sweep(args))


if __name__ == "__main__":
    run_command(main)
