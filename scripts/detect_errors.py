"""Tests penalties on rollouts that went wrong: `python scripts/detect_errors.py RUN_DIR ...`."""

from __future__ import annotations

import sys

from agents.config.benchmarks import DetectionOptions, read
from agents.config.commands import report_errors
from agents.devices import prepare

_TEXT = """\
Test whether each regulariser's penalty finds the model's rollouts that went wrong, at several ages
of one run or more. Train them with --regularizer.name none --keep-checkpoints 20."""


def main() -> int:
    """Tests as the command line asks; returns the exit status."""
    options, found, out = read(
        sys.argv[1:],
        "python scripts/detect_errors.py",
        _TEXT,
        DetectionOptions(),
        out="scripts/results/detection",
        positional="RUN_DIR ...",
    )
    from agents.experiments.detection import (
        study as detection,  # brings JAX, which bad input need not wait for
    )

    for line in detection.detect(found["run_dirs"], options, out):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    prepare()
    sys.exit(report_errors(main))
