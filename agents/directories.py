"""Directories that one process at a time may use."""

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.errors import UserError, shown


@contextmanager
def claimed(out: Path, file: Path, what: str) -> Iterator[None]:
    """Makes a directory, and keeps it from other processes within the block.

    Args:
      out: the directory, given by `--out`.
      file: in it; made, empty, where missing, and locked.
      what: runs in it, for the message.

    Raises:
      UserError: it cannot be written to, or another process has claimed it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        stream = file.open("a+", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"--out: {shown(str(out))} cannot be written to ({error.strerror})"
        ) from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{what} is running in {shown(str(out))} already; wait for its end, or give"
                " another --out"
            ) from None
        except OSError as error:
            # Some network disks have no locks; then several processes are not refused.
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
                raise
        yield
