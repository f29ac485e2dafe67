"""Draws a learning benchmark, finished or not: `python scripts/draw_learning.py [DIR]`."""

import re
from pathlib import Path

from agents.config.commands import Lines, run_command
from agents.config.flags import Argument, declared, parse
from agents.errors import UserError, shown

_OUT = "scripts/results/learning"
_ARGUMENTS = (
    Argument(
        "benchmark",
        declared(Path, "Of the benchmark (default: runs/learning)"),
        "DIR",
        positional=True,
    ),
    Argument("name", declared(Path, "Of the files"), "NAME", "default: learning"),
    Argument("out", declared(Path, "Directory of the files"), "DIR", f"default: {_OUT}"),
)
_TEXT = """\
Draw the results of scripts/benchmark_learning.py so far: tables over seeds, curves with 95 %
intervals, and the steps to solve the task."""


def main(args: list[str]) -> Lines:
    """Draws as the command line asks."""
    parsed = parse(args, "python scripts/draw_learning.py", _TEXT, _ARGUMENTS)
    places = parsed.positionals or ["runs/learning"]
    if len(places) > 1:
        raise UserError(f"one directory is allowed, not {', '.join(map(shown, places))}")
    name = parsed.values.get(("name",), "learning")
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(
            f"--name: {shown(name)} is not allowed; give letters, digits, `.`, `-`, `_`"
        )
    out = parsed.values.get(("out",), _OUT)
    from agents.experiments.learning import results  # imports JAX: after the input is checked

    return results.draw(Path(places[0]), name, Path(out))


if __name__ == "__main__":
    run_command(main)
