"""What the name of a data set means: a file of this library, or a data set of Minari's.

Nothing here imports JAX or Minari, so that a command line can be refused at once.
"""

import os
import re
from importlib.util import find_spec
from pathlib import Path

from agents.errors import UserError, shown

SUFFIX = ".npz"
"""Ends the names of this library's own files."""

FORMS = f"a file that ends in {SUFFIX}, or a Minari id such as lunar-lander/mixed-v0"
"""What a data set may be named, in words."""

_MINARI_ID = re.compile(r"(\w[-\w]+/)*\w[-\w]*-v\d+", re.ASCII)


def is_file(name: str) -> bool:
    """Whether a name means a file: it ends in `.npz`, or there is a file of that name."""
    return name.endswith(SUFFIX) or os.path.isfile(name)


def is_minari_id(name: str) -> bool:
    """Whether a name has the form of a Minari id, `namespace/name-vN`; namespaces may be nested."""
    return _MINARI_ID.fullmatch(name) is not None


def minari_directory(id: str) -> Path:
    """Where Minari keeps a data set on this machine; it need not be there.

    As Minari does, this reads the environment variable `MINARI_DATASETS_PATH` at every call; it
    does not make the directory of all data sets, though.
    """
    root = os.environ.get("MINARI_DATASETS_PATH")
    # As Path.home(), but without an error where there is none.
    home = Path(os.path.expanduser("~"))
    return (Path(root) if root is not None else home / ".minari" / "datasets") / id


def refuse_without_minari(what: str) -> None:
    """Refuses a data set of Minari's where Minari, or what it reads files with, is missing.

    Args:
      what: needs Minari; begins the message.

    Raises:
      UserError: it is not installed.
    """
    if find_spec("minari") is None or find_spec("h5py") is None:
        raise UserError(
            f"{what} needs Minari, which is not installed: pip install 'mbrl-dae[minari]'"
        )


def refuse_unusable(option: str, name: str) -> None:
    """Refuses the name of a data set that is to be written.

    Args:
      option: begins the messages, such as `--out`.
      name: as given.

    Raises:
      UserError: the name is of neither form, is taken, or stands where nothing can be written; or
        Minari is not installed.
    """
    if is_file(name):
        path = Path(name)
    elif is_minari_id(name):
        refuse_without_minari(f"{option}: {shown(name)}")
        path = minari_directory(name)
    else:
        raise UserError(f"{option}: {shown(name)} is not allowed; give {FORMS}")
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        existing = next(each for each in path.absolute().parents if os.path.lexists(each))
    except OSError as error:
        raise UserError(
            f"{option}: {shown(name)} cannot be used ({error.strerror}); give another name"
        ) from None
    else:
        raise UserError(f"{option}: {shown(name)} exists already; give another name")
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        problem = "cannot be written to" if existing.is_dir() else "is not a directory"
        raise UserError(
            f"{option}: {shown(name)} is not allowed, since {shown(str(existing))} {problem}"
        )
