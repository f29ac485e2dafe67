"""Ways to spoil what a denoiser is to restore, drawn afresh at every step of training.

    additive          x + s eps                       Boney et al. (2019), in standardised units
    multiplicative    z + (x - z) (1 + s eps)         the blog of 2021; z: the environment's zero
    masking           x or 0, where u < share         Vincent et al. (2010), section 3.3
    salt_and_pepper   x or +-2, where u < share       likewise

with ``eps ~ N(0, I)`` and ``u ~ U(0, 1)`` for every number by itself. The choice decides what the
denoiser's error means: only for additive Gaussian noise is ``g(x) - x`` about ``s^2`` times the
score of the smoothed data. Multiplicative noise leaves small numbers nearly alone; masking and
salt-and-pepper ask for what the other numbers say of one that is missing.
"""

from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mbrl.types import KeyArray

EXTREME = 2.0
"""What salt-and-pepper noise puts in a number's place, in standard deviations."""


class Corruption(Protocol):
    """``corrupt(key, x[..., D], zero[D]) -> [..., D]``, in standardised units."""

    def __call__(
        self, key: KeyArray, x: Float[Array, "*T D"], zero: Float[Array, " D"]
    ) -> Float[Array, "*T D"]:
        """Spoils `x`; `zero` is where the environment's own zero lies in its units."""
        ...


def additive(std: float) -> Corruption:
    """Adds Gaussian noise of standard deviation `std` > 0; zero mean, the same everywhere."""

    def corrupt(key, x, zero):
        del zero
        return x + std * jax.random.normal(key, x.shape, x.dtype)

    return corrupt


def multiplicative(std: float) -> Corruption:
    """Multiplies by ``1 + std eps``, `std` > 0, in the environment's units, not standardised ones.

    What is exactly zero there (a leg that does not touch the ground) is never spoilt.
    """

    def corrupt(key, x, zero):
        return x + std * jax.random.normal(key, x.shape, x.dtype) * (x - zero)

    return corrupt


def masking(share: float) -> Corruption:
    """Puts the mean, 0, in the place of a random `share` in (0, 1) of the numbers."""

    def corrupt(key, x, zero):
        del zero
        return jnp.where(jax.random.uniform(key, x.shape) < share, 0.0, x)

    return corrupt


def salt_and_pepper(share: float) -> Corruption:
    """Puts `EXTREME` or its negative in the place of a random `share` in (0, 1) of the numbers."""

    def corrupt(key, x, zero):
        del zero
        u = jax.random.uniform(key, x.shape)
        spoilt = jnp.where(u < 0.5 * share, -EXTREME, jnp.where(u < share, EXTREME, x))
        return spoilt.astype(x.dtype)

    return corrupt
