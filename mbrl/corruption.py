"""Corruptions that a denoiser is trained to undo, with fresh noise at every training step.

    additive          x + s eps                       Boney et al. (2019), in standardised units
    multiplicative    z + (x - z) (1 + s eps)         the blog of 2021; z: the environment's zero
    masking           x or 0, where u < share         Vincent et al. (2010), section 3.3
    salt_and_pepper   x or +-2, where u < share       likewise

with ``eps ~ N(0, I)`` and ``u ~ U(0, 1)`` independent for every number. The choice decides what the
denoiser's error means: only for additive Gaussian noise is ``g(x) - x`` about ``s^2`` times the
score of the smoothed data. Multiplicative noise hardly changes small numbers; masking and
salt-and-pepper train the prediction of missing numbers from the others.
"""

from collections.abc import Callable
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.types import KeyArray

EXTREME = 2.0
"""The value that salt-and-pepper noise puts in a number's place, in standard deviations."""


class Corruption(Protocol):
    """``corrupt(key, x[..., D], zero[D]) -> [..., D]``, in standardised units."""

    def __call__(
        self, key: KeyArray, x: Float[Array, "*T D"], zero: Float[Array, " D"]
    ) -> Float[Array, "*T D"]:
        """Corrupts `x`; `zero` is the environment's own zero in standardised units."""
        ...


def additive(std: float) -> Corruption:
    """Adds Gaussian noise of standard deviation `std` > 0; zero mean, the same for all numbers."""

    def corrupt(key, x, zero):
        del zero
        return x + std * jax.random.normal(key, x.shape, x.dtype)

    return corrupt


def multiplicative(std: float) -> Corruption:
    """Multiplies by ``1 + std eps``, `std` > 0, in the environment's units, not standardised ones.

    What is exactly zero there (a leg that does not touch the ground) is never changed.
    """

    def corrupt(key, x, zero):
        return x + std * jax.random.normal(key, x.shape, x.dtype) * (x - zero)

    return corrupt


def masking(share: float) -> Corruption:
    """Replaces a random `share` in (0, 1) of the numbers by the mean, 0."""

    def corrupt(key, x, zero):
        del zero
        return jnp.where(jax.random.uniform(key, x.shape) < share, 0.0, x)

    return corrupt


def salt_and_pepper(share: float) -> Corruption:
    """Replaces a random `share` in (0, 1) of the numbers by `EXTREME` or its negative."""

    def corrupt(key, x, zero):
        del zero
        u = jax.random.uniform(key, x.shape)
        corrupted = jnp.where(u < 0.5 * share, -EXTREME, jnp.where(u < share, EXTREME, x))
        return corrupted.astype(x.dtype)

    return corrupt


CORRUPTIONS: dict[str, Callable[[float], Corruption]] = {
    "additive": additive,
    "multiplicative": multiplicative,
    "masking": masking,
    "salt-and-pepper": salt_and_pepper,
}
"""Every corruption by its name, as a function of its strength."""

TAKE_A_SHARE = frozenset({"masking", "salt-and-pepper"})
"""Corruptions whose strength is a share in (0, 1); that of the others is a standard deviation."""
