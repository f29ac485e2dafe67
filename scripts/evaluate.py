"""Evaluates a saved run: `python scripts/evaluate.py RUN_DIR`, or `--help`."""

import sys

from agents.config.commands import parse_evaluate, run_command


def main(args: list[str]) -> int:
    """Evaluates as the command line asks."""
    command = parse_evaluate(args)
    try:
        from agents.reporting.conclude import evaluate_run  # brings JAX, which bad input need not

        evaluate_run(command.run_dir, command.episodes, command.seed, command.gif)
    except KeyboardInterrupt:
        print("interrupted; the run is as it was", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    run_command(main, jax=True)
