"""Flags of the command line, made from the schema by tyro, and their help.

tyro splits the command line and writes the help. It hands every value on as the words that were
typed: the schema alone validates them, so that a flag and a YAML key are read by one rule and fail
with one message.
"""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, make_dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import tyro
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from tyro.constructors import PrimitiveConstructorSpec

from agents.config.base import (
    OptionPath,
    Options,
    allowed,
    alternatives,
    bounds,
    closest,
    element,
    flag,
    options,
)
from agents.config.yaml_files import read_scalar
from agents.errors import UserError, shown

PROGRAM = "mbrl-dae"


def called(name: str) -> str:
    """How a command is called, in its help and in texts that name it."""
    return f"{PROGRAM} {name}"


@dataclass(frozen=True)
class Argument:
    """One argument of a command that is not an option of the configuration.

    Attributes:
      name: as the command's code knows it, `run_dir`.
      field: its type, range and description; a bool takes no value on the command line.
      metavar: stands for its value in the help.
      hint: ends its line in the help, where an option has its default.
      positional: given by place, not by name.
    """

    name: str
    field: FieldInfo
    metavar: str = ""
    hint: str = ""
    positional: bool = False


def declared(kind: type, description: str) -> FieldInfo:
    """The declaration of an `Argument`, where no schema has it."""
    return FieldInfo(annotation=kind, description=description)


@dataclass(frozen=True)
class Parsed:
    """What was typed, split but not yet validated.

    Attributes:
      values: the options and arguments that were given; of switches all, False if not given.
      positionals: the words given by place.
    """

    values: dict[OptionPath, Any]
    positionals: list[str]

    def given(self, model: type[BaseModel]) -> dict[OptionPath, Any]:
        """The values of `model`'s options, without those of the command's own arguments."""
        known = options(model)
        return {path: value for path, value in self.values.items() if path in known}


_METAVARS = {
    int: "INT",
    float: "FLOAT",
    bool: "[true|false]",
    str: "TEXT",
    dict: "[KEY=VALUE ...]",
}


_NO_OPTIONS = Options()


class _Words(list[str]):
    """The words typed after a flag; whatever is not of this type is a default."""


@dataclass(frozen=True)
class CommandLine:
    """What may be given to a command.

    Attributes:
      name: of the command, as in `mbrl-dae NAME`.
      text: the description above the options in its help; the first line says what it does.
      arguments: its own arguments.
      defaults: a configuration, where its options are flags too; the help shows its values.
    """

    name: str
    text: str
    arguments: Sequence[Argument] = ()
    defaults: Options = _NO_OPTIONS

    def flags(self) -> dict[OptionPath, FieldInfo]:
        """All that is given by name."""
        own = {(each.name,): each.field for each in self.arguments if not each.positional}
        return own | options(type(self.defaults))

    def parse(self, args: Sequence[str]) -> Parsed:
        """Splits a command line, or prints the help and exits.

        Args:
          args: the words after the command's name.

        Raises:
          UserError: an option is unknown, given twice or has no value.
          SystemExit: help was asked for, and printed.
        """
        fields = self.flags()
        switches = {(each.name,) for each in self.arguments if each.field.annotation is bool}
        help_wanted = any(word in ("-h", "--help") for word in args)
        if not help_wanted:
            _check_names(args, [flag(path) for path in fields], [flag(path) for path in switches])
        split: Any = tyro.cli(
            _group([_argument(each) for each in self.arguments], self.defaults),
            prog=called(self.name),
            description=self.text,
            args=["--help"] if help_wanted else list(args),
            return_unknown_args=True,
        )
        raw, unknown = split
        places = [(each.name,) for each in self.arguments if each.positional]
        positionals = [word for path in places for word in _words(raw, path) or ()] + unknown
        positionals = [os.path.expanduser(word) for word in positionals]
        values: dict[OptionPath, Any] = {}
        for path, field in fields.items():
            words = _words(raw, path)
            if path in switches:
                values[path] = getattr(raw, *path)
            elif words is not None:
                values[path], surplus = _read(flag(path), field, words)
                positionals += surplus
        for word in positionals:
            if word.startswith("-"):
                raise UserError(f"unknown option {shown(word)}; --help lists them all")
        return Parsed(values, positionals)


def _check_names(args: Sequence[str], known: Sequence[str], switches: Sequence[str]) -> None:
    """Refuses what tyro would read otherwise: unknown and repeated options, `--gif=yes`."""
    seen: set[str] = set()
    for word in args:
        name, equals, value = word.partition("=")
        name = name.replace("_", "-")
        if not name.startswith("--") or name == "--":
            continue
        if name not in known:
            raise UserError(f"unknown option {shown(word)}{closest(name, known)}")
        if name in seen:
            raise UserError(f"{name} is given twice; give it once")
        if equals and name in switches:
            raise UserError(f"{name}: {shown(value)} is not allowed; give {name} alone")
        seen.add(name)


