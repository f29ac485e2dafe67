"""Compares finished runs: `python scripts/compare.py NAME LABEL=RUN_DIR ...`, or `--help`."""

from pathlib import Path

from agents.config.commands import Lines, run_command
from agents.config.flags import Argument, declared, parse

_OUT = "scripts/results/comparisons"
_ARGUMENTS = (
    Argument("name", declared(Path, "Of the files"), "NAME", positional=True),
    Argument(
        "runs",
        declared(Path, "Runs; LABEL= may stand alone before a pattern"),
        "LABEL=RUN_DIR [RUN_DIR ...]",
        positional=True,
    ),
    Argument("out", declared(Path, "Directory of the files"), "DIR", f"default: {_OUT}"),
)
_TEXT = "Compare finished runs of one environment with each other and with acting at random."


def main(args: list[str]) -> Lines:
    """Compares as the command line asks."""
    parsed = parse(args, "python scripts/compare.py", _TEXT, _ARGUMENTS)
    out = parsed.values.get(("out",), _OUT)
    from agents.reporting import (
        comparison,  # brings JAX, which help and wrong options need not wait for
    )

    name, groups = comparison.parse_words(parsed.positionals)
    return comparison.compare(name, groups, Path(out))


if __name__ == "__main__":
    run_command(main)
