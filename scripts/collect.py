"""`mbrl-dae collect`, which records policies as a data set."""

import sys

from agents.commands.program import run

if __name__ == "__main__":
    sys.exit(run(["collect", *sys.argv[1:]]))
