"""A sweep: a grid of contenders that share a configuration but for regulariser and weight."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from agents.config import (
    PRESETS,
    Config,
    RegularizerName,
    difference,
    flag,
    listing,
    load,
    load_file,
    override,
)
from agents.config.commands import named_preset
from agents.config.flags import Argument, CommandLine, called, declared
from agents.errors import UserError, shown
from agents.experiments.learning.options import (
    MOST_TRIALS,
    TRIAL_ARGUMENTS,
    Seeds,
    TrialOptions,
    once,
    options_of,
    seeds_of,
)
from agents.experiments.learning.trials import SWEEP_FILE, Contender, Study, make_trials

_NAME, _WEIGHT = ("regularizer", "name"), ("regularizer", "weight")
_SWEPT = {("seed",): "--seeds", _NAME: "--regularizers", _WEIGHT: "--weights"}
"""The options in which trials differ, and the flags that give their values."""


class SweepOptions(TrialOptions):
    """What is swept over, and where trials are carried out."""

    weights: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=(), strict=False, description="Of the penalty"
    )
    regularizers: tuple[RegularizerName, ...] = Field(
        default=(), strict=False, description="Penalties; none has no weight"
    )
    seeds: Seeds = Field(
        default=("0..4",),
        min_length=1,
        strict=False,
        examples=["0..4"],
        description="Training seeds",
    )


_FIELDS = SweepOptions.model_fields

_ARGUMENTS = (
    Argument("preset", declared(Path, "Where to start from"), "PRESET", positional=True),
    Argument("config", declared(Path, "YAML file, laid over the preset"), "FILE"),
    Argument("weights", _FIELDS["weights"], "FLOAT [FLOAT ...]", "default: the preset's"),
    Argument("regularizers", _FIELDS["regularizers"], "NAME [NAME ...]", "default: the preset's"),
    Argument("seeds", _FIELDS["seeds"], "SEED [SEED ...]", "default: 0..4"),
    *TRIAL_ARGUMENTS,
    Argument(
        "out",
        declared(Path, "Of the sweep, on a disk that all machines share"),
        "DIR",
        "default: runs/sweep-PRESET",
    ),
)


_TEXT = f"""\
Train every regulariser with every weight and every seed, on the cores of this machine or on those
of a Ray cluster, and write one table and one page:
  {called("sweep")} PRESET --weights 0 0.03 1 --regularizers rnn-dae deen --seeds 0..4

The same command resumes a sweep that was interrupted, and retries trials that failed; weights and
seeds may be added. A trial that is trained and evaluated is not run again.

Presets:
{listing()}

The defaults shown are those of """


def sweep_line(example: str = "lunar-lander") -> CommandLine:
    """The command line of `sweep`; its help shows the options of the preset `example`."""
    return CommandLine("sweep", f"{_TEXT}{example}.", _ARGUMENTS, PRESETS[example])


def parse_sweep(args: Sequence[str]) -> tuple[Study, SweepOptions]:
    """Reads the command line of `sweep`.

    Args:
      args: the words after the command's name.

    Returns:
      The trials, and where they are carried out.

    Raises:
      UserError: whatever cannot be done as asked.
      SystemExit: help was asked for, and printed.
    """
    parsed = sweep_line(named_preset(args)).parse(args)
    if len(parsed.positionals) != 1:
        raise UserError(
            f"one preset is allowed, not {', '.join(map(shown, parsed.positionals)) or 'none'};"
            f" give one of: {', '.join(PRESETS)}"
        )
    for path, instead in _SWEPT.items():
        if path in parsed.values:
            raise UserError(f"{flag(path)} is swept over; give {instead}")
    (preset,) = parsed.positionals
    options, out = options_of(parsed, SweepOptions(), f"runs/sweep-{preset}")
    file = parsed.values.get(("config",))
    own = {(each.name,) for each in _ARGUMENTS}
    base = load(
        preset,
        None if file is None else Path(file),
        {path: value for path, value in parsed.values.items() if path not in own},
    )
    weights = once("--weights", options.weights or (base.regularizer.weight,))
    for weight in weights:
        if isinstance(weight, str):
            raise UserError(
                f"a sweep is over numbers, not regularizer.weight {weight}; give --weights"
            )
    names = once("--regularizers", options.regularizers or (base.regularizer.name,))
    seeds = seeds_of(options.seeds)
    if len(seeds) * len(names) * len(weights) > MOST_TRIALS:
        raise UserError(f"the sweep has more than {MOST_TRIALS:,} trials; give fewer")
    study = sweep(base, names, weights, seeds, out)
    check_directory(base, out)
    return study, options


def sweep(
    base: Config,
    regularizers: Sequence[str],
    weights: Sequence[float | str],
    seeds: Sequence[int],
    out: Path,
) -> Study:
    """Every regulariser with every weight and every seed; `none` has no penalty, so one weight, 0.

    Args:
      base: what all trials share.
      regularizers: by name.
      weights: of the penalty, >= 0.
      seeds: of the runs, >= 0.
      out: absolute directory of the sweep.

    Raises:
      UserError: a regulariser does not go with the rest of the configuration.
    """
    contenders = [
        Contender(
            # The shortest text that is this very number: 0.03, 1, 1e-05.
            f"{name}-w{repr(weight).removesuffix('.0').replace('+', '')}",
            "planner",
            override(base, {_NAME: name, _WEIGHT: weight}, _SWEPT),
        )
        for name in regularizers
        for weight in (weights if name != "none" else (0.0,))
    ]
    return Study("sweep", make_trials(contenders, seeds, out), out, base)


def check_directory(base: Config, out: Path) -> None:
    """Refuses a directory that holds something else than a sweep of this configuration.

    Its grid may be another one, so that seeds and weights can be added.

    Raises:
      UserError: it does.
    """
    where = f"--out: {shown(str(out))}"
    try:
        content = os.listdir(out) if os.path.lexists(out) else []
    except OSError as error:
        raise UserError(f"{where} cannot be used ({error.strerror}); give another") from None
    if not content:
        return
    if SWEEP_FILE not in content:
        raise UserError(
            f"{where} holds other files and no sweep (no {SWEEP_FILE}); give another directory"
        )
    if changed := difference(load_file(out / SWEEP_FILE), base, _SWEPT):
        raise UserError(
            f"{where} holds a sweep with {changed}; give the same options, or another --out"
        )
