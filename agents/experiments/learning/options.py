"""The command line of the learning benchmark: what may be asked for, and every reason to refuse."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from agents.config import loading as configuration
from agents.config.commands import TrainCommand, parse_train
from agents.config.flags import Argument, declared, parse
from agents.config.options import Count, flag
from agents.config.presets import PRESETS
from agents.errors import UserError, shown
from agents.experiments.learning.trial_options import (
    RAY_HINTS,
    RayOptions,
    Seeds,
    arguments,
    check_cores,
    once,
    seeds_of,
)
from agents.experiments.learning.trials import (
    FIXED,
    MODEL_FREE,
    Contender,
    LearningTrial,
    Protocol,
    file_name,
    trials,
)

LEARNING = "python scripts/benchmark_learning.py"

_SWEPT = {
    ("seed",): "--seeds",
    ("env_steps",): "--steps",
    ("milestones",): "--steps",
    ("run_dir",): "--out",
}
"""Flags of a contender that are the benchmark's, and what to give instead."""


class LearningOptions(RayOptions):
    """What is the same for all contenders, and where they are trained."""

    seeds: Seeds = Field(
        default=("5..9",), min_length=1, strict=False, examples=["5..9"], description="Of training"
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


@dataclass(frozen=True)
class Asked:
    """A benchmark that was asked for.

    Attributes:
      trials: all of them, finished or not.
      out: absolute; their directories are in it.
      options: how they are carried out.
      background: whether the command is to return at once.
    """

    trials: list[LearningTrial]
    out: Path
    options: LearningOptions
    background: bool


_HINTS = {
    "seeds": ("SEED [SEED ...]", "default: 5..9"),
    "steps": ("INT [INT ...]", "default: 5000 8000 10000 15000 20000"),
    "episodes": ("INT", "default: 100"),
    "first_seed": ("INT", "default: 10000"),
    **RAY_HINTS,
}

_ARGUMENTS = (
    Argument(
        "contenders", declared(Path, "Who takes part"), "[LABEL=]CONTENDER ...", "", positional=True
    ),
    *arguments(LearningOptions, _HINTS),
    Argument("out", declared(Path, "Of the trials"), "DIR", "default: runs/learning"),
    Argument("background", declared(bool, "Return at once; the output goes to DIR/output.txt")),
)


def parse_learning(args: Sequence[str]) -> Asked:
    """Reads the command line of `scripts/benchmark_learning.py`.

    Args:
      args: the words after the script's name.

    Raises:
      UserError: whatever cannot be done as asked.
      SystemExit: help was asked for, and printed.
    """
    parsed = parse(args, LEARNING, _TEXT, _ARGUMENTS)
    own = {(name,) for name in LearningOptions.model_fields}
    options = configuration.override(
        LearningOptions(), {path: value for path, value in parsed.values.items() if path in own}
    )
    out = parsed.values.get(("out",), "runs/learning")
    if not out:
        raise UserError("--out: '' is not allowed; give a directory")
    if list(options.steps) != sorted(set(options.steps)):
        raise UserError(f"--steps: {shown(list(options.steps))} is not ascending; sort them")
    check_cores(options)
    words = parsed.positionals or ["lunar-lander", *FIXED, *MODEL_FREE]
    contenders = [_contender(word) for word in words]
    once("a label", [file_name(each.label) for each in contenders])
    planners = [each for each in contenders if each.config is not None]
    if not planners or planners[0].config is None:
        raise UserError("no agent of this project takes part; give a preset, which names the task")
    env = planners[0].config.env
    for each in planners[1:]:
        assert each.config is not None
        if (each.config.env.id, each.config.env.kwargs) != (env.id, env.kwargs):
            raise UserError(
                f"{each.label} is for {each.config.env.id} with {each.config.env.kwargs}, but"
                f" {planners[0].label} for {env.id} with {env.kwargs}; give them one environment"
            )
    protocol = Protocol(
        env, once("--seeds", seeds_of(options.seeds)), options.steps, options.episodes,
        options.first_seed,
    )  # fmt: skip
    place = Path(out).absolute()
    return Asked(
        trials(contenders, protocol, place), place, options, parsed.values[("background",)]
    )


def _contender(word: str) -> Contender:
    """Reads `[LABEL=]CONTENDER`; a label ends at the first `=` before a blank."""
    head, equals, rest = word.partition("=")
    named = bool(equals) and not any(c.isspace() for c in head)
    label, text = (head, rest) if named else (word, word)
    if not label or not label.isprintable():
        raise UserError(f"{shown(word)} has no label; give LABEL=CONTENDER")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UserError(f"{shown(word)} is no contender ({error})") from None
    kind = words[0] if words else ""
    if kind in (*FIXED, *MODEL_FREE):
        if len(words) > 1:
            raise UserError(f"{shown(word)}: {kind} takes no options")
        return Contender(label, kind)
    if kind not in PRESETS:
        known = ", ".join((*PRESETS, *FIXED, *MODEL_FREE))
        raise UserError(f"unknown contender {shown(word)}; give one of: {known}")
    for path, instead in _SWEPT.items():
        if any(each.partition("=")[0] == flag(path) for each in words):
            raise UserError(f"{shown(word)}: {flag(path)} is not its own; {instead} is")
    command = parse_train(words)
    assert isinstance(command, TrainCommand)
    return Contender(label, "planner", command.config)


_TEXT = f"""\
Train contenders, each with every seed, and evaluate them frozen at the same ages on the same
episodes:
  {LEARNING} lunar-lander "none=lunar-lander --regularizer.name none" sac random

A contender is a preset, with options of scripts/train.py if it is quoted; {" or ".join(FIXED)},
which learn nothing; or {" or ".join(MODEL_FREE)}, by sbx-rl. LABEL= names it. Left out, they are
lunar-lander and all of these.

The same command goes on with a benchmark that was interrupted. scripts/draw_learning.py draws it,
also while it works."""
