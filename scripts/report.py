"""`mbrl-dae report`, which writes a run's report anew."""

import sys

from agents.commands.program import run

if __name__ == "__main__":
    sys.exit(run(["report", *sys.argv[1:]]))
