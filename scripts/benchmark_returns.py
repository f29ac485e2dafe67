"""`mbrl-dae returns`, which measures planned against realised returns."""

import sys

from agents.commands.program import run

if __name__ == "__main__":
    sys.exit(run(["returns", *sys.argv[1:]]))
