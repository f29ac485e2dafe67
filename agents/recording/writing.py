"""How recorded episodes become a data set, and what the terminal says of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from agents.analysis.text import number
from agents.config import EnvConfig
from agents.data import from_replay, save
from agents.envs import EnvironmentSpec
from mbrl import Episode


def write(
    name: str,
    env: EnvConfig,
    spec: EnvironmentSpec,
    episodes: Sequence[Episode],
    description: str,
) -> str:
    """Writes episodes as a data set; returns a line that sums it up.

    Args:
      name: of the data set, not taken yet.
      env: the environment as it was asked for.
      spec: of that environment.
      episodes: one or more.
      description: how they were made.

    Raises:
      UserError: it cannot be written.
    """
    # Gymnasium's own id, with the module that has to be imported for it.
    module, colon, _ = env.id.rpartition(":")
    spec = replace(spec, id=f"{module}{colon}{spec.id}")
    dataset = from_replay(name, spec, env.kwargs, episodes, description=description)
    save(dataset, name)
    ended = float(np.mean([each.terminated for each in dataset.episodes]))
    return (
        f"{len(episodes)} episodes, {dataset.steps:,} steps, mean return"
        f" {number(float(dataset.returns.mean()))}, {ended:.0%} terminated; written to {name}"
    )
