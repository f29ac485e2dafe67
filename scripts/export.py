"""`mbrl-dae export`, which writes a run's training episodes as a data set."""

import sys

from agents.commands.program import run

if __name__ == "__main__":
    sys.exit(run(["export", *sys.argv[1:]]))
