"""Does a denoiser denoise? `python scripts/denoise.py`, or `--help`."""

import os

from agents.config.benchmarks import DenoiseOptions, read
from agents.config.commands import Lines, run_command

_TEXT = """\
Fit the default denoising autoencoder to windows of random episodes, and compare it with the best
constant, a linear map, and the network of a blog post with its mistaken loss."""


def main(args: list[str]) -> Lines:
    """Runs the study as the command line asks."""
    options, _, out = read(
        args,
        "python scripts/denoise.py",
        _TEXT,
        DenoiseOptions(),
        out="scripts/results/denoising",
    )
    # This brings JAX, which bad input need not wait for.
    from agents.experiments.denoising import study

    return study.run_study(options, out)


if __name__ == "__main__":
    os.environ["JAX_COMPILATION_CACHE_DIR"] = ""  # the time to compile is one of its results
    run_command(main, jax=True)
