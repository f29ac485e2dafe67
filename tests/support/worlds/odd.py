"""Environments with one fault each: `Odd` with `fault`, which shows from the step `at` on."""

import errno
import sys
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from worlds import Walk


class Unprintable(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("an error that cannot be written")


def _raise(error: BaseException) -> Any:
    raise error


def _recurse() -> Any:
    return _recurse()


STEPS: dict[str, Callable[[tuple], Any]] = {
    "value error": lambda step: _raise(ValueError("a value\nin two lines")),
    "runtime error": lambda step: _raise(RuntimeError("lost the robot")),
    "key error": lambda step: _raise(KeyError("speed")),
    "no words": lambda step: _raise(AssertionError()),
    "disk of its own": lambda step: _raise(OSError(errno.ENOSPC, "No space left on device")),
    "pipe of its own": lambda step: _raise(BrokenPipeError(errno.EPIPE, "Broken pipe")),
    "unprintable": lambda step: _raise(Unprintable()),
    "stop iteration": lambda step: _raise(StopIteration()),
    "recursion": lambda step: _recurse(),
    "exit": lambda step: sys.exit(),
    "exit 0": lambda step: sys.exit(0),
    "exit with words": lambda step: sys.exit("bye"),
    "four values": lambda step: step[:4],
    "three values": lambda step: step[:3],
    "nothing": lambda step: None,
    "a number": lambda step: 3.0,
    "text observation": lambda step: ("far", *step[1:]),
    "ragged observation": lambda step: ([[1.0], [1.0, 2.0]], *step[1:]),
    "dict observation": lambda step: ({"place": 1.0}, *step[1:]),
    "no observation": lambda step: (None, *step[1:]),
    "objects observed": lambda step: (np.array([object(), None]), *step[1:]),
    "short observation": lambda step: (step[0][:1], *step[1:]),
    "nan observation": lambda step: (step[0] * np.nan, *step[1:]),
    "no reward": lambda step: (step[0], None, *step[2:]),
    "text reward": lambda step: (step[0], "good", *step[2:]),
    "dict reward": lambda step: (step[0], {"a": 1.0}, *step[2:]),
    "two rewards": lambda step: (step[0], np.ones(2), *step[2:]),
    "ragged reward": lambda step: (step[0], [[1.0], [1.0, 2.0]], *step[2:]),
    "nan reward": lambda step: (step[0], float("nan"), *step[2:]),
    "two ends": lambda step: (*step[:2], np.array([True, False]), *step[3:]),
}
RESETS: dict[str, Callable[[tuple], Any]] = {
    "reset: error": lambda found: _raise(RuntimeError("no arena")),
    "reset: exit": lambda found: sys.exit(3),
    "reset: observation alone": lambda found: found[0],
    "reset: nothing": lambda found: None,
    "reset: text": lambda found: ("far", {}),
    "reset: three values": lambda found: (*found, {}),
}
MAKES: dict[str, Callable[[], Any]] = {
    "make: error": lambda: _raise(RuntimeError("no licence")),
    "make: key error": lambda: _raise(KeyError("licence")),
    "make: exit": lambda: sys.exit("no licence"),
    "make: unprintable": lambda: _raise(Unprintable()),
}
FAULTS = (*STEPS, *RESETS, *MAKES)


class Odd(Walk):
    """`Walk` with a fault; `mended` takes it away from all."""

    mended = False

    def __init__(self, fault: str = "", at: int = 30, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.fault, self.at, self.taken, self.started = fault, at, 0, 0
        if fault in MAKES and not self.mended:
            MAKES[fault]()

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        self.started += 1
        found = super().reset(seed=seed)
        spoils = RESETS.get(self.fault)
        return spoils(found) if spoils and self.started > 3 and not self.mended else found

    def step(self, action: np.ndarray):
        self.taken += 1
        found = super().step(action)
        spoils = STEPS.get(self.fault)
        return spoils(found) if spoils and self.taken >= self.at and not self.mended else found


gym.register("Odd-v0", entry_point=f"{__name__}:Odd", disable_env_checker=True)
