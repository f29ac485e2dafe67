"""A sweep: one configuration at several regularisers, weights and seeds, each in a directory.

What a sweep is and how far it has come stands on the disk alone, so that it can be interrupted at
any moment, gone on with by the same command, and read while it works. Nothing here imports JAX.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agents.config import loading as configuration
from agents.config.schema import Config
from agents.config.yaml_files import dump
from agents.directories import claimed
from agents.errors import UserError, shown

SWEEP_FILE = "sweep.yaml"
"""In the directory of a sweep: the configuration that all of its trials share."""

SUMMARY = "summary.json"
"""In the directory of a trial that is finished, as `agents.training.log` writes it."""

SWEPT = {
    ("seed",): "--seeds",
    ("regularizer", "name"): "--regularizers",
    ("regularizer", "weight"): "--weights",
}
"""The options in which trials differ, and the flags that give their values."""


@dataclass(frozen=True)
class Grid:
    """Every regulariser with every weight and every seed.

    `none` has no penalty that a weight could scale, and is trained once a seed.

    Attributes:
      regularizers: by name.
      weights: of the penalty, >= 0.
      seeds: of the runs, >= 0.
    """

    regularizers: tuple[str, ...]
    weights: tuple[float, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return sum(1 for _ in self.points())

    def points(self) -> Iterator[tuple[str, float, int]]:
        """Regulariser, weight and seed of each trial.

        Seed by seed, so that what is finished when a sweep is cut short compares all weights.
        """
        for seed in self.seeds:
            for name in self.regularizers:
                for weight in self.weights if name != "none" else (0.0,):
                    yield name, weight, seed


@dataclass(frozen=True)
class Trial:
    """One run of a sweep.

    Attributes:
      config: the whole configuration.
      run_dir: absolute; of the same shape as that of a run of `scripts/train.py`.
    """

    config: Config
    run_dir: Path

    @property
    def name(self) -> str:
        """`REGULARIZER-wWEIGHT-seedSEED`."""
        return self.run_dir.name

    @property
    def finished(self) -> bool:
        """Whether it has been trained and evaluated."""
        return (self.run_dir / SUMMARY).is_file()


@dataclass(frozen=True)
class Sweep:
    """Some trials that share a configuration and a directory.

    Attributes:
      base: what they share.
      grid: in what they differ.
      out: absolute; the directory that theirs are in. All machines of a cluster must reach it.
    """

    base: Config
    grid: Grid
    out: Path

    def trials(self) -> list[Trial]:
        """All of them, finished or not.

        Raises:
          UserError: a regulariser does not go with the rest of the configuration.
        """
        return [
            Trial(
                configuration.override(
                    self.base, dict(zip(SWEPT, (seed, name, weight), strict=True)), SWEPT
                ),
                self.out / f"{name}-w{_plainly(weight)}-seed{seed}",
            )
            for name, weight, seed in self.grid.points()
        ]

    def check_place(self) -> None:
        """Refuses a directory that holds something else.

        The grid may be another one, so that seeds and weights can be added.

        Raises:
          UserError: what is there is no sweep, or one of another configuration.
        """
        file, where = self.out / SWEEP_FILE, f"--out: {shown(str(self.out))}"
        try:
            there = os.path.lexists(self.out)
            content = os.listdir(self.out) if there else []
        except OSError as error:
            raise UserError(f"{where} cannot be used ({error.strerror}); give another") from None
        if content and SWEEP_FILE not in content:
            raise UserError(
                f"{where} holds other files and no sweep (no {SWEEP_FILE}); give another directory"
            )
        if content:
            earlier = configuration.load_file(file)
            changed = configuration.difference(earlier, self.base, SWEPT)
            if changed:
                raise UserError(
                    f"{where} holds a sweep with {changed}; give the same options, or another --out"
                )

    @contextmanager
    def place(self) -> Iterator[None]:
        """Makes the directory, and keeps it from other sweeps within the block.

        Raises:
          UserError: it cannot be written to, or a sweep is at work in it.
        """
        file = self.out / SWEEP_FILE
        with claimed(self.out, file, "a sweep"):
            if not file.stat().st_size:
                file.write_text(dump(self.base), encoding="utf-8")
            yield


def _plainly(weight: float) -> str:
    """The shortest text that is this very number: 0.03, 1, 1e-05."""
    return repr(weight).removesuffix(".0")
