"""`mbrl-dae train`, which trains a planning agent."""

import sys

from agents.commands.program import run

if __name__ == "__main__":
    sys.exit(run(["train", *sys.argv[1:]]))
