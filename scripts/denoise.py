"""Does a denoiser denoise? `python scripts/denoise.py`, or `--help`."""

import os
import sys

from agents.config.benchmarks import DenoiseOptions, read
from agents.config.commands import print_lines, report_errors
from agents.devices import prepare

_TEXT = """\
Fit the default denoising autoencoder to windows of random episodes, and compare it with the best
constant, a linear map, and the network of a blog post with its mistaken loss."""


def main() -> int:
    """Runs the study as the command line asks; returns the exit status."""
    options, _, out = read(
        sys.argv[1:],
        "python scripts/denoise.py",
        _TEXT,
        DenoiseOptions(),
        out="scripts/results/denoising",
    )
    # This brings JAX, which bad input need not wait for.
    from agents.experiments.denoising import study

    return print_lines(study.run_study(options, out))


if __name__ == "__main__":
    os.environ["JAX_COMPILATION_CACHE_DIR"] = ""  # the time to compile is one of its results
    prepare()
    sys.exit(report_errors(main))
