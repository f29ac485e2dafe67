"""What the benchmarks may be asked for; like the schema of a run, it is all there is.

Nothing here imports JAX, so that help and refusals come at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field
from pydantic.fields import FieldInfo

from agents import config
from agents.errors import UserError, shown
from agents.flags import Argument, parse
from agents.schema import Count, Options


class SpeedOptions(Options):
    """How plans are timed."""

    rounds: int = Field(default=7, ge=1, description="Turns of each contender")
    plans: int = Field(default=3, ge=1, description="Plans a turn, of which the median counts")
    environments: int = Field(default=32, ge=1, description="Size of the batch that is timed too")


class StudyOptions(Options):
    """How planners are compared on a frozen model."""

    seeds: int = Field(default=5, ge=1, description="Of each planner's randomness")
    episodes: int = Field(default=4, ge=1, description="That the states come from")
    decisions: int = Field(default=15, ge=1, description="First ones of each that count")
    acted: int = Field(default=2, ge=1, description="Episodes acted in, per seed")


class DetectionOptions(Options):
    """How penalties are tested for finding rollouts that went wrong."""

    ages: tuple[Count, ...] = Field(
        default=(3_000, 6_000, 12_000), min_length=1, strict=False, description="Steps learned from"
    )
    episodes: int = Field(default=16, ge=1, description="That the states come from")
    states: int = Field(default=12, ge=1, description="Of each episode")
    plans: int = Field(default=4, ge=2, description="At each state, the agent's own included")


class WeightOptions(Options):
    """How regularisers are compared over their weights."""

    weights: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=(0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0),
        min_length=1,
        strict=False,
        description="Of the penalty; 0 is always tried",
    )
    seeds: int = Field(default=5, ge=2, description="Of the planner, each with states of its own")
    episodes: int = Field(default=4, ge=1, description="That a seed's states come from")
    states: int = Field(default=8, ge=1, description="Of each episode")
    acted: int = Field(default=2, ge=0, description="Episodes acted in, per seed; 0: none")


_O = TypeVar("_O", bound=Options)


def read(
    args: Sequence[str],
    prog: str,
    text: str,
    defaults: _O,
    *,
    positional: str = "",
    switches: dict[str, str] | None = None,
) -> tuple[_O, dict[str, Any], Path]:
    """Reads the command line of a benchmark.

    Args:
      args: the words after the script's name.
      prog: how the script is called.
      text: the description, for the help.
      defaults: the options.
      positional: what must be given by place, if anything (`RUN_DIR`, or `RUN_DIR ...` where there
        may be several).
      switches: flags without a value, with their descriptions.

    Returns:
      The options; the switches and what was given by place (`run_dirs`) by name; the directory of
      the results.

    Raises:
      UserError: whatever cannot be done as asked.
      SystemExit: help was asked for, and printed.
    """
    arguments = [
        Argument(name, _field(bool, description)) for name, description in (switches or {}).items()
    ]
    arguments.append(
        Argument("out", _field(Path, "Of the files"), "DIR", "default: scripts/results")
    )
    if positional:
        place = Argument("run_dirs", _field(Path, "Of a finished run"), positional, positional=True)
        arguments.insert(0, place)
    parsed = parse(args, prog, text, arguments, defaults)
    words = parsed.positionals
    several = positional.endswith("...")
    if len(words) != bool(positional) and not (several and words):
        what = f"one {positional.split()[0]}" if positional else "no such word"
        raise UserError(f"{what} is allowed, not {', '.join(map(shown, words)) or 'none'}")
    out = parsed.values.get(("out",), "scripts/results")
    if not out:
        raise UserError("--out: '' is not allowed; give a directory")
    known = config.options(type(defaults))
    given = {path: value for path, value in parsed.values.items() if path in known}
    found = {name: parsed.values[(name,)] for name in switches or {}}
    if positional:
        found["run_dirs"] = [Path(word) for word in words]
    return config.override(defaults, given), found, Path(out)


def _field(kind: type, description: str) -> FieldInfo:
    annotation: Any = Annotated[kind, Field(description=description)]
    return FieldInfo.from_annotation(annotation)
