"""Planned against realised returns: `python scripts/benchmark_returns.py RUN_DIR`."""

from agents.config.benchmarks import ReturnsOptions, read
from agents.config.commands import Lines, run_command

_TEXT = """\
Measure planned against realised returns at several weights of a penalty: open loop from rebuilt
states, closed loop over the horizon, and in whole episodes; with intervals and figures."""


def main(args: list[str]) -> Lines:
    """Measures as the command line asks."""
    options, found, out = read(
        args,
        "python scripts/benchmark_returns.py",
        _TEXT,
        ReturnsOptions(),
        positional="RUN_DIR ...",
        switches={"alphas": "Also Boney et al.'s weights in this unit, on the first run's data"},
        out="RUN_DIR/returns",
    )
    from agents.diagnostics import returns  # imports JAX, which bad input need not wait for

    return returns.benchmark(found["run_dirs"], options, out, alphas=found["alphas"])


if __name__ == "__main__":
    run_command(main, jax=True)
