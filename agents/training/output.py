"""Standard output, as long as somebody reads it."""

from typing import Any, TextIO


class Output:
    """A stream whose reader may go away: what cannot be written then is dropped.

    Attributes:
        unread: whether something was dropped.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.unread = False

    def write(self, text: str) -> int:
        """Writes a text."""
        if not self.unread:
            try:
                return self._file.write(text)
            except OSError:
                self.unread = True
        return len(text)

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        if not self.unread:
            try:
                self._file.flush()
            except OSError:
                self.unread = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
