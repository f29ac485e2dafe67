"""Windows that never happened, for a penalty to be told apart from those that did.

    noise      numbers of the right mean and spread that have nothing to do with each other
    shuffled   what did happen, in an order in which it did not

Noise is what the blog's random figure shows, and easy: no number in it fits its neighbours.
Shuffled windows are harder. Every element of theirs was seen; only the steps between them were not.
"""

from __future__ import annotations

import numpy as np

from mbrl.dynamics import Transition
from mbrl.regularizers import Window

MOVED = 0.5
"""From how many standard deviations on, root mean square, a window counts as changed by its
shuffling. A lander at rest is the same in any order."""

LEAST = 5
"""Decisions in a window that an episode's end cuts short; one alone has no order."""


def noise_like(rng: np.random.Generator, seen: Transition, windows: Window) -> Window:
    """Gaussian noise with the mean and the standard deviation of `seen`, shaped as `windows`."""

    def drawn(data: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        noise = rng.normal(size=shape) * data.std(axis=0) + data.mean(axis=0)
        return noise.astype(np.float32)

    return Window(
        observations=drawn(np.asarray(seen.observation), windows.observations.shape),
        actions=drawn(np.asarray(seen.action), windows.actions.shape),
        mask=windows.mask,
    )


def shuffled(rng: np.random.Generator, windows: Window) -> Window:
    """Each window with what led to each observation kept beside it, and the order lost."""
    observations, actions = np.array(windows.observations), np.array(windows.actions)
    for row, mask in enumerate(np.asarray(windows.mask)):
        order = rng.permutation(int(mask.sum()))
        observations[row, 1 : len(order) + 1] = observations[row, 1 + order]
        actions[row, : len(order)] = actions[row, order]
    return Window(observations=observations, actions=actions, mask=windows.mask)


def moved(windows: Window, others: Window, std: np.ndarray) -> np.ndarray:
    """`[N]`, which windows are of `LEAST` decisions or more and differ by `MOVED` or more.

    Args:
      windows: `[N, ...]`, before.
      others: the same after.
      std: `[O]`, of the observations.
    """
    gap = (np.asarray(others.observations) - np.asarray(windows.observations)) / np.asarray(std)
    happened = np.asarray(windows.mask).sum(axis=-1)
    square = np.square(gap).mean(axis=-1).sum(axis=-1) / np.maximum(happened, 1)
    return (np.sqrt(square) >= MOVED) & (happened >= min(LEAST, windows.mask.shape[-1]))
