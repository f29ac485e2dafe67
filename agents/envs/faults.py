"""The user's environment at fault: what its code raises, and what Gymnasium does not allow."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from agents.errors import EnvironmentFaultError, UserError, one_line, shown

LARGEST = 1e18
"""Of an observation or a reward, either way: errors are squared and summed in float32."""

_RESULTS = {
    "step": ("observation", "reward", "terminated", "truncated", "info"),
    "reset": ("observation", "info"),
}


@contextmanager
def calling(id: str, where: str) -> Iterator[None]:
    """A block in which an environment's own code runs, which may raise whatever it likes.

    Args:
        id: of the environment.
        where: in words, such as `in its constructor`.

    Raises:
        EnvironmentFaultError: it raised an error or called `sys.exit`.
    """
    try:
        yield
    except UserError:  # of one of our environments
        raise
    # An error of Python's is a subclass of Exception; `sys.exit` raises the one that is not.
    except (Exception, SystemExit) as error:
        name, text = type(error).__name__, text_of(error)
        said = name if text == name else f"{name} ({text})"
        raise EnvironmentFaultError(f"environment {shown(id)} raised {said} {where}") from error


def text_of(error: BaseException) -> str:
    """The text of an error of an environment's code; its kind where there is none."""
    try:
        text = one_line(error)
    except Exception:  # that code makes the text, too
        text = ""
    return text or type(error).__name__


def call(id: str, name: str, where: str, method: Any, *args: Any, **kwargs: Any) -> Sequence[Any]:
    """Calls an environment's `step` or `reset`; returns what it returned.

    Args:
        id: of the environment.
        name: `step` or `reset`.
        where: in words, for messages.
        method: what is called.
        *args: its arguments.
        **kwargs: those by name.

    Raises:
        EnvironmentFaultError: it raised an error, or returned something else than Gymnasium's
            tuple.
    """
    results = _RESULTS[name]
    allowed = f"allowed: {name} returns ({', '.join(results)})"
    try:
        with calling(id, where):
            found = method(*args, **kwargs)
    except EnvironmentFaultError as fault:
        # Wrappers of Gymnasium's unpack the tuple before it comes here.
        if isinstance(fault.__cause__, ValueError | TypeError) and "unpack" in str(fault.__cause__):
            raise EnvironmentFaultError(f"{fault}; {allowed}") from fault.__cause__
        raise
    if not isinstance(found, tuple | list) or len(found) != len(results):
        count = f" of {len(found)}" if isinstance(found, tuple | list) else ""
        raise EnvironmentFaultError(
            f"environment {shown(id)} returned a {type(found).__name__}{count} {where}; {allowed}"
        )
    return found


def given(value: Any) -> str:
    """A value that an environment gave, in a message."""
    return shown(value) if isinstance(value, str) else one_line(value)


def as_real(value: Any) -> NDArray[np.float32] | None:
    """A float32 copy; None of what are no real numbers: texts, mappings, ragged lists, complex."""
    try:
        array = np.asarray(value)
        # An object's numbers, as of fractions or None, are found out by the conversion.
        if array.dtype.kind not in "biufO":
            return None
        with np.errstate(over="ignore"):
            return array.astype(np.float32)
    except (TypeError, ValueError, OverflowError):
        return None


def is_moderate(values: NDArray[np.float32]) -> bool:
    """Whether all numbers are between `-LARGEST` and `LARGEST`; none is NaN."""
    return bool((np.abs(values) <= LARGEST).all())


def as_flag(value: Any) -> bool | None:
    """Whether an episode has ended; None of what is no truth value: texts, arrays of several."""
    if isinstance(value, str | bytes):
        return None
    try:
        return bool(value)
    except (TypeError, ValueError):
        return None


def close(env: gym.Env, id: str) -> None:
    """Closes an environment; one that fails at that is left as it is, with a warning."""
    try:
        with calling(id, "when it was closed"):
            env.close()
    except EnvironmentFaultError as fault:
        warnings.warn(str(fault), RuntimeWarning, stacklevel=2)
