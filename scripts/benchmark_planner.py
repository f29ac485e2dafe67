"""How fast is a plan? `python scripts/benchmark_planner.py [--peers]`, or `--help`."""

from agents.config.benchmarks import SpeedOptions, read
from agents.config.commands import Lines, run_command
from agents.experiments.planners import speed

_TEXT = """\
Time plans against the rate of one large matrix product and, with --peers, against other libraries.

Workload A is 5 members of 4x200 with 500 candidates, B 5 of 2x64 with 100; both with a horizon of
20, 5 iterations and TS-infinity. The processes take turns; keep the machine idle."""


def main(args: list[str]) -> Lines:
    """Measures as the command line asks."""
    options, switches, out = read(
        args,
        "python scripts/benchmark_planner.py",
        _TEXT,
        SpeedOptions(),
        out="scripts/results/planners",
        switches={
            "peers": "Also mbrl-lib and pytorch-mppi, installed into .venv-peers",
            "sizes": "Also many sizes of both, for the figure",
        },
    )
    return speed.benchmark(options, out, **switches)


if __name__ == "__main__":
    run_command(main)
