"""Does a penalty detect the model's errors? `python scripts/detect_errors.py RUN_DIR ...`."""

import sys

from agents.config.benchmarks import DetectionOptions, read
from agents.config.commands import print_lines, report_errors
from agents.devices import prepare

_TEXT = """\
Test whether each regulariser's penalty is larger for rollouts that went wrong (error in the worst
quarter), at several ages of one run or more. Train the runs with --regularizer.name none
--keep-checkpoints 20."""


def main() -> int:
    """Runs the study as the command line asks; returns the exit status."""
    options, found, out = read(
        sys.argv[1:],
        "python scripts/detect_errors.py",
        _TEXT,
        DetectionOptions(),
        out="scripts/results/detection",
        positional="RUN_DIR ...",
    )
    # This brings JAX, which bad input need not wait for.
    from agents.experiments.detection import study

    return print_lines(study.detect(found["run_dirs"], options, out))


if __name__ == "__main__":
    prepare()
    sys.exit(report_errors(main))
