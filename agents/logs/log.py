"""What a run leaves behind: metrics, timings, TensorBoard events and the summary.

`metrics.jsonl` is the record. Nothing in it depends on the clock, so that two runs of one seed can
be compared byte for byte, also when one of them was interrupted and resumed. All that the clock
touches goes to `timings.jsonl`. TensorBoard shows both, and so does wandb where it is asked for;
each is a view, not a record: a killed process may lose its last few seconds there.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

import jax
import numpy as np

from agents.directories import sync, writable, write_whole
from agents.errors import shown
from agents.logs.events import Events
from agents.logs.wandb_run import WandbRun

__all__ = ["METRICS", "SUMMARY", "TIMINGS", "RunLog", "write_summary"]

METRICS = "metrics.jsonl"
TIMINGS = "timings.jsonl"
SUMMARY = "summary.json"
ANIMATION = "evaluation.gif"
RETURNS_FILE = "returns.json"
_TENSORBOARD = "tensorboard"
START = {METRICS: 0, TIMINGS: 0, "env_steps": 0}
"""The position of a log without rows."""


class RunLog:
    """Appends rows to the files of one run directory.

    Every row is with the operating system when the call returns, and on disk after `position`. Use
    as a context manager, or call `close`.

    To resume: store `position()` with each checkpoint; open the log again and `truncate` to the
    position of the checkpoint before writing. What was written after it is dropped, since the
    resumed run writes it again.

    All of it raises `UnwritableError` where the operating system refuses.

    Args:
        run_dir: the run directory; made, with its files, where missing.
        mirror: gets all numbers that TensorBoard gets, and is closed with the log.
    """

    def __init__(self, run_dir: str | os.PathLike[str], mirror: WandbRun | None = None) -> None:
        self._run_dir = Path(run_dir)
        self._mirror = mirror
        self._files: dict[str, FileIO] = {}
        with writable(self._run_dir):
            self._run_dir.mkdir(parents=True, exist_ok=True)
        for name in (METRICS, TIMINGS):
            with writable(self._run_dir / name):
                # Without a buffer, which would be written again when the file is closed.
                self._files[name] = (self._run_dir / name).open("ab", buffering=0)
        sync(self._run_dir)
        self._env_steps = 0
        self._tensorboard: Events | None = None
        self._purge_step: int | None = None

    def metrics(self, kind: str, /, **row: Any) -> None:
        """Appends one row to `metrics.jsonl`, and its numbers to TensorBoard as `kind/name`.

        Args:
            kind: `episode`, `fit` or `evaluation`.
            **row: numbers, strings, lists and dicts of them, NumPy and JAX arrays too. Floats are
                written in full; NaN and infinities as null. `env_steps` is TensorBoard's step.
        """
        self._append(METRICS, {"kind": kind, **row}, kind)

    def timings(self, **row: Any) -> None:
        """Appends one row to `timings.jsonl`, and its numbers to TensorBoard as `timings/name`."""
        self._append(TIMINGS, row, "timings")

    def position(self) -> dict[str, int]:
        """How far the files reach: plain integers, to be stored with a checkpoint.

        The rows are on disk on return, so that no checkpoint counts a row that a power cut takes.
        """
        if self._tensorboard is not None:
            self._tensorboard.flush()
        for name, file in self._files.items():
            with writable(self._run_dir / name):
                os.fsync(file.fileno())
        sizes = {name: file.tell() for name, file in self._files.items()}
        return {**sizes, "env_steps": self._env_steps}

    def truncate(self, position: Mapping[str, int]) -> None:
        """Drops what was written after `position`.

        TensorBoard is told to hide points of later steps (its purge step). Points of the very step
        of the checkpoint stay, so one that is written again there shows twice, with one value.

        Args:
            position: before which no rows are `lost`.
        """
        for name, file in self._files.items():
            with writable(self._run_dir / name):
                file.truncate(position[name])
            file.seek(0, os.SEEK_END)
        self._close_tensorboard()
        self._env_steps = position["env_steps"]
        self._purge_step = self._env_steps + 1

    def lost(self, position: Mapping[str, int]) -> str:
        """Which file is shorter than a position, so that rows are missing; empty if none is."""
        for name, file in self._files.items():
            size = file.seek(0, os.SEEK_END)
            if size < position[name]:
                return (
                    f"{shown(str(self._run_dir / name))} has {size} bytes, but the checkpoint was"
                    f" made at {position[name]}: rows are missing"
                )
        return ""

    def close(self) -> None:
        """Closes the files. Closing twice does nothing."""
        for file in self._files.values():
            file.close()
        self._close_tensorboard()
        if self._mirror is not None:
            self._mirror.close()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _append(self, name: str, row: Mapping[str, Any], group: str) -> None:
        plain = json_values(row)
        left = json.dumps(plain, allow_nan=False).encode() + b"\n"
        with writable(self._run_dir / name):
            while left:
                left = left[self._files[name].write(left) :]
        self._env_steps = plain.get("env_steps", self._env_steps)
        for key, value in plain.items():
            # TensorBoard would round a large integer, such as a seed, to float32: it is left out.
            rounded = isinstance(value, int) and int(np.float32(value)) != value
            if isinstance(value, int | float) and key != "env_steps" and not rounded:
                self._events().add(f"{group}/{key}", value, self._env_steps)
                if self._mirror is not None:
                    self._mirror.add(f"{group}/{key}", value, self._env_steps)

    def _events(self) -> Events:
        if self._tensorboard is None:
            self._tensorboard = Events(self._run_dir / _TENSORBOARD, self._purge_step)
        return self._tensorboard

    def _close_tensorboard(self) -> None:
        events, self._tensorboard = self._tensorboard, None
        if events is not None:
            events.close()


def write_summary(run_dir: str | os.PathLike[str], summary: Mapping[str, Any]) -> Path:
    """Writes `summary.json` whole or not at all, and returns its path.

    Values are converted as in `RunLog.metrics`.
    """
    path = Path(run_dir) / SUMMARY
    write_whole(path, json.dumps(json_values(summary), indent=2, allow_nan=False) + "\n")
    return path


def json_values(value: Any) -> Any:
    """The value in JSON's own kinds; a number that does not exist, NaN, is None."""
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        value = np.asarray(value).tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value
