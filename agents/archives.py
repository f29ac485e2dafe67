"""Arrays out of a `.npz` file, none of which counts before its checksum has been compared."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.errors import one_line

DAMAGE = (
    OSError, ValueError, EOFError, TypeError, OverflowError, NotImplementedError, RuntimeError,
    LZMAError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What NumPy and zipfile raise for files that are missing, cut short, overwritten or encrypted."""


class UnreadableError(Exception):
    """A file that is missing, damaged or none of NumPy's; says why in one line."""


def members(path: Path) -> Iterator[tuple[str, NDArray]]:
    """Reads the names and arrays of a file, in the order of writing. Loads no code.

    Raises:
      UnreadableError: the file cannot be read from here on.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # By entries, not by names: two of them may have one name after a bit has flipped.
            for entry in archive.infolist():
                # Read to its end: a zip compares the checksum there.
                content = io.BytesIO(archive.read(entry))
                array = np.lib.format.read_array(content, allow_pickle=False)
                yield entry.filename.removesuffix(".npy"), array
    except DAMAGE as error:
        raise UnreadableError(one_line(getattr(error, "strerror", None) or error, 160)) from None
