"""Hands drawn invalid lines to a command, in one process that may neither import JAX nor work.

    python refusing.py COUNT COMMAND ...

Each must be refused: status 2, one line that names the mistake, nothing written into the working
directory. Prints a JSON line for each that is not, and at last how many of each kind were refused.
"""

import io
import json
import os
import random
import sys
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from agents.commands import program, trials
from agents.config import flag
from invalid.files import write_bad_files
from invalid.lines import VALID, Drawer, Mistake

_WORKERS = ("jax", "agents.experiments.planners.speed", "agents.experiments.logged.study")


class Accepted(BaseException):
    """An invalid line was about to be carried out."""


class _NoWork:
    """Finds no module of `_WORKERS`."""

    def find_spec(self, name, path=None, target=None):
        if name in _WORKERS:
            raise Accepted(name)


def _refuse_work(*args):
    raise Accepted(args)


def listing() -> dict[str, tuple[int, int]]:
    """Every file of the working directory, with its size and time."""
    found = {}
    for place, _, files in os.walk("."):
        for name in files:
            status = os.lstat(os.path.join(place, name))
            found[os.path.join(place, name)] = (status.st_size, status.st_mtime_ns)
        found[place] = (0, 0)
    return found


def fault_of(command: str, mistake: Mistake) -> str:
    """Why a line was not refused as it should be; empty where it was."""
    before, out, err = listing(), io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status: object = program.run([command, *mistake.words])
        except BaseException as error:
            return repr(error)[:300]
    said = err.getvalue()
    if status != 2 or out.getvalue():
        return f"status {status}, output {out.getvalue()[:300]!r}"
    if said.count("\n") != 1 or not said.startswith("error: ") or not said[:-1].isprintable():
        return f"not one line: {said[:600]!r}"
    if len(said) > 2_100:
        return f"{len(said)} characters"
    missing = [each for each in mistake.named if each not in said]
    if missing:
        return f"does not name {missing}: {said}"
    return "" if listing() == before else f"wrote {set(listing()) ^ set(before)}"


def refused_of(command: str, count: int, others: list[str]) -> Counter[str]:
    """Hands `count` lines to a command; prints those that are not refused, counts the others."""
    line, refused = program.find(command).line, Counter()
    with redirect_stdout(io.StringIO()), suppress(Accepted):
        # Without the mistake it would be accepted, so that what is refused is the mistake.
        assert program.run([command, *VALID[command]]) == 0
    for number in range(count):
        mistake = Drawer(line, others, random.Random(f"{command} {number}")).mistake()
        fault = fault_of(command, mistake)
        if fault:
            words = [word[:80] for word in mistake.words]
            print(json.dumps([command, number, mistake.kind, words, mistake.named, fault]))
        refused[mistake.kind] += not fault
    return refused


def main(count: int, commands: list[str]) -> None:
    """Draws, refuses, prints."""
    sys.meta_path.insert(0, _NoWork())  # pyright: ignore[reportArgumentType]
    trials.run_study = trials.detach = _refuse_work
    write_bad_files(Path())
    others = sorted({flag(path) for each in program.every_command() for path in each.line.flags()})
    print(json.dumps(sum((refused_of(each, count, others) for each in commands), Counter())))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
