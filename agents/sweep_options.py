"""The command line of a sweep: what may be asked for, and every reason to refuse."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from agents import config as configuration
from agents.config import PRESETS, Config
from agents.devices import cores
from agents.errors import UserError, shown
from agents.flags import Argument, declared, parse
from agents.presets import listing
from agents.schema import Options, RegularizerName
from agents.sweep import SWEPT, Grid, Sweep

SWEEP = "python scripts/sweep.py"

_MOST_TRIALS = 10_000
_RANGE = re.compile(r"(\d{1,10})(?:\.\.(\d{1,10}))?")

_T = TypeVar("_T")

Seeds = tuple[Annotated[str, Field(pattern=rf"^{_RANGE.pattern}$")], ...]
"""Seeds and ranges of seeds, as words: `3`, `0..4`."""


class SweepOptions(Options):
    """What is swept over, and where."""

    weights: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=(), strict=False, description="Of the penalty"
    )
    regularizers: tuple[RegularizerName, ...] = Field(
        default=(), strict=False, description="Penalties; none has no weight"
    )
    seeds: Seeds = Field(
        default=("0..4",), min_length=1, strict=False, examples=["0..4"], description="Of the runs"
    )
    cpus: int = Field(default=1, ge=1, description="Cores a trial")
    retries: int = Field(default=3, ge=0, description="Of a trial that fails, from its checkpoint")
    address: str = Field(
        default="",
        pattern=r"^(auto|[^\s/]+:\d+)?$",
        examples=["auto", "10.0.0.1:6379"],
        description="HOST:PORT of a Ray cluster, or auto",
    )


@dataclass(frozen=True)
class Asked:
    """A sweep that was asked for.

    Attributes:
      sweep: what is to be trained.
      cpus: cores a trial.
      retries: of a trial that fails.
      address: of the Ray cluster; empty for one of its own on this machine.
    """

    sweep: Sweep
    cpus: int
    retries: int
    address: str


_HINTS = {
    "weights": ("FLOAT [FLOAT ...]", "default: the preset's"),
    "regularizers": ("NAME [NAME ...]", "default: the preset's"),
    "seeds": ("SEED [SEED ...]", "default: 0..4"),
    "cpus": ("INT", "default: 1"),
    "retries": ("INT", "default: 3"),
    "address": ("ADDR", "default: this machine, no server"),
}

_ARGUMENTS = (
    Argument("preset", declared(Path, "Where to start from"), "PRESET", positional=True),
    Argument("config", declared(Path, "YAML file, laid over the preset"), "FILE"),
    *(
        Argument(name, field, *_HINTS[name])
        for (name,), field in configuration.options(SweepOptions).items()
    ),
    Argument(
        "out",
        declared(Path, "Of the sweep, on a disk that all machines share"),
        "DIR",
        "default: runs/sweep-PRESET",
    ),
)


def parse_sweep(args: Sequence[str]) -> Asked:
    """Reads the command line of `scripts/sweep.py`.

    Args:
      args: the words after the script's name.

    Raises:
      UserError: whatever cannot be done as asked.
      SystemExit: help was asked for, and printed.
    """
    preset_shown = next((word for word in args if word in PRESETS), "lunar-lander")
    parsed = parse(args, SWEEP, _text(preset_shown), _ARGUMENTS, PRESETS[preset_shown])
    if len(parsed.positionals) != 1:
        words = ", ".join(map(shown, parsed.positionals)) or "none"
        raise UserError(f"one preset is allowed, not {words}; give one of: {', '.join(PRESETS)}")
    for path, instead in SWEPT.items():
        if path in parsed.values:
            raise UserError(f"{configuration.flag(path)} is swept over; give {instead}")
    own = {(each.name,) for each in _ARGUMENTS}
    given = {path: value for path, value in parsed.values.items() if path in own}
    file, out = given.pop(("config",), None), given.pop(("out",), None)
    for name, word in (("--config", file), ("--out", out)):
        if word == "":
            raise UserError(f"{name}: '' is not allowed; give a path")
    options = configuration.override(SweepOptions(), given)
    preset = parsed.positionals[0]
    base = configuration.load(
        preset,
        Path(file) if file is not None else None,
        {path: value for path, value in parsed.values.items() if path not in own},
    )
    weights = options.weights or (_weight_of(base),)
    names = options.regularizers or (base.regularizer.name,)
    grid = Grid(
        regularizers=once("--regularizers", names),
        weights=once("--weights", weights),
        seeds=once("--seeds", seeds_of(options.seeds)),
    )
    if len(grid.seeds) * len(grid.regularizers) * len(grid.weights) > _MOST_TRIALS:
        raise UserError(f"the sweep has more than {_MOST_TRIALS:,} trials; give fewer")
    if not options.address and options.cpus > cores():
        raise UserError(
            f"--cpus: {options.cpus} is not allowed; give at most {cores()}, what there is here"
        )
    place = Path(out) if out is not None else Path("runs", f"sweep-{preset}")
    # Absolute, since a worker has a directory of its own.
    sweep = Sweep(base, grid, Path(place).absolute())
    sweep.trials()
    sweep.check_place()
    return Asked(sweep, options.cpus, options.retries, options.address)


def _weight_of(config: Config) -> float:
    weight = config.regularizer.weight
    if weight == "auto":
        raise UserError("a sweep is over numbers, not regularizer.weight auto; give --weights")
    return weight


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
        if last - first >= _MOST_TRIALS:
            raise UserError(f"--seeds: {shown(word)} is not allowed; give {_MOST_TRIALS:,} or less")
        found += range(first, last + 1)
    return found


def once(name: str, values: Sequence[_T]) -> tuple[_T, ...]:
    """The values, none of which may be there twice."""
    for place, value in enumerate(values):
        if value in values[:place]:
            raise UserError(f"{name}: {shown(value)} is given twice; give it once")
    return tuple(values)


def _text(preset: str) -> str:
    return f"""\
Train every regulariser with every weight and every seed, on the cores of this machine or on those
of a Ray cluster, and write one table and one page:
  {SWEEP} PRESET --weights 0 0.03 1 --regularizers rnn-dae deen --seeds 0..4

The same command goes on with a sweep that was interrupted, and retries what failed; more weights or
seeds may be given then. A trial that is trained and evaluated is not run again.

Presets:
{listing()}

The defaults shown are those of {preset}."""
