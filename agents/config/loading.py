"""Puts a configuration together and says what is wrong with one: preset, then file, then flags.

The schema lives in `agents.config.schema`, the presets in `agents.config.presets`.
"""

import functools
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from agents.config.base import (
    NOT_IN_32_BITS,
    OptionPath,
    Options,
    allowed,
    closest,
    flag,
    options,
    sections,
)
from agents.config.presets import find_preset, from_data
from agents.config.schema import NO_ENVIRONMENT, Config, EnvConfig
from agents.config.yaml_files import load_yaml
from agents.errors import UserError, shown

CONFIG_FILE = "config.yaml"

_Options = TypeVar("_Options", bound=Options)


def load(
    preset: str, file: Path | None = None, flags: Mapping[OptionPath, Any] | None = None
) -> Config:
    """Puts together the configuration of a new run.

    With a data set the preset's fits make way for those of `agents.config.presets.from_data`.

    Args:
        preset: a name in `PRESETS`.
        file: YAML with the options to change; the `config.yaml` of another run will do.
        flags: options given on the command line, which win over the file.

    Raises:
        UserError: no such preset, an unreadable file, an unknown option or a value not allowed.
    """
    values, flags = find_preset(preset).model_dump(), flags or {}
    written = {} if file is None else load_yaml(file)
    if flags.get(("data",), written.get("data")):
        section = written.get("regularizer")
        named = section.get("name") if isinstance(section, Mapping) else None
        penalty = flags.get(("regularizer", "name"), named)
        values = _merge(Config, values, from_data(penalised=penalty != "none"), "")
    return _validate(Config, values, flags, file)


def load_run(run_dir: Path) -> Config:
    """Reads the configuration that a run was started with.

    Raises:
        UserError: the directory holds no run, or no readable configuration.
    """
    refuse_no_run(str(run_dir))
    return load_file(run_dir / CONFIG_FILE)


def refuse_no_run(name: str) -> None:
    """Refuses a directory without a run.

    Raises:
        UserError: it holds none, or is none.
    """
    # Unlike Path's, it takes a name that is too long and a directory that may not be searched.
    if not name or not os.path.isfile(os.path.join(name, CONFIG_FILE)):
        raise UserError(
            f"{shown(name)} holds no run (no {CONFIG_FILE}); give the directory of a saved run"
        )


def load_file(file: Path) -> Config:
    """Reads a whole configuration from a file, without a preset beneath.

    Raises:
        UserError: it is not readable, or no configuration.
    """
    return _validate(Config, {}, {}, file)


def override(
    config: _Options, flags: Mapping[OptionPath, Any], names: Mapping[OptionPath, str] | None = None
) -> _Options:
    """Changes options of a finished configuration.

    Args:
        config: what to start from, of a run or of another command.
        flags: the new values.
        names: what an option is called in messages, where it is not its usual flag.

    Raises:
        UserError: a value is not allowed.
    """
    return _validate(type(config), config.model_dump(), flags, None, names)


def difference(earlier: Config, later: Config, free: Collection[OptionPath]) -> str:
    """The first option in which two configurations differ, in words; empty if there is none.

    Args:
        earlier: whose value is named first.
        later: the other one.
        free: options that may differ.
    """
    for path in options(Config):
        before, after = (functools.reduce(getattr, path, each) for each in (earlier, later))
        if before != after and path not in free:
            return f"{flag(path)} {shown(before)}, not {shown(after)}"
    return ""


def _merge(
    model: type[BaseModel], base: dict[str, Any], layer: Mapping[Any, Any], where: str
) -> dict[str, Any]:
    """Lays the options of `layer` over `base`; `where` is the key path so far, for messages."""
    merged = dict(base)
    inner = sections(model)
    for name, value in layer.items():
        if name not in inner:
            merged[name] = value
        elif isinstance(value, Mapping):
            merged[name] = _merge(inner[name], base.get(name, {}), value, f"{where}{name}.")
        elif value is not None:  # a key with nothing under it changes nothing
            known = ", ".join(inner[name].model_fields)
            raise UserError(
                f"{where}{name}: {shown(value)} is not a mapping; give some of: {known}"
            )
    if model is EnvConfig and merged.get("id") not in (base.get("id"), NO_ENVIRONMENT):
        # Arguments and the action repeat belong to the environment that they were chosen for.
        for name in {"kwargs", "action_repeat"} - set(layer):
            merged.pop(name, None)
    return merged


def _validate(
    model: type[_Options],
    values: dict[str, Any],
    flags: Mapping[OptionPath, Any],
    file: Path | None,
    names: Mapping[OptionPath, str] | None = None,
) -> _Options:
    """Lays the options of a file and then flags over `values`, and checks what comes out."""
    where = "" if file is None else f"{shown(str(file))}: "
    if file is not None:
        values = _merge(model, values, load_yaml(file), where)
    layer: dict[str, Any] = {}
    for path, value in flags.items():
        section = layer
        for name in path[:-1]:
            section = section.setdefault(name, {})
        section[path[-1]] = value
    try:
        return model.model_validate(_merge(model, values, layer, ""))
    except ValidationError as error:
        names = {path: flag(path) for path in flags} | dict(names or {})
        first = error.errors(include_url=False)[0]
        raise UserError(_explain(model, first, names, where)) from None


def _explain(
    model: type[BaseModel], error: ErrorDetails, names: Mapping[OptionPath, str], file: str
) -> str:
    """One line from one of pydantic's errors: the option, the value received, what is allowed."""
    known = options(model)
    place = tuple(str(part) for part in error["loc"])
    if error["type"] == "value_error":  # from a validator of the schema, whose text says it all
        text = error.get("ctx", {}).get("error", error["msg"])
        by_flag = any(path[: len(place)] == place for path in names)
        return str(text) if by_flag else f"{file}{text}"
    path = next((place[:n] for n in range(len(place), 0, -1) if place[:n] in known), None)
    if path is None:
        dotted = ".".join(place)
        return f"{file}unknown option {shown(dotted)}{closest(dotted, map('.'.join, known))}"
    field = known[path]
    label = names.get(path, file + ".".join(path))
    if error["type"] == "missing":
        return f"{label} is missing; give {allowed(field)}"
    if get_origin(field.annotation) is dict and len(place) > len(path):
        label = f"{label}.{place[len(path)]}"
    if error["type"] == NOT_IN_32_BITS:
        return f"{label}: {shown(error['input'])} is not allowed; give {error['msg']}"
    refusal = "is not" if get_origin(field.annotation) is Literal else "is not allowed; give"
    return f"{label}: {shown(error['input'])} {refusal} {allowed(field)}"
