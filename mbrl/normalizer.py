"""Standardisation shared by the model and the regularisers, frozen between fits."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mbrl.types import AnyArray, record

_EPS, _TINY = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).tiny)

ROUNDING = 16 * _EPS
"""A feature that varies by less than this share of its own size varies by rounding only."""

NEGLIGIBLE = _EPS**0.5
"""A feature that varies by less than this share of what the features beside it vary is constant."""


@record
class Normalizer:
    """Mean and standard deviation of one kind of vector.

    Attributes:
      mean: in the units of the data.
      std: in the units of the data; positive.
    """

    mean: Float[Array, " D"]
    std: Float[Array, " D"]


def identity(size: int) -> Normalizer:
    """The normaliser that changes nothing, for use before there is any data."""
    return Normalizer(mean=jnp.zeros(size), std=jnp.ones(size))


def fit(data: AnyArray, sizes: Sequence[int] | None = None) -> Normalizer:
    """Measures the mean and the standard deviation of `data`.

    A feature that is constant, or nearly so (a leg contact that was never made, say), takes the
    larger of its own size and the median deviation of the features beside it instead, or 1 if both
    are 0: divided by its own deviation, its first change would be thousands of deviations or more.
    No threshold is in the units of the data: data times a power of two have exactly that power of
    two times the mean and the deviation.

    Args:
      data: `[N, D]`, N >= 0; without rows the result is the identity.
      sizes: how many successive features share a unit, such as those of observations and of
        actions; they sum to D. All D when None.

    Returns:
      The normaliser, float32.
    """
    if len(data) == 0:
        return identity(data.shape[-1])
    std = data.std(axis=0, dtype=np.float64)
    size = np.abs(data).max(axis=0).astype(np.float64)
    ends = np.cumsum(sizes or [len(std)])[:-1]
    groups = zip(np.split(std, ends), np.split(size, ends), strict=True)
    std = np.concatenate([_without_zeros(*group) for group in groups])
    mean = data.mean(axis=0, dtype=np.float64)
    return Normalizer(mean=jnp.asarray(mean, jnp.float32), std=jnp.asarray(std, jnp.float32))


def _without_zeros(std: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The standard deviations of features that share a unit; of constant ones, a substitute."""
    varies = std > np.maximum(ROUNDING * size, _TINY)
    spread = np.median(std[varies]) if varies.any() else 0.0
    unit = np.maximum(size, spread)
    return np.where(varies & (std > NEGLIGIBLE * spread), std, np.where(unit > _TINY, unit, 1.0))


def normalize(
    normalizer: Normalizer, value: Float[AnyArray, "*batch D"]
) -> Float[Array, "*batch D"]:
    """``(value - mean) / std``."""
    return (jnp.asarray(value) - normalizer.mean) / normalizer.std


def denormalize(
    normalizer: Normalizer, value: Float[Array, "*batch D"]
) -> Float[Array, "*batch D"]:
    """``value * std + mean``, the inverse of `normalize`."""
    return value * normalizer.std + normalizer.mean
