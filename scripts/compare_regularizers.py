"""Compares regularisers over weights: `python scripts/compare_regularizers.py RUN_DIR ...`."""

from __future__ import annotations

import sys

from agents.benchmark_options import WeightOptions, read
from agents.command_line import report_errors
from agents.devices import prepare

_TEXT = """\
Compare every regulariser over a range of weights on the frozen models of one run or more: what
their plans promise, what they bring when carried out, and the return of episodes."""


def main() -> int:
    """Compares as the command line asks; returns the exit status."""
    options, found, out = read(
        sys.argv[1:],
        "python scripts/compare_regularizers.py",
        _TEXT,
        WeightOptions(),
        positional="RUN_DIR ...",
    )
    from agents import weight_study  # brings JAX, which bad input need not wait for

    for line in weight_study.compare(found["run_dirs"], options, out):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    prepare()
    sys.exit(report_errors(main))
