"""TensorBoard's events of a run, written in the thread of the caller.

tensorboardX's own writer has a thread, in which a full disk would end in a traceback and in a queue
that nobody empties.
"""

import os
import time
from pathlib import Path

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import (  # pyright: ignore[reportMissingModuleSource]
    Event,  # pyright: ignore[reportAttributeAccessIssue]
    SessionLog,  # pyright: ignore[reportAttributeAccessIssue]
)

from agents.directories import writable

_FLUSHED_EVERY = 5.0
"""Seconds, at most, from a row to the disk."""


class Events:
    """A file of events in a folder, which is made where missing.

    Args:
        folder: of the run's events.
        purge_step: from which TensorBoard hides the events of earlier files; None hides none.

    Raises:
        UnwritableError: by every method too, where the operating system refuses.
    """

    def __init__(self, folder: Path, purge_step: int | None) -> None:
        self._folder = folder
        with writable(folder):
            folder.mkdir(exist_ok=True)
            # The name of an event file holds whole seconds: without a number, a log that is opened
            # twice within a second would write over its own events.
            number = len(list(folder.glob("events.*")))
            self._file = EventsWriter(os.path.join(folder, "events"), f".{number:03d}")
        self._flushed = time.monotonic()
        if purge_step is not None:
            start = SessionLog(status=SessionLog.START)
            self._write(Event(step=purge_step, file_version="brain.Event:2"))
            self._write(Event(step=purge_step, session_log=start))

    def add(self, name: str, value: float, step: int) -> None:
        """Adds a number at a step."""
        self._write(Event(step=step, summary=summary.scalar(name, value)))

    def flush(self) -> None:
        """Brings all events to the disk."""
        with writable(self._folder):
            self._file.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Closes the file."""
        with writable(self._folder):
            self._file.close()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        with writable(self._folder):
            self._file.write_event(event)
        if time.monotonic() - self._flushed > _FLUSHED_EVERY:
            self.flush()
