"""What a regulariser charges for paths, imagined or real."""

from __future__ import annotations

import jax
import numpy as np

from agents.diagnostics.variants import Rival
from mbrl.objective import survival
from mbrl.regularizers import Window, as_trajectory
from mbrl.types import Trajectory


def path_cost(rival: Rival, paths: Trajectory, *, per_decision: bool) -> np.ndarray:
    """`[N]`: mean over members of what an imagined path costs.

    Args:
      rival: the judge.
      paths: leading with `[N, E]`.
      per_decision: divided by the decisions that are made, each by its probability of being made;
        else the sum over them, as a score has it.
    """
    shape = paths.rewards.shape[:2]
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), paths)
    penalties = np.asarray(rival.agent.penalties(rival.state, flat))
    alive = np.asarray(jax.vmap(survival)(flat.continue_probs))
    cost = (alive * penalties).sum(axis=-1)
    cost = cost / alive.sum(axis=-1) if per_decision else cost
    return cost.reshape(shape).mean(axis=1)


def window_cost(rival: Rival, windows: Window) -> np.ndarray:
    """`[N]`: mean penalty of the decisions that happened in real windows."""
    penalties = np.asarray(rival.agent.penalties(rival.state, as_trajectory(windows)))
    mask = np.asarray(windows.mask)
    return (mask * penalties).sum(axis=-1) / mask.sum(axis=-1)
