"""Options of the commands that carry out many trials on Ray: which seeds, and on what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, TypeVar

from pydantic import Field

from agents.config.flags import Argument
from agents.config.options import Options, options
from agents.devices import cores
from agents.errors import UserError, shown

MOST_TRIALS = 10_000
_RANGE = re.compile(r"(\d{1,10})(?:\.\.(\d{1,10}))?")

_T = TypeVar("_T")

Seeds = tuple[Annotated[str, Field(pattern=rf"^{_RANGE.pattern}$")], ...]
"""Seeds and ranges of seeds, as words: `3`, `0..4`."""


class RayOptions(Options):
    """Where trials are carried out."""

    cpus: int = Field(default=1, ge=1, description="Cores a trial")
    retries: int = Field(default=3, ge=0, description="Of a trial that fails")
    address: str = Field(
        default="",
        pattern=r"^(auto|[^\s/]+:\d+)?$",
        examples=["auto", "10.0.0.1:6379"],
        description="HOST:PORT of a Ray cluster, or auto",
    )


RAY_HINTS = {
    "cpus": ("INT", "default: 1"),
    "retries": ("INT", "default: 3"),
    "address": ("ADDR", "default: this machine, no server"),
}
"""What the help shows for `RayOptions`."""


def arguments(kind: type[Options], hints: dict[str, tuple[str, str]]) -> list[Argument]:
    """A command's options as its own arguments, in the order of the hints.

    Args:
      kind: the options.
      hints: for each of them what stands for its value, and what ends its line in the help.
    """
    fields = options(kind)
    return [Argument(name, fields[(name,)], *hint) for name, hint in hints.items()]


def check_cores(options: RayOptions) -> None:
    """Refuses trials that want more cores than this machine has, where it is to carry them out.

    Raises:
      UserError: they do.
    """
    if not options.address and options.cpus > cores():
        raise UserError(
            f"--cpus: {options.cpus} is not allowed; give at most {cores()}, what there is here"
        )


def seeds_of(words: Sequence[str]) -> list[int]:
    """The seeds that words such as `3` and `0..4` stand for, both ends included.

    Raises:
      UserError: a range goes down, or is too long.
    """
    found: list[int] = []
    for word in words:
        match = _RANGE.fullmatch(word)
        assert match is not None
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        if last < first:
            raise UserError(f"--seeds: {shown(word)} is not allowed; give the lower seed first")
        if last - first >= MOST_TRIALS:
            raise UserError(f"--seeds: {shown(word)} is not allowed; give {MOST_TRIALS:,} or less")
        found += range(first, last + 1)
    return found


def once(name: str, values: Sequence[_T]) -> tuple[_T, ...]:
    """The values, none of which may be there twice."""
    for place, value in enumerate(values):
        if value in values[:place]:
            raise UserError(f"{name}: {shown(value)} is given twice; give it once")
    return tuple(values)
