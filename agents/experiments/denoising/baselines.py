"""How well does one denoise without a network? The mean, and a linear map of the whole window.

A denoiser should beat both, for each number of an observation, on episodes that it never saw.

Shapes: N windows, D numbers a window, K of them to be restored.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Windows = NDArray[np.floating]
Denoiser = Callable[[Windows], Windows]
"""``denoise(noisy[N, D]) -> [N, K]``"""


def best_constant(clean: Windows) -> Denoiser:
    """The mean window, whatever the input: the optimum of a loss that mixes up its samples.

    Args:
      clean: `[N, K]`, N >= 1.
    """
    mean = clean.mean(axis=0)
    return lambda noisy: np.broadcast_to(mean, (len(noisy), *mean.shape))


def ridge(noisy: Windows, clean: Windows, penalties: Sequence[float]) -> list[Denoiser]:
    """The linear map with an intercept that restores `clean` best, for each penalty lambda.

        W = argmin || Y W - X ||^2 + lambda || W ||^2,      Y = [noisy, 1] and X = clean, centred

    The optimum for Gaussian data under Gaussian noise; it uses every number of a window for every
    other, which a network of a bounded receptive field cannot.

    Args:
      noisy: `[N, D]`.
      clean: `[N, K]`, N >= 1.
      penalties: each > 0.

    Returns:
      A denoiser a penalty.
    """
    noisy, clean = np.asarray(noisy, np.float64), np.asarray(clean, np.float64)
    noisy_mean, clean_mean = noisy.mean(axis=0), clean.mean(axis=0)
    centred = noisy - noisy_mean
    # One decomposition serves all penalties.
    strengths, directions = np.linalg.eigh(centred.T @ centred)
    against = directions.T @ (centred.T @ (clean - clean_mean))

    def of(penalty: float) -> Denoiser:
        weights = directions @ (against / (np.maximum(strengths, 0.0) + penalty)[:, None])
        return lambda other: (np.asarray(other, np.float64) - noisy_mean) @ weights + clean_mean

    return [of(penalty) for penalty in penalties]
