"""Command lines of studies: what all of them share, and that of the learning benchmark.

Nothing here imports JAX, so that help and refusals come at once.
"""

import importlib.util
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from agents.config import PRESETS, Count, Options, options, override
from agents.config.commands import TrainCommand, parse_train
from agents.config.flags import Argument, CommandLine, Parsed, called, declared
from agents.devices import cores
from agents.errors import UserError, shown
from agents.experiments.learning.trials import (
    FIXED,
    MODEL_FREE,
    Contender,
    Protocol,
    Study,
    file_name,
    make_trials,
)

MOST_TRIALS = 10_000

Seeds = tuple[Annotated[str, Field(pattern=r"^\d{1,10}(\.\.\d{1,10})?$")], ...]
"""Seeds and ranges of seeds, as words: `3`, `0..4`."""


class TrialOptions(Options):
    """Where trials are carried out."""

    cpus: int = Field(default=1, ge=1, description="Cores a trial")
    retries: int = Field(default=3, ge=0, description="Times that a failed trial is begun again")
    address: str = Field(
        default="",
        pattern=r"^(auto|[^\s/]+:\d+)?$",
        examples=["auto", "10.0.0.1:6379"],
        description="HOST:PORT of a Ray cluster, or auto",
    )


_O = TypeVar("_O", bound=TrialOptions)
_T = TypeVar("_T")


TRIAL_ARGUMENTS = (
    Argument("cpus", TrialOptions.model_fields["cpus"], "INT", "default: 1"),
    Argument("retries", TrialOptions.model_fields["retries"], "INT", "default: 3"),
    Argument(
        "address", TrialOptions.model_fields["address"], "ADDR", "default: this machine, no Ray"
    ),
)
"""`TrialOptions` on a command line."""


def options_of(parsed: Parsed, defaults: _O, out: str) -> tuple[_O, Path]:
    """The options of a study, out of its command line, and its directory.

    Args:
      parsed: the command line.
      defaults: the options.
      out: the directory, unless another one is given.

    Returns:
      The options; the directory, absolute, since a worker has a working directory of its own.

    Raises:
      UserError: a value is not allowed, a cluster is given and Ray is not installed, or a trial
        needs more cores than this machine has and is to run on it.
    """
    known = options(type(defaults))
    found = override(
        defaults, {path: value for path, value in parsed.values.items() if path in known}
    )
    if found.address and importlib.util.find_spec("ray") is None:
        raise UserError(
            "--address needs Ray, which is not installed: pip install -c constraints.txt -e"
            " '.[cluster]'"
        )
    if not found.address and found.cpus > cores():
        raise UserError(
            f"--cpus: {found.cpus} is not allowed; give at most {cores()}, the cores there are"
        )
    return found, Path(parsed.values.get(("out",), out)).absolute()


def seeds_of(words: Sequence[str]) -> tuple[int, ...]:
    """The seeds that words such as `3` and `0..4` stand for, both ends included.

    Raises:
      UserError: a range goes down or is too long, or a seed is too large or given twice.
    """
    found: list[int] = []
    for word in words:
        first, last = (int(each) for each in (word.split("..") * 2)[:2])
        if last < first:
            raise UserError(f"--seeds: {shown(word)} is not allowed; give the lower seed first")
        if last - first >= MOST_TRIALS:
            raise UserError(f"--seeds: {shown(word)} is not allowed; give {MOST_TRIALS:,} or less")
        found += range(first, last + 1)
    # The schema knows the largest seed.
    override(PRESETS["quick"], {("seed",): max(found)}, {("seed",): "--seeds"})
    return once("--seeds", found)


def once(name: str, values: Sequence[_T]) -> tuple[_T, ...]:
    """The values, none of which may be given twice."""
    for value, count in Counter(values).items():
        if count > 1:
            raise UserError(f"{name}: {shown(value)} is given twice; give it once")
    return tuple(values)


# --- the learning benchmark ----------------------------------------------------------------------


class LearningOptions(TrialOptions):
    """What all contenders share, and where they are trained."""

    seeds: Seeds = Field(
        default=("5..9",),
        min_length=1,
        strict=False,
        examples=["5..9"],
        description="Training seeds",
    )
    steps: tuple[Count, ...] = Field(
        default=(5_000, 8_000, 10_000, 15_000, 20_000),
        min_length=1,
        strict=False,
        description="Ages of the frozen evaluations, in simulator steps",
    )
    episodes: int = Field(default=100, ge=1, le=100_000, description="Of each evaluation")
    first_seed: Annotated[int, Field(ge=10_000, le=2**29)] = Field(
        default=10_000, description="Of their first episode"
    )


_FIELDS = LearningOptions.model_fields

