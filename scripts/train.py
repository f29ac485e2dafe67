"""Trains a planning agent: `python scripts/train.py PRESET`, or `--help`."""

import shlex
import sys

from agents.config.commands import TRAIN, TrainCommand, parse_train, run_command, runnable


def main(args: list[str]) -> int:
    """Trains, or resumes training, as the command line asks."""
    command = parse_train(args)
    try:
        from agents.reporting.conclude import conclude  # brings JAX, which bad input need not
        from agents.training.session import begin, resume

        with (
            begin(command.config, command.run_dir)
            if isinstance(command, TrainCommand)
            else resume(command.run_dir, command.env_steps)
        ) as session:
            session.train()
            conclude(session)
    except KeyboardInterrupt:
        saved = (command.run_dir / "checkpoints").is_dir()
        advice = (
            f"continue with: {runnable(TRAIN)} --resume {shlex.quote(str(command.run_dir))}"
            if saved
            else "nothing was saved"
        )
        print(f"interrupted; {advice}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    run_command(main, jax=True)
