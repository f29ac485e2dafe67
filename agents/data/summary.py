"""How much data there is, and how it is used."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from agents.analysis.text import number
from mbrl import Replay


def summarise(replay: Replay) -> dict[str, Any]:
    """How much data there was, and how it was used.

    Args:
      replay: holds the whole data set.
    """
    held_out = [replay.is_held_out(index) for index in range(len(replay.episodes))]
    steps = np.array([len(episode.rewards) for episode in replay.episodes])
    returns = [float(np.sum(episode.rewards, dtype=np.float64)) for episode in replay.episodes]
    return {
        "episodes": len(held_out),
        "steps": int(steps.sum()),
        "held_out_episodes": sum(held_out),
        "held_out_steps": int(steps[held_out].sum()),
        "terminated": sum(episode.terminated for episode in replay.episodes),
        "mean_return": float(np.mean(returns)),
        "sd_return": float(np.std(returns)),
    }


def describe(summary: Mapping[str, Any]) -> str:
    """A summary in one line."""
    return (
        f"{summary['episodes']} episodes, {summary['steps']:,} steps, mean return"
        f" {number(summary['mean_return'])}, {summary['terminated']} terminated;"
        f" {summary['held_out_episodes']} episodes ({summary['held_out_steps']:,} steps) held out"
    )
