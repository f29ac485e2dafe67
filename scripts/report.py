"""Writes a run's report anew: `python scripts/report.py RUN_DIR`."""

from agents.config.commands import Lines, parse_report, run_command


def main(args: list[str]) -> Lines:
    """Writes the report that the command line asks for."""
    run_dir = parse_report(args)
    from agents.reporting import html as report  # draws, and bad input need not wait for that

    return [report.write_report(run_dir)]


if __name__ == "__main__":
    run_command(main, jax=True)
