"""`mbrl-dae evaluate`, which evaluates a saved run."""

import sys

from agents.commands.program import run

if __name__ == "__main__":
    sys.exit(run(["evaluate", *sys.argv[1:]]))
