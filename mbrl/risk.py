"""Measures of risk: from the returns of a plan's particles to one number.

    mean             average return: risk-neutral
    mean_minus_std   mean - aversion * sd: uncertainty costs, in units of return
    cvar             mean of the worst share of the particles (conditional value at risk)
    worst_case       the worst particle

With `mbrl.rollout.ts_infinity` a particle is a member of the ensemble, so that all of these measure
the disagreement of the members. How to choose: `mean_minus_std` is smooth and uses every particle;
`cvar` ignores the upper tail, for tasks with rare failures and many particles; the worst of five
particles is `cvar` with a share of 0.2.
"""

import math
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

Risk = Callable[[Float[Array, " P"]], Float[Array, ""]]
"""``risk(returns[P]) -> []``, the value that a planner maximises; linear in the unit of return."""


def mean(returns: Float[Array, " P"]) -> Float[Array, ""]:
    """``1/P sum_p R_p``."""
    return jnp.mean(returns)


def mean_minus_std(aversion: float) -> Risk:
    """``mean(R) - aversion * sd(R)``, with the standard deviation of the population.

    Args:
      aversion: return given up per unit of standard deviation, >= 0.
    """

    def risk(returns: Float[Array, " P"]) -> Float[Array, ""]:
        centred = returns - jnp.mean(returns)
        variance = jnp.mean(jnp.square(centred))
        # The square root has no gradient at 0, where one particle, or members that agree, would
        # give a gradient-based planner a NaN.
        positive = variance > 0
        std = jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1.0)), 0.0)
        return jnp.mean(returns) - aversion * std

    return risk


def cvar(share: float) -> Risk:
    """The mean of the worst `share` of the particles, the last of them in part.

    The exact conditional value at risk of the particles' empirical distribution: with R sorted,
    ``sum_i w_i R_i`` and ``w_i = clip(share * P - i, 0, 1) / (share * P)``.

    Args:
      share: in (0, 1]; 1 is the mean, 1 / P or less the worst particle.

    Source: Rockafellar and Uryasev (2000).
    """

    def risk(returns: Float[Array, " P"]) -> Float[Array, ""]:
        count = share * returns.shape[0]
        whole = [min(max(count - i, 0.0), 1.0) for i in range(math.ceil(count))]
        weights = jnp.asarray(whole, returns.dtype) / count
        return jnp.sum(weights * jnp.sort(returns)[: len(whole)])

    return risk


def worst_case(returns: Float[Array, " P"]) -> Float[Array, ""]:
    """``min_p R_p``."""
    return jnp.min(returns)
