"""How a command ends that cannot go on: one line on standard error, and its exit status."""

import contextlib
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from agents.errors import EnvironmentFaultError, UserError, one_line

_LONGEST = 2_000
_LEVELS = 20
"""Of a traceback, at most, at either end."""


def failed(error: UserError) -> int:
    """Says what a user got wrong, and beneath it where the user's own code failed; returns 2."""
    complain(f"error: {one_line(with_advice(str(error), error), _LONGEST)}")
    if isinstance(error, EnvironmentFaultError) and error.__cause__ is not None:
        complain(_own_traceback(error.__cause__))
    return 2


def out_of_memory(error: Exception) -> UserError | None:
    """What to do where the memory did not suffice; None where an error is another one.

    Python raises its own error; JAX raises one that every failure of its runtime shares.
    """
    if not isinstance(error, MemoryError) and not str(error).startswith("RESOURCE_EXHAUSTED"):
        return None
    return UserError(
        f"the memory does not suffice ({one_line(error)}); a smaller --planner.population,"
        " --planner.particles, --model.hidden or batch size needs less"
    )


def interrupted(error: BaseException, left: str) -> int:
    """Says that the command was interrupted, and what that leaves; returns 130.

    Args:
        error: whose notes say how to go on.
        left: in words, where there are no notes.
    """
    complain(with_advice("interrupted", error, left))
    return 130


def with_advice(text: str, error: BaseException, otherwise: str = "") -> str:
    """A text, and after it the notes of an error: how to go on."""
    notes = getattr(error, "__notes__", None) or [otherwise]
    return "; ".join(filter(None, [text, *notes]))


def complain(text: str) -> None:
    """Prints on standard error, unless that is closed."""
    if text:
        with suppress(OSError):
            print(text, file=sys.stderr, flush=True)


@contextmanager
def ending_as_interrupts() -> Iterator[None]:
    """A block in which `kill` and the end of the terminal do what Ctrl-C does.

    Signals that the process ignores, as under `nohup`, stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ends = [
        each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) == signal.SIG_DFL
    ]
    for each in ends:
        signal.signal(each, signal.default_int_handler)
    try:
        yield
    finally:
        for each in ends:
            signal.signal(each, signal.SIG_DFL)


def open_streams() -> None:
    """Gives the process an output where it was started without one."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - until the process ends


def flush_streams() -> None:
    """Writes what is left to be written; what nobody reads any more is dropped without a word."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # Python tries again when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _own_traceback(error: BaseException) -> str:
    """The traceback of an error from the user's code on; empty where none of it was called."""
    frames = traceback.extract_tb(error.__traceback__)
    own = next((at for at, each in enumerate(frames) if not _calls(each.filename)), None)
    if own is None:
        return ""
    shown = frames[own:]
    if len(shown) > 2 * _LEVELS:
        shown = [*shown[:_LEVELS], *shown[-_LEVELS:]]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(shown)]
    with suppress(Exception):  # the text of the error is made by the user's code, too
        lines += traceback.format_exception_only(error)
    return "".join(lines).rstrip()


def _calls(file: str) -> bool:
    """Whether a file is one of those that call the user's code: ours, Gymnasium's, Python's."""
    gymnasium = find_spec("gymnasium")
    assert gymnasium is not None
    assert gymnasium.origin is not None
    between = (Path(gymnasium.origin).parent, Path(importlib.__file__).parent)
    path = Path(file)
    return (
        file.startswith("<frozen")
        or path.parent == _ENVIRONMENTS
        or path == Path(contextlib.__file__)
        or any(path.is_relative_to(each) for each in between)
    )


_ENVIRONMENTS = Path(__file__).parents[1] / "envs"
