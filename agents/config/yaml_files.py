"""Reads and writes configuration as plain YAML 1.2.

`1e-3` is a number, `010` is 10, `yes` and `no` are texts. Tags, duplicate keys and dates are not
part of a configuration.
"""

import math
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode, SequenceNode
from ruamel.yaml.representer import SafeRepresenter

from agents.errors import UserError, shown

_LARGEST_FILE = 100_000  # bytes; a whole configuration is 2 kB
_HEADER = "# The whole configuration of a run. Another run takes it with --config.\n"
_TAG = "tag:yaml.org,2002:"


def read_scalar(text: str) -> bool | int | float | str:
    """Gives a word the type that it would have in a YAML file; flags are read by this rule too."""
    yaml = _yaml()
    tag = yaml.resolver.resolve(ScalarNode, text, (True, False))
    value = yaml.constructor.construct_object(ScalarNode(tag, text))
    return text if value is None else value


def load_yaml(file: Path) -> dict[Any, Any]:
    """Reads a YAML file that holds a mapping; an empty file is an empty mapping.

    Raises:
        UserError: the file cannot be read, or is not plain YAML with a mapping at the top.
    """
    where = shown(str(file))
    text = _read_text(file, where)
    try:
        _refuse_tags(text, where)
        values = _yaml().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise UserError(f"{where}{line}: not valid YAML: {problem}") from None
    except YAMLError as error:  # characters that YAML does not allow
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
    stream = StringIO()
    _yaml().dump(config.model_dump(), stream)
    return _HEADER + stream.getvalue()


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
    for event in _yaml().parse(text):
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise UserError(
                f"{where}, line {event.start_mark.line + 1}: the tag"
                f" {shown(tag.replace(_TAG, '!!'))} is not allowed; write plain YAML without tags"
            )


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor, yaml.Representer = _Constructor, _Representer
    yaml.allow_unicode = False
    yaml.sort_base_mapping_type_on_output = False  # pyright: ignore[reportAttributeAccessIssue]
    yaml.default_flow_style, yaml.width = False, 100
    return yaml


class _Constructor(SafeConstructor):
    """Safe; a date is a text, and so is what is no number after all, or one that is too large."""

    def construct_short(self, node: ScalarNode) -> int | str:
        try:
            return self.construct_yaml_int(node)
        except ValueError:  # of more digits than Python reads
            return node.value

    def construct_finite(self, node: ScalarNode) -> float | str:
        try:
            number = self.construct_yaml_float(node)
        except ValueError:  # `-.`
            return node.value
        return node.value if math.isinf(number) and "inf" not in node.value.lower() else number


class _Representer(SafeRepresenter):
    """Safe; a tuple stands on one line, and a text that a number could be read from is quoted."""


def _represent_tuple(representer: _Representer, values: tuple[Any, ...]) -> SequenceNode:
    return representer.represent_sequence(f"{_TAG}seq", values, flow_style=True)


for _kind in ("timestamp", "value", "merge"):  # a date, a lone `=`, a lone `<<`
    _Constructor.add_constructor(f"{_TAG}{_kind}", SafeConstructor.construct_yaml_str)
_Constructor.add_constructor(f"{_TAG}int", _Constructor.construct_short)
_Constructor.add_constructor(f"{_TAG}float", _Constructor.construct_finite)
_Representer.add_representer(tuple, _represent_tuple)
