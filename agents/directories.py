"""Directories for one process at a time, and files that are written whole or not at all."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agents.errors import UnwritableError, UserError, shown

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EBADF)
"""What a network disk without locks for directories answers; then nobody is refused."""


@contextmanager
def locked(directory: Path, refusal: str) -> Iterator[None]:
    """Keeps a directory from other processes within the block.

    The lock is the process's own: one that is killed leaves none behind, and no file is made.

    Args:
      directory: that exists.
      refusal: what is said to a process that comes second.

    Raises:
      UserError: another process has locked it.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UserError(refusal) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            os.close(descriptor)
            raise
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def claimed(out: Path, what: str) -> Iterator[None]:
    """Makes a directory, and keeps it from other processes within the block.

    Args:
      out: the directory, given by `--out`.
      what: runs in it, for the message.

    Raises:
      UserError: it cannot be written to, or another process has locked it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--out: {shown(str(out))} cannot be written to ({error.strerror})"
        ) from None
    refusal = (
        f"{what} is running in {shown(str(out))} already; wait for its end, or give another --out"
    )
    with locked(out, refusal):
        yield


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """A block that writes to `path`, or into it.

    Raises:
      UnwritableError: the operating system refused.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UnwritableError(f"{shown(str(path))} cannot be written to: {reason}") from None


def make_numbered(path: Path) -> Path:
    """Makes a directory that was not there, `PATH` or else `PATH-2`, `PATH-3`, ...; returns it.

    Raises:
      UnwritableError: the operating system refused.
    """
    made, number = path, 1
    while True:
        with writable(made):
            try:
                made.mkdir(parents=True)
            except FileExistsError:
                number += 1
                made = path.with_name(f"{path.name}-{number}")
            else:
                return made


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file; a process killed at any moment leaves the old one or the new one.

    The new one is on disk on return.

    Args:
      path: of the file.
      content: a text, written as UTF-8, or bytes.

    Raises:
      UnwritableError: the operating system refused; the old file is as it was.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    with writable(path):
        with temporary.open("wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync(path.parent)


def sync(directory: Path) -> None:
    """Brings the names in a directory to the disk: of files made, renamed or removed there."""
    descriptor = os.open(directory, os.O_RDONLY)
    with suppress(OSError):  # of network disks that sync no directory
        os.fsync(descriptor)
    os.close(descriptor)
