"""The distributions that candidates are drawn from: Gaussian, or categorical for discrete actions.

A planner computes weights of candidates, and a proposal is refitted to weighted candidates. So each
planner handles both kinds of action without a case of its own.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, ndtr, ndtri
from jaxtyping import Array, Float

from mbrl.planners.noise import coloured_noise_factor
from mbrl.types import KeyArray, record

Distribution = Any


class Proposal(NamedTuple):
    """A family of distributions over plans.

    Attributes:
      init: ``init() -> distribution``, the widest.
      sample: ``sample(key, distribution, n) -> [n, H, A]``, within bounds.
      refit: ``refit(distribution, candidates[N, H, A], weights[N]) -> distribution`` fitted to the
        weighted candidates; the weights are >= 0 and sum to 1.
      shift: ``shift(distribution) -> distribution`` for the next decision: one step on in time, as
        wide as at the start.
      mode: ``mode(distribution) -> [H, A]``, the most likely plan.
    """

    init: Callable[[], Distribution]
    sample: Callable[[KeyArray, Distribution, int], Float[Array, "N H A"]]
    refit: Callable[..., Distribution]
    shift: Callable[[Distribution], Distribution]
    mode: Callable[[Distribution], Float[Array, "H A"]]


@record
class Gaussian:
    """Independent Gaussians per action dimension, `[H, A]` each, correlated in time."""

    mean: Float[Array, "H A"]
    std: Float[Array, "H A"]


def gaussian(
    horizon: int,
    action_size: int,
    *,
    init_std: float = 0.7,
    min_std: float = 0.05,
    noise_beta: float = 2.0,
    momentum: float = 0.0,
    adapt_std: bool = True,
    bounds: Literal["clip", "truncate"] = "clip",
) -> Proposal:
    """Gaussian plans for actions in [-1, 1].

    Args:
      horizon: H.
      action_size: A.
      init_std: standard deviation at the start of every plan, in half-ranges of the action; > 0.
      min_std: smallest standard deviation, so that the search never collapses; >= 0.
      noise_beta: exponent of the noise's spectrum, >= 0; see `coloured_noise_factor`.
      momentum: share of the old distribution kept by `refit`, in [0, 1).
      adapt_std: whether `refit` fits the standard deviation too.
      bounds: how actions are kept in [-1, 1]. `clip` moves them to the bound, so that a bound,
        often optimal (an engine off), is drawn often. `truncate` draws from the truncated Gaussian,
        by mapping the quantiles of the noise, which keeps its correlation; the bounds themselves
        are then never drawn (Chua et al., 2018).
    """
    factor = coloured_noise_factor(horizon, noise_beta)

    def init() -> Gaussian:
        shape = (horizon, action_size)
        return Gaussian(mean=jnp.zeros(shape), std=jnp.full(shape, init_std, float))

    def sample(key: KeyArray, distribution: Gaussian, n: int) -> Float[Array, "N H A"]:
        noise = _coloured(key, factor, n, action_size, distribution.mean.dtype)
        if bounds == "truncate":
            std = jnp.maximum(distribution.std, 1e-12)  # std 0 on a bound would be 0 / 0
            lower = ndtr((-1.0 - distribution.mean) / std)
            upper = ndtr((1.0 - distribution.mean) / std)
            noise = ndtri(lower + (upper - lower) * ndtr(noise))
        return jnp.clip(distribution.mean + distribution.std * noise, -1.0, 1.0)

    def refit(distribution: Gaussian, candidates, weights) -> Gaussian:
        mean = jnp.einsum("n,nta->ta", weights, candidates)
        mean = momentum * distribution.mean + (1 - momentum) * mean
        if not adapt_std:
            return Gaussian(mean=mean, std=distribution.std)
        variance = jnp.einsum("n,nta->ta", weights, jnp.square(candidates - mean))
        std = momentum * distribution.std + (1 - momentum) * jnp.sqrt(variance)
        return Gaussian(mean=mean, std=jnp.maximum(std, min_std))

    def shift(distribution: Gaussian) -> Gaussian:
        mean = jnp.concatenate([distribution.mean[1:], distribution.mean[-1:]])
        return Gaussian(mean=mean, std=jnp.full_like(mean, init_std))

    return Proposal(init, sample, refit, shift, mode=lambda distribution: distribution.mean)


def categorical(
    horizon: int,
    actions: int,
    *,
    min_prob: float = 0.02,
    noise_beta: float = 2.0,
    momentum: float = 0.0,
) -> Proposal:
    """Choices per decision, as one-hot rows, for discrete actions.

    They are drawn by the Gumbel-max trick: ``argmax_a (log p_a - log(-log u_a))``, u uniform. With
    the quantiles of coloured noise for u, each choice keeps its probabilities, and choices tend to
    last for several decisions.

    Args:
      horizon: H.
      actions: number of actions, A >= 2.
      min_prob: smallest probability of an action after `refit`, >= 0. It is at most ``0.5 / A``, so
        that at least half of the probability is learned even with many actions.
      noise_beta: exponent of the noise's spectrum, >= 0; see `coloured_noise_factor`.
      momentum: share of the old distribution kept by `refit`, in [0, 1).
    """
    min_prob = min(min_prob, 0.5 / actions)
    factor = coloured_noise_factor(horizon, noise_beta)

    def init() -> Float[Array, "H A"]:
        return jnp.full((horizon, actions), 1 / actions, float)

    def sample(key: KeyArray, distribution, n: int) -> Float[Array, "N H A"]:
        gumbel = -jnp.log(-log_ndtr(_coloured(key, factor, n, actions, distribution.dtype)))
        choice = jnp.argmax(jnp.log(distribution) + gumbel, axis=-1)
        return jax.nn.one_hot(choice, actions, dtype=distribution.dtype)

    def refit(distribution, candidates, weights) -> Float[Array, "H A"]:
        frequency = jnp.einsum("n,nta->ta", weights, candidates)
        mixed = momentum * distribution + (1 - momentum) * frequency
        return min_prob + (1 - actions * min_prob) * mixed

    def shift(distribution) -> Float[Array, "H A"]:
        # Half-way back to uniform, so that the search explores every action again.
        ahead = jnp.concatenate([distribution[1:], jnp.full_like(distribution[:1], 1 / actions)])
        return 0.5 * ahead + 0.5 / actions

    def mode(distribution) -> Float[Array, "H A"]:
        return jax.nn.one_hot(jnp.argmax(distribution, axis=-1), actions, dtype=distribution.dtype)

    return Proposal(init, sample, refit, shift, mode)


def _coloured(key: KeyArray, factor: np.ndarray, n: int, size: int, dtype) -> Float[Array, "N H A"]:
    """Standard normal noise, correlated along H by the factor."""
    white = jax.random.normal(key, (n, len(factor), size), dtype)
    return jnp.einsum("ts,nsa->nta", jnp.asarray(factor, dtype), white)
