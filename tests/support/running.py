"""Runs a script of the project inside the test's own interpreter, and stops runs midway."""

import contextlib
import runpy
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from agents.envs import EpisodeRunner

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
SUPPORT = ROOT / "tests" / "support"


def run_script(script: str, args: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "argv", [script, *args])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    return end.value.code


def interrupt() -> None:
    """What Ctrl-C does."""
    signal.raise_signal(signal.SIGINT)


def terminate() -> None:
    """What `kill` does."""
    signal.raise_signal(signal.SIGTERM)


class PowerCut(Exception):  # noqa: N818 - says what happened, as KeyboardInterrupt does
    """Ends a run at once."""


def cut_power() -> None:
    raise PowerCut


@contextlib.contextmanager
def stopped(
    env_steps: int,
    stop: Callable[[], None] = interrupt,
    error: type[BaseException] = KeyboardInterrupt,
) -> Iterator[None]:
    """Within it, a run calls `stop` in the decision that brings its steps to `env_steps`.

    They are counted from here. The run must end with `error`.
    """
    step = EpisodeRunner.step
    left = env_steps

    def counted(runner: EpisodeRunner, action: Any):
        nonlocal left
        before, due = runner.steps, left > 0
        ending = step(runner, action)
        left -= runner.steps - before
        if due and left <= 0:
            stop()
        return ending

    with (
        mock.patch.object(EpisodeRunner, "step", counted),
        pytest.raises(error),
    ):
        yield
