"""`mbrl-dae sweep`, which trains over weights, regularisers and seeds."""

import sys

from agents.commands.program import run

if __name__ == "__main__":
    sys.exit(run(["sweep", *sys.argv[1:]]))
