"""The command line of `boney`. Nothing here imports JAX."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from agents.config.flags import Argument, CommandLine, called, declared
from agents.errors import UserError, shown
from agents.experiments.learning.options import (
    TRIAL_ARGUMENTS,
    Seeds,
    TrialOptions,
    once,
    options_of,
    seeds_of,
)
from agents.experiments.learning.trials import Study
from agents.experiments.reproduction.arms import TASKS, Arm, study

OUT = "runs/boney"
_FEWEST = 50
"""Steps of an episode: more than the decisions of a plan."""


class ReproductionOptions(TrialOptions):
    """What is compared, and where it is trained."""

    planners: tuple[Literal["adam", "cem", "pets"], ...] = Field(
        default=("adam",), min_length=1, strict=False, description="Searches"
    )
    arms: tuple[str, ...] = Field(
        default=("none", "window-dae", "rnn-dae@10"),
        min_length=1,
        strict=False,
        examples=["none", "rnn-dae@10", "disagreement-5"],
        description="PENALTY[-5][@WEIGHT]: its weight (1), -5 for five members",
    )
    seeds: Seeds = Field(
        default=("0..2",),
        min_length=1,
        strict=False,
        examples=["0..2"],
        description="Training seeds",
    )
    steps: int = Field(
        default=0, ge=0, le=1_000, description="Simulator steps of an episode; 0: the preset's"
    )

    def conflicts(self) -> Iterable[str]:
        """An episode is longer than a plan."""
        if 0 < self.steps < _FEWEST:
            yield f"--steps: {self.steps} is not allowed; give 0, or {_FEWEST} to 1000"


@dataclass(frozen=True)
class Reproduction:
    """What the command line asks for.

    Attributes:
      study: the trials.
      options: where they are trained.
      background: whether the command returns at once.
      open_loop: whether plans of the finished trials are executed, and nothing is trained.
    """

    study: Study
    options: ReproductionOptions
    background: bool
    open_loop: bool


_FIELDS = ReproductionOptions.model_fields

_ARGUMENTS = (
    Argument("tasks", declared(Path, "Presets"), "TASK ...", positional=True),
    Argument("planners", _FIELDS["planners"], "NAME [NAME ...]", "default: adam"),
    Argument("arms", _FIELDS["arms"], "ARM [ARM ...]", "default: none window-dae rnn-dae@10"),
    Argument("seeds", _FIELDS["seeds"], "SEED [SEED ...]", "default: 0..2"),
    Argument("steps", _FIELDS["steps"], "INT", "default: 0"),
    *TRIAL_ARGUMENTS,
    Argument(
        "out", declared(Path, "Directory of trials, tables and figures"), "DIR", f"default: {OUT}"
    ),
    Argument("open_loop", declared(bool, "Execute plans of the finished trials; train nothing")),
    Argument("background", declared(bool, "Return at once; the output goes to DIR/output.txt")),
)


_TEXT = f"""\
Train agents on the tasks of Boney et al. (2019) with and without a penalty, and compare what they
reach and what their plans were worth:
  {called("boney")} half-cheetah --arms none window-dae rnn-dae@10 --seeds 0..2

A task is one of {", ".join(TASKS)}. Tables and figures are written when the trials are
done, and of those that are when it is interrupted; the same command resumes it.

With --open-loop the finished trials of an arm with a penalty show how far a search exploits their
models after five episodes: plans of three searches at several weights, executed to their end."""

BONEY = CommandLine("boney", _TEXT, _ARGUMENTS)


def parse_reproduction(args: Sequence[str]) -> Reproduction:
    """Reads the command line.

    Args:
      args: the words after the command's name.

    Raises:
      UserError: whatever cannot be done as asked.
      SystemExit: help was asked for, and printed.
    """
    parsed = BONEY.parse(args)
    options, out = options_of(parsed, ReproductionOptions(), OUT)
    tasks = once("TASK", parsed.positionals or ["half-cheetah"])
    for task in tasks:
        if task not in TASKS:
            raise UserError(f"unknown task {shown(task)}; give one of: {', '.join(TASKS)}")
    planners = once("--planners", options.planners)
    arms = once("--arms", [Arm.of(word) for word in options.arms])
    trials = study(tasks, planners, arms, seeds_of(options.seeds), options.steps, out)
    if parsed.values["open_loop",]:
        _check_open_loop(trials)
    return Reproduction(
        trials,
        options,
        background=parsed.values["background",],
        open_loop=parsed.values["open_loop",],
    )


def _check_open_loop(study: Study) -> None:
    """Refuses trials whose plans cannot be executed at several weights of one penalty."""
    labels = dict.fromkeys(trial.contender.label for trial in study.trials)
    penalised = all(trial.config.regularizer.name != "none" for trial in study.trials)
    if len(labels) > 1 or not penalised:
        raise UserError(
            f"--open-loop: {', '.join(labels)} is not one arm with a penalty; give one task, one"
            " planner and one arm, such as --arms rnn-dae@10"
        )
    for trial in study.trials:
        if not trial.finished:
            raise UserError(
                f"--open-loop: {trial.name} is not trained yet; run the command without it first"
            )
