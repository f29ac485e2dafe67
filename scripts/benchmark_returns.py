"""Planned against realised returns: `python scripts/benchmark_returns.py RUN_DIR`."""

import sys

from agents.config.benchmarks import ReturnsOptions, read
from agents.config.commands import report_errors
from agents.devices import prepare

_TEXT = """\
Measure planned against realised returns at several weights of a penalty: open loop from rebuilt
states, closed loop over the horizon, and in whole episodes; with intervals and figures."""


def main() -> int:
    """Measures as the command line asks; returns the exit status."""
    options, found, out = read(
        sys.argv[1:],
        "python scripts/benchmark_returns.py",
        _TEXT,
        ReturnsOptions(),
        positional="RUN_DIR ...",
        switches={"alphas": "Also Boney et al.'s weights in this unit, on the first run's data"},
        out="RUN_DIR/returns",
    )
    from agents.diagnostics import returns  # imports JAX, which bad input need not wait for

    for line in returns.benchmark(found["run_dirs"], options, out, alphas=found["alphas"]):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    prepare()
    sys.exit(report_errors(main))
