"""How fast is a plan? `python scripts/benchmark_planner.py [--peers]`, or `--help`."""

import sys

from agents.config.benchmarks import SpeedOptions, read
from agents.config.commands import print_lines, report_errors
from agents.experiments.planners import speed

_TEXT = """\
Time plans against the rate of one large matrix product and, with --peers, against other libraries.

Workload A is 5 members of 4x200 with 500 candidates, B 5 of 2x64 with 100; both with a horizon of
20, 5 iterations and TS-infinity. The processes take turns; keep the machine idle."""


def main() -> int:
    """Measures as the command line asks; returns the exit status."""
    options, switches, out = read(
        sys.argv[1:],
        "python scripts/benchmark_planner.py",
        _TEXT,
        SpeedOptions(),
        out="scripts/results/planners",
        switches={
            "peers": "Also mbrl-lib and pytorch-mppi, installed into .venv-peers",
            "sizes": "Also many sizes of both, for the figure",
        },
    )
    return print_lines(speed.benchmark(options, out, **switches))


if __name__ == "__main__":
    sys.exit(report_errors(main))
