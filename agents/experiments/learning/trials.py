"""Trials: contenders, each with every seed, each trial in a directory of its own.

A contender is an agent of this project, with a configuration of its own, or a policy to compare it
with. How far a study has come is known from the disk alone: it can be interrupted at any moment,
resumed by the same command, and read while it runs. Nothing here imports JAX.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agents.analysis.jsonl import read_rows
from agents.analysis.tables import Row
from agents.config import Config, EnvConfig, dump
from agents.directories import claimed, write_whole

FROZEN = "frozen.jsonl"
"""In the directory of a benchmark's trial: a row for every age at which it was evaluated."""

TRAINED = "trained.json"
"""In the directory of a trial that is trained and not evaluated, once it is trained."""

SUMMARY = "summary.json"
"""In the directory of a sweep's trial that is finished, as `agents.logs.log` writes it."""

SWEEP_FILE = "sweep.yaml"
"""In the directory of a sweep: the configuration that its contenders vary."""

FIXED = ("random", "heuristic")
"""Policies that learn nothing, and are evaluated once."""

MODEL_FREE = ("sac", "crossq")
"""Agents of sbx-rl, which learn a policy and no model."""


@dataclass(frozen=True)
class Contender:
    """An agent or a policy that is compared with others.

    Attributes:
      label: its name in tables and figures.
      kind: `planner` for an agent of this project, or one of `FIXED` and `MODEL_FREE`.
      config: of an agent of this project; else None.
    """

    label: str
    kind: str
    config: Config | None = None


@dataclass(frozen=True)
class Protocol:
    """How all contenders of a benchmark are evaluated.

    Attributes:
      env: the environment; a policy that is no agent of this project acts at every step of it.
      steps: ages of the frozen evaluations in simulator steps, ascending; none where what is
        compared is the training itself, as long as the contender's configuration says.
      seeds: that the episodes of every evaluation are reset with, >= 10,000; consecutive.
    """

    env: EnvConfig
    steps: tuple[int, ...]
    seeds: range


@dataclass(frozen=True)
class Trial:
    """A contender with one seed.

    Attributes:
      contender: which one.
      seed: of its training.
      run_dir: absolute; of an agent of this project, a run as `mbrl-dae train` makes it.
      protocol: of a benchmark; None in a sweep, where a run is evaluated at its end alone.
    """

    contender: Contender
    seed: int
    run_dir: Path
    protocol: Protocol | None = None

    @property
    def name(self) -> str:
        """`LABEL-seedSEED`."""
        return self.run_dir.name

    @property
    def steps(self) -> tuple[int, ...]:
        """Ages to be evaluated at: 0 alone for a policy that does not learn, none in a sweep."""
        if self.protocol is None:
            return ()
        return (0,) if self.contender.kind in FIXED else self.protocol.steps

    @property
    def config(self) -> Config:
        """Of an agent of this project: what it is trained with."""
        assert self.contender.config is not None
        steps = {"env_steps": self.steps[-1], "milestones": self.steps} if self.steps else {}
        return self.contender.config.model_copy(update={"seed": self.seed, **steps})

    def evaluated(self) -> dict[int, Row]:
        """The evaluations of its protocol that are done, by age.

        Raises:
          UserError: the file of evaluations is damaged.
        """
        file = self.run_dir / FROZEN
        if self.protocol is None or not file.is_file():
            return {}
        seeds = list(self.protocol.seeds)
        rows = {row["env_steps"]: row for row in read_rows(file) if row["seeds"] == seeds}
        return {step: rows[step] for step in self.steps if step in rows}

    @property
    def finished(self) -> bool:
        """Whether it is evaluated at every age of its protocol; in a sweep, at its end."""
        if self.protocol is None:
            return (self.run_dir / SUMMARY).is_file()
        if not self.steps:
            return (self.run_dir / TRAINED).is_file()
        return len(self.evaluated()) == len(self.steps)


@dataclass(frozen=True)
class Study:
    """Trials that are carried out by one command.

    Attributes:
      kind: `sweep`, `benchmark` or `reproduction`.
      trials: all of them, finished or not.
      out: absolute; holds their directories. All machines of a cluster must reach it.
      base: the configuration that the contenders of a sweep vary; None for a benchmark.
    """

    kind: str
    trials: list[Trial]
    out: Path
    base: Config | None = None

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Makes the directory, and keeps it from other studies within the block.

        Raises:
          UserError: it cannot be written to, or another study runs in it.
        """
        file = self.out / SWEEP_FILE
        with claimed(self.out, f"a {self.kind}"):
            if self.base is not None and not file.exists():
                write_whole(file, dump(self.base))
            yield


def make_trials(
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    out: Path,
    protocol: Protocol | None = None,
) -> list[Trial]:
    """Every contender with every seed; a policy that does not learn with the first one alone.

    Seed by seed, so that an interrupted study compares all contenders.

    Args:
      contenders: with labels of different `file_name`s.
      seeds: of training.
      out: absolute; will hold the directories of the trials.
      protocol: of a benchmark; None in a sweep.
    """
    return [
        Trial(each, seed, out / f"{file_name(each.label)}-seed{seed}", protocol)
        for place, seed in enumerate(seeds)
        for each in contenders
        if each.kind not in FIXED or place == 0
    ]


def file_name(label: str) -> str:
    """A label in characters that any file name may have."""
    return "".join(c if c.isascii() and (c.isalnum() or c in ".-_") else "-" for c in label)


def evaluations_in(out: Path) -> list[tuple[Path, list[Row]]]:
    """Directories of a benchmark's trials that have been evaluated, with their rows by age.

    Agents of this project come first, then those of sbx-rl, then policies that do not learn.

    Raises:
      UserError: a file of evaluations is damaged.
    """
    kinds = ("planner", *MODEL_FREE, *FIXED)
    evaluated = [
        (file.parent, sorted(rows, key=lambda row: row["env_steps"]))
        for file in sorted(out.glob(f"*/{FROZEN}"))
        if (rows := read_rows(file))
    ]
    return sorted(evaluated, key=lambda trial: kinds.index(trial[1][0]["kind"]))
