"""Logged episodes: read from and written to files and Minari, and turned into a replay's."""

import os
from pathlib import Path

from agents.data.dataset import Dataset, LoggedEpisode, from_replay, refuse_misfit, to_replay
from agents.data.minari_files import load_minari, save_minari
from agents.data.npz import load_npz, save_npz
from agents.data.summary import describe, summarise
from agents.dataset_names import is_file, refuse_unusable

__all__ = [
    "Dataset",
    "LoggedEpisode",
    "describe",
    "from_replay",
    "load",
    "refuse_misfit",
    "save",
    "summarise",
    "to_replay",
]


def load(name: str) -> Dataset:
    """Reads a data set of this machine; nothing is downloaded.

    Args:
      name: the path of a file, if it ends in `.npz` or there is such a file; else a Minari id.

    Raises:
      UserError: it is not there or cannot be used, or Minari is not installed.
    """
    name = os.path.expanduser(name)  # a shell expands no `~` in --data=~/x.npz, nor does YAML
    return load_npz(name) if is_file(name) else load_minari(name)


def save(dataset: Dataset, name: str) -> None:
    """Writes a data set under a name that is not taken yet.

    Args:
      dataset: not empty.
      name: the path of a file that ends in `.npz`; else a Minari id.

    Raises:
      UserError: the name is taken or of neither form, it cannot be written, or Minari is not
        installed.
    """
    refuse_unusable("the data set", name)
    if is_file(name):
        save_npz(dataset, Path(name))
    else:
        save_minari(dataset, name)
