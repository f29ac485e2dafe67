"""Penalties of rollouts in the model and of real windows."""

import jax
import numpy as np

from agents.diagnostics.variants import Variant
from mbrl import Trajectory, Window, as_trajectory, survival
from mbrl.weights.familiar import over_decisions
from mbrl.weights.familiar import per_decision as mean_of


def path_penalty(variant: Variant, paths: Trajectory, *, per_decision: bool) -> np.ndarray:
    """`[N]`: penalty of rollouts, mean over members.

    Args:
      variant: whose regulariser.
      paths: `[N, E, ...]`, rollouts in the members of the model.
      per_decision: the mean over decisions, each weighted by its survival probability; else the
        sum over them, as a score has it.
    """
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), paths)
    penalties = np.asarray(variant.agent.penalties(variant.state, flat))
    alive = np.asarray(jax.vmap(survival)(flat.continue_probs))
    combine = mean_of if per_decision else over_decisions
    penalty = combine(penalties, alive)
    return penalty.reshape(paths.rewards.shape[:2]).mean(axis=1)


def window_penalty(variant: Variant, windows: Window) -> np.ndarray:
    """`[N]`: mean penalty of the decisions of real windows."""
    penalties = np.asarray(variant.agent.penalties(variant.state, as_trajectory(windows)))
    return mean_of(penalties, np.asarray(windows.mask))
