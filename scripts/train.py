"""Trains a planning agent: `python scripts/train.py PRESET`, or `--help`."""

import shlex
import sys

from agents.config.commands import TRAIN, TrainCommand, parse_train, run_command, runnable


def main(args: list[str]) -> int:
    """Trains, or resumes training, as the command line asks."""
    command = parse_train(args)
    run_dir = None if isinstance(command, TrainCommand) else command.run_dir
    try:
        from agents.reporting.conclude import conclude  # brings JAX, which bad input need not
        from agents.training.session import begin, resume

        with (
            begin(command.config, command.run_dir, numbered=command.numbered)
            if isinstance(command, TrainCommand)
            else resume(command.run_dir, command.env_steps, command.from_step)
        ) as session:
            run_dir = session.run_dir
            session.train()
            conclude(session)
    except KeyboardInterrupt:
        advice = (
            f"continue with: {runnable(TRAIN)} --resume {shlex.quote(str(run_dir))}"
            if run_dir
            else "nothing was saved"
        )
        print(f"interrupted; {advice}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    run_command(main, jax=True)
