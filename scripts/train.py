"""Trains a planning agent: `python scripts/train.py PRESET`, or `--help`."""

from __future__ import annotations

import shlex
import sys

from agents.config.commands import TRAIN, TrainCommand, parse_train, report_errors, runnable
from agents.devices import prepare


def main() -> int:
    """Trains, or goes on training, as the command line asks; returns the exit status."""
    command = parse_train(sys.argv[1:])
    try:
        from agents.training import (
            loop as training,  # brings JAX, which bad input need not wait for
        )

        if isinstance(command, TrainCommand):
            training.train(command.config, command.run_dir)
        else:
            training.resume(command.run_dir, command.env_steps)
    except KeyboardInterrupt:
        saved = (command.run_dir / "checkpoints").is_dir()
        advice = (
            f"go on with: {runnable(TRAIN)} --resume {shlex.quote(str(command.run_dir))}"
            if saved
            else "nothing was saved"
        )
        print(f"interrupted; {advice}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    prepare()
    sys.exit(report_errors(main))
