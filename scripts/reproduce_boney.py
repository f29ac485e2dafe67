"""`mbrl-dae boney`, which trains on the paper's tasks with and without a penalty."""

import sys

from agents.commands.program import run

if __name__ == "__main__":
    sys.exit(run(["boney", *sys.argv[1:]]))
