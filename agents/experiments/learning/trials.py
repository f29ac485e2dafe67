"""The learning benchmark: who takes part, and what becomes of each with every seed.

A contender is an agent of this project, with a configuration of its own, or a policy to compare it
with. Each is trained once a seed and then evaluated, frozen, at the same ages on the same episodes.
What has been done stands on the disk alone, so that a benchmark can be interrupted at any moment,
gone on with by the same command, and drawn while it works. Nothing here imports JAX.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.config.schema import Config, EnvConfig
from agents.errors import UserError, shown

FROZEN = "frozen.jsonl"
"""In the directory of a trial: a row for every age at which it was evaluated."""

FIXED = ("random", "heuristic")
"""Policies that learn nothing, and are evaluated once."""

MODEL_FREE = ("sac", "crossq")
"""Peers that learn a policy and no model, by sbx-rl."""


@dataclass(frozen=True)
class Contender:
    """One that takes part.

    Attributes:
      label: what it is called in tables and figures.
      kind: `planner` for an agent of this project, or one of `FIXED` and `MODEL_FREE`.
      config: of an agent of this project; else None.
    """

    label: str
    kind: str
    config: Config | None = None


@dataclass(frozen=True)
class Protocol:
    """What is the same for all.

    Attributes:
      env: the environment; a policy that is no agent of this project acts at every step of it.
      seeds: of training.
      steps: ages of the frozen evaluations in simulator steps, ascending.
      episodes: of each evaluation.
      first_seed: that their first episode is reset with, >= 10,000; the others count up from it.
    """

    env: EnvConfig
    seeds: tuple[int, ...]
    steps: tuple[int, ...]
    episodes: int
    first_seed: int

    @property
    def episode_seeds(self) -> list[int]:
        """Of the episodes of an evaluation."""
        return list(range(self.first_seed, self.first_seed + self.episodes))


@dataclass(frozen=True)
class LearningTrial:
    """A contender with one seed.

    Attributes:
      contender: which one.
      seed: of its training; 0 for one that does not learn.
      protocol: how it is evaluated.
      run_dir: absolute; of an agent of this project, a run as `scripts/train.py` makes it.
    """

    contender: Contender
    seed: int
    protocol: Protocol
    run_dir: Path

    @property
    def name(self) -> str:
        """`LABEL-seedSEED`, of characters that any file may have."""
        return self.run_dir.name

    @property
    def config(self) -> Config:
        """Of an agent of this project: what it is trained with."""
        assert self.contender.config is not None
        return self.contender.config.model_copy(
            update={
                "seed": self.seed,
                "env_steps": self.protocol.steps[-1],
                "milestones": self.protocol.steps,
            }
        )

    @property
    def steps(self) -> tuple[int, ...]:
        """Ages to be evaluated at: 0 alone for one that does not learn."""
        return (0,) if self.contender.kind in FIXED else self.protocol.steps

    def evaluated(self) -> dict[int, dict[str, Any]]:
        """Rows of the evaluations that the protocol asks for and that are done, by age."""
        rows = {row["env_steps"]: row for row in read_rows(self.run_dir / FROZEN)}
        wanted = self.protocol.episode_seeds
        return {
            step: rows[step] for step in self.steps if rows.get(step, {}).get("seeds") == wanted
        }

    @property
    def finished(self) -> bool:
        """Whether it has been evaluated at every age."""
        return len(self.evaluated()) == len(self.steps)


def trials(contenders: Sequence[Contender], protocol: Protocol, out: Path) -> list[LearningTrial]:
    """All trials of a benchmark, seed by seed, so that what is cut short compares all contenders.

    Args:
      contenders: with labels that make different file names.
      protocol: what is the same for all.
      out: absolute directory that the trials' own are in.
    """
    return [
        LearningTrial(each, seed, protocol, out / f"{file_name(each.label)}-seed{seed}")
        for place, seed in enumerate(protocol.seeds)
        for each in contenders
        if each.kind not in FIXED or place == 0
    ]


def file_name(label: str) -> str:
    """A label in characters that any file name may have."""
    return "".join(c if c.isascii() and (c.isalnum() or c in ".-_") else "-" for c in label)


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Rows of a file of JSON lines, none where there is no file.

    A last line that was cut short when a process died is left out; whoever goes on writes it anew.

    Raises:
      UserError: another line is no JSON.
    """
    if not file.is_file():
        return []
    found = []
    lines = file.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, start=1):
        try:
            found += [json.loads(line)] if line else []
        except ValueError:
            if number == len(lines):
                break
            raise UserError(f"{shown(str(file))}, line {number}, is damaged; delete it") from None
    return found


def add_row(file: Path, row: dict[str, Any]) -> None:
    """Adds a row, on disk when the call returns; a line that was cut short before it is dropped."""
    before = "".join(f"{json.dumps(each)}\n" for each in read_rows(file))
    aside = file.with_name(f"{file.name}.new")
    with aside.open("w", encoding="utf-8") as stream:
        stream.write(f"{before}{json.dumps(row)}\n")
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(file)


def recorded(out: Path) -> list[tuple[Path, list[dict[str, Any]]]]:
    """Directories of the trials in `out` that have been evaluated, with the rows of each by age.

    Agents of this project come first, then those of sbx-rl, then what does not learn.
    """
    kinds = ("planner", *MODEL_FREE, *FIXED)
    found = [(file.parent, read_rows(file)) for file in sorted(out.glob(f"*/{FROZEN}"))]
    ordered = [
        (place, sorted(rows, key=lambda row: row["env_steps"])) for place, rows in found if rows
    ]
    return sorted(ordered, key=lambda trial: kinds.index(trial[1][0]["kind"]))
