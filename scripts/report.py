"""Writes a run's report anew: `python scripts/report.py RUN_DIR`."""

import sys

from agents.config.commands import parse_report, report_errors
from agents.devices import prepare


def main() -> int:
    """Writes the report that the command line asks for; returns the exit status."""
    run_dir = parse_report(sys.argv[1:])
    from agents.reporting import html as report  # draws, and bad input need not wait for that

    print(report.write_report(run_dir))
    return 0


if __name__ == "__main__":
    prepare()
    sys.exit(report_errors(main))
