"""A frozen group of options, and what its declaration says of each: name, kind, range, default.

The flags, their help, the YAML keys and the messages on bad values are all made from the fields of
an `Options` class (`agents.config.schema` for a run) by the functions here.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

Count = Annotated[int, Field(ge=1)]
"""Of steps, one of several."""

Width = Annotated[int, Field(ge=1, le=8192)]
"""Units of a layer, one of several."""

_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}

_WORDS: dict[Any, tuple[str, str]] = {
    int: ("an integer", "integers"),
    float: ("a finite number", "finite numbers"),
    str: ("a text", "texts"),
    Literal: ("one of", "of"),
}
"""Names of the kinds: of one, and of several."""

LARGEST_INTEGER = 2**31 - 1
_LARGEST, _SMALLEST = 3.4e38, 1.2e-38
"""What fits in the 32 bits that JAX computes with: beyond it an integer ends in an error of JAX's,
and a number is infinite or 0, from which every score would become NaN."""

NOT_IN_32_BITS = "not_in_32_bits"
"""The type of a pydantic error; its message says what is allowed."""

OptionPath = tuple[str, ...]
"""Where an option is in the configuration: `("planner", "horizon")`."""


class Options(BaseModel):
    """A frozen group of options.

    Unknown names, NaN, infinities, converted types and numbers that need more than 32 bits are
    refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def conflicts(self) -> Iterable[str]:
        """What is wrong between options that are allowed one by one; the first is the error."""
        return ()

    @field_validator("*")
    @classmethod
    def _fits_in_32_bits(cls, value: Any) -> Any:
        for each in value if isinstance(value, tuple) else (value,):
            if limit := beyond_32_bits(each):
                raise PydanticCustomError(NOT_IN_32_BITS, "{limit}", {"limit": limit})
        return value

    @model_validator(mode="after")
    def _has_no_conflict(self) -> Self:
        for message in self.conflicts():
            raise ValueError(message)
        return self


def beyond_32_bits(value: object) -> str:
    """What is allowed in place of a number that does not fit in 32 bits; empty where it does."""
    if type(value) is int and value > LARGEST_INTEGER:
        return f"at most {LARGEST_INTEGER}"
    if type(value) is float and abs(value) > _LARGEST:
        return f"at most {_LARGEST:g}"
    if type(value) is float and 0 < abs(value) < _SMALLEST:
        return f"at least {_SMALLEST:g}"
    return ""


def sections(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The options of `model` that are groups of options themselves, by name."""
    return {
        name: field.annotation
        for name, field in model.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


def options(model: type[BaseModel], prefix: OptionPath = ()) -> dict[OptionPath, FieldInfo]:
    """Every single option of `model`, in order, with its declaration."""
    found: dict[OptionPath, FieldInfo] = {}
    inner = sections(model)
    for name, field in model.model_fields.items():
        if name in inner:
            found |= options(inner[name], (*prefix, name))
        else:
            found[(*prefix, name)] = field
    return found


def flag(path: OptionPath) -> str:
    """The name of an option on the command line: `--planner.horizon`."""
    return "--" + ".".join(path).replace("_", "-")


def bounds(field: FieldInfo) -> str:
    """The range of a number in words, such as `from 1 to 1000`; empty where there is none."""
    if get_origin(field.annotation) is Union:
        return bounds(element(field))
    limits = [
        (sign, getattr(limit, name))
        for limit in field.metadata
        for name, sign in _SIGNS.items()
        if hasattr(limit, name)
    ]
    if [sign for sign, _ in limits] == [">=", "<="]:
        return f"from {limits[0][1]} to {limits[1][1]}"
    return " and ".join(f"{sign} {value}" for sign, value in limits)


def allowed(field: FieldInfo, several: bool = False) -> str:
    """What may be given for an option, in words: `an integer from 1 to 1000`.

    Args:
        field: its declaration.
        several: in the plural, `integers from 1 to 1000`.
    """
    kind = get_origin(field.annotation) or field.annotation
    if kind is tuple:
        return f"one or more {allowed(element(field), several=True)}"
    if kind is Union:
        return f"{allowed(element(field))}, or {' or '.join(alternatives(field))}"
    if kind is dict:
        return "names with values: true, false, finite numbers or texts"
    if kind in (bool, Path):
        return "true or false" if kind is bool else "a path"
    name = _WORDS[kind][several]
    if kind is Literal:
        return f"{name}: {', '.join(get_args(field.annotation))}"
    return (
        f"{name} such as {', '.join(field.examples or ())}"
        if kind is str
        else f"{name} {bounds(field)}"
    )


def alternatives(field: FieldInfo) -> tuple[str, ...]:
    """The words that may stand in a number's place."""
    return get_args(get_args(field.annotation)[1])


def element(field: FieldInfo) -> FieldInfo:
    """What each one of an option's several values is, or the number that a word may replace."""
    found = FieldInfo.from_annotation(get_args(field.annotation)[0])
    found.examples = field.examples
    return found


def closest(name: str, names: Iterable[str]) -> str:
    """Ends a message on an unknown name: the known one nearest to it, or where they all are."""
    names = list(names)
    # `--horizon` is meant as `--planner.horizon`, though by spelling others may be nearer.
    same_ending = [known for known in names if known.rpartition(".")[2] == name.lstrip("-")]
    near = same_ending or difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else "; --help lists them all"


def epochs_conflicts(section: str, least: int, most: int) -> Iterable[str]:
    """The conflict of a section whose fit may end before weights may be kept."""
    if most < least:
        yield (
            f"{section}.max_epochs {most} is less than {section}.min_epochs {least}; raise the one"
            " or lower the other"
        )
