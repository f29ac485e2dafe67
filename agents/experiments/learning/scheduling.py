"""Carries out trials side by side, and tries those again that fail.

Where they run is a `Place`: processes of this machine, or tasks of a Ray cluster. Neither knows
anything of the training: a trial resumes from the checkpoint in its own directory.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

from agents.analysis.text import clock
from agents.errors import one_line
from agents.experiments.learning.trials import Trial
from agents.experiments.learning.worker import Failure, Work

_LOOK = 5.0
"""Seconds between two looks at a place from which nothing is heard."""

DIED = "its worker process died"
"""Why a trial failed whose process ended without an answer."""


class PlaceLost(Exception):  # noqa: N818 - says what happened
    """The place is gone, or can carry out no trial any more. The message says what was lost."""


@dataclass(frozen=True)
class Place:
    """Where trials are carried out.

    Attributes:
      submit: starts a trial as soon as cores are free. The future has what `worker.attempt`
        returns, or else the place's own error.
      check: raises `PlaceLost` if nothing will come from the place any more.
      reason: what an error of a future means, in one line.
    """

    submit: Callable[[Work, Trial], Future[Failure | None]]
    check: Callable[[], None] = lambda: None
    reason: Callable[[BaseException], str] = one_line


def run(
    trials: Sequence[Trial], place: Place, work: Work, *, retries: int, say: Callable[[str], None]
) -> dict[str, str]:
    """Carries out all trials, as many at a time as the place has cores for.

    Args:
      trials: with different names.
      place: where; it ends what is left when its own block ends.
      work: carries out a trial; a function that workers can import.
      retries: how often a trial that fails, or whose worker dies, is started again; one that is
        refused is not.
      say: gets a line for each trial that ends, fails or is tried again.

    Returns:
      Why trials failed, by name.

    Raises:
      KeyboardInterrupt: on an interrupt, or `kill`.
      PlaceLost: no trial can be carried out any more.
    """
    failures: dict[str, str] = {}
    attempts: Counter[str] = Counter()
    started, ended = time.monotonic(), 0
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        waiting = {place.submit(work, trial): trial for trial in trials}
        while waiting:
            done = wait(waiting, _LOOK, FIRST_COMPLETED).done
            if not done or any(future.exception() for future in done):
                place.check()
            for future in done:
                trial, error = waiting.pop(future), future.exception()
                failure = future.result() if error is None else Failure(place.reason(error))
                if failure and not failure.final and attempts[trial.name] < retries:
                    attempts[trial.name] += 1
                    attempt = f"{attempts[trial.name]} of at most {retries} times"
                    say(f"{trial.name}  retried ({attempt}): {failure.why}")
                    waiting[place.submit(work, trial)] = trial
                    continue
                if failure:
                    failures[trial.name] = failure.why
                ended, spent = ended + 1, time.monotonic() - started
                rest = f"; about {clock(spent / ended * (len(trials) - ended))} left"
                say(
                    f"{trial.name}  {f'failed: {failure.why}' if failure else 'finished'}"
                    f" ({ended} of {len(trials)}, {clock(spent)}{rest if waiting else ''})"
                )
    finally:
        signal.signal(signal.SIGTERM, before)
    return failures
