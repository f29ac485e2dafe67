"""The command line of a sweep: what may be asked for, and every reason to refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from agents.config import loading as configuration
from agents.config.flags import Argument, declared, parse
from agents.config.options import flag
from agents.config.presets import PRESETS, listing
from agents.config.regularizer_schema import RegularizerName
from agents.config.schema import Config
from agents.errors import UserError, shown
from agents.experiments.learning.sweep import SWEPT, Grid, Sweep
from agents.experiments.learning.trial_options import (
    MOST_TRIALS,
    RAY_HINTS,
    RayOptions,
    Seeds,
    arguments,
    check_cores,
    once,
    seeds_of,
)

SWEEP = "python scripts/sweep.py"


class SweepOptions(RayOptions):
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
    **RAY_HINTS,
}

_ARGUMENTS = (
    Argument("preset", declared(Path, "Where to start from"), "PRESET", positional=True),
    Argument("config", declared(Path, "YAML file, laid over the preset"), "FILE"),
    *arguments(SweepOptions, _HINTS),
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
            raise UserError(f"{flag(path)} is swept over; give {instead}")
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
    if len(grid.seeds) * len(grid.regularizers) * len(grid.weights) > MOST_TRIALS:
        raise UserError(f"the sweep has more than {MOST_TRIALS:,} trials; give fewer")
    check_cores(options)
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
