"""Reads and writes configuration as plain YAML.

Departs from YAML 1.1 as PyYAML has it in numbers only, where it surprises: `1e-3` is a number, and
`010` and `1:30` are not 8 and 90. `yes` and `no` are true and false, as in PyYAML. Tags, duplicate
keys and dates are not part of a configuration.
"""

import math
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from agents.errors import UserError, shown

_LARGEST_FILE = 100_000  # bytes; a whole configuration is 2 kB
_HEADER = "# The whole configuration of a run. Another run takes it with --config.\n"

_INT = re.compile(r"[-+]?[0-9](_?[0-9]){0,999}")
_FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_BOOL = re.compile(
    "|".join(f"{word}|{word.title()}|{word.upper()}" for word in yaml.SafeLoader.bool_values)
)

_TAG = "tag:yaml.org,2002:"


def read_scalar(text: str) -> bool | int | float | str:
    """Gives a word the type that it would have in a YAML file; flags are read by this rule too."""
    if _BOOL.fullmatch(text):
        return yaml.SafeLoader.bool_values[text.lower()]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        # 1e999 stays the text that it is, so that an error message shows it and not an infinity.
        return text if math.isinf(number) else number
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def load_yaml(file: Path) -> dict[Any, Any]:
    """Reads a YAML file that holds a mapping; an empty file is an empty mapping.

    Raises:
        UserError: the file cannot be read, or is not plain YAML with a mapping at the top.
    """
    where = shown(str(file))
    text = _read_text(file, where)
    try:
        _refuse_tags(text, where)
        values = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise UserError(f"{where}{line}: not valid YAML: {problem}") from None
    except yaml.YAMLError as error:  # characters that YAML does not allow
        raise UserError(f"{where}: not a text file: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise UserError(f"{where}: nested too deeply for a configuration") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{where}: {shown(values)} is not a mapping; give lines of `option: value`")
    return values


def dump(config: BaseModel) -> str:
    """Writes a configuration as YAML that `load_yaml` reads back to the same values.

    In ASCII: of other characters, some (a next-line mark, for one) would not come back.
    """
    return _HEADER + yaml.dump(config.model_dump(), Dumper=_Dumper, sort_keys=False, width=100)


def _read_text(file: Path, where: str) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{where}: cannot be read ({reason}); give a YAML file") from None
    if len(content) > _LARGEST_FILE:
        raise UserError(
            f"{where}: larger than {_LARGEST_FILE:,} bytes; give a YAML file of options"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{where}: not a text file (byte {error.object[error.start]:#04x} at {error.start} is"
            " not UTF-8)"
        ) from None


def _refuse_tags(text: str, where: str) -> None:
    for event in yaml.parse(text, _Loader):
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise UserError(
                f"{where}, line {event.start_mark.line + 1}: the tag"
                f" {shown(tag.replace(_TAG, '!!'))} is not allowed; write plain YAML without tags"
            )


class _Loader(yaml.SafeLoader):
    """The safe loader with plain numbers and without duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key, _ in node.value:
            if key.tag == f"{_TAG}merge":
                continue
            name = self.construct_object(key, deep=True)
            if not isinstance(name, Hashable):  # the stock loader refuses it
                continue
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {shown(name)} appears twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """The safe dumper, quoting the texts that `_Loader` would take for numbers."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _construct_text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool | int | float | str:
    return read_scalar(node.value) if node.style is None else node.value  # quoted, it is a text


def _represent_list(dumper: yaml.SafeDumper, values: tuple[Any, ...]) -> yaml.SequenceNode:
    return dumper.represent_sequence(f"{_TAG}seq", values, flow_style=True)


# Without the stock rules for numbers and dates these words are texts too.
_Loader.yaml_implicit_resolvers = {
    first: kept
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (kept := [rule for rule in rules if rule[0] in (f"{_TAG}null", f"{_TAG}merge")])
}
_Loader.add_constructor(f"{_TAG}str", _construct_text)
_Dumper.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(f"^({_INT.pattern}|{_FLOAT.pattern}|{_SPECIAL.pattern})$"),
    list("-+.0123456789"),
)
_Dumper.add_representer(tuple, _represent_list)
