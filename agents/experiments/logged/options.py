"""Data sets, arms and the command line of `logged`. Nothing here imports JAX."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import Field

from agents.config import PRESETS, Config, RegularizerName, load, override
from agents.config.base import Options
from agents.config.data_commands import RecordedPolicy
from agents.config.flags import Argument, CommandLine, called, declared
from agents.config.presets import find_preset
from agents.errors import UserError, shown
from agents.experiments.learning.options import Seeds, once, seeds_of
from agents.experiments.reproduction.arms import ENSEMBLE

OUT = "runs/data"
LANDER = "lunar-lander"
"""The preset whose environment has a heuristic policy."""

CLONING = "cloning"
"""The arm that imitates the data and has no model."""

OFFLINE_RL = ("iql", "td3+bc")
"""Arms of offline reinforcement learning, by d3rlpy."""

WITHOUT_MODEL = (CLONING, *OFFLINE_RL)

REPLAY = "replay"
"""The data set of the episodes that a run acts in its first `REPLAY_STEPS` steps, or in all."""
REPLAY_STEPS = 5_000

DATASETS: dict[str, tuple[RecordedPolicy, ...]] = {
    "expert": (RecordedPolicy("heuristic", "heuristic", 0.1, 30),),
    "noisy": (RecordedPolicy("heuristic", "heuristic", 0.5, 30),),
    "mixed": (
        RecordedPolicy("heuristic", "heuristic", 0.2, 30),
        RecordedPolicy("random", "random", 0.0, 15),
    ),
    "random": (RecordedPolicy("random", "random", 0.0, 45),),
    REPLAY: (),
}
"""The policies that are recorded, by the name of the data set; `REPLAY` is recorded in training."""

WITHOUT_HEURISTIC = ("random", REPLAY)
"""Data sets that every preset's environment can be recorded for."""

_NAMES: tuple[str, ...] = get_args(RegularizerName)
_MEMBERS = "disagreement"
_PENALTY = "|".join(map(re.escape, (*_NAMES, *WITHOUT_MODEL)))
_ARM = re.compile(rf"({_PENALTY})(-1)?(?:@(\d+(?:\.\d+)?(?:e[+-]\d+)?))?")


@dataclass(frozen=True)
class Arm:
    """A penalty with a weight, or behaviour cloning.

    Attributes:
      name: of the penalty; `none`, or one of `WITHOUT_MODEL`.
      weight: of it; `familiar` where none is given, 0 where there is no penalty.
      single: whether the model has one member, and the search as many more candidates, so that a
        plan costs what it costs with all members.
    """

    name: str
    weight: float | Literal["familiar"]
    single: bool = False

    @classmethod
    def of(cls, text: str) -> Self:
        """Reads `PENALTY[-1][@WEIGHT]`, `none[-1]` or one of `WITHOUT_MODEL`.

        Raises:
          UserError: it is of another form, or gives a weight to no penalty.
        """
        found = _ARM.fullmatch(text)
        name, single, weight = found.groups() if found else ("", None, None)
        free = name in ("none", *WITHOUT_MODEL)
        if found is None or (free and weight) or (single and name in (*WITHOUT_MODEL, _MEMBERS)):
            raise UserError(
                f"--arms: {shown(text)} is not allowed; give none, {', '.join(WITHOUT_MODEL)},"
                " PENALTY (its weight is familiar) or PENALTY@WEIGHT, with a PENALTY of"
                f" {', '.join(_NAMES[1:])}; -1 behind the name: one member (not of {_MEMBERS})"
            )
        return cls(name, 0.0 if free else float(weight) if weight else "familiar", bool(single))

    def __str__(self) -> str:
        named = self.weight == "familiar" or self.name in ("none", *WITHOUT_MODEL)
        name = f"{self.name}-1" if self.single else self.name
        return name if named else f"{name}@{self.weight!r}".removesuffix(".0")


