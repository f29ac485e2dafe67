"""`mbrl-dae compare`, which compares finished runs."""

import sys

from agents.commands.program import run

if __name__ == "__main__":
    sys.exit(run(["compare", *sys.argv[1:]]))