def _words(raw: Any, path: OptionPath) -> Sequence[str] | None:
    """The words given for an option, or None where there is only its default."""
    found = functools.reduce(getattr, path, raw)
    return found if isinstance(found, _Words) else None


def _read(name: str, field: FieldInfo, words: Sequence[str]) -> tuple[Any, Sequence[str]]:
    """The value that `words` give an option, and the words left over, which were given by place."""
    kind = field.annotation
    several = get_origin(kind) is tuple
    if get_origin(kind) is dict:
        return dict(_pair(name, word) for word in words), []
    if kind is bool and not words:
        return True, []
    if not words:
        raise UserError(f"{name}: a value is missing; give {allowed(field)}")
    if kind is Path and not words[0]:  # pathlib takes it for the working directory
        raise UserError(f"{name}: '' is not allowed; give {allowed(field)}")
    each = element(field).annotation if several else kind
    if each is Path:  # a shell expands no `~` within a word, as in --out=~/x
        words = [os.path.expanduser(word) for word in words]
    is_text = each in (str, Path) or get_origin(each) is Literal
    values = [word if is_text else read_scalar(word) for word in words]
    return (values, []) if several else (values[0], words[1:])


def _pair(name: str, word: str) -> tuple[str, Any]:
    key, equals, value = word.partition("=")
    if not (key and equals):
        raise UserError(f"{name}: {shown(word)} is not allowed; give pairs such as gravity=-5.0")
    return key, read_scalar(value)


_Flag = tuple[str, Any, Any]
"""A name, a type that tyro understands, and a default."""


def _argument(argument: Argument) -> _Flag:
    if argument.field.annotation is bool:
        about = tyro.conf.arg(help=argument.field.description, help_behavior_hint="")
        return argument.name, tyro.conf.FlagCreatePairsOff[Annotated[bool, about]], False
    kind = _words_type(argument.metavar, argument.field, argument.hint)
    return argument.name, tyro.conf.Positional[kind] if argument.positional else kind, None


def _group(flags: Sequence[_Flag], defaults: BaseModel) -> type:
    """A class that tyro makes flags of: the given ones, then `defaults`' own, group in group."""
    flags = list(flags)
    for name, default in defaults:
        if isinstance(default, BaseModel):
            group = _group((), default)
            flags.append((name, group, group()))
        else:
            field = type(defaults).model_fields[name]
            flags.append((name, _words_type(_metavar(field), field, "default"), default))
    members = [
        (name, kind, dataclass_field(default_factory=lambda default=default: default))
        for name, kind, default in flags
    ]
    return make_dataclass("Flags", members, namespace={"__doc__": defaults.__doc__})


def _words_type(metavar: str, field: FieldInfo, hint: str) -> Any:
    """A type that tyro fills with the words typed; `default` as the hint shows the default."""
    limits = bounds(field)

    def ending(default: str) -> str:
        last = hint if hint != "default" else f"default: {default}" if default else ""
        text = "; ".join(part for part in (limits, last) if part)
        return f"({text})" if text else ""

    # Any number of words, even for a single value: tyro's own complaint about a missing one is a
    # box of several lines, and the surplus is what was given by place.
    words = PrimitiveConstructorSpec(
        nargs="*",
        metavar=metavar,
        instance_from_str=_Words,
        is_instance=lambda value: True,
        str_from_instance=_written,
    )
    return Annotated[Any, words, tyro.conf.arg(help=field.description, help_behavior_hint=ending)]


def _metavar(field: FieldInfo) -> str:
    kind: Any = get_origin(field.annotation) or field.annotation
    if kind is Literal:
        return "{" + ",".join(get_args(field.annotation)) + "}"
    if kind is tuple:
        each = _metavar(element(field))
        return f"{each} ..." if each.startswith("{") else f"{each} [{each} ...]"
    if kind is Union:
        return "|".join([_metavar(element(field)), *alternatives(field)])
    return _METAVARS[kind]


def _written(value: Any) -> list[str]:
    """A default as it would be typed."""
    match value:
        case bool():
            return [str(value).lower()]
        case tuple():
            return [str(each) for each in value]
        case dict():
            return [f"{key}={_written(each)[0]}" for key, each in value.items()] or ["none"]
        case _:
            return [str(value)]
