"""The command lines that write data sets: which policies are recorded, which run is exported.

Nothing here imports JAX or writes a file.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic.fields import FieldInfo

from agents.config.base import Options
from agents.config.commands import named_preset, saved_run, whole_number
from agents.config.flags import Argument, CommandLine, Parsed, called, declared
from agents.config.loading import CONFIG_FILE, load_run, override
from agents.config.presets import PRESETS, find_preset, listing
from agents.config.schema import EnvConfig
from agents.dataset_names import FORMS, refuse_unusable
from agents.errors import UserError, shown

_FIXED = ("random", "heuristic")
_MOST_EPISODES = 1_000_000
_EPISODES = 10  # of a policy without a number
_POLICY = re.compile(r"(?P<name>.+?)(@(?P<noise>\.?\d[\d.eE+-]*))?(:(?P<episodes>\d{1,9}))?")
_POLICIES = "random, heuristic, the directory of a saved run or a .zip file of Stable-Baselines3"


class CollectOptions(Options):
    """Where policies act, and the root of all randomness."""

    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Random seed")
    env: EnvConfig = EnvConfig(id="LunarLander-v3")


@dataclass(frozen=True)
class RecordedPolicy:
    """A policy that is to be recorded, and for how long.

    Attributes:
      kind: `random`; `heuristic`, which the environment's module has; the directory of a `run`; or
        a `file` that Stable-Baselines3 saved.
      name: as given: the kind, or a path.
      noise: on its actions, in half-ranges, from 0 to 1; discrete: the chance of a random one.
      episodes: how many.
    """

    kind: Literal["random", "heuristic", "run", "file"]
    name: str
    noise: float = 0.0
    episodes: int = _EPISODES

    def __str__(self) -> str:
        """The policy and its noise, as on the command line."""
        return f"{self.name}@{self.noise:g}" if self.noise else self.name


@dataclass(frozen=True)
class CollectCommand:
    """Record policies.

    Attributes:
      env: where they act; each of their actions is held for its `action_repeat`.
      policies: one after the other.
      seed: of episodes, random actions and noise.
      out: the data set to write, not taken yet.
    """

    env: EnvConfig
    policies: tuple[RecordedPolicy, ...]
    seed: int
    out: str


@dataclass(frozen=True)
class ExportCommand:
    """Write the episodes that a run was trained on.

    Attributes:
      run_dir: holds a run.
      out: the data set to write, not taken yet.
      steps: only the episodes that ended within so many simulator steps; None: all.
    """

    run_dir: Path
    out: str
    steps: int | None


_OUT = Argument("out", declared(Path, f"Data set to write: {FORMS}"), "DATASET")

_COLLECT_ARGUMENTS = (
    Argument("preset", declared(Path, "Where to start from"), "PRESET", positional=True),
    Argument(
        "policy",
        FieldInfo(
            annotation=tuple[str, ...],
            description="Policies to record, in turn",
            examples=["random:15", "heuristic@0.2:30"],
        ),
        "POLICY[@NOISE][:EPISODES] ...",
        f"default of EPISODES: {_EPISODES}",
    ),
    _OUT,
)

_EXPORT_ARGUMENTS = (
    Argument("run_dir", declared(Path, "Directory of the run"), "RUN_DIR", positional=True),
    _OUT,
    Argument(
        "steps",
        FieldInfo.from_annotated_attribute(int, Field(ge=1, description="First ones of the run")),
        "INT",
        "default: all",
    ),
)

_COLLECT_TEXT = f"""\
Record episodes of policies as a data set to learn and to plan from:
  {called("collect")} PRESET --policy POLICY[@NOISE][:EPISODES] ... --out DATASET [options]
  {called("collect")} lunar-lander --policy heuristic@0.2:30 random:15 --out runs/mixed.npz

A policy is {_POLICIES}. NOISE is in half-ranges
of the action; of discrete actions it is the chance of a random one. Every action is held for
--env.action-repeat steps. The same command records the same episodes.

Presets, of which only the environment counts here:
{listing()}

The defaults shown are those of """

_EXPORT_TEXT = """\
Write the finished training episodes of a run's latest checkpoint as a data set."""


