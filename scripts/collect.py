"""Records policies as a data set: `python scripts/collect.py PRESET ...`, or `--help`."""

import sys

from agents.config.commands import run_command
from agents.config.data_commands import parse_collect


def main(args: list[str]) -> int:
    """Records as the command line asks."""
    command = parse_collect(args)
    try:
        from agents.recording.collect import collect  # brings JAX, which bad input need not

        for line in collect(command):
            print(line, flush=True)
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    run_command(main, jax=True)
