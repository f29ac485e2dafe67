"""Does a denoiser denoise? `python scripts/denoise.py`, or `--help`."""

from __future__ import annotations

import os
import sys

from agents.config.benchmarks import DenoiseOptions, read
from agents.config.commands import report_errors
from agents.devices import prepare

_TEXT = """\
The blog's experiment done right: the default denoising autoencoder on windows of random episodes,
beside the best constant, a linear map and the blog's own network with its mistaken loss."""


def main() -> int:
    """Trains and compares as the command line asks; returns the exit status."""
    options, _, out = read(
        sys.argv[1:],
        "python scripts/denoise.py",
        _TEXT,
        DenoiseOptions(),
        out="scripts/results/denoising",
    )
    from agents.experiments.denoising import (
        study as denoising_study,  # brings JAX, which bad input need not wait for
    )

    for line in denoising_study.study(options, out):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    os.environ["JAX_COMPILATION_CACHE_DIR"] = ""  # the time to compile is one of its results
    prepare()
    sys.exit(report_errors(main))
