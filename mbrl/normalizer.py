"""Standardisation shared by the model and the regularisers, frozen between fits."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mbrl.types import AnyArray, record

FLOOR = 1e-3
"""A feature that varies less than this counts as constant and keeps its own units."""


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


def fit(data: AnyArray, floor: float = FLOOR) -> Normalizer:
    """Measures the mean and the standard deviation of `data`.

    A feature with a standard deviation below `floor` (a leg contact that was never made, say) gets
    1 instead: divided by its own near-zero deviation, its first change would be thousands of
    standard deviations.

    Args:
      data: `[N, D]`, N >= 0; without rows the result is the identity.
      floor: smallest standard deviation that is used, in units of the data.

    Returns:
      The normaliser, float32.
    """
    if len(data) == 0:
        return identity(data.shape[-1])
    std = data.std(axis=0, dtype=np.float64)
    std = np.where(std < floor, 1.0, std)
    mean = data.mean(axis=0, dtype=np.float64)
    return Normalizer(mean=jnp.asarray(mean, jnp.float32), std=jnp.asarray(std, jnp.float32))


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