_ARGUMENTS = (
    Argument(
        "contenders",
        declared(Path, "Agents and policies to compare"),
        "[LABEL=]CONTENDER ...",
        positional=True,
    ),
    Argument("seeds", _FIELDS["seeds"], "SEED [SEED ...]", "default: 5..9"),
    Argument("steps", _FIELDS["steps"], "INT [INT ...]", "default: 5000 8000 10000 15000 20000"),
    Argument("episodes", _FIELDS["episodes"], "INT", "default: 100"),
    Argument("first_seed", _FIELDS["first_seed"], "INT", "default: 10000"),
    *TRIAL_ARGUMENTS,
    Argument("out", declared(Path, "Directory of the trials"), "DIR", "default: runs/learning"),
    Argument("background", declared(bool, "Return at once; the output goes to DIR/output.txt")),
)

_SHARED = {
    "--seed": "--seeds",
    "--env-steps": "--steps",
    "--milestones": "--steps",
    "--run-dir": "--out",
}
"""Options that all contenders share, and the flags of the benchmark that set them."""


_TEXT = f"""\
Train contenders, each with every seed, and evaluate them frozen at the same ages on the same
episodes:
  {called("learning")} lunar-lander "none=lunar-lander --regularizer.name none" sac random

A contender is a preset, with options of `train` if it is quoted; {" or ".join(FIXED)},
which learn nothing; or {" or ".join(MODEL_FREE)}, by sbx-rl. LABEL= names it. Left out, they are
lunar-lander and all of these.

The same command resumes a benchmark that was interrupted. `draw-learning` draws it, also
while it runs."""

LEARNING = CommandLine("learning", _TEXT, _ARGUMENTS)


def parse_learning(args: Sequence[str]) -> tuple[Study, LearningOptions, bool]:
    """Reads the command line of `learning`.

    Args:
      args: the words after the command's name.

    Returns:
      The trials, where they are carried out, and whether the command returns at once.

    Raises:
      UserError: whatever cannot be done as asked.
      SystemExit: help was asked for, and printed.
    """
    parsed = LEARNING.parse(args)
    found, out = options_of(parsed, LearningOptions(), "runs/learning")
    if list(found.steps) != sorted(set(found.steps)):
        raise UserError(f"--steps: {shown(list(found.steps))} is not ascending; sort them")
    words = parsed.positionals or ["lunar-lander", *FIXED, *MODEL_FREE]
    contenders = [_contender(word) for word in words]
    once("a label", [file_name(each.label) for each in contenders])
    environments = [(each.label, each.config.env) for each in contenders if each.config is not None]
    if not environments:
        raise UserError(
            f"contenders: {', '.join(words)} have no environment of their own; give a preset too"
        )
    first, env = environments[0]
    for label, other in environments[1:]:
        if (other.id, other.kwargs) != (env.id, env.kwargs):
            raise UserError(
                f"{label} is for {other.id} with {other.kwargs}, but {first} for {env.id} with"
                f" {env.kwargs}; give them one environment"
            )
    episodes = range(found.first_seed, found.first_seed + found.episodes)
    protocol = Protocol(env, found.steps, episodes)
    trials = make_trials(contenders, seeds_of(found.seeds), out, protocol)
    return Study("benchmark", trials, out), found, parsed.values[("background",)]


def _contender(word: str) -> Contender:
    """Reads `[LABEL=]CONTENDER`; a label ends at the first `=` before a blank."""
    head, equals, rest = word.partition("=")
    named = bool(equals) and not any(c.isspace() for c in head)
    label, text = (head, rest) if named else (word, word)
    if not label or not label.isprintable():
        raise UserError(f"{shown(word)} has no label; give LABEL=CONTENDER")
    try:
        kind, *more = words = shlex.split(text) or [""]
    except ValueError as error:
        raise UserError(f"{shown(word)} is no contender ({error}); close the quotation") from None
    if kind in (*FIXED, *MODEL_FREE):
        if more:
            raise UserError(f"{shown(word)}: {kind} takes no options; give {kind} alone")
        return Contender(label, kind)
    if kind not in PRESETS:
        raise UserError(
            f"unknown contender {shown(word)}; give one of:"
            f" {', '.join((*PRESETS, *FIXED, *MODEL_FREE))}"
        )
    for option, instead in _SHARED.items():
        if any(each.partition("=")[0] == option for each in words):
            raise UserError(f"{shown(word)}: {option} is shared by all contenders; give {instead}")
    command = parse_train(words)
    assert isinstance(command, TrainCommand)
    if command.config.data:
        raise UserError(f"{shown(word)}: --data is not allowed, contenders learn by acting")
    return Contender(label, "planner", command.config)