def collect_line(example: str = "lunar-lander") -> CommandLine:
    """The command line of `collect`; its help shows the environment of the preset `example`."""
    defaults = CollectOptions(env=PRESETS[example].env)
    return CommandLine("collect", f"{_COLLECT_TEXT}{example}.", _COLLECT_ARGUMENTS, defaults)


EXPORT = CommandLine("export", _EXPORT_TEXT, _EXPORT_ARGUMENTS)


def parse_collect(args: Sequence[str]) -> CollectCommand:
    """Reads the command line of `collect`.

    Args:
      args: the words after the command's name.

    Raises:
      UserError: whatever cannot be done as asked.
      SystemExit: help was asked for, and printed.
    """
    parsed = collect_line(named_preset(args)).parse(args)
    if len(parsed.positionals) != 1:
        words = ", ".join(map(shown, parsed.positionals)) or "none"
        raise UserError(f"one preset is allowed, not {words}; give one of: {', '.join(PRESETS)}")
    options = CollectOptions(env=find_preset(parsed.positionals[0]).env)
    options = override(options, parsed.given(CollectOptions))
    words = parsed.values.get(("policy",))
    if words is None:
        raise UserError(f"--policy is missing; give one or more of {_POLICIES}")
    policies = tuple(_policy(word, options.env) for word in words)
    return CollectCommand(options.env, policies, options.seed, _out(parsed))


def parse_export(args: Sequence[str]) -> ExportCommand:
    """Reads the command line of `export`.

    Args:
      args: the words after the command's name.

    Raises:
      UserError: whatever cannot be done as asked.
      SystemExit: help was asked for, and printed.
    """
    parsed = EXPORT.parse(args)
    run_dir = saved_run(parsed)
    load_run(run_dir)
    return ExportCommand(run_dir, _out(parsed), whole_number(parsed, "steps", 1))


def _out(parsed: Parsed) -> str:
    out = parsed.values.get(("out",))
    if out is None:
        raise UserError(f"--out is missing; give {FORMS}")
    refuse_unusable("--out", out)
    return out


def _policy(word: str, env: EnvConfig) -> RecordedPolicy:
    """Reads `POLICY[@NOISE][:EPISODES]`."""
    found = _POLICY.fullmatch(word)
    refusal = f"--policy: {shown(word)} is not allowed"
    if found is None:
        raise UserError(f"{refusal}; give {_POLICIES}")
    name, noise, episodes = found.group("name", "noise", "episodes")
    name = os.path.expanduser(name)
    try:
        size = float(noise or 0)
    except ValueError:
        size = -1.0
    if not 0 <= size <= 1:
        raise UserError(f"{refusal}; give a noise from 0 to 1, such as {name}@0.2")
    count = int(episodes or _EPISODES)
    if not 1 <= count <= _MOST_EPISODES:
        raise UserError(f"{refusal}; give from 1 to {_MOST_EPISODES} episodes")
    if name in _FIXED:
        kind = name
    elif os.path.isfile(Path(name) / CONFIG_FILE):
        kind = "run"
        _refuse_other_run(refusal, load_run(Path(name)).env, env)
    elif name.endswith(".zip") and os.path.isfile(name):
        kind = "file"
        if find_spec("stable_baselines3") is None:
            raise UserError(
                f"--policy: {shown(word)} needs sbx-rl, which is not installed:"
                " pip install -c constraints.txt -e '.[baselines]'"
            )
    else:
        raise UserError(
            f"{refusal}; give {_POLICIES}, with @NOISE from 0 to 1 and :EPISODES behind it if"
            " wanted, such as heuristic@0.2:30"
        )
    return RecordedPolicy(kind, name, size, count)


def _refuse_other_run(refusal: str, theirs: EnvConfig, ours: EnvConfig) -> None:
    """Refuses a run that was trained to act otherwise than it would be made to here."""
    for what, flag in (("id", "--env.id"), ("action_repeat", "--env.action-repeat")):
        trained, wanted = getattr(theirs, what), getattr(ours, what)
        if trained != wanted:
            raise UserError(
                f"{refusal}: the run was trained with {flag} {trained}, not {wanted}; give"
                f" {flag} {trained}"
            )
