"""Does a penalty detect the model's errors? `python scripts/detect_errors.py RUN_DIR ...`."""

from agents.config.benchmarks import DetectionOptions, read
from agents.config.commands import Lines, run_command

_TEXT = """\
Test whether each regulariser's penalty is larger for rollouts that went wrong (error in the worst
quarter), at several ages of one run or more. Train the runs with --regularizer.name none
--keep-checkpoints 20."""


def main(args: list[str]) -> Lines:
    """Runs the study as the command line asks."""
    options, found, out = read(
        args,
        "python scripts/detect_errors.py",
        _TEXT,
        DetectionOptions(),
        out="scripts/results/detection",
        positional="RUN_DIR ...",
    )
    # This brings JAX, which bad input need not wait for.
    from agents.experiments.detection import study

    return study.detect(found["run_dirs"], options, out)


if __name__ == "__main__":
    run_command(main, jax=True)
