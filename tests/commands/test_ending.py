"""How a command ends that cannot go on: closed pipes, signals, faults of the user's code."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from running import ROOT, default_signals

from agents.commands import ending
from agents.commands.command import Command, carry_out
from agents.config.flags import CommandLine
from agents.errors import EnvironmentFaultError, UserError


def command(main) -> Command:
    return Command("Does it", CommandLine("it", "Does it."), main, interrupted="half is done")


def raising(error: BaseException) -> Command:
    def main(args):
        raise error

    return command(main)


def test_advice_follows_an_error_on_its_line(capsys):
    error = UserError("a disk\nis full")
    error.add_note("continue with: it")
    assert carry_out(raising(error), []) == 2
    assert capsys.readouterr().err == "error: a disk is full; continue with: it\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BrokenPipeError(errno.EPIPE, "Broken")])
def test_an_interrupt_and_a_closed_pipe_are_one_line(error, capsys):
    assert carry_out(raising(error), []) == 130
    assert capsys.readouterr().err == "interrupted; half is done\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_end_of_the_terminal_is_an_interrupt(number, capsys):
    with default_signals():
        assert carry_out(command(lambda args: signal.raise_signal(number)), []) == 130
        assert signal.getsignal(number) == signal.SIG_DFL
    assert capsys.readouterr().err == "interrupted; half is done\n"


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        assert carry_out(command(lambda args: signal.raise_signal(signal.SIGHUP) or 7), []) == 7
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("ask", [np.zeros, lambda size: jnp.zeros(size, np.int8), bytearray])
def test_more_than_the_memory_holds_is_one_line(ask, capsys):
    """The errors of NumPy, JAX and Python, raised by asking for a mebibyte of gibibytes."""
    assert carry_out(command(lambda args: jax.block_until_ready(ask(2**50))), []) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: the memory does not suffice")
    assert error.count("\n") == 1
    assert "--planner.population" in error


def test_a_defect_keeps_its_traceback():
    with pytest.raises(KeyError):
        carry_out(raising(KeyError("ours")), [])


def test_the_traceback_of_a_fault_is_the_users(tmp_path, capsys):
    file, names = tmp_path / "mine.py", {}
    file.write_text("def step(depth):\n    return step(depth - 1) if depth else 1 / 0\n")
    exec(compile(file.read_text(), str(file), "exec"), names)
    try:
        names["step"](90)
    except ZeroDivisionError as error:
        cause = error
    fault = EnvironmentFaultError("environment 'Mine-v0' raised it")
    fault.__cause__ = cause
    assert carry_out(raising(fault), []) == 2
    first, head, *frames, last = capsys.readouterr().err.splitlines()
    assert first == "error: environment 'Mine-v0' raised it"
    assert head == "Traceback (most recent call last):"
    assert last == "ZeroDivisionError: division by zero"
    assert str(file) in "".join(frames)
    assert len(frames) < 90  # of as many levels


def test_a_fault_that_the_user_has_no_code_in_has_no_traceback(capsys):
    fault = EnvironmentFaultError("four values")
    fault.__cause__ = ValueError("not enough")
    carry_out(raising(fault), [])
    assert capsys.readouterr().err == "error: four values\n"


def test_a_closed_error_stream_hides_nothing_else(monkeypatch, tmp_path):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        assert carry_out(raising(UserError("bad")), []) == 2
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


def started(*words: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "agents", *words],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False, timeout=60, **options,
    )  # fmt: skip


def test_a_pipe_that_nobody_reads_leaves_no_words_of_pythons():
    reading, writing = os.pipe()
    os.close(reading)
    done = started("--help", stdout=writing)
    os.close(writing)
    assert done.returncode in (0, 130)  # as the words wait in a buffer or do not
    assert done.stderr == ""


def test_without_an_output_there_is_none():
    code = "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    done = subprocess.run(
        [sys.executable, "-c", code, "-m", "agents", "trian"],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_notebooks_backend_does_not_matter(tmp_path):
    surroundings = {"MPLBACKEND": "module://nowhere.to_be_found", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "agents", "report", "nothing"],
        cwd=tmp_path, env=os.environ | surroundings, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    code = (
        "import sys; from agents.commands import program; program.run = lambda words: 0\n"
        "try: program.main()\n"
        "except SystemExit: import agents.reporting.learning_curve\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | surroundings, check=True
    )


def test_flushing_twice_is_harmless(capsys):
    ending.open_streams()
    print("words")
    ending.flush_streams()
    ending.flush_streams()
    assert capsys.readouterr().out == "words\n"
