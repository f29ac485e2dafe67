"""Negative windows: windows that did not happen, which a penalty should distinguish from real ones.

    noise      numbers of the right mean and spread, independent of each other
    shuffled   decisions that did happen, in a random order

Noise, the blog's example, is easy: no number in it fits its neighbours. Shuffled windows are
harder: every element was seen, and only the steps between them were not.
"""

import numpy as np

from mbrl import Transition, Window

LEAST_CHANGE = 0.5
"""Root mean square change, in standard deviations, from which a shuffled window counts as changed.
A lander at rest is the same in any order."""

LEAST_DECISIONS = 5
"""Least decisions of a shuffled window; one alone has no order."""


def noise_windows(rng: np.random.Generator, seen: Transition, windows: Window) -> Window:
    """Gaussian noise with the mean and the standard deviation of `seen`, shaped as `windows`."""

    def drawn(data: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        noise = rng.normal(size=shape) * data.std(axis=0) + data.mean(axis=0)
        return noise.astype(np.float32)

    return Window(
        observations=drawn(np.asarray(seen.observation), windows.observations.shape),
        actions=drawn(np.asarray(seen.action), windows.actions.shape),
        mask=windows.mask,
    )


def shuffled_windows(rng: np.random.Generator, windows: Window) -> Window:
    """Each window in a random order; an observation stays beside the action that led to it."""
    observations, actions = np.array(windows.observations), np.array(windows.actions)
    for row, mask in enumerate(np.asarray(windows.mask)):
        order = rng.permutation(int(mask.sum()))
        observations[row, 1 : len(order) + 1] = observations[row, 1 + order]
        actions[row, : len(order)] = actions[row, order]
    return Window(observations=observations, actions=actions, mask=windows.mask)


def changed(windows: Window, others: Window, std: np.ndarray) -> np.ndarray:
    """`[N]`: which have at least `LEAST_DECISIONS`, or H, and differ by `LEAST_CHANGE` or more.

    Args:
      windows: `[N, ...]`.
      others: the same, shuffled.
      std: `[O]`, of the observations.
    """
    gap = (np.asarray(others.observations) - np.asarray(windows.observations)) / np.asarray(std)
    decisions = np.asarray(windows.mask).sum(axis=-1)
    square = np.square(gap).mean(axis=-1).sum(axis=-1) / np.maximum(decisions, 1)
    enough = decisions >= min(LEAST_DECISIONS, windows.mask.shape[-1])
    return (np.sqrt(square) >= LEAST_CHANGE) & enough
