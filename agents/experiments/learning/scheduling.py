"""Carries out trials side by side, and tries those again that fail.

It knows nothing of the training: a trial resumes from the checkpoint in its own directory.
"""

import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from agents.analysis.text import clock
from agents.errors import UserError
from agents.experiments.learning.places import Place
from agents.experiments.learning.trials import Trial

_LOOK = 1.0
"""Seconds between two looks for interrupts, and at a place from which nothing is heard."""

_DIED = (
    "BrokenProcessPool", "LocalRayletDiedError", "NodeDiedError", "WorkerCrashedError"
)  # fmt: skip
"""Errors of a place whose process ended without an answer."""


class PlaceLost(Exception):  # noqa: N818 - says what happened
    """No trial can be carried out any more."""


def run(
    trials: Sequence[Trial], place: Place, *, retries: int, say: Callable[[str], None]
) -> dict[str, str]:
    """Carries out all trials, as many at a time as the place has cores for.

    Args:
      trials: with different names.
      place: where; it ends what is left when its own block ends.
      retries: how often a trial that fails, or whose worker dies, is started again; a `UserError`
        is final.
      say: gets a line for each trial that ends, fails or is tried again.

    Returns:
      Why trials failed, by name.

    Raises:
      KeyboardInterrupt: on an interrupt or `kill`, between two looks: no trial is half started.
      PlaceLost: no answer of the place can come any more.
    """
    left = deque(trials)
    waiting: dict[Future[None], Trial] = {}
    failures: dict[str, str] = {}
    attempts: Counter[str] = Counter()
    started, ended = time.monotonic(), 0
    received: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, lambda number, _: received.append(number)) for each in signals]
    try:
        while left or waiting:
            while left and len(waiting) < place.slots:
                trial = left.popleft()
                waiting[place.submit(trial)] = trial
            done = wait(waiting, _LOOK, FIRST_COMPLETED).done
            if received:
                raise KeyboardInterrupt
            if not place.usable():
                raise PlaceLost
            for future in done:
                trial, error = waiting.pop(future), future.exception()
                error = getattr(error, "cause", error)  # Ray's own holds that of the task
                if error and not isinstance(error, UserError) and attempts[trial.name] < retries:
                    attempts[trial.name] += 1
                    attempt = f"{attempts[trial.name]} of at most {retries} times"
                    say(f"{trial.name}  retried ({attempt}): {_reason(error)}")
                    left.append(trial)
                    continue
                if error:
                    failures[trial.name] = _reason(error)
                how = f"failed: {failures[trial.name]}" if error else "finished"
                ended, spent = ended + 1, time.monotonic() - started
                to_do = len(trials) - ended
                rest = f"; about {clock(spent / ended * to_do)} left" if to_do else ""
                say(f"{trial.name}  {how} ({ended} of {len(trials)}, {clock(spent)}{rest})")
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)
    return failures


def _reason(error: BaseException) -> str:
    """Why a trial failed, in one line."""
    name, lines = type(error).__name__, map(str.strip, str(error).splitlines())
    if name in _DIED:
        return "its worker process died"
    first = next(filter(None, lines), "no reason given")
    return first if isinstance(error, UserError) else f"{name}: {first}"
