"""The command that prints a completion script, by shtab, for bash, zsh or tcsh."""

import argparse
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import shtab
from pydantic.fields import FieldInfo

from agents.commands.command import Command, Lines
from agents.config import PRESETS
from agents.config.base import element, flag
from agents.config.flags import PROGRAM, Argument, CommandLine, declared
from agents.errors import UserError, shown

_SHELLS = ("bash", "zsh", "tcsh")


def _completion(args: list[str]) -> Lines:
    words = _LINE.parse(args).positionals
    if len(words) != 1 or words[0] not in _SHELLS:
        given = ", ".join(map(shown, words)) or "none"
        raise UserError(f"one shell is allowed, not {given}; give one of: {', '.join(_SHELLS)}")
    return [shtab.complete(_parser(), shell=words[0])]


def _parser() -> argparse.ArgumentParser:
    """All commands and their flags, as shtab reads them."""
    from agents.commands.program import every_command  # which imports this module

    parser = argparse.ArgumentParser(PROGRAM)
    parser.add_argument("--version", action="store_true", help="Print the version")
    places = parser.add_subparsers(dest="command")
    for command in every_command():
        _add_flags(places.add_parser(command.line.name, help=command.about), command.line)
    return parser


def _add_flags(parser: argparse.ArgumentParser, line: CommandLine) -> None:
    for argument in line.arguments:
        if argument.positional:
            choices = _PLACES.get(argument.name)
            made = parser.add_argument(argument.name, nargs="*", choices=choices)
            if choices is None:
                made.complete = shtab.FILE  # pyright: ignore[reportAttributeAccessIssue]
    for path, field in line.flags().items():
        kind: Any = field.annotation
        about = (field.description or "").replace("%", "%%")
        if kind is bool and len(path) == 1:
            parser.add_argument(flag(path), action="store_true", help=about)
            continue
        choices = ("true", "false") if kind is bool else _choices(field)
        made = parser.add_argument(flag(path), nargs="*", choices=choices, help=about)
        if kind in (Path, str):
            made.complete = shtab.FILE  # pyright: ignore[reportAttributeAccessIssue]


def _choices(field: FieldInfo) -> tuple[str, ...] | None:
    kind = get_origin(field.annotation)
    if kind is tuple:
        return _choices(element(field))
    return get_args(field.annotation) if kind is Literal else None


_PLACES = {"preset": tuple(PRESETS), "shell": _SHELLS}

_LINE = CommandLine(
    "completion",
    """\
Print a script that completes commands and options in a shell: for bash,
  eval "$(mbrl-dae completion bash)"
in ~/.bashrc.""",
    (Argument("shell", declared(str, "One of bash, zsh, tcsh"), "SHELL", positional=True),),
)

COMMANDS = (Command("Print a completion script for bash, zsh or tcsh", _LINE, _completion),)
