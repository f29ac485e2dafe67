"""`mbrl-dae learning`, which trains contenders over seeds."""

import sys

from agents.commands.program import run

if __name__ == "__main__":
    sys.exit(run(["learning", *sys.argv[1:]]))
