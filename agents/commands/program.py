"""`mbrl-dae`: the list of its commands, its help and its version."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import NoReturn

from agents.commands.command import Command, carry_out
from agents.commands.ending import failed, flush_streams, open_streams
from agents.config.base import closest
from agents.config.flags import PROGRAM
from agents.errors import UserError, shown

_ROOMS = {
    "agent": ("demo", "train", "evaluate", "report", "returns", "compare"),
    "data": ("collect", "export"),
    "trials": ("sweep", "learning", "draw-learning", "boney", "logged"),
    "studies": ("planners", "speed", "denoising", "detection"),
    "completion": ("completion",),
}
"""The commands by the module that has them, so that only the module of one is imported."""

_HEADINGS = {
    "agent": "One agent",
    "data": "Data sets",
    "trials": "Many agents",
    "studies": "Studies of parts",
    "completion": "Shell",
}


def main() -> NoReturn:
    """Carries out what the words on the command line ask for, and exits."""
    open_streams()
    # A notebook's backend is inherited, need not be there, and is not needed.
    os.environ["MPLBACKEND"] = "agg"
    try:
        sys.exit(run(sys.argv[1:]))
    except BrokenPipeError:  # of whoever reads the help or the version
        sys.exit(130)
    finally:
        flush_streams()


def run(words: Sequence[str]) -> int:
    """Carries out `NAME [ARGUMENTS]`, and returns the exit status."""
    name, *args = words or ["--help"]
    if name in ("-h", "--help"):
        print(_help())
    elif name == "--version":
        print(PROGRAM, version(PROGRAM))
    else:
        try:
            command = find(name)
        except UserError as error:
            return failed(error)
        return carry_out(command, args)
    return 0


def find(name: str) -> Command:
    """The command of a name.

    Raises:
      UserError: there is none.
    """
    for room, names in _ROOMS.items():
        if name in names:
            return _commands(room)[names.index(name)]
    known = [each for names in _ROOMS.values() for each in names]
    raise UserError(f"unknown command {shown(name)}{closest(name, known)}")


def every_command() -> list[Command]:
    """All commands, in the order of the help."""
    return [command for room in _ROOMS for command in _commands(room)]


def _commands(room: str) -> Sequence[Command]:
    return import_module(f"agents.commands.{room}").COMMANDS


def _help() -> str:
    lines = [f"usage: {PROGRAM} COMMAND [ARGUMENTS]; {PROGRAM} COMMAND --help; {PROGRAM} --version"]
    for room in _ROOMS:
        lines += ["", f"{_HEADINGS[room]}:"]
        lines += [f"  {each.line.name:<15}{each.about}" for each in _commands(room)]
    return "\n".join(lines)
