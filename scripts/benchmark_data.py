"""Learns from logged data with and without a penalty: `python scripts/benchmark_data.py`."""

import sys

from agents.config.commands import run_command
from agents.experiments.logged.options import parse_logged


def main(args: list[str]) -> int:
    """Carries out what the command line asks for, and compares the arms."""
    study = parse_logged(args)
    from agents.experiments.logged.results import write_results  # brings JAX, after bad input
    from agents.experiments.logged.study import carry_out

    try:
        for line in carry_out(study):
            print(line, flush=True)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return 130
    for line in write_results(study.out):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    run_command(main, jax=True)