class LoggedOptions(Options):
    """What is compared, on which data."""

    preset: str = Field(
        default=LANDER, examples=[LANDER, "half-cheetah"], description="Of agent and environment"
    )
    arms: tuple[str, ...] = Field(
        default=("none", "rnn-dae", "window-dae", "disagreement", CLONING),
        min_length=1,
        strict=False,
        examples=["none", "rnn-dae", "rnn-dae@30"],
        description="PENALTY[@WEIGHT]; without a weight it is familiar",
    )
    seeds: Seeds = Field(
        default=("0..2",),
        min_length=1,
        strict=False,
        examples=["0..2"],
        description="Of data and model",
    )
    episodes: int = Field(default=30, ge=2, le=10_000, description="Of each frozen evaluation")


@dataclass(frozen=True)
class LoggedStudy:
    """What the command line asks for.

    Attributes:
      preset: of the agent, and of the environment that the policies act in.
      datasets: names of `DATASETS`.
      arms: what is compared on them.
      seeds: of data and model.
      episodes: of each frozen evaluation.
      out: directory of data sets, models and tables.
    """

    preset: str
    datasets: tuple[str, ...]
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    episodes: int
    out: Path

    def data(self, dataset: str, seed: int) -> Path:
        """The file of a data set."""
        return self.out / f"{dataset}-seed{seed}.npz"

    def config(self, dataset: str, seed: int, arm: Arm) -> Config:
        """The agent of an arm: with the preset's ensemble, or five members if it has none."""
        usual = PRESETS[self.preset]
        changes: dict[tuple[str, ...], Any] = {
            ("seed",): seed,
            ("data",): str(self.data(dataset, seed)),
            ("regularizer", "name"): arm.name,
            ("regularizer", "weight"): arm.weight,
        }
        if usual.model.members == 1:
            changes |= {} if arm.single else ENSEMBLE
        elif arm.single:
            changes |= {
                ("model", "members"): 1,
                ("planner", "particles"): 1,
                ("planner", "population"): usual.planner.population * usual.planner.particles,
            }
        return load(self.preset, None, changes)


_FIELDS = LoggedOptions.model_fields

_ARGUMENTS = (
    Argument("datasets", declared(Path, "Data sets"), "DATASET ...", positional=True),
    Argument("preset", _FIELDS["preset"], "NAME", f"default: {LANDER}"),
    Argument(
        "arms",
        _FIELDS["arms"],
        "ARM [ARM ...]",
        "default: all but iql, td3+bc",
    ),
    Argument("seeds", _FIELDS["seeds"], "SEED [SEED ...]", "default: 0..2"),
    Argument("episodes", _FIELDS["episodes"], "INT", "default: 30"),
    Argument("out", declared(Path, "Of data sets, models, tables"), "DIR", f"default: {OUT}"),
)


_TEXT = f"""\
Learn a task from logged data with and without a penalty, and compare what agents reach:
  {called("logged")} expert noisy --arms none rnn-dae cloning --seeds 0..2

A data set is one of {", ".join(DATASETS)}; each seed records its own. Presets
other than {LANDER} have {" and ".join(WITHOUT_HEURISTIC)} only. All arms of a seed share one
model. The same command resumes what was interrupted; a second process may work on other seeds in
the same directory."""

LOGGED = CommandLine("logged", _TEXT, _ARGUMENTS)


def parse_logged(args: Sequence[str]) -> LoggedStudy:
    """Reads the command line.

    Args:
      args: the words after the command's name.

    Raises:
      UserError: whatever cannot be done as asked.
      SystemExit: help was asked for, and printed.
    """
    parsed = LOGGED.parse(args)
    options = override(LoggedOptions(), parsed.given(LoggedOptions))
    find_preset(options.preset, "--preset")
    known = tuple(DATASETS) if options.preset == LANDER else WITHOUT_HEURISTIC
    datasets = tuple(once("DATASET", parsed.positionals or known[:2]))
    for name in datasets:
        if name not in known:
            raise UserError(
                f"unknown data set {shown(name)} of {options.preset}; give one of:"
                f" {', '.join(known)}"
            )
    arms = tuple(Arm.of(word) for word in once("--arms", options.arms))
    seeds = seeds_of(options.seeds)
    out = Path(parsed.values.get(("out",), OUT)) / options.preset
    return LoggedStudy(options.preset, datasets, arms, seeds, options.episodes, out)
