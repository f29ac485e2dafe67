"""Writes a run's training episodes as a data set: `python scripts/export.py RUN_DIR ...`."""

import sys

from agents.config.commands import run_command
from agents.config.data_commands import parse_export


def main(args: list[str]) -> int:
    """Exports as the command line asks."""
    command = parse_export(args)
    try:
        from agents.recording.export import export  # brings JAX, which bad input need not

        for line in export(command):
            print(line, flush=True)
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    run_command(main, jax=True)
