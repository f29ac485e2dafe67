"""Runs a command of the project inside the test's own interpreter, and stops runs midway."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from agents.commands import program
from agents.envs import EpisodeRunner

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "support"
PATHS = os.pathsep.join(map(str, (ROOT, SUPPORT)))
"""`PYTHONPATH` of a process that uses this folder."""


def run_program(name: str, args: list[str]) -> object:
    """The exit status of `mbrl-dae NAME`."""
    try:
        return program.run([name, *args])
    except SystemExit as end:  # help
        return end.code


def run_afresh(words: Sequence[str], place: Path, without: set[str]) -> subprocess.CompletedProcess:
    """`mbrl-dae WORDS` in a process of its own, which must not import modules in `without`."""
    code = (
        "import sys\n"
        "from agents.commands.program import run\n"
        "try: status = run(sys.argv[1:])\n"
        f"finally: assert not {without} & set(sys.modules)\n"
        "sys.exit(status)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@contextlib.contextmanager
def default_signals() -> Iterator[None]:
    """Within it, a process that was started by nohup is none."""
    ended = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(each, signal.SIG_DFL) for each in ended]
    try:
        yield
    finally:
        for each, handler in zip(ended, before, strict=True):
            signal.signal(each, handler)


def interrupt() -> None:
    """What Ctrl-C does."""
    signal.raise_signal(signal.SIGINT)


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


def study_of_endings(out: Path, address: str, *names: str) -> subprocess.Popen[str]:
    """Starts a study of `ending_trials.py` in a process group of its own."""
    program = SUPPORT / "processes" / "ending_trials.py"
    return subprocess.Popen(
        [sys.executable, str(program), str(out), address, *names],
        cwd=SUPPORT, env=os.environ | {"PYTHONPATH": PATHS}, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(file: Path) -> int:
    """The number that another process writes into a file, once it is there."""
    end = time.monotonic() + 60
    while not (file.is_file() and file.read_text().endswith("\n")):
        assert time.monotonic() < end, f"no {file}"
        time.sleep(0.05)
    return int(file.read_text().split()[-1])
