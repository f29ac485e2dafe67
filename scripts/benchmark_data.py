"""`mbrl-dae logged`, which learns from logged data with and without a penalty."""

import sys

from agents.commands.program import run

if __name__ == "__main__":
    sys.exit(run(["logged", *sys.argv[1:]]))
