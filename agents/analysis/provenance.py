"""Where numbers come from: the commit of the source and the versions of the packages."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).resolve().parents[2]


def versions() -> dict[str, str | None]:
    """Python and the packages that decide a run's numbers; None for one that is not installed."""
    packages = (
        "mbrl-dae",
        "jax",
        "jaxlib",
        "dm-haiku",
        "optax",
        "distrax",
        "chex",
        "gymnasium",
        "numpy",
    )
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def commit() -> str | None:
    """The git commit of the source tree, with `-dirty` when tracked files differ from it.

    None when the source is not the top of a git checkout that has a commit, or git is missing.
    """
    # A package installed below somebody else's checkout must not report that one's commit.
    if _git("rev-parse", "--show-prefix") != "":
        return None
    return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(*arguments: str) -> str | None:
    try:
        process = subprocess.run(
            ["git", "-C", str(_SOURCE), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return process.stdout.strip()
